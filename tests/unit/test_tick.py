"""The tick clock: brackets narrow one another, and a clock that is contradicted starts anew."""

from __future__ import annotations

import random

import pytest

from greenllm_kernel.metering.tracing.tick import TickClock

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


def read_every(clock: TickClock, spacing_ms: float, period_ms: float, reads: int, jitter_ms: float = 0.0) -> None:
    """Read a counter with these ticks at an even spacing, and tell the clock what is seen."""
    rng = random.Random(0)
    ticks = [(3.0 + index * period_ms + rng.uniform(-jitter_ms, jitter_ms)) * MS for index in range(1000)]
    for index in range(reads):
        after, until = index * spacing_ms * MS, (index + 1) * spacing_ms * MS
        if any(after < tick <= until for tick in ticks):
            clock.observe(after, until)
        else:
            clock.pass_over(after, until)


@pytest.mark.parametrize("period_ms", [20.0, 33.0, 50.0, 71.0, 120.0, 250.0])
def test_a_period_far_off_the_declared_one_is_learnt_by_counting_ticks(period_ms):
    clock = TickClock(100 * MS)
    read_every(clock, period_ms / 9, period_ms, 200)
    assert clock.is_locked
    assert clock.period_ns == pytest.approx(period_ms * MS, rel=0.01)


def test_reads_that_each_bring_a_change_are_too_slow_to_tell_a_period():
    clock = TickClock(100 * MS)
    read_every(clock, 12.5, 5.0, 30)
    assert clock.is_too_slowly_read
    assert not clock.is_locked


def test_a_counter_refreshed_every_few_milliseconds_is_not_followed_tick_by_tick():
    clock = TickClock(100 * MS)
    read_every(clock, 2.0, 1.0, 30)
    assert clock.is_fast
    assert clock.period_ns <= 4 * MS


def test_ticks_that_come_early_and_late_loosen_what_is_claimed_and_keep_the_lock():
    clock = TickClock(100 * MS)
    read_every(clock, 11.0, 100.0, 600, jitter_ms=5.0)
    assert clock.is_locked
    found = clock.next_tick(6600 * MS)
    assert found is not None
    instant, half = found
    assert half > MS
    assert abs(instant - 6603 * MS) <= half + 5 * MS or abs(instant - 6703 * MS) <= half + 5 * MS


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


def foretold(clock: TickClock, at_ms: float) -> tuple[float, float]:
    found = clock.next_tick(at_ms * MS)
    assert found is not None
    return found[0] / MS, found[1] / MS


def test_a_tick_that_comes_later_than_a_read_beside_it_is_known_more_closely():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 12.0)
    instant, half = foretold(clock, 3180.0)
    passed = instant - half / 2
    clock.resume((instant - 150) * MS, (instant - 50) * MS)
    clock.pass_over((instant - 50) * MS, passed * MS)
    assert foretold(clock, 3180.0) == (instant, half)  # it may have stood still
    assert clock.resume(passed * MS, (instant + half) * MS)
    later, narrower = foretold(clock, 3180.0)
    assert narrower == pytest.approx(0.75 * half)
    assert later - narrower == pytest.approx(passed)
    assert later + narrower == pytest.approx(instant + half)


def test_a_tick_passed_over_and_then_bracketed_is_one_tick():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 12.0)
    instant, half = foretold(clock, 3180.0)
    passed, seen = instant - half / 2, instant + half / 4
    clock.resume((instant - 150) * MS, (instant - 50) * MS)
    clock.pass_over((instant - 50) * MS, passed * MS)
    clock.observe(passed * MS, seen * MS)
    assert clock.is_locked
    found, narrower = clock.last_tick((instant + 50) * MS) or (0.0, 0.0)
    assert (found - narrower, found + narrower) == pytest.approx((passed * MS, seen * MS))


def test_a_counter_that_had_stood_still_before_tells_nothing_of_its_tick():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 12.0)
    instant, half = foretold(clock, 3280.0)
    passed = instant - half / 2
    clock.pass_over((instant - 150) * MS, (instant - 50) * MS)
    clock.pass_over((instant - 50) * MS, passed * MS)
    assert not clock.resume(passed * MS, (instant + 50) * MS)
    assert foretold(clock, 3280.0) == (instant, half)


@pytest.mark.parametrize("passed_ms", [(-50.0, -20.0), (-50.0, 30.0), (0.5, 1.0)], ids=["before", "after", "within"])
def test_reads_that_do_not_tell_on_which_side_of_them_a_tick_lies_narrow_nothing(passed_ms):
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 12.0)
    instant, half = foretold(clock, 3180.0)
    after, until = ((instant + ms) * MS for ms in passed_ms)
    clock.resume((instant - 150) * MS, (instant - 50) * MS)
    clock.pass_over(after, until)
    assert not clock.resume(until, until + 50 * MS)
    assert foretold(clock, 3180.0) == (instant, half)


def test_close_to_a_tick_it_does_not_say_on_which_side():
    clock = TickClock(100 * MS)
    fed(clock, 100.0, 37.0, 30, 6.0)
    assert clock.last_tick((37.0 + 3100.0) * MS) is None
    assert clock.last_tick((37.0 + 3150.0) * MS) is not None
