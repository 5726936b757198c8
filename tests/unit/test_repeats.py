"""``energyit``: the interval of a few repeats holds, and a loop's energy is what was really drawn."""

from __future__ import annotations

import math
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from IPython.core.error import UsageError

from driven import gpu
from greenllm_kernel import energyit, measure
from greenllm_kernel.accounting import repeats as repeats_module
from greenllm_kernel.accounting.loop_energy import LoopEnergy, incomplete_channels
from greenllm_kernel.accounting.repeat_plan import RepeatPlan
from greenllm_kernel.accounting.repeatability import (
    FEWEST_REPEATS,
    drift,
    next_look,
    repeatability,
    stopped,
    student_t,
)
from greenllm_kernel.accounting.repeats import Repeat
from greenllm_kernel.metering import window
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.tracing import line
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.metering.window import Draw
from greenllm_kernel.notebook.energyit_arguments import energyit_options
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, Energy, Provenance

PRECISION = 0.05
MOST = 55


def normal(chance: random.Random, count: int) -> list[float]:
    return [chance.gauss(0, 1) for _ in range(count)]


def gamma_distributed(chance: random.Random, count: int) -> list[float]:
    return [(chance.gammavariate(4, 1) - 4) / 2 for _ in range(count)]


def log_normal(chance: random.Random, count: int) -> list[float]:
    mean, spread = math.exp(0.125), math.sqrt((math.exp(0.25) - 1) * math.exp(0.25))
    return [(chance.lognormvariate(0, 0.5) - mean) / spread for _ in range(count)]


def correlated(chance: random.Random, count: int, correlation: float = 0.3) -> list[float]:
    values = normal(chance, count)
    for index in range(1, count):
        values[index] = correlation * values[index - 1] + math.sqrt(1 - correlation**2) * values[index]
    return values


def searched(values: Sequence[float]) -> tuple[float, float, int]:
    """Return the mean, its half-width and the number of repeats at which a search through ``values`` stops."""
    look = FEWEST_REPEATS
    while True:
        count = min(look, len(values))
        found = repeatability(values[:count])
        if found.half_width <= PRECISION * found.mean:
            found = found if look == FEWEST_REPEATS else stopped(found, PRECISION)
            return found.mean, found.half_width, count
        if count == len(values):
            return found.mean, found.half_width, count
        look = next_look(look)


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("kind", [normal, gamma_distributed, log_normal, correlated])
def test_the_interval_holds_the_true_mean_whenever_the_search_stops(
    kind: Callable[[random.Random, int], list[float]], spread: float
) -> None:
    chance = random.Random(f"{kind.__name__} {spread}")
    runs = 1000
    held = 0
    for _ in range(runs):
        mean, half_width, _ = searched([1 + spread * value for value in kind(chance, MOST)])
        held += abs(mean - 1) <= half_width

    assert held / runs >= 0.94


def test_the_interval_is_not_lazily_wide() -> None:
    chance = random.Random(5)
    found = [searched([1 + 0.02 * value for value in normal(chance, MOST)]) for _ in range(500)]

    assert statistics.median(half_width for _, half_width, _ in found) < 0.03
    assert statistics.mean(count for *_, count in found) < 8


@pytest.mark.parametrize(
    ("probability", "degrees", "t"),
    [  # any table of Student's distribution
        (0.95, 1, 12.7062),
        (0.95, 2, 4.30265),
        (0.95, 6, 2.44691),
        (0.99, 7, 3.49948),
        (0.95, 30, 2.04227),
        (0.95, 1000, 1.96601),
    ],
)
def test_students_quantiles_are_those_of_the_tables(probability: float, degrees: int, t: float) -> None:
    assert student_t(probability, degrees) == pytest.approx(t, rel=4e-4 if degrees > 400 else 3e-6)


def test_a_single_repeat_says_nothing_of_its_scatter() -> None:
    assert repeatability([3.0]).half_width == math.inf
    assert repeatability([3.0, 3.0, 3.0]).half_width == 0.0


def test_a_rise_is_named_and_noise_is_not() -> None:
    chance = random.Random(1)
    noise = [1 + 0.03 * chance.gauss(0, 1) for _ in range(12)]
    rise = [value + 0.02 * index for index, value in enumerate(noise)]

    assert drift(rise) == pytest.approx(0.12 / 1.11, rel=0.4)
    named = [drift([1 + 0.03 * value for value in normal(chance, 12)]) for _ in range(1000)]
    assert sum(each is not None for each in named) < 25
    assert drift([1.0, 1.001, 1.0, 1.002, 1.003, 1.003, 1.004]) is None


def drawn(key: str, energy: Energy | None, counted: bool = True, idle: Energy | None = None) -> Draw:
    channel = gpu(Constant(1.0), key).channel
    return Draw(channel, "virtual", energy, 1.0 if energy else 0.0, counted, None if energy else "lost", idle)


def measured(value_j: float, key: str = "gpu:0") -> Energy:
    return Energy(value_j, 0.1, scale_j={key: 0.02 * value_j}, by_provenance_j={Provenance.MEASURED: value_j})


def test_repeating_averages_the_scatter_away_and_not_the_gain() -> None:
    values_j = [100.0, 104.0, 98.0, 101.0, 97.0, 103.0, 99.0, 102.0]
    loop = LoopEnergy.of([Repeat(10, 1.0, [drawn("gpu:0", measured(value_j))]) for value_j in values_j])

    assert loop is not None
    mean = loop.mean()
    assert mean.value_j == pytest.approx(10.05)
    assert mean.scale_j == {"gpu:0": pytest.approx(0.02 * 10.05)}
    assert mean.random_j * COVERAGE_FACTOR_95 == pytest.approx(repeatability([v / 10 for v in values_j]).half_width)
    assert loop.mean(narrowed_to=0.3).random_j * COVERAGE_FACTOR_95 == pytest.approx(0.3 * 10.05)


def test_repeats_without_scatter_are_as_unsure_as_their_windows() -> None:
    loop = LoopEnergy.of([Repeat(10, 1.0, [drawn("gpu:0", measured(100.0))]) for _ in range(4)])

    assert loop is not None
    assert loop.mean().random_j == pytest.approx(0.1 * math.sqrt(4) / 40)


def test_a_channel_that_was_lost_on_the_way_is_in_no_repeat_and_is_named() -> None:
    both = [drawn("gpu:0", measured(100.0)), drawn("gpu:1", measured(50.0, "gpu:1"))]
    repeats = [Repeat(1, 1.0, both), Repeat(1, 1.0, [both[0], drawn("gpu:1", None)])]

    loop = LoopEnergy.of(repeats)
    assert loop is not None
    assert loop.values_j == (100.0, 100.0)
    assert incomplete_channels(repeats) == ("gpu:1",)
    assert LoopEnergy.of([Repeat(1, 1.0, [drawn("gpu:1", None)])]) is None


def test_what_another_channel_contains_is_not_added() -> None:
    draws = [drawn("gpu:0", measured(100.0)), drawn("gpu:1", measured(50.0), counted=False)]

    loop = LoopEnergy.of([Repeat(1, 1.0, draws)])
    assert loop is not None
    assert loop.values_j == (100.0,)


def test_idle_is_known_where_every_channel_has_a_baseline() -> None:
    baseline = Baseline(40.0, 1.0, datetime.now(UTC), 10.0, How.MEASURED)
    energy = measured(100.0)
    with_idle = drawn("gpu:0", energy, idle=baseline.energy("gpu:0", energy, 1.0))

    known = LoopEnergy.of([Repeat(2, 1.0, [with_idle])] * 3)
    unknown = LoopEnergy.of([Repeat(2, 1.0, [with_idle, drawn("gpu:1", measured(10.0))])] * 3)
    assert known is not None and known.idle is not None
    assert known.idle.value_j == pytest.approx(20.0)
    assert known.idle.baseline_j == {"gpu:0": pytest.approx(0.5)}
    assert unknown is not None and unknown.idle is None


def test_a_known_power_gives_power_times_time_with_both_intervals(start) -> None:
    gpu_0 = gpu(Constant(100.0), "gpu:0", gain_uncertainty=0.03)
    session, recorder = start(VirtualMeter([gpu_0]))

    def pause() -> None:
        time.sleep(0.05)

    result = energyit(pause, repeats=4, session=session)

    assert result.energy_j_per_loop is not None
    assert 0.05 <= result.time_s_per_loop < 0.1
    assert result.loops * result.time_s_per_loop > 0.8
    for interval_j in (result.interval_j, result.repeatability_interval_j):
        assert interval_j is not None
        assert interval_j[0] <= 100.0 * result.time_s_per_loop <= interval_j[1]
    assert result.power_w == pytest.approx(100.0, rel=0.05)
    assert result.energy is not None and result.energy.scale_j == {
        "gpu:0": pytest.approx(0.03 * result.energy_j_per_loop)
    }
    assert result.provenance is Provenance.MEASURED
    assert result.emissions is not None
    assert result.best_j <= result.energy_j_per_loop <= result.worst_j
    assert f"4 repeats of {result.loops} loops" in str(result)
    session.settle(5.0)
    assert [record.name.rpartition(".")[2] for record in recorder.records] == ["pause"]


def test_net_stands_beside_it_where_the_idle_power_is_known(start) -> None:
    gpu_0 = gpu(Constant(100.0), "gpu:0")
    session, _ = start(VirtualMeter([gpu_0]))
    session.sampler.baselines.add(gpu_0.channel, Baseline(40.0, 0.5, datetime.now(UTC), 10.0, How.MEASURED))

    result = energyit(lambda: time.sleep(0.05), loops=10, repeats=2, session=session)

    assert result.net is not None and result.energy is not None
    assert result.energy.value_j - result.net.value_j == pytest.approx(40.0 * result.time_s_per_loop, rel=1e-3)
    assert result.net.random_j == result.energy.random_j
    assert "net of idle: " in str(result)


def test_inside_a_run_it_has_no_record_of_its_own(start) -> None:
    session, recorder = start(VirtualMeter([gpu(Constant(100.0), "gpu:0")]))

    with measure("around", session=session) as run:
        energyit(time.time_ns, loops=1, repeats=2, warm_up_s=0, session=session)
    run.settle()
    assert [record.name for record in recorder.records] == ["around"]


def test_an_interval_that_does_not_get_narrow_enough_is_said(start) -> None:
    session, _ = start(VirtualMeter([gpu(Constant(100.0), "gpu:0")]))

    result = energyit(lambda: time.sleep(0.05), loops=2, precision=1e-6, max_time_s=0.2, warm_up_s=0.5, session=session)

    assert result.repeats == FEWEST_REPEATS
    assert result.is_precise is False
    assert "not as narrow as asked" in str(result)
    assert "not ± 0.0001 %; --max-time gives it more time" in str(result)


def test_without_a_meter_the_energy_is_unavailable_and_the_time_is_there(start) -> None:
    session, _ = start()

    result = energyit(lambda: time.sleep(0.001), loops=5, warm_up_s=0, session=session)

    assert result.energy is None and result.interval_j is None and result.power_w is None
    assert result.energies_j == ()
    assert result.repeats == FEWEST_REPEATS
    assert result.time_s_per_loop > 0.001
    assert re.match(r"energy unavailable, [\d.]+ ms per loop \(7 repeats of 5 loops\)\n", str(result))


def test_a_meter_that_fails_on_the_way_makes_the_energy_unavailable(start) -> None:
    meter = VirtualMeter([gpu(Constant(100.0), "gpu:0")], raises_s=[(1.5, math.inf)])
    session, _ = start(meter)

    result = energyit(lambda: time.sleep(0.05), loops=22, repeats=4, warm_up_s=0.2, session=session)

    assert result.energy is None
    assert result.unavailable == ("gpu:0",)


def test_a_repeat_of_minutes_keeps_its_opening_edge(start, monkeypatch) -> None:
    monkeypatch.setattr(line, "KEPT_KNOTS", 15)  # one and a half seconds, in place of two and a half minutes
    monkeypatch.setattr(window, "KEEP_EDGE_AFTER_S", 0.4)
    monkeypatch.setattr(repeats_module, "KEEP_EVERY_S", 0.1)
    session, _ = start(VirtualMeter([gpu(Constant(100.0), "gpu:0")]))

    result = energyit(lambda: time.sleep(3.0), loops=1, repeats=1, warm_up_s=0, session=session)

    assert result.energy_j_per_loop == pytest.approx(300.0, rel=0.05)
    assert result.unavailable == ()
    assert "a single repeat" in str(result)


def test_what_fails_is_passed_on_and_the_sensors_rest(start) -> None:
    session, recorder = start(VirtualMeter([gpu(Constant(100.0), "gpu:0")]))
    calls = []

    def fails() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        energyit(fails, loops=2, warm_up_s=0, session=session)
    session.settle(5.0)
    assert [str(record.status) for record in recorder.records] == ["error"]
    time.sleep(0.2)
    assert all(reader.is_resting for reader in session.sampler.readers)


def test_what_speeds_up_after_the_warm_up_gets_more_loops(start) -> None:
    session, _ = start()
    began = time.monotonic()

    def work() -> None:
        time.sleep(0.02 if time.monotonic() - began < 0.3 else 0.002)

    result = energyit(work, repeats=2, warm_up_s=0.1, max_time_s=3.0, session=session)

    assert min(result.times_s) * result.loops > 0.15


def test_what_cannot_be_used_is_refused(start) -> None:
    session, _ = start()

    async def coroutine() -> None: ...

    with pytest.raises(TypeError, match="cannot await"):
        energyit(coroutine, session=session)
    for settings in ({"loops": 0}, {"repeats": 0}, {"precision": 5.0}, {"max_time_s": -1.0}, {"warm_up_s": math.nan}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} is .*: expected"):
            energyit(time.time, session=session, **settings)


@pytest.mark.parametrize(
    ("line", "plan", "source"),
    [
        ("f(x)", RepeatPlan(), "f(x)"),
        ("-n 4 -r3 f('a   b')  -p 1", RepeatPlan(loops=4, repeats=3), "f('a   b')  -p 1"),
        ("-p 2% f()", RepeatPlan(precision=0.02), "f()"),
        ("--precision=0.1 --max-time 5 --warm-up=2 f()", RepeatPlan(None, None, 0.1, 5.0, 2.0), "f()"),
        ("--cool-down 1.5 -- -x", RepeatPlan(cool_down_s=1.5), "-x"),
        ("-n 4", RepeatPlan(loops=4), ""),
        ("", RepeatPlan(), ""),
    ],
)
def test_flags_stand_before_the_statement(line: str, plan: RepeatPlan, source: str) -> None:
    options = energyit_options(line)

    assert (options.plan, options.source) == (plan, source)
    assert not options.returns_result and not options.is_quiet


def test_switches_may_be_written_together() -> None:
    assert energyit_options("-oq f()") == energyit_options("-q -o f()")
    assert energyit_options("-oq f()").returns_result and energyit_options("-oq f()").is_quiet


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-z f()", "no flag -z; the flags are -n"),
        ("--precison 5% f()", "no flag --precison"),
        ("-x + 3", "put -- before a statement"),
        ("-n many f()", "-n many: expected a whole number"),
        ("-n 2.5 f()", "-n 2.5: expected a whole number"),
        ("-n", "%energyit -n: expected"),
        ("-r 0 f()", "repeats is 0: expected 1 or more"),
        ("-p 5 f()", "precision is 5.0: expected a part"),
        ("-p 150% f()", "precision is 1.5"),
        ("--max-time soon f()", "--max-time soon: expected seconds"),
        ("--warm-up -1 f()", "warm_up_s is -1.0: expected seconds"),
    ],
)
def test_a_flag_that_cannot_be_used_is_named_with_what_is_expected(line: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        energyit_options(line)

    assert said in str(raised.value)
