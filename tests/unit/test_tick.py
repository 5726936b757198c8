"""The tick clock: brackets narrow one another, and a clock that is contradicted starts anew."""

from __future__ import annotations

import random

import pytest

from greenllm_kernel.metering.tick import TickClock

MS = 1_000_000


def fed(clock: TickClock, period_ms: float, phase_ms: float, ticks: int, width_ms: float, seed: int = 0) -> None:
    rng = random.Random(seed)
    for index in range(1, ticks + 1):
        tick = (phase_ms + index * period_ms) * MS
        after = tick - rng.uniform(0.01, width_ms) * MS
        clock.observe(after, after + width_ms * MS)


def test_random_brackets_of_an_eighth_of_the_period_lock_it_and_find_the_tick():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 12.0)
    assert clock.is_locked
    found = clock.last_tick(3199 * MS)
    assert found is not None
    instant, half = found
    assert abs(instant - 3137 * MS) <= half + MS
    assert half < 5 * MS


def test_a_period_slightly_off_the_declared_one_is_learnt():
    clock = TickClock(100 * MS)
    fed(clock, 101.3, 12.0, 60, 10.0)
    assert clock.period_ns == pytest.approx(101.3 * MS, rel=1e-3)


def test_a_period_far_off_the_declared_one_is_not_believed():
    clock = TickClock(100 * MS)
    for index in range(1, 50):
        tick = index * 20 * MS
        clock.observe(tick - 3 * MS, tick + 3 * MS)
        assert not clock.is_locked


def test_before_it_is_locked_it_predicts_nothing():
    clock = TickClock(100 * MS)
    assert clock.last_tick(10**12) is None
    assert clock.next_tick(10**12) is None
    clock.observe(10**12, 10**12 + 10 * MS)
    assert clock.next_tick(10**12 + 20 * MS) is None


def test_a_shift_of_phase_unlocks_it():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 6.0)
    assert clock.is_locked
    shifted = (37.0 + 3100.0 + 50.0) * MS
    clock.observe(shifted - 3 * MS, shifted + 3 * MS)
    assert not clock.is_locked


def test_close_to_a_tick_it_does_not_say_on_which_side():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 6.0)
    assert clock.last_tick((37.0 + 3100.0) * MS) is None
    assert clock.last_tick((37.0 + 3150.0) * MS) is not None
