"""What is told of each contender: its name and its file, what compressing it took, its device, its memory."""

from __future__ import annotations

import pytest
import torch

from comparing import MACHINE, QUICK, Bytes, Simulated, SimulatedConfig, SimulatedDeployed, session_on, simulated
from compressing import llama
from greenllm_kernel import Contender, compare, compress
from greenllm_kernel.compression.comparison.contender import entrants
from greenllm_kernel.compression.comparison.memory import peak_growth_bytes
from greenllm_kernel.compression.comparison.verdict import Outcome


@pytest.fixture(scope="module")
def session():
    with session_on(MACHINE.meter()) as (made, _):
        yield made


def test_a_result_of_compressing_brings_its_name_file_and_cost(session, tmp_path):
    result = compress(llama(), "- low_rank: {keep: 0.5}\n- int8_dynamic", session=session)
    result.save(tmp_path / "small")

    found = compare(llama(), result, tmp_path / "small", session=session, **QUICK)

    base, compressed, saved = found.contenders
    assert (compressed.name, saved.name) == ("low_rank + int8_dynamic", "small")
    assert compressed.steps == saved.steps and compressed.steps[1] == "int8_dynamic"
    assert compressed.file_bytes == saved.file_bytes < base.file_bytes
    of_steps_j = sum(step.record.gross.value_j for step in result.steps)
    assert compressed.compressing.value_j == pytest.approx(saved.compressing.value_j) == pytest.approx(of_steps_j)
    assert base.compressing is None
    assert {one.contender for one in found.break_even} == {"low_rank + int8_dynamic", "small"}


def test_what_earlier_recipes_took_has_to_be_paid_back_too(session, tmp_path):
    first = compress(llama(), "- low_rank: {keep: 0.5}", session=session)
    second = compress(first.model, "- int8_dynamic", session=session)
    first.save(tmp_path / "first")
    third = compress(tmp_path / "first", "- int8_dynamic", session=session)

    found = compare(llama(), second, second.model, third.save(tmp_path / "third"), session=session, **QUICK)

    first_j = first.steps[0].record.gross.value_j
    spent_j = [contender.compressing.value_j for contender in found.contenders[1:]]
    latest_j = [result.steps[1].record.gross.value_j for result in (second, second, third)]
    assert spent_j == pytest.approx([first_j + step_j for step_j in latest_j])


def test_folders_come_to_the_device_of_the_baseline_and_it_is_told(session, tmp_path):
    llama(num_hidden_layers=1).save_pretrained(tmp_path / "small")

    loaded = entrants([llama().to("meta"), tmp_path / "small"], "eager", session)
    result = compare(llama(), tmp_path / "small", session=session, **QUICK)

    assert [entrant.device for entrant in loaded] == ["meta", "meta"]
    assert [contender["device"] for contender in result.to_dict()["contenders"]] == ["cpu", "cpu"]
    alike = entrants([llama(), llama(), llama().to("meta")], "eager", session)
    assert alike[0].operations == alike[1].operations != alike[2].operations


@pytest.mark.parametrize("recipe", ["- int8_dynamic", "- shared_weights: {bits: 3, embedding_bits: 3}"])
def test_the_file_of_a_packed_model_is_told_in_whatever_form_it_is_given(recipe, session, tmp_path):
    model = llama()
    result = compress(model, recipe, session=session)
    folder = result.save(tmp_path / "small")

    base, *packed = entrants([model, result, result.model, folder], "eager", session)

    (told,) = {entrant.file_bytes for entrant in packed}
    (file,) = folder.glob("*.safetensors")
    names = int.from_bytes(file.read_bytes()[:8], "little") + 8
    assert told == file.stat().st_size - names < 0.5 * base.file_bytes


def test_packed_layers_of_other_shapes_are_not_the_same_work(session):
    model = llama()
    wide = compress(model, "- int8_dynamic", session=session)
    narrow = compress(model, "- prune_mlp: {remove: 0.5}\n- int8_dynamic", session=session)

    base, alike, other = entrants([wide, compress(model, "- int8_dynamic", session=session), narrow], "eager", session)

    assert base.operations == alike.operations != other.operations


def test_a_file_that_would_not_be_ours_has_no_size_and_saves_nothing(session):
    packed = torch.ao.quantization.quantize_dynamic(llama(), {torch.nn.Linear})

    result = compare(llama(), packed, session=session, **QUICK)

    assert result.contenders[1].file_bytes is None and result.contenders[1].memory_bytes > 0
    assert result.to_dict()["contenders"][1]["file_bytes"] is None and str(result)
    assert {verdict.outcome for verdict in result.verdicts} != {Outcome.STORAGE_ONLY}


def test_the_growth_of_memory_is_its_peak_above_where_it_was_before_the_first_time():
    kept: list[torch.Tensor] = []

    def first() -> None:
        passing = torch.ones(40_000_000)
        kept.append(torch.ones(8_000_000))
        passing.mul_(2)

    def work() -> None:
        torch.ones(8_000_000).mul_(2)

    growth = peak_growth_bytes(first, work, torch.device("cpu"))
    assert growth is None or 55e6 < growth < 90e6


def test_what_a_runtime_keeps_between_calls_is_part_of_its_peak_memory(session):
    class Keeping(SimulatedDeployed):
        def generate(self, input_ids, new_tokens, on_token):
            self.cache = getattr(self, "cache", None) or [torch.ones(8_000_000)]
            return super().generate(input_ids, new_tokens, on_token)

    class Keeps(Simulated):
        def deploy(self, model, shape):
            return Keeping(self.config)

    model, texts = llama(num_hidden_layers=1), ["some text"]
    keeps = Contender("keeps", model, Keeps(SimulatedConfig()))
    result = compare(simulated("base"), keeps, texts=texts, tokenizer=Bytes(), session=session, **QUICK)

    base, keeping = (result.cell(name, "generate", 1).peak_memory_bytes for name in ("base", "keeps"))
    assert base is None or 25e6 < keeping - base < 50e6
