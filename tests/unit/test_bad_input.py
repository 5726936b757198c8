"""What sensors show and cannot be true becomes a reason, a wider interval or nothing at all: never a false figure."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from greenllm_kernel.metering.meter import Kind
from greenllm_kernel.quantities import Provenance
from scenarios.loads import Pieces
from simulated import GPU, PACKAGE, POWER_ONLY, drawn, holds, sensor

STEPS = Pieces([(0.0, 100.0), (4.0, 300.0), (7.0, 150.0)])

SPAN_S = (2.0, 10.0)

TRUTH_J = STEPS.energy_j(SPAN_S[1]) - STEPS.energy_j(SPAN_S[0])

COUNTERS = pytest.mark.parametrize("channel", [GPU, PACKAGE], ids=["GPU", "package"])


def shown(channel, counter=lambda value_j, t_s: value_j, power=lambda value_w, t_s: value_w):
    """Measure a window over a sensor whose counter and power are distorted; return its draw."""
    good = sensor(STEPS, tick_s=channel.update_period_s, wraps_at_j=channel.wraps_at_j)

    def show(t_s):
        values = good(t_s)
        return {Kind.COUNTER: counter(values[Kind.COUNTER], t_s), Kind.POWER: power(values[Kind.POWER], t_s)}

    ((draw,),) = drawn({channel: show}, [SPAN_S])
    return draw


# Counters.


@COUNTERS
def test_a_counter_that_slips_back_a_little_is_right_all_the_same(channel):
    """The sum of several dies is not read at one instant."""
    draw = shown(channel, lambda value_j, t_s: value_j - 0.4 * (int(t_s * 1e3) % 7 == 0))
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.002)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.fault is None


@COUNTERS
@pytest.mark.parametrize("apart_j", [30.0, 1000.0, 40_000.0])
def test_a_counter_that_shows_now_one_die_and_now_the_other_does_not_add_up_what_lies_between(channel, apart_j):
    reads = iter(range(10**9))
    draw = shown(channel, lambda value_j, t_s: value_j + apart_j * (next(reads) % 2))
    assert holds(draw, TRUTH_J)
    assert draw.energy.value_j < 3 * TRUTH_J or draw.energy.provenance is Provenance.ESTIMATED


@COUNTERS
@pytest.mark.parametrize("jump_j", [2**32 * 1e-6, 2**32 * 1e-3, 1e12, -2000.0, -4500.0])
def test_a_counter_that_jumps_for_good_widens_the_interval_and_says_so(channel, jump_j):
    draw = shown(replace(channel, wraps_at_j=None), lambda value_j, t_s: value_j + jump_j * (t_s > 5.02))
    assert holds(draw, TRUTH_J)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.02)
    assert draw.energy.by_provenance_j[Provenance.ESTIMATED] > 0


@COUNTERS
@pytest.mark.parametrize("nonsense_j", [0.0, -1.0, math.nan, math.inf, 2.0**64 / 1e3, 2**32 * 1e-6])
@pytest.mark.parametrize("reads", [1, 3])
def test_a_counter_that_gives_nonsense_for_a_moment_and_returns_is_right_all_the_same(channel, nonsense_j, reads):
    left = [0] * reads

    def counter(value_j, t_s):
        if t_s > 5.0 and left:
            return nonsense_j + left.pop()
        return value_j

    draw = shown(replace(channel, wraps_at_j=None), counter)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.01)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.coverage > 0.99
    assert holds(draw, TRUTH_J)


@COUNTERS
def test_a_counter_that_gives_nonsense_at_every_third_read_is_still_right_to_its_interval(channel):
    reads = iter(range(10**9))
    draw = shown(channel, lambda value_j, t_s: 0.0 if next(reads) % 3 == 2 else value_j)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.1)
    assert holds(draw, TRUTH_J)


def test_a_counter_of_nothing_but_nonsense_gives_way_to_power():
    draw = shown(GPU, lambda value_j, t_s: -1.0)
    assert draw.energy is None or draw.energy.provenance is not Provenance.MEASURED
    assert draw.energy is None or holds(draw, TRUTH_J)
    lost = shown(GPU, lambda value_j, t_s: math.nan if t_s > 3.0 else value_j)
    assert holds(lost, TRUTH_J)
    assert lost.energy.value_j == pytest.approx(TRUTH_J, rel=0.03)
    assert lost.energy.provenance is Provenance.DERIVED


def test_a_counter_of_nothing_but_nonsense_beside_no_power_is_unavailable():
    draw = shown(PACKAGE, lambda value_j, t_s: (value_j * 7919.0 * (1 + t_s)) % 262143.0)
    assert draw.energy is None or (holds(draw, TRUTH_J) and draw.energy.provenance is Provenance.ESTIMATED)
    assert draw.fault is not None
    empty = shown(PACKAGE, lambda value_j, t_s: math.nan)
    assert empty.energy is None
    assert "sensor gave nan" in empty.fault


def test_a_counter_that_freezes_for_good_is_known_up_to_there():
    draw = shown(PACKAGE, lambda value_j, t_s: 5000.0 + STEPS.energy_j(min(t_s, 5.0)))
    assert draw.coverage == pytest.approx(3.0 / 8.0, abs=0.05)
    assert draw.fault == "its counter stands still"
    assert draw.energy.provenance is Provenance.ESTIMATED
    assert holds(draw, TRUTH_J)


def test_a_counter_that_exceeds_its_own_range_is_not_believed():
    draw = shown(replace(PACKAGE, wraps_at_j=1000.0), lambda value_j, t_s: 5000.0 + STEPS.energy_j(t_s))
    assert draw.energy is None
    assert "more than its range of 1000 J" in draw.fault


def test_a_counter_that_only_jumps_is_never_said_to_have_drawn_nothing_for_certain():
    draw = shown(PACKAGE, lambda value_j, t_s: int(t_s * 10) * 200_000.0 % 262143.0)
    assert draw.energy is None or draw.energy.interval_j[1] > 100.0
    assert draw.fault is not None


# Power.


@pytest.mark.parametrize("nonsense_w", [12.5e6, 0xFFFFFFFF * 1e-3, 50e3, -5.0, math.nan, -math.inf])
@pytest.mark.parametrize("after_s", [0.0, 5.0])
def test_absurd_power_beside_a_good_counter_changes_nothing(nonsense_w, after_s):
    draw = shown(GPU, power=lambda value_w, t_s: nonsense_w if t_s >= after_s else value_w)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.01)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.fault is None
    assert holds(draw, TRUTH_J)


@pytest.mark.parametrize("nonsense_w", [12.5e6, 50e3, -5.0, math.nan])
def test_absurd_power_alone_is_left_out_and_what_it_hides_is_said(nonsense_w):
    now_and_then = shown(POWER_ONLY, power=lambda value_w, t_s: nonsense_w if int(t_s * 10) % 9 == 0 else value_w)
    assert holds(now_and_then, TRUTH_J)
    assert now_and_then.energy.value_j == pytest.approx(TRUTH_J, rel=0.05)
    for_good = shown(POWER_ONLY, power=lambda value_w, t_s: nonsense_w if t_s > 6.0 else value_w)
    assert holds(for_good, TRUTH_J)
    assert "the sensor gave" in for_good.fault
    assert for_good.energy.provenance is Provenance.ESTIMATED
    always = shown(POWER_ONLY, power=lambda value_w, t_s: nonsense_w)
    assert always.energy is None
    assert "the sensor gave" in always.fault


# What meters declare.
