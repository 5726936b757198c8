"""``compare()``: real small models, and simulated ones whose power is known, on the virtual meter."""

from __future__ import annotations

import json
import math
import sys
import time
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from types import ModuleType
from typing import ClassVar

import pytest
import torch

from compressing import VOCABULARY, bert, gpt2, llama, logits
from driven import gpu
from greenllm_kernel import Contender, compare, compress
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.compare import BaselineError, ComparisonInterrupted, Progress
from greenllm_kernel.compression.comparison.contender import entrants
from greenllm_kernel.compression.comparison.memory import peak_growth_bytes
from greenllm_kernel.compression.comparison.verdict import Outcome
from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import ComparisonError, DeploymentError, ModelFolderError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance
from sessions import Recorder

IDLE_W = 1.0


class Machine:
    """A profile of power that whoever works sets, in real time."""

    def __init__(self) -> None:
        self._at_s = [-math.inf]
        self._power_w = [IDLE_W]
        self._energy_j = [0.0]
        self._epoch_ns = time.monotonic_ns()

    @contextmanager
    def drawing(self, power_w: float):
        self._set(power_w)
        try:
            yield
        finally:
            self._set(IDLE_W)

    def power_w(self, t_s: float) -> float:
        return self._power_w[bisect_right(self._at_s, t_s) - 1]

    def energy_j(self, t_s: float) -> float:
        index = bisect_right(self._at_s, t_s) - 1
        since_s = t_s if index == 0 else t_s - self._at_s[index]
        return self._energy_j[index] + self._power_w[index] * since_s

    def _set(self, power_w: float) -> None:
        now_s = (time.monotonic_ns() - self._epoch_ns) / 1e9
        energy_j = self.energy_j(now_s)
        self._energy_j.append(energy_j)
        self._power_w.append(power_w)
        self._at_s.append(now_s)

    def meter(self, **options: object) -> VirtualMeter:
        return VirtualMeter([gpu(self, **{"update_period_s": 0.01, **options})], epoch_ns=self._epoch_ns)


MACHINE = Machine()


@dataclass(frozen=True)
class SimulatedConfig:
    version: ClassVar[int] = 1
    prefill_w: float = 40.0
    decode_w: float = 40.0
    prefill_s: float = 0.004
    token_s: float = 0.002
    fails_after: int = -1
    fails_at_batch: int = 0
    how: str = ""


class SimulatedDeployed(Deployed):
    """Draws a known power for a known time, and gives tokens that mean nothing."""

    def __init__(self, config: SimulatedConfig) -> None:
        self.config = config
        self.calls = 0

    @property
    def size_bytes(self):
        return 1000

    def generate(self, input_ids, new_tokens, on_token):
        self.calls += 1
        is_batch = self.config.fails_at_batch in (0, input_ids.shape[0])
        if is_batch and self.calls == self.config.fails_after:
            raise RuntimeError("out of memory, says the driver")
        for number in range(new_tokens):
            config = self.config
            with MACHINE.drawing(config.decode_w if number else config.prefill_w):
                time.sleep(config.token_s if number else config.prefill_s)
            on_token()
        return torch.zeros(input_ids.shape[0], new_tokens, dtype=torch.int64)

    def logits(self, input_ids):
        return torch.zeros(*input_ids.shape, VOCABULARY)

    def close(self):
        self.closed.append(self)

    closed: ClassVar[list[object]] = []


class Simulated(Runtime):
    name = "simulated"
    config_class = SimulatedConfig

    def check(self, model, shape, host):
        return [Refusal("it has no such part", "Buy one.")] if self.config.how == "refuse" else []

    def deploy(self, model, shape: Shape):
        if self.config.how == "no":
            raise RuntimeError("it does not start")
        return SimulatedDeployed(self.config)


class Own:
    @hookimpl
    def greenllm_runtimes(self):
        return [Simulated]


class Observer:
    """A plugin that is told of comparisons."""

    def __init__(self) -> None:
        self.told: list[dict] = []

    @hookimpl
    def greenllm_comparison(self, comparison):
        self.told.append(dict(comparison))


class Bytes:
    """A tokenizer whose tokens are bytes, the first one a mark where that is asked for."""

    def __init__(self, mark: bool = False) -> None:
        self.all_special_ids = (0,) if mark else ()
        self._mark = [0] if mark else []

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": self._mark + [byte % VOCABULARY for byte in text.encode()]}

    def decode(self, ids: list[int]) -> str:
        return "x" * len(ids)


def session_on(meter: VirtualMeter | None) -> tuple[Session, Recorder]:
    parts = (".compressors.", ".runtimes.eager")
    plugins = Plugins(found=[each for each in entry_points(group="greenllm") if any(p in each.value for p in parts)])
    recorder = Recorder(*([meter] if meter else []))
    plugins.register(recorder, "recorder")
    plugins.register(Own(), "own")
    session = Session(Configuration(), plugins)
    session.find_meters()
    return session, recorder


@pytest.fixture(scope="module")
def measured():
    session, recorder = session_on(MACHINE.meter())
    yield session, recorder
    session.close(2.0)


@pytest.fixture
def session(measured) -> Session:
    return measured[0]


QUICK = {"pairs": 4, "window_s": 0.02, "warm_up_s": 0.0, "prompt_tokens": 8, "new_tokens": 4}


def simulated(name: str, **settings: object) -> Contender:
    return Contender(name, llama(num_hidden_layers=1), {"simulated": settings})


def test_real_models_are_compared_phase_by_phase(measured):
    session, recorder = measured
    before = len(recorder.records)
    told: list[Progress] = []
    full, half = llama(), llama(num_hidden_layers=1)

    result = compare(
        full,
        Contender("half", half),
        batch=(1, 2),
        texts=["one text that is foretold", "and another one"],
        tokenizer=Bytes(),
        session=session,
        tell=told.append,
        **QUICK,
    )

    assert [contender.name for contender in result.contenders] == ["baseline", "half"]
    assert [contender.runtime for contender in result.contenders] == ["eager", "eager"]
    assert result.contenders[0].parameters > result.contenders[1].parameters
    assert result.contenders[0].file_bytes > result.contenders[1].file_bytes > 0
    assert {(cell.phase, cell.batch) for cell in result.cells} == {
        (phase, batch) for phase in ("prefill", "decode", "generate") for batch in (1, 2)
    }
    for cell in result.cells:
        assert cell.trials == 4 and cell.unit == "token" and cell.provenance is Provenance.MEASURED
        assert cell.gross is not None
        assert (cell.first_token_s is None) == (cell.phase == "decode")
        assert (cell.latency_p99_s is None) == (cell.phase == "prefill")
        assert cell.peak_memory_bytes is None or cell.peak_memory_bytes > 0
    assert len(result.verdicts) == 6 and all(verdict.contender == "half" for verdict in result.verdicts)
    assert 0 <= told[0].part <= told[-1].part <= 1 and {one.doing for one in told} >= {"warming up", "measuring"}
    session.settle(5.0)
    records = recorder.records[before:]
    (whole,) = [record for record in records if record.name == "compare"]
    trials = [record for record in records if record.name.startswith("compare: half, batch 2: ")]
    assert len(trials) == 8 and {record.parent_run_id for record in trials} == {whole.run_id}
    assert all(record.counts["token"] % 2 == 0 and record.stage == "compare" for record in trials)
    assert result.record.run_id == whole.run_id
    generated = [record for record in trials if record.name.endswith("generate")]
    per_token_j = [record.units["token"].energy_j_per_unit for record in generated]
    assert result.cell("half", "generate", 2).gross.value_j == pytest.approx(sum(per_token_j) / 4)
    # The simulated machine knows nothing of real models: it is idle.
    for record in generated:
        low_j, high_j = record.gross.interval_j
        assert 0.5 * low_j <= IDLE_W * record.duration_s <= 2 * high_j


def test_plugins_are_told_of_a_comparison_once_and_one_that_fails_harms_nobody(session):
    observer, failing = Observer(), Observer()
    failing.told = None  # type: ignore[assignment]
    session.plugins.register(failing, "failing observer")
    session.plugins.register(observer, "observer")

    result = compare(simulated("base"), simulated("other", decode_w=20.0), session=session, **QUICK)

    assert observer.told == [result.to_dict()]


def test_the_models_are_as_they_were(session):
    model = llama().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    compare(model, llama(num_hidden_layers=1), session=session, **QUICK)

    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("window_s", [0.1, 0.2])
def test_each_phase_has_its_own_power(session, window_s):
    """Prefill is too short for the sensor in one case, and long enough for windows of its own in the other."""
    long = window_s > 0.1
    settings = {"prefill_w": 300.0, "decode_w": 80.0, "prefill_s": 0.12 if long else 0.02, "token_s": 0.04}
    result = compare(
        simulated("base", **settings),
        simulated("same", **settings),
        session=session,
        **{**QUICK, "window_s": window_s},
    )

    for name in ("base", "same"):
        prefill, decode = (result.cell(name, phase, 1) for phase in ("prefill", "decode"))
        assert prefill.gross.value_j * prefill.rate == pytest.approx(300.0, rel=0.25)
        assert decode.gross.value_j * decode.rate == pytest.approx(80.0, rel=0.25)
        assert decode.first_token_s is None and prefill.first_token_s >= settings["prefill_s"]


def test_who_draws_less_and_who_draws_more_is_told(session):
    result = compare(
        simulated("base"),
        simulated("small", prefill_w=4.0, decode_w=4.0),
        simulated("large", prefill_w=400.0, decode_w=400.0),
        session=session,
        **{**QUICK, "window_s": 0.1},
    )

    small, large = (result.verdict(name, "generate", 1) for name in ("small", "large"))
    assert small.change < -0.5 and large.change > 1.0
    assert small.interval[0] < small.change < small.interval[1]


def test_without_a_meter_speed_and_quality_are_told_and_energy_is_unavailable():
    session, _ = session_on(None)
    try:
        result = compare(llama(), llama(), texts=["some text"], tokenizer=Bytes(), session=session, **QUICK)
    finally:
        session.close(2.0)

    assert {cell.gross for cell in result.cells} == {None}
    assert all(cell.rate > 0 for cell in result.cells)
    assert result.provenance is Provenance.UNAVAILABLE
    assert {verdict.outcome for verdict in result.verdicts} == {Outcome.INCONCLUSIVE}
    assert result.verdicts[0].gap == "no part of the machine could be read throughout"
    assert result.front == [] and "unavailable" in str(result)
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_contender_that_fails_says_why_and_the_others_go_on(session):
    result = compare(
        simulated("base"),
        simulated("late", fails_after=12),
        simulated("early", fails_after=2),
        simulated("no", how="no"),
        simulated("refused", how="refuse"),
        simulated("good"),
        session=session,
        **QUICK,
    )

    failures = {contender.name: contender.failure for contender in result.contenders}
    assert failures["base"] == failures["good"] == ""
    assert "out of memory, says the driver" in failures["late"]
    assert "out of memory, says the driver" in failures["early"]
    assert "it does not start" in failures["no"]
    assert "it has no such part" in failures["refused"]
    assert result.cell("good", "generate", 1).trials == 4
    late = result.verdict("late", "generate", 1)
    assert late.outcome is Outcome.INCONCLUSIVE and "out of memory" in late.gap
    assert "late: " in str(result)


def test_what_fails_at_one_batch_is_compared_at_the_others(session):
    fails = {"fails_after": 12, "fails_at_batch": 2}

    result = compare(simulated("base"), simulated("large", **fails), batch=(1, 2, 4), session=session, **QUICK)

    failed = result.contenders[1].failure
    assert failed.startswith("batch 2: ") and "out of memory, says the driver" in failed and "batch 4" not in failed
    by_batch = {batch: result.verdict("large", "generate", batch) for batch in (1, 2, 4)}
    assert [by_batch[batch].pairs for batch in (1, 2, 4)] == [4, 0, 4]
    assert "out of memory" in by_batch[2].gap and not by_batch[1].gap and not by_batch[4].gap


def test_a_baseline_that_fails_at_a_later_batch_leaves_what_was_found_at_the_earlier(session):
    observer = Observer()
    session.plugins.register(observer, "another observer")
    fails = {"fails_after": 12, "fails_at_batch": 2}

    with pytest.raises(BaselineError, match="base, the baseline, failed at batch 2: .*out of memory") as raised:
        compare(simulated("base", **fails), simulated("good"), batch=(1, 2), session=session, **QUICK)

    result = raised.value.comparison
    assert result.status is Status.ERROR and "ended by an error" in str(result)
    first, second = (result.verdict("good", "generate", batch) for batch in (1, 2))
    assert first.pairs == 4 and not first.gap
    assert second.pairs == 0 and second.gap.startswith("base failed: ")
    assert observer.told == [result.to_dict()]


def test_a_baseline_that_fails_ends_it_with_its_reason(session):
    with pytest.raises(BaselineError, match="base, the baseline, failed at batch 1: .*out of memory") as raised:
        compare(simulated("base", fails_after=5), simulated("good"), session=session, **QUICK)
    assert raised.value.comparison is None
    with pytest.raises(ComparisonError, match="nothing was run:\n- base: simulated.* it has no such part"):
        compare(simulated("base", how="refuse"), simulated("good"), session=session, **QUICK)
    with pytest.raises(ComparisonError, match="nothing was run:\n- other: "):
        compare(simulated("base"), simulated("other", how="refuse"), session=session, **QUICK)


def test_an_interrupt_keeps_what_is_known_and_closes_what_was_deployed(measured):
    session, recorder = measured
    SimulatedDeployed.closed.clear()

    def interrupt(progress: Progress) -> None:
        if progress.pair == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        compare(simulated("base"), simulated("other"), session=session, tell=interrupt, **QUICK)

    assert isinstance(raised.value, ComparisonInterrupted)
    result = raised.value.comparison
    assert result.status is Status.INTERRUPTED and "interrupted" in str(result)
    assert result.cell("base", "generate", 1).trials == 2
    assert {verdict.outcome for verdict in result.verdicts} == {Outcome.INCONCLUSIVE}
    assert {verdict.gap for verdict in result.verdicts} == {"interrupted before the first look"}
    assert len(SimulatedDeployed.closed) == 2
    assert not session.open_runs
    session.settle(5.0)
    assert [record for record in recorder.records if record.name == "compare"][-1].status is Status.INTERRUPTED


def test_classifiers_are_compared_by_requests(session):
    examples = [("good and long", 0), ("bad", "LABEL_1"), ("so so", 2)]

    result = compare(bert(), bert(), task=examples, tokenizer=Bytes(), session=session, **QUICK)

    (phase,) = {cell.phase for cell in result.cells}
    assert phase == result.whole_phase == "request"
    assert {cell.unit for cell in result.cells} == {"request"}
    assert result.quality_name == "error rate"
    right = result.contenders[0].accuracy
    assert len(right.right) == 3 and right.value in (0.0, 1 / 3, 2 / 3, 1.0)
    assert len(result.verdicts) == 1


def test_a_task_may_be_a_function_of_the_deployed_model(session):
    def task(deployed):
        assert deployed.logits(torch.tensor([[1, 2]])).shape == (1, 2, VOCABULARY)
        return [True, True, False, True]

    result = compare(llama(), llama(), task=task, session=session, **QUICK)

    assert result.baseline.accuracy.value == 0.75 and result.baseline.accuracy.interval is not None
    with pytest.raises(ComparisonError, match="accuracy of 80: expected 0 to 1"):
        compare(llama(), llama(), task=lambda deployed: 80, session=session, **QUICK)


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


def test_a_file_that_would_not_be_ours_has_no_size_and_saves_nothing(session):
    packed = torch.ao.quantization.quantize_dynamic(llama(), {torch.nn.Linear})

    result = compare(llama(), packed, session=session, **QUICK)

    assert result.contenders[1].file_bytes is None and result.contenders[1].memory_bytes > 0
    assert result.to_dict()["contenders"][1]["file_bytes"] is None and str(result)
    assert {verdict.outcome for verdict in result.verdicts} != {Outcome.STORAGE_ONLY}


def test_the_result_prints_and_saves_itself(session, tmp_path):
    texts = ["the first text of two", "the second one"]
    result = compare(llama(), llama(), texts=texts, tokenizer=Bytes(), session=session, **QUICK)

    lines = str(result).splitlines()
    assert lines[0].startswith("compared 2 models on prompts of 8 tokens and 4 new ones: energy measured")
    assert any(line.split() == ["prefill,", "batch", "1"] for line in lines)
    assert any("J/token (95 %)" in line and "Verdict" in line for line in lines)
    data = json.loads(result.save(tmp_path / "comparison.json").read_text())
    assert data["schema"] == 1 and data["baseline"] == "baseline"
    assert data["cells"][0]["interval_j"][0] <= data["cells"][0]["energy_j"] <= data["cells"][0]["interval_j"][1]
    assert data["contenders"][1]["bits_per_byte_change"] == 0.0
    assert data["front"][0]["is_on_front"] in (True, False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch": ()}, "no batch was named"),
        ({"batch": (0,)}, "batch is 0: expected a whole number from 1"),
        ({"batch": (2, 2)}, "batch names one twice"),
        ({"batch": (1.5,)}, "batch is 1.5"),
        ({"prompt_tokens": 0}, "prompt_tokens is 0"),
        ({"new_tokens": 1}, "new_tokens is 1: expected a whole number from 2"),
        ({"prompt_tokens": 100}, "nothing was run:\n.*100 \\+ 4 tokens are more than the model has places"),
        ({"pairs": 5}, "pairs is 5: expected an even number of 4 or more"),
        ({"pairs": "many"}, "pairs is 'many': expected an even number"),
        ({"window_s": 0}, "window_s is 0: expected seconds"),
        ({"warm_up_s": -1}, "warm_up_s is -1"),
        ({"cool_down_s": math.nan}, "cool_down_s is nan"),
        ({"prompts": "a text"}, "prompts is a str: expected a list of texts"),
        ({"prompts": []}, "prompts is empty"),
        ({"texts": ["a text"]}, "texts are texts: they need a tokenizer"),
        ({"texts": [3], "tokenizer": Bytes()}, "texts holds something that is no text"),
        ({"texts": ["a"], "tokenizer": Bytes()}, "no text has two tokens"),
        ({"prompts": ["a"], "tokenizer": lambda text: {"input_ids": [10**6]}}, "token 1000000 of prompts"),
        ({"task": [("a", 1)], "tokenizer": Bytes()}, "labelled texts are a task for classifiers"),
        ({"task": [("a", 1)]}, "the task has texts: they need a tokenizer"),
        ({"lm_eval": ["piqa"]}, "lm-eval is not installed: pip install lm-eval"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_runs(measured, settings, said):
    session, recorder = measured
    before = len(recorder.records)

    with pytest.raises(ComparisonError, match=said):
        compare(llama(), llama(), session=session, **{**QUICK, **settings})
    session.settle(2.0)
    assert len(recorder.records) == before


def test_contenders_that_cannot_be_compared_are_refused(session, tmp_path):
    def refused(error: type[Exception], said: str, *contenders: object, **settings: object) -> None:
        with pytest.raises(error, match=said):
            compare(*contenders, session=session, **{**QUICK, **settings})

    refused(ComparisonError, "at least one other", llama())
    refused(ComparisonError, "not a dict", llama(), {})
    refused(ComparisonError, "two contenders are called 'a'", Contender("a", llama()), Contender("a", llama()))
    refused(
        ComparisonError,
        "vocabularies of different sizes \\(baseline 96, contender 1 50\\)",
        llama(),
        llama(vocab_size=50),
    )
    refused(ComparisonError, "some of the contenders generate", llama(), bert())
    refused(
        ComparisonError,
        r"on different devices \(baseline cpu, contender 1 meta\).*model.to\('cpu'\)",
        llama(),
        llama().to("meta"),
    )
    refused(ComparisonError, "is a Linear", torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    refused(DeploymentError, "there is no runtime 'eagre'; did you mean 'eager'", llama(), llama(), runtime="eagre")
    refused(ModelFolderError, "there is no folder", llama(), tmp_path / "nowhere")


def test_lm_eval_is_asked_where_it_is_installed(session, monkeypatch):
    asked: list[object] = []

    def prepared(pretrained, tokenizer):
        """Do to them what lm-eval does."""
        pretrained.eval()
        pretrained.tie_weights()
        tokenizer.pad_token = "pad"
        return pretrained

    def simple_evaluate(model, tasks):
        asked.append((logits(model), tasks))
        return {"results": {"piqa": {"alias": "piqa", "acc,none": 0.75, "acc_stderr,none": 0.01}}}

    package, models, huggingface = (ModuleType(name) for name in ("lm_eval", "lm_eval.models", "huggingface"))
    package.simple_evaluate = simple_evaluate
    huggingface.HFLM = prepared
    package.__spec__ = ModuleSpec("lm_eval", None)
    for name, module in (("", package), (".models", models), (".models.huggingface", huggingface)):
        monkeypatch.setitem(sys.modules, f"lm_eval{name}", module)
    model, tokenizer = llama(tie_word_embeddings=True), Bytes()
    model = compress(model, "- int8_dynamic: {exclude: []}", session=session).model.train()

    result = compare(model, simulated("other"), lm_eval="piqa", tokenizer=tokenizer, session=session, **QUICK)

    assert model.training and not hasattr(tokenizer, "pad_token")
    ((said, tasks),) = asked
    assert torch.equal(said, logits(model)) and tasks == ["piqa"]
    assert result.baseline.harness == {"piqa": {"acc,none": 0.75, "acc_stderr,none": 0.01}}
    assert result.contenders[1].harness == {}
    assert result.to_dict()["contenders"][0]["lm_eval"]["piqa"]["acc,none"] == 0.75


def test_prompts_are_cut_off_or_begun_anew(session):
    seen: list[torch.Tensor] = []

    class Seen(SimulatedDeployed):
        def generate(self, input_ids, new_tokens, on_token):
            seen.append(input_ids)
            return super().generate(input_ids, new_tokens, on_token)

    class Seeing(Simulated):
        def deploy(self, model, shape):
            return Seen(self.config)

    model = gpt2()
    one, other = (Contender(name, model, Seeing(SimulatedConfig())) for name in ("one", "other"))
    compare(one, other, prompts=["abc", "0123456789"], tokenizer=Bytes(), batch=3, session=session, **QUICK)

    expected = [[byte % VOCABULARY for byte in text] for text in (b"abcabcab", b"01234567", b"abcabcab")]
    assert all(ids.tolist() == expected for ids in seen)


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
