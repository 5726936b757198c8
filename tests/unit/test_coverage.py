"""Intervals hold the truth as often as they say, in random scenarios that share nothing with the estimator.

The long form, with 10,000 scenarios and a table by kind, is ``python tests/benchmarks coverage``.
"""

from __future__ import annotations

import itertools
import math
import random
import time

import pytest

from greenllm_kernel.metering import reader, window
from greenllm_kernel.metering.meter import Channel, Component, Kind
from scenarios import loads
from scenarios.kinds import KINDS, scenario
from scenarios.loads import Pieces, Wave
from scenarios.outcomes import Summary, least_share, outcomes
from scenarios.sensor import Sensed, Sensor, Ticks
from scenarios.simulated_time import SimulatedTime

SEED = 20

EACH = 100
"""Scenarios of each kind."""

LEAST_SHARE = 0.94


@pytest.fixture(scope="module")
def told():
    return {kind: [one for index in range(EACH) for one in outcomes(kind, index, SEED)] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_the_intervals_hold_the_truth_in_each_kind_of_scenario(told, kind):
    official = Summary.of([one for one in told[kind] if one.is_official])
    assert official.windows + official.unavailable == EACH
    assert official.windows > 0.8 * EACH
    assert official.share >= least_share(official.windows, LEAST_SHARE)


def test_the_intervals_hold_the_truth_over_all_scenarios(told):
    official = Summary.of([one for some in told.values() for one in some if one.is_official])
    assert official.share >= least_share(official.windows, LEAST_SHARE)


def test_the_intervals_are_not_wide_where_a_counter_tells_all(told):
    """A second of a card, or of a processor, with nothing wrong: what its ticks leave open is a per cent or two."""
    some = [one for kind in ("both-25ms", "fast-counter") for one in told[kind] if one.length_s > 1.0]
    assert Summary.of(some).repeatability_half_width < 0.02


def test_no_window_is_said_to_have_drawn_nothing(told):
    silent = [one for some in told.values() for one in some if one.value_j == 0 and one.interval_j[1] == 0]
    assert not silent


# What the scenarios are made of.


def test_a_scenario_is_the_same_each_time():
    assert outcomes("all-at-once", 3, SEED) == outcomes("all-at-once", 3, SEED)


def test_real_time_is_back_after_a_scenario():
    outcomes("load-constant", 0, SEED)
    assert reader.time is time
    assert window.time is time


def test_the_energy_of_steps_ramps_and_waves_is_their_area():
    steps, ramps = Pieces([(1.0, 100.0), (2.0, 300.0)]), Pieces([(1.0, 100.0), (2.0, 300.0)], ramps=True)
    wave = Wave(100.0, 500.0, period_s=2.0, phase_s=0.5, duty=0.25)
    for load, start_s, end_s, energy_j in (
        (steps, 0.0, 3.0, 500.0),
        (steps, -2.0, 1.5, 350.0),
        (ramps, 0.0, 3.0, 600.0),
        (ramps, 1.5, 2.0, 125.0),
        (wave, 0.0, 2.0, 400.0),
        (wave, 0.75, 1.25, 150.0),
    ):
        assert load.energy_j(end_s) - load.energy_j(start_s) == pytest.approx(energy_j)
        assert load.energy_j(0.0) == 0.0


@pytest.mark.parametrize("make", loads.LOADS, ids=lambda make: make.__name__)
def test_a_random_load_draws_at_every_instant(make):
    load = make(random.Random(4), 20.0, [(1.0, 3.0), (5.0, 5.1)])
    energies_j = [load.energy_j(0.01 * step) for step in range(-100, 2100)]
    powers_w = [(after - before) / 0.01 for before, after in itertools.pairwise(energies_j)]
    assert 1.0 < min(powers_w) <= max(powers_w) < 2000.0


def test_jittering_ticks_stay_in_order_and_near_their_places():
    rng = random.Random(2)
    ticks = Ticks(0.1, 0.03, deviations_s=[rng.uniform(-0.04, 0.04) for _ in range(100)])
    seen = [ticks.last_s(0.001 * step) for step in range(20_000)]
    assert seen == sorted(seen)
    assert all(0.0 <= 0.001 * step - tick_s < 0.19 for step, tick_s in enumerate(seen))
    assert len(set(seen)) in (200, 201)


def read(sensed: Sensed, *instants_s: float) -> list[float]:
    simulated = SimulatedTime()
    start_ns = simulated.now_ns
    sensor = Sensor([sensed], simulated, random.Random(1), cpu_s=0.0)
    values = []
    for instant_s in instants_s:
        simulated.now_ns = start_ns + int(1e9 * instant_s)
        values += [reading.value for reading in sensor.read(["x"])]
    return values


def sensed(kind: Kind, **distorted: object) -> Sensed:
    channel = Channel("x", Component.GPU, "x", frozenset({kind}), wraps_at_j=distorted.pop("wraps_at_j", None))
    ticks = {"counter_ticks": Ticks(0.1), "power_ticks": Ticks(0.1), **distorted}
    return Sensed(channel, Pieces([(0.0, 100.0), (1.0, 300.0)]), gain_error=0.1, **ticks)  # type: ignore[arg-type]


def test_a_counter_shows_its_last_tick_with_its_gain_its_steps_its_wraps_and_its_resets():
    assert read(sensed(Kind.COUNTER), 0.25, 0.35) == pytest.approx([22.0, 33.0])
    assert read(sensed(Kind.COUNTER, counter_step_j=5.0), 0.35) == pytest.approx([30.0])
    assert read(sensed(Kind.COUNTER, wraps_at_j=30.0), 0.35) == pytest.approx([3.0])
    assert read(sensed(Kind.COUNTER, resets_s=[0.15]), 0.12, 0.17, 0.25) == pytest.approx([11.0, 0.0, 5.5])
    frozen = Ticks(0.1, frozen_s=[(0.25, 0.65)])
    assert read(sensed(Kind.COUNTER, counter_ticks=frozen), 0.6, 0.75) == pytest.approx([22.0, 77.0])


def test_power_is_a_mean_over_the_time_before_its_last_tick():
    assert read(sensed(Kind.POWER, averaging_s=0.2), 0.95, 1.15, 1.25) == pytest.approx([110.0, 220.0, 330.0])


def test_a_gap_is_a_fault_and_only_for_its_time():
    values = read(sensed(Kind.COUNTER, gaps_s=[(0.2, 0.3)]), 0.15, 0.25, 0.35)
    assert [math.isnan(value) for value in values] == [False, True, False]


def test_every_kind_measures_short_and_long_windows_nested_and_overlapping():
    windows = [window for index in range(200) for window in scenario("load-steps", index, SEED).windows_s]
    lengths_s = [ended_s - began_s for began_s, ended_s in windows]
    assert min(lengths_s) < 0.015
    assert max(lengths_s) > 50.0


@pytest.mark.parametrize(("count", "share"), [(100, 0.94), (437, 0.94), (10_000, 0.94), (30, 0.5)])
def test_the_least_share_is_seldom_missed_by_chance(count, share):
    least = round(least_share(count, share) * count)
    below = sum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(least) if count < 1000)
    if count < 1000:
        assert below < 0.001
        assert below + math.comb(count, least) * share**least * (1 - share) ** (count - least) >= 0.001
    else:
        assert least / count == pytest.approx(share - 3.09 * math.sqrt(share * (1 - share) / count), abs=5e-4)
