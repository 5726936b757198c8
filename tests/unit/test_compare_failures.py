"""Comparisons in which a contender or the baseline fails, or that the user interrupts: what was found is kept."""

from __future__ import annotations

import pytest

from comparing import MACHINE, QUICK, Observer, SimulatedDeployed, session_on, simulated
from greenllm_kernel import compare
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.cut_short import BaselineError, ComparisonInterrupted
from greenllm_kernel.compression.comparison.progress import Progress
from greenllm_kernel.compression.comparison.verdict import Outcome
from greenllm_kernel.errors import ComparisonError


@pytest.fixture(scope="module")
def measured():
    with session_on(MACHINE.meter()) as both:
        yield both


@pytest.fixture
def session(measured) -> Session:
    return measured[0]


def test_a_contender_that_fails_says_why_and_the_others_go_on(session):
    result = compare(
        simulated("base"),
        simulated("late", fails_after=12),
        simulated("early", fails_after=2),
        simulated("first", deploy_s=0.2, fails_after=1),
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
    assert "out of memory, says the driver" in failures["first"]
    assert "it does not start" in failures["no"]
    assert "it has no such part" in failures["refused"]
    assert result.cell("good", "generate", 1).trials == 4
    late = result.verdict("late", "generate", 1)
    assert late.outcome is Outcome.INCONCLUSIVE and "out of memory" in late.gap
    assert "late: " in str(result)
    assert [each.name for each in result.contenders if each.deploying] == ["base", "late", "good"]
    assert {one.contender for one in result.break_even} <= {"good"}


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
