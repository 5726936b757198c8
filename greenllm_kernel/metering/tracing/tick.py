"""Learns when a counter is refreshed, so that one read in mid-tick tells its value at a known instant.

A reading of a counter says what it was at its last refresh (its tick). Two reads with a change between them
bracket a tick. Counting the ticks between a first and a last bracket bounds the period; from then on brackets
narrow one another: the clock keeps an interval for the latest tick and one for the period, and intersects them
with each new bracket. Where a read just after a tick was foretold shows no change, and the next one does, the tick
came later than the former: this narrows its interval from the other side. A bracket that misses the interval by
little shows how much the ticks jitter; one that misses it by much shows that the refreshing has changed, and the
clock starts anew.
"""

from __future__ import annotations

import math
from collections import deque

PERIOD_TOLERANCE = 0.05
"""How far, relatively, the declared period is taken to be from the true one until ticks have told it."""

JITTER_NS = 300_000
"""Half-width below which a tick's instant is not claimed; it grows where ticks are seen to jitter more."""

MOST_JITTER = 1 / 6
"""Part of the period by which a tick may come early or late and still belong to the same course of ticks."""

CONFIRMATIONS = 2
"""Brackets in a row that must agree with the period before it is relied upon."""

FORGET_AFTER_NS = 60_000_000_000
"""Ticks are not predicted further ahead than this."""

LEARNT_FROM = 3
"""Ticks that must have been bracketed one after the other before they tell a period."""

MANY = 4
"""After so many reads in a row that each brought a change, reads are too far apart to tell ticks from one another."""

NARROW_ENOUGH = 0.7
"""A bracket wider than this part of the period may hold two ticks, and is not learnt from."""

SHORTEST_PERIOD_NS = 8_000_000
"""Ticks that follow one another more closely are not followed one by one."""

FOLLOWED = 1 / 4
"""A tick is read at where it is foretold to within this part of the period (half-width); else ticks are learnt anew."""

CLAIMED = 1 / 6
"""A tick is relied upon where it is known to within this part of the period (half-width)."""


class TickClock:
    """The refresh times of one counter.

    Args:
        period_ns: the declared update period, ns; the true one is learnt.
    """

    def __init__(self, period_ns: float) -> None:
        self.period_ns = float(period_ns)
        self._period_half_ns = PERIOD_TOLERANCE * period_ns
        self._tick_ns: float | None = None
        self._half_ns = 0.0
        self._anchor: tuple[float, float] | None = None
        self._anchor_count = 0
        self._confirmations = 0
        self._jitter_ns = float(JITTER_NS)
        self._brackets: deque[tuple[float, float]] = deque(maxlen=6)
        self._changes_in_a_row = 0
        self._last_until_ns = 0.0
        self._moved_ns = -math.inf
        self._passed: tuple[float, float] | None = None
        self.is_fast = False
        """Whether it is refreshed so often that its ticks are not followed one by one."""

    @property
    def is_locked(self) -> bool:
        """Whether a tick is known well, and brackets bear the period out."""
        return self._confirmations >= CONFIRMATIONS and self._half_ns <= CLAIMED * self.period_ns

    @property
    def is_too_slowly_read(self) -> bool:
        """Whether every read of late brought a change, so that there may be more ticks than reads."""
        return self._changes_in_a_row >= MANY and not self.is_fast

    @property
    def reach(self) -> int:
        """How many ticks ahead one can still be told from its neighbours."""
        spare_ns = CLAIMED * self.period_ns - self._half_ns
        return max(0, int(spare_ns / max(1.0, self._period_half_ns)))

    def pass_over(self, after_ns: float, until_ns: float) -> None:
        """Take in that no tick came after ``after_ns`` and not later than ``until_ns``."""
        after, until = float(after_ns), float(until_ns)
        self._changes_in_a_row = 0
        if after != self._last_until_ns:
            self._brackets.clear()
        self._last_until_ns = until
        self._passed = (after, until)

    def resume(self, after_ns: float, until_ns: float) -> bool:
        """Take in that ticks, one or more, came after ``after_ns`` and not later than ``until_ns``.

        Returns:
            Whether the latest tick known is one of them: it was foretold for about ``after_ns``, and is late.
        """
        # Only now does it look certain, and only if it had moved just before: one that stands still passes over ticks.
        after = float(after_ns)
        passed, self._passed = self._passed, None
        is_moving, self._moved_ns = after - self._moved_ns < self.period_ns, float(until_ns)
        predicted = self._predicted(after)
        if not is_moving or not self.is_locked or passed is None or passed[1] != after:
            return False
        if predicted is None or predicted[2] < 1:
            return False
        instant, half, count = predicted
        if not passed[0] < instant - half < after < instant + half:
            return False
        self._settle(after, instant + half, count)
        return True

    def observe(self, after_ns: float, until_ns: float) -> tuple[float, float]:
        """Take in that a tick came after ``after_ns`` and not later than ``until_ns``.

        Returns:
            The tick's instant and the half-width of its interval, ns.
        """
        low, high = float(after_ns), float(until_ns)
        if not self.is_locked:
            self._learn(low, high)
        least = 0 if self.resume(low, high) else 1
        predicted = self._predicted((low + high) / 2)
        if predicted is None or predicted[2] < least:
            self._begin_at(low, high)
            return (low + high) / 2, (high - low) / 2
        instant, half, count = predicted
        missed_ns = max(low - (instant + half), (instant - half) - high)
        most_ns = MOST_JITTER * self.period_ns if self.is_locked else 0.0
        if missed_ns > most_ns or half > self.period_ns / 3:
            self._begin_at(low, high)
            return (low + high) / 2, (high - low) / 2
        if missed_ns > 0:
            self._loosen(missed_ns)
            half += 2 * missed_ns
        low, high = max(low, instant - half), min(high, instant + half)
        self._confirmations += 1
        self._jitter_ns = max(float(JITTER_NS), 0.995 * self._jitter_ns)
        return self._settle(low, high, count)

    def last_tick(self, at_ns: float) -> tuple[float, float] | None:
        """Return the latest tick not later than ``at_ns`` and its half-width, or None where that cannot be told."""
        found = self._predicted(at_ns - self.period_ns / 2)
        if found is None or not self.is_locked:
            return None
        instant, half, _ = found
        is_clear = instant + half < at_ns < instant + self.period_ns - half
        return (instant, half) if is_clear and half <= CLAIMED * self.period_ns else None

    def next_tick(self, at_ns: float) -> tuple[float, float] | None:
        """Return the first tick predicted after ``at_ns`` and its half-width, or None while not locked."""
        found = self._predicted(at_ns + self.period_ns / 2)
        if found is None or not self.is_locked:
            return None
        instant, half, _ = found
        if half > FOLLOWED * self.period_ns:
            return None
        if instant <= at_ns:
            instant += self.period_ns
        return instant, half

    def _predicted(self, near_ns: float) -> tuple[float, float, int] | None:
        if self._tick_ns is None or abs(near_ns - self._tick_ns) > FORGET_AFTER_NS:
            return None
        count = round((near_ns - self._tick_ns) / self.period_ns)
        half = max(self._jitter_ns, self._half_ns + abs(count) * self._period_half_ns)
        if half > self.period_ns / 2:
            return None
        return self._tick_ns + count * self.period_ns, half, count

    def _settle(self, low: float, high: float, count: int) -> tuple[float, float]:
        """Know that the tick so many after the latest one known lies between two instants."""
        self._anchor_count += count
        self._tick_ns, self._half_ns = (low + high) / 2, max((high - low) / 2, self._jitter_ns)
        self._learn_period(self._tick_ns, self._half_ns)
        return self._tick_ns, self._half_ns

    def _begin_at(self, low: float, high: float) -> None:
        """Start a new course of ticks at a bracket, with the period as far as it is known."""
        self._anchor = None
        self._confirmations = 0
        self._tick_ns, self._half_ns = (low + high) / 2, max((high - low) / 2, self._jitter_ns)
        self._learn_period(self._tick_ns, self._half_ns)

    def _loosen(self, missed_ns: float) -> None:
        """A tick came earlier or later than could be: claim less from now on, of its instants and of the period."""
        self._jitter_ns = min(max(self._jitter_ns, self._jitter_ns / 2 + 2 * missed_ns), self.period_ns / 8)
        self._anchor = None
        self._period_half_ns = max(self._period_half_ns, missed_ns / 8)

    def _learn(self, low: float, high: float) -> None:
        """Bound the period by ticks bracketed one after the other, none left out between them."""
        self._changes_in_a_row += 1
        if low != self._last_until_ns:
            self._brackets.clear()
        self._last_until_ns = high
        self._brackets.append((low, high))
        count = len(self._brackets) - 1
        if count + 1 < LEARNT_FROM:
            return
        first, last = self._brackets[0], self._brackets[-1]
        period = (last[0] + last[1] - first[0] - first[1]) / 2 / count
        half = (last[1] - last[0] + first[1] - first[0]) / 2 / count
        widest = max(until - after for after, until in self._brackets)
        if self._changes_in_a_row >= MANY and widest <= SHORTEST_PERIOD_NS / 2:
            self.is_fast, self.period_ns = True, widest
        if widest > NARROW_ENOUGH * period:
            return
        self.is_fast = period < SHORTEST_PERIOD_NS
        is_new = abs(period - self.period_ns) > half + self._period_half_ns
        if is_new or half < self._period_half_ns:
            self.period_ns = period
            self._period_half_ns = half
            if is_new:
                self._anchor, self._confirmations = None, 0

    def _learn_period(self, instant: float, half: float) -> None:
        if self._anchor is None:
            self._anchor, self._anchor_count = (instant, half), 0
            return
        if self._anchor_count < 1:
            return
        period = (instant - self._anchor[0]) / self._anchor_count
        period_half = (half + self._anchor[1]) / self._anchor_count
        if period_half < self._period_half_ns:
            self.period_ns, self._period_half_ns = period, period_half
