"""``compare()``: real small models, and simulated ones whose power is known, on the virtual meter."""

from __future__ import annotations

import json

import pytest
import torch

from comparing import (
    DEPLOY_W,
    IDLE_W,
    MACHINE,
    QUICK,
    Bytes,
    Observer,
    Simulated,
    SimulatedConfig,
    SimulatedDeployed,
    session_on,
    simulated,
)
from compressing import VOCABULARY, gpt2, llama
from greenllm_kernel import Contender, compare
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.progress import Progress
from greenllm_kernel.compression.comparison.verdict import Outcome
from greenllm_kernel.quantities import Provenance


@pytest.fixture(scope="module")
def measured():
    with session_on(MACHINE.meter()) as both:
        yield both


@pytest.fixture
def session(measured) -> Session:
    return measured[0]


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
    assert any("failing observer failed in greenllm_comparison: " in warning for warning in session.warnings)


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


def test_what_deploying_took_is_told_and_is_to_be_paid_back(session):
    settings = {"prefill_w": 10.0, "decode_w": 10.0}
    result = compare(
        simulated("base"), simulated("slow to start", deploy_s=0.5, **settings), session=session, batch=(1, 2), **QUICK
    )

    base, slow = result.contenders
    assert {batch: energy.value_j for batch, energy in slow.deploying.items()} == pytest.approx(
        {1: 0.5 * DEPLOY_W, 2: 0.5 * DEPLOY_W}, rel=0.25
    )
    assert max(energy.value_j for energy in base.deploying.values()) < 25.0
    assert [(one.batch, one.costs) for one in result.break_even] == [(1, ("deploying",)), (2, ("deploying",))]
    assert "Deploying took" in str(result) and "batch 1: " in str(result) and "batch 2: " in str(result)


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
    with session_on(None) as (session, _):
        result = compare(llama(), llama(), texts=["some text"], tokenizer=Bytes(), session=session, **QUICK)

    assert {cell.gross for cell in result.cells} == {None}
    assert all(cell.rate > 0 for cell in result.cells)
    assert result.provenance is Provenance.UNAVAILABLE
    assert {verdict.outcome for verdict in result.verdicts} == {Outcome.INCONCLUSIVE}
    assert result.verdicts[0].gap == "no part of the machine could be read throughout"
    assert result.front == [] and "unavailable" in str(result)
    json.dumps(result.to_dict(), allow_nan=False)


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


def test_the_result_prints_and_saves_itself(session, tmp_path):
    texts = ["the first text of two", "the second one"]
    result = compare(llama(), llama(), texts=texts, tokenizer=Bytes(), session=session, **QUICK)

    lines = str(result).splitlines()
    assert lines[0].startswith("compared 2 models on prompts of 8 tokens and 4 new ones: energy measured")
    assert any(line.split() == ["prefill,", "batch", "1"] for line in lines)
    assert any("J/token (95 %)" in line and "Verdict" in line for line in lines)
    data = json.loads(result.save(tmp_path / "comparison.json").read_text())
    assert data["schema"] == 2 and data["baseline"] == "baseline"
    assert data["cells"][0]["interval_j"][0] <= data["cells"][0]["energy_j"] <= data["cells"][0]["interval_j"][1]
    assert data["contenders"][1]["bits_per_byte_change"] == 0.0
    assert data["front"][0]["is_on_front"] in (True, False)
