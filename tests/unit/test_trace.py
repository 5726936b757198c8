"""A trace turns readings into joules: right where it can be, unsure where it cannot, and never falsely exact."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from driven import START_NS, Driven, gpu, package
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
from greenllm_kernel.metering.profiles import Constant, Points, Sine, Square
from greenllm_kernel.metering.schedule import Schedule
from greenllm_kernel.metering.tracing.trace import Trace
from greenllm_kernel.quantities import Provenance


def windows(driven: Driven, key: str, seconds: float, count: int, seed: int = 1):
    """Measure ``count`` windows at random phases; yield each one's energy and the truth."""
    rng = random.Random(seed)
    for _ in range(count):
        driven.run(rng.uniform(0.05, 0.6))
        driven.begin()
        start_ns, end_ns = driven.run(seconds)
        driven.begin()
        driven.run(0.5)
        yield driven.energy(key, start_ns, end_ns), driven.truth_j(key, start_ns, end_ns)


def covered(results) -> float:
    inside = [low <= truth <= high for energy, truth in results for low, high in [energy.repeatability_interval_j]]
    return sum(inside) / len(inside)


def test_a_constant_power_gives_its_energy_to_a_part_in_a_thousand():
    driven = Driven([gpu(Constant(300.0), counter_phase_s=0.037)])
    driven.run(3.0)
    start_ns, end_ns = driven.run(1.0)
    driven.run(0.5)
    energy = driven.energy("gpu:0", start_ns, end_ns)
    assert energy.value_j == pytest.approx(300.0, rel=1e-3)
    assert energy.provenance is Provenance.MEASURED


def test_a_second_of_a_square_wave_is_right_to_a_percent_and_its_interval_holds():
    driven = Driven([gpu(Square(100.0, 500.0, 1.87), counter_phase_s=0.037, power_phase_s=0.061)])
    driven.run(3.0)
    results = list(windows(driven, "gpu:0", 1.0, 100))
    errors = sorted(abs(energy.value_j - truth) / truth for energy, truth in results)
    assert errors[50] < 0.005
    assert errors[97] < 0.03
    assert covered(results) >= 0.9


def test_a_cell_shorter_than_a_tick_is_never_zero_and_its_interval_is_wide():
    driven = Driven([gpu(Square(100.0, 500.0, 0.23), counter_phase_s=0.037, power_phase_s=0.061)])
    driven.run(2.0)
    results = list(windows(driven, "gpu:0", 0.01, 60))
    assert all(energy.value_j > 0 for energy, _ in results)
    assert all(energy.repeatability_interval_j[1] > energy.value_j for energy, _ in results)


def test_reads_that_come_late_widen_the_interval_and_keep_it_true():
    rng = random.Random(5)
    driven = Driven([gpu(Square(100.0, 500.0, 1.87), counter_phase_s=0.02)], late_s=lambda: rng.uniform(0.0, 0.06))
    driven.run(3.0)
    results = list(windows(driven, "gpu:0", 1.0, 80))
    assert covered(results) >= 0.88


def test_the_ticks_are_learnt_in_less_than_a_second_and_then_one_read_a_tick_is_enough():
    driven = Driven([gpu(Constant(200.0), counter_phase_s=0.083)])
    driven.run(1.0)
    clock = driven.traces["gpu:0"].clock
    assert clock is not None
    assert clock.is_locked
    before = driven.reads
    driven.run(20.0)
    assert (driven.reads - before) / 20.0 < 13.0


def test_a_counter_that_wraps_goes_on():
    driven = Driven([package(Constant(120.0), wraps_at_j=1000.0, counter_offset_j=900.0)])
    start_ns, end_ns = driven.run(20.0)
    driven.run(0.5)
    assert driven.energy("cpu:0", start_ns, end_ns).value_j == pytest.approx(2400.0, rel=0.01)


def test_a_reset_is_bridged_and_the_interval_covers_what_was_lost():
    driven = Driven([gpu(Constant(200.0), resets_at_s=[5.02])])
    start_ns, end_ns = driven.run(10.0)
    driven.run(0.5)
    energy = driven.energy("gpu:0", start_ns, end_ns)
    low, high = energy.interval_j
    assert low <= driven.truth_j("gpu:0", start_ns, end_ns) <= high
    assert energy.value_j == pytest.approx(2000.0, rel=0.02)


def test_what_a_lost_device_drew_is_bridged_called_estimated_and_any_of_it_may_be_false():
    driven = Driven([gpu(Constant(200.0), gaps_s=[(4.0, float("inf"))])])
    start_ns, end_ns = driven.run(8.0)
    trace = driven.traces["gpu:0"]
    opening, closing = trace.edge(start_ns), trace.edge(end_ns)
    assert opening is not None
    assert closing is not None
    energy = trace.energy(opening, closing)
    assert energy.by_provenance_j[Provenance.MEASURED] == pytest.approx(800.0, rel=0.06)
    assert energy.by_provenance_j[Provenance.ESTIMATED] == pytest.approx(800.0, rel=0.06)
    assert energy.provenance is Provenance.ESTIMATED
    low, high = energy.repeatability_interval_j
    assert low < 800.0
    assert high > 2300.0
    assert (closing.gap_ns - opening.gap_ns) / 8e9 == pytest.approx(0.5, abs=0.03)
    assert trace.fault
    assert trace.is_settled(end_ns)


def test_a_device_lost_a_moment_ago_is_waited_for():
    driven = Driven([gpu(Constant(200.0), gaps_s=[(4.0, 5.0)])])
    start_ns, end_ns = driven.run(4.5)
    assert not driven.traces["gpu:0"].is_settled(end_ns)
    driven.run(1.5)
    assert driven.traces["gpu:0"].is_settled(end_ns)
    assert driven.energy("gpu:0", start_ns, end_ns).value_j == pytest.approx(900.0, rel=0.01)


def test_before_the_first_reading_time_is_bridged_too():
    driven = Driven([gpu(Constant(200.0))])
    driven.run(1.0)
    trace = driven.traces["gpu:0"]
    end_ns = driven.clock() - 500_000_000
    opening, closing = trace.first_edge(START_NS - 10**10), trace.edge(end_ns)
    assert opening is not None
    assert closing is not None
    energy = trace.energy(opening, closing)
    assert energy.value_j == pytest.approx(2100.0, rel=0.02)
    assert energy.by_provenance_j[Provenance.ESTIMATED] == pytest.approx(2000.0, rel=0.02)
    assert energy.repeatability_interval_j[0] < 100.0
    assert closing.gap_ns - opening.gap_ns == pytest.approx(1e10, rel=0.02)


@pytest.mark.parametrize("frozen_s", [0.4, 0.9, 2.5])
def test_a_counter_that_freezes_for_a_while_gives_no_false_figure(frozen_s):
    results = []
    for index in range(40):
        wave = Square(100.0, 500.0, 1.87, phase_s=0.047 * index)
        driven = Driven([gpu(wave, frozen_s=[(3.0, 3.0 + frozen_s)], counter_phase_s=0.0025 * index)])
        driven.run(2.7)
        start_ns, end_ns = driven.run(0.6)
        driven.begin()
        driven.run(3.0)
        results.append((driven.energy("gpu:0", start_ns, end_ns), driven.truth_j("gpu:0", start_ns, end_ns)))
        assert results[-1][0].value_j > 0
    assert covered(results) >= 0.95


def test_power_that_freezes_after_it_has_always_moved_is_not_trusted():
    driven = Driven([gpu(Sine(300.0, 100.0, 3.0), counts=False, frozen_s=[(4.0, 6.0)])])
    start_ns, end_ns = driven.run(8.0)
    driven.run(0.5)
    energy = driven.energy("gpu:0", start_ns, end_ns)
    low, high = energy.repeatability_interval_j
    assert low <= driven.truth_j("gpu:0", start_ns, end_ns) <= high
    assert energy.random_j > 100.0


@pytest.mark.parametrize(
    ("period_s", "averaging_window_s"), [(0.1, 0.025), (0.1, 0.1), (0.1, 1.0), (0.02, 0.02), (0.25, 0.05)]
)
def test_the_lag_and_the_averaging_of_power_are_taken_into_account(period_s, averaging_window_s):
    results = []
    for index in range(40):
        step = Points([(0.0, 100.0), (2.013 + 0.01 * index, 500.0), (4.0 + 0.01 * index, 100.0)])
        sensor = gpu(
            step,
            counts=False,
            update_period_s=period_s,
            averaging_window_s=averaging_window_s,
            power_phase_s=0.618 * period_s * index,
        )
        driven = Driven([sensor])
        driven.run(2.0 + 0.01 * index)
        start_ns, end_ns = driven.run(2.0)
        driven.begin()
        driven.run(2.0)
        results.append((driven.energy("gpu:0", start_ns, end_ns), driven.truth_j("gpu:0", start_ns, end_ns)))
    assert covered(results) >= 0.95
    errors = sorted(abs(energy.value_j - truth_j) / truth_j for energy, truth_j in results)
    assert errors[len(errors) // 2] < 0.3 * averaging_window_s + 0.05


@pytest.mark.parametrize("true_s", [0.02, 0.033, 0.05, 0.08, 0.12, 0.25])
def test_a_refresh_period_other_than_the_declared_one_is_learnt(true_s):
    results = []
    for index in range(10):
        driven = Driven([gpu(Square(100.0, 500.0, 1.87), update_period_s=true_s, counter_phase_s=0.007 * index)])
        channel = replace(driven.traces["gpu:0"].channel, update_period_s=0.1)
        trace = driven.traces["gpu:0"] = Trace(channel)
        driven.schedules["gpu:0"] = Schedule(trace)
        driven.begin()
        driven.run(2.0 + 0.1 * index)
        driven.begin()
        start_ns, end_ns = driven.run(1.0)
        driven.begin()
        driven.run(1.0)
        assert trace.clock is not None
        assert trace.clock.period_ns == pytest.approx(true_s * 1e9, rel=0.01)
        results.append((driven.energy("gpu:0", start_ns, end_ns), driven.truth_j("gpu:0", start_ns, end_ns)))
        assert results[-1][0].value_j == pytest.approx(results[-1][1], rel=0.2 * true_s + 0.03)
    assert covered(results) >= 0.9


def test_a_spike_inside_a_tick_is_not_taken_for_a_level():
    """Ticks of one mean each hide where in them a spike lies: an edge beside it may have all of it or none."""
    results = []
    for index in range(60):
        spike = Points([(0.0, 100.0), (2.0 + 0.0016 * index, 500.0), (2.02 + 0.0016 * index, 100.0)])
        driven = Driven([gpu(spike, provides=frozenset({Kind.COUNTER}))])
        driven.run(1.9)
        start_ns, end_ns = driven.run(0.15)
        driven.begin()
        driven.run(1.0)
        results.append((driven.energy("gpu:0", start_ns, end_ns), driven.truth_j("gpu:0", start_ns, end_ns)))
    assert covered(results) >= 0.93


def test_a_counter_heals_a_gap_in_its_readings():
    driven = Driven([gpu(Square(100.0, 500.0, 1.3), gaps_s=[(3.0, 5.0)])])
    start_ns, end_ns = driven.run(9.0)
    driven.run(0.5)
    energy = driven.energy("gpu:0", start_ns, end_ns)
    low, high = energy.interval_j
    assert low <= driven.truth_j("gpu:0", start_ns, end_ns) <= high
    assert energy.value_j == pytest.approx(driven.truth_j("gpu:0", start_ns, end_ns), rel=0.02)


def test_power_alone_is_integrated_and_called_derived():
    driven = Driven([gpu(Sine(300.0, 100.0, 3.0), counts=False)])
    start_ns, end_ns = driven.run(5.0)
    driven.run(0.5)
    energy = driven.energy("gpu:0", start_ns, end_ns)
    assert energy.provenance is Provenance.DERIVED
    assert energy.value_j == pytest.approx(driven.truth_j("gpu:0", start_ns, end_ns), rel=0.01)


def test_a_gap_in_power_alone_is_not_covered():
    driven = Driven([gpu(Constant(300.0), counts=False, gaps_s=[(2.0, 6.0)])])
    start_ns, end_ns = driven.run(8.0)
    driven.run(0.5)
    trace = driven.traces["gpu:0"]
    opening, closing = trace.edge(start_ns), trace.edge(end_ns)
    assert opening is not None
    assert closing is not None
    assert (closing.gap_ns - opening.gap_ns) / 8e9 == pytest.approx(0.5, abs=0.05)
    assert trace.energy(opening, closing).random_j > 300.0


def test_a_counter_that_stands_still_is_not_believed_to_say_zero():
    driven = Driven([package(Constant(0.0))])
    driven.run(0.5)
    assert driven.traces["cpu:0"].fault is None
    start_ns, end_ns = driven.run(2.0)
    driven.run(0.5)
    trace = driven.traces["cpu:0"]
    assert trace.fault == "its counter stands still"
    assert trace.is_settled(end_ns)
    opening, closing = trace.edge(start_ns), trace.edge(end_ns)
    assert opening is None or closing.gap_ns - opening.gap_ns > 1e9


def test_a_card_whose_power_reads_zero_too_draws_nothing():
    driven = Driven([gpu(Constant(0.0))])
    start_ns, end_ns = driven.run(2.0)
    driven.run(0.5)
    assert driven.traces["gpu:0"].fault is None
    assert driven.traces["gpu:0"].is_settled(end_ns)
    assert driven.energy("gpu:0", start_ns, end_ns).value_j == pytest.approx(0.0, abs=1e-6)


def test_without_any_reading_there_is_no_edge():
    trace = Trace(gpu(Constant(1.0)).channel)
    assert trace.edge(START_NS) is None
    assert trace.power_w(START_NS) is None
    assert not trace.is_settled(START_NS)


def test_after_a_rest_nothing_of_before_is_claimed():
    driven = Driven([package(Constant(100.0))])
    driven.run(2.0)
    driven.traces["cpu:0"].rest()
    driven.clock.sleep(3600.0)
    driven.begin()
    start_ns, end_ns = driven.run(1.0)
    driven.run(0.3)
    energy = driven.energy("cpu:0", start_ns, end_ns)
    assert energy.value_j == pytest.approx(100.0, rel=0.02)
    assert driven.traces["cpu:0"].edge(start_ns - 10**12) is None


@pytest.mark.parametrize(
    ("kind", "value"), [(Kind.POWER, 12.5e6), (Kind.POWER, -5.0), (Kind.POWER, float("nan")), (Kind.COUNTER, -1.0)]
)
def test_a_reading_no_machine_can_give_is_a_fault_with_a_reason(kind, value):
    trace = Trace(Channel("gpu:0", Component.GPU, "g", frozenset(Kind)))
    trace.add(Reading("gpu:0", kind, value, START_NS))
    assert trace.fault is not None
    assert "sensor gave" in trace.fault
    assert trace.power_w(START_NS + 1) is None


def test_an_absurd_jump_of_a_counter_adds_no_false_energy():
    driven = Driven([gpu(Constant(100.0))])
    driven.run(2.0)
    trace = driven.traces["gpu:0"]
    start_ns = driven.clock()
    trace.add(Reading("gpu:0", Kind.COUNTER, 1e12, start_ns + 10**8))
    trace.add(Reading("gpu:0", Kind.COUNTER, 1e12 + 10.0, start_ns + 2 * 10**8))
    opening, closing = trace.edge(start_ns - 10**9), trace.edge(start_ns + 10**8)
    assert opening is not None
    assert closing is not None
    assert trace.energy(opening, closing).value_j < 200.0


def test_gain_is_a_scale_uncertainty_and_a_model_is_an_estimate():
    driven = Driven([gpu(Constant(100.0)), package(Constant(50.0), model_uncertainty=0.2)])
    start_ns, end_ns = driven.run(2.0)
    driven.run(0.5)
    sensed = driven.energy("gpu:0", start_ns, end_ns)
    modelled = driven.energy("cpu:0", start_ns, end_ns)
    assert sensed.scale_j["gpu:0"] == pytest.approx(0.02 * sensed.value_j)
    assert modelled.model_j["cpu:0"] == pytest.approx(0.2 * modelled.value_j)
    assert modelled.provenance is Provenance.ESTIMATED


def test_memory_does_not_grow_with_time():
    driven = Driven([gpu(Constant(100.0))])
    driven.run(400.0)
    trace = driven.traces["gpu:0"]
    assert len(trace._line) <= 1500
    assert len(trace.history.between(0, 2**63)) <= 500


@pytest.mark.parametrize("seconds", [0.02, 0.054, 0.3, 1.0])
def test_the_first_window_of_all_is_as_true_as_any(seconds):
    results = []
    for index in range(100):
        driven = Driven([gpu(Constant(100.0), counter_phase_s=0.001 * index)])
        start_ns, end_ns = driven.run(seconds)
        driven.begin()
        driven.run(0.6)
        results.append((driven.energy("gpu:0", start_ns, end_ns), driven.truth_j("gpu:0", start_ns, end_ns)))
    assert covered(results) >= 0.95
