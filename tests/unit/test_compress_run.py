"""The run of a recipe: measured, repeatable, stopped by what goes wrong, and never at the given model's expense."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from transformers import BatchEncoding, LlamaForCausalLM, RobertaConfig, RobertaModel

from compressing import calibration, gpt2, ids, is_as_before, llama, logits, session_with_compressors, weights
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.compression import runner
from greenllm_kernel.compression.calibration import Calibration
from greenllm_kernel.compression.compressor import Compressor, Kind, Refusal, Saves
from greenllm_kernel.compression.host import Host, _memory_free_bytes
from greenllm_kernel.compression.places import places
from greenllm_kernel.compression.runner import CompressionInterrupted, StepError, compress
from greenllm_kernel.errors import CompressionError, ModelFolderError, RecipeError
from greenllm_kernel.hookspecs import hookimpl


@dataclass(frozen=True)
class SpoilConfig:
    version: ClassVar[int] = 1
    how: str = "nan"


class Spoil(Compressor):
    """Does to the model what methods should not do."""

    name = "spoil"
    config_class = SpoilConfig
    kind = Kind.SPARSITY
    expects_to_save = frozenset({Saves.STORAGE})

    def convert(self, model, config, context):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(2)
        if config.how == "nan":
            with torch.no_grad():
                model.lm_head.weight[3, 4] = float("nan")
        elif config.how == "output":
            model.lm_head.register_forward_hook(lambda layer, inputs, output: output / 0)
        elif config.how == "raise":
            raise OSError("the disk is gone")
        elif config.how == "interrupt":
            raise KeyboardInterrupt
        return model, {"layers": {1, 2}} if config.how == "no JSON" else {}


class Telling(Compressor):
    """Draws random numbers and says what it was given."""

    name = "telling"
    config_class = SpoilConfig
    kind = Kind.SPARSITY
    expects_to_save = frozenset({Saves.STORAGE})
    seen: ClassVar[list[object]] = []

    def convert(self, model, config, context):
        context.tell(0.5)
        self.seen.append(
            (context.seed, float(torch.rand(())), [batch["input_ids"].shape for batch in context.batches()])
        )
        return model, {}


class Confused(Telling):
    """Fails where it is asked whether it would work."""

    name = "confused"

    def check(self, model, config, host):
        return [Refusal(model.no_such_part, "")]


class Own:
    @hookimpl
    def greenllm_compressors(self):
        return [Spoil, Telling, Confused]


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors(Own())
    yield made
    made.close(1.0)


def test_each_step_and_all_together_are_measured(session):
    result = compress(llama(), "- low_rank: {keep: 0.4}\n- int8_dynamic", session=session)

    record = result.record
    assert record.settled and record.stage == "compress" and record.name == "compress"
    low, high = record.gross.interval_j
    assert low <= 100.0 * record.duration_s <= high
    steps = [step.record for step in result.steps]
    assert [step.name for step in steps] == ["compress: low_rank", "compress: int8_dynamic"]
    assert all(step.parent_run_id == record.run_id and step.stage == "compress" for step in steps)
    assert sum(step.duration_s for step in steps) < record.duration_s
    assert result.before.parameters > result.steps[0].after.parameters
    assert result.after == result.steps[1].after


def test_the_result_prints_itself(session):
    result = compress(llama(), "- low_rank: {keep: 0.4}\n- int8_dynamic", session=session)

    lines = str(result).splitlines()

    assert lines[0].startswith("compressed to ") and " J, " in lines[0] and lines[0].endswith("measured")
    assert [line.split("  ")[1] for line in lines[1:5]] == ["Step", "as given", "low_rank (keep 0.4)", "int8_dynamic"]
    assert lines[-1].strip() == "Whether it runs on less energy is not known yet: only measuring both models tells."
    assert "LlamaForCausalLM" not in repr(result)


def test_what_was_done_is_recorded_as_json(session):
    result = compress(llama(), "- int8_dynamic", session=session, seed=7)

    data = json.loads(json.dumps(result.to_dict()))

    assert data["seed"] == 7
    assert data["steps"][0]["method"] == "int8_dynamic" and data["steps"][0]["version"] == 1
    assert data["steps"][0]["settings"] == {"include": ["*"], "exclude": ["lm_head"], "granularity": "channel"}
    saved = Record.from_dict(data["steps"][0]["record"])
    assert saved.gross.value_j == pytest.approx(result.steps[0].record.gross.value_j)
    assert data["packages"]["torch"] == torch.__version__
    assert data["host"]["processor"] and "memory_free_bytes" not in data["host"]


def test_a_recipe_is_repeatable_and_leaves_the_user_s_random_numbers_alone(session):
    model, recipe = llama(), "- prune_weights: {importance: random}\n- telling"
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    Telling.seen.clear()

    first = compress(model, recipe, session=session, seed=11)
    drawn = torch.rand(3)
    again = compress(model, recipe, session=session, seed=11)
    other = compress(model, recipe, session=session, seed=12)

    assert torch.equal(drawn, expected)
    assert torch.equal(logits(first.model), logits(again.model))
    assert not torch.equal(logits(first.model), logits(other.model))
    assert Telling.seen[0] == Telling.seen[1] != Telling.seen[2]
    assert Telling.seen[0][0] == 12


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nan", "lm_head.weight has values that are not finite"),
        ("output", "the model's output is not finite"),
        ("raise", "OSError: the disk is gone"),
        ("no JSON", "TypeError: Object of type set is not JSON serializable"),
    ],
)
def test_a_step_that_goes_wrong_stops_the_recipe_and_the_last_good_model_is_kept(how, said, session):
    model = llama()
    before = weights(model)
    good = compress(model, "- low_rank", session=session)

    with pytest.raises(StepError, match=r"step 2 \(spoil\) failed") as raised:
        compress(model, f"- low_rank\n- spoil: {{how: {how}}}\n- int8_dynamic", session=session)

    assert said in str(raised.value) and "as step 1 left it is kept" in str(raised.value)
    kept = raised.value.result
    assert torch.equal(logits(kept.model), logits(good.model))
    assert [step.step.name for step in kept.steps] == ["low_rank"]
    assert is_as_before(model, before)


def test_a_first_step_that_goes_wrong_leaves_nothing_changed(session):
    model = llama()
    before = weights(model)

    with pytest.raises(StepError, match="Nothing was changed") as raised:
        compress(model, "- spoil", session=session)

    assert raised.value.result is None
    assert is_as_before(model, before)


def test_a_model_that_is_not_finite_as_given_is_refused(session):
    model = llama()
    with torch.no_grad():
        model.lm_head.weight[3, 4] = float("inf")

    with pytest.raises(CompressionError, match="lm_head.weight has values that are not finite"):
        compress(model, "- low_rank", session=session)


def test_a_model_that_nobody_knows_how_to_call_is_compressed_without_trying_it(session):
    class Between(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)

        def forward(self, first, second):
            return self.layer(first) + second

    result = compress(Between(), "- low_rank", session=session, calibration=[{"input_ids": [1, 2]}])

    assert result.after.parameters < result.before.parameters


def test_an_interrupt_leaves_the_given_model_as_it_was_and_says_so_in_the_record(session):
    model = llama().train()
    before = weights(model)

    with pytest.raises(KeyboardInterrupt):
        compress(model, "- low_rank\n- spoil: {how: interrupt}", session=session)

    assert is_as_before(model, before) and model.training
    session.settle(5.0)
    assert [record.status for record in session.records[-2:]].count(Status.INTERRUPTED) >= 1


def test_an_interrupt_in_a_later_step_keeps_the_last_good_model(session):
    model = llama()
    good = compress(model, "- low_rank", session=session)

    with pytest.raises(KeyboardInterrupt) as raised:
        compress(model, "- low_rank\n- spoil: {how: interrupt}\n- int8_dynamic", session=session)

    assert isinstance(raised.value, CompressionInterrupted)
    kept = raised.value.result
    assert torch.equal(logits(kept.model), logits(good.model))
    assert [step.step.name for step in kept.steps] == ["low_rank"]
    assert kept.record.status is Status.INTERRUPTED
    with pytest.raises(KeyboardInterrupt) as at_once:
        compress(model, "- spoil: {how: interrupt}", session=session)
    assert not isinstance(at_once.value, CompressionInterrupted)


def test_the_given_model_keeps_its_mode_and_its_gradients(session):
    model = llama().train()
    model.lm_head.weight.requires_grad_(False)

    result = compress(
        model, "- prune_weights: {importance: taylor, exclude: []}", session=session, calibration=calibration(model)
    )

    assert model.training and not result.model.training
    assert all(parameter.grad is None for parameter in (*model.parameters(), *result.model.parameters()))
    assert not model.lm_head.weight.requires_grad and not result.model.lm_head.weight.requires_grad
    assert result.model.model.norm.weight.requires_grad


def test_one_is_told_how_far_it_is_with_watts(session):
    told = []

    compress(llama(), "- telling\n- int8_dynamic", session=session, tell=told.append)

    assert [(each.number, each.count, each.name, each.part) for each in told[:3]] == [
        (1, 2, "telling", 0.0),
        (1, 2, "telling", 0.5),
        (1, 2, "telling", 1.0),
    ]
    assert told[-1].number == 2 and told[-1].part == 1.0
    assert any(each.power_w is not None and 50 < each.power_w < 150 for each in told)


def test_too_little_memory_is_refused_before_anything_is_touched(session, monkeypatch):
    here = Host.here()
    monkeypatch.setattr(runner.Host, "here", classmethod(lambda cls: replace(here, memory_free_bytes=100_000)))
    model = llama()

    with pytest.raises(RecipeError, match="1 more of its size .* do not fit into the free memory"):
        compress(model, "- telling", session=session)
    with pytest.raises(RecipeError, match=r"2 more of its size .*\n?.* Run the steps one by one"):
        compress(model, "- telling\n- telling", session=session)


def test_the_memory_that_is_free_is_at_most_what_the_container_has_left(tmp_path):
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2000000\n")
    assert _memory_free_bytes(tmp_path) == 3_000_000
    (tmp_path / "memory.stat").write_text("anon 600000\nfile 1400000\ninactive_file 1000000\nactive_file 400000\n")
    assert _memory_free_bytes(tmp_path) == 4_000_000

    (tmp_path / "memory.max").write_text("max\n")
    assert _memory_free_bytes(tmp_path) > 3_000_000
    assert _memory_free_bytes(tmp_path / "none") > 3_000_000


def test_a_folder_that_is_not_there_is_refused_and_nothing_is_fetched(session):
    with pytest.raises(ModelFolderError, match="there is no folder .*; nothing is fetched from a hub"):
        compress("meta-llama/Llama-3.2-1B", "- int8_dynamic", session=session)


def test_a_check_that_fails_is_a_refusal(session):
    with pytest.raises(RecipeError, match=r"step 1 \(confused\): its check failed: AttributeError"):
        compress(llama(), "- confused", session=session)


def test_what_is_no_model_is_said(session):
    with pytest.raises(CompressionError, match="not a dict"):
        compress({"weights": 3}, "- low_rank", session=session)


# ---- Calibration data


class Words:
    """A tokenizer as far as calibrating goes."""

    def __call__(self, text):
        return {"input_ids": [len(word) for word in text.split()]}


@pytest.mark.parametrize(
    ("data", "shapes"),
    [
        (["one two three", "four five"], [(1, 3), (1, 2)]),
        ([torch.tensor([1, 2, 3])], [(1, 3)]),
        ([[1, 2, 3]], [(1, 3)]),
        (ids(6, 5), [(1, 5)] * 6),
        ([{"input_ids": ids(2, 7), "attention_mask": torch.ones(2, 7)}], [(2, 7)]),
        ([{"text": "one two", "more": 3}], [(1, 2)]),
        ([{"input_ids": [1, 2, 3], "more": "text"}], [(1, 3)]),
        (lambda: ["one two"], [(1, 2)]),
        (lambda: (text for text in ["one two", "three"]), [(1, 2), (1, 1)]),
        (iter(["one two"]), [(1, 2)]),
    ],
)
def test_calibration_data_may_have_many_forms_and_can_be_gone_through_again(data, shapes):
    calibration_data = Calibration(data, Words())

    for _ in range(2):
        found = [tuple(batch["input_ids"].shape) for batch in calibration_data.batches(torch.device("cpu"))]
        assert found == shapes


@pytest.mark.parametrize(
    ("data", "tokenizer", "said"),
    [
        ("one text", Words(), "is a list of texts or batches"),
        (3, None, "not a int"),
        ([], None, "is empty"),
        ({"train": ["text"], "test": ["text"]}, Words(), r"is a dict \(train, test\): take what is to be looked at"),
        (BatchEncoding({"input_ids": ids()}), None, r"is a BatchEncoding \(input_ids\): .* into a list: \[batch\]"),
        (lambda: {"train": ["text"]}, Words(), "is a dict"),
        (["text"], None, "needs a tokenizer"),
        ([3.5], None, "holds a float"),
        ([{"input_ids": ["a"]}], None, "input_ids is no tensor"),
    ],
)
def test_calibration_data_that_cannot_be_used_is_said(data, tokenizer, said):
    with pytest.raises(CompressionError, match=said):
        Calibration(data, tokenizer)


LONG = ids(2, 100)


@pytest.mark.parametrize(
    "data", [["one two " * 50], [LONG], [{"input_ids": LONG, "attention_mask": torch.ones(2, 100), "labels": LONG}]]
)
def test_what_is_longer_than_the_model_has_places_is_cut_off(data, session):
    batch = next(Calibration(data, Words(), 64).batches(torch.device("cpu")))

    assert {tensor.shape[1] for tensor in batch.values()} == {64}
    compress(gpt2(), "- prune_weights: {importance: wanda}", session=session, calibration=data, tokenizer=Words())


def test_models_that_count_from_their_padding_on_have_fewer_places():
    model = RobertaModel(
        RobertaConfig(
            vocab_size=96,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=20,
            pad_token_id=1,
        )
    )

    assert places(model) == 18
    model(input_ids=ids(1, 18) % 90 + 2)
    with pytest.raises((IndexError, RuntimeError), match="index"):
        model(input_ids=ids(1, 19) % 90 + 2)


def test_a_device_that_the_given_model_has_broken_is_told_of(session, monkeypatch):
    def failing(self, **inputs):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(LlamaForCausalLM, "forward", failing)

    with pytest.raises(CompressionError, match="device-side assert triggered; restart the kernel"):
        compress(llama(), "- telling", session=session)


def test_a_loss_without_labels_is_explained(session):
    from compressing import bert

    with pytest.raises(StepError, match="no labels, from which BertForSequenceClassification would compute its loss"):
        compress(bert(), "- prune_mlp: {importance: taylor}", session=session, calibration=[{"input_ids": ids()}])


def test_a_refusal_reads_as_a_sentence_with_its_remedy():
    assert str(Refusal("it is too large", "Take a smaller one.")) == "it is too large. Take a smaller one."
