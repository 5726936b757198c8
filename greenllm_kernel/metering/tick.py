"""Learns when a counter is refreshed, so that one read in mid-tick tells its value at a known instant.

A reading of a counter says what it was at its last refresh (its tick). Two reads with a change between them
bracket a tick. Ticks come at a nearly constant period, so brackets narrow one another: the clock keeps an
interval for the latest tick and one for the period, intersects them with each new bracket, and starts anew
where a bracket contradicts them.
"""

from __future__ import annotations

PERIOD_TOLERANCE = 0.05
"""How far, relatively, a declared update period may be from the true one before brackets correct it."""

JITTER_NS = 300_000
"""Half-width below which a tick's instant is not claimed; it grows where ticks are seen to jitter more."""

CONFIRMATIONS = 2
"""Brackets in a row that must agree with the period before it is relied upon."""

FORGET_AFTER_NS = 60_000_000_000
"""Ticks are not predicted further ahead than this."""


class TickClock:
    """The refresh times of one counter.

    Args:
        period_ns: the declared update period, ns.
    """

    def __init__(self, period_ns: float) -> None:
        self.period_ns = float(period_ns)
        self._declared_ns = float(period_ns)
        self._period_half_ns = PERIOD_TOLERANCE * period_ns
        self._tick_ns: float | None = None
        self._half_ns = 0.0
        self._anchor: tuple[float, float] | None = None
        self._anchor_count = 0
        self._confirmations = 0
        self._jitter_ns = float(JITTER_NS)

    @property
    def is_locked(self) -> bool:
        """Whether a tick is known to within an eighth of the period, and brackets bear the period out."""
        return self._confirmations >= CONFIRMATIONS and self._half_ns <= self.period_ns / 8

    def observe(self, after_ns: float, until_ns: float) -> tuple[float, float]:
        """Take in that exactly one tick came after ``after_ns`` and not later than ``until_ns``.

        Returns:
            The tick's instant and the half-width of its interval, ns.
        """
        low, high = float(after_ns), float(until_ns)
        predicted = self._predicted((low + high) / 2)
        narrowed = (low, high)
        if predicted is not None:
            instant, half, count = predicted
            narrowed = max(low, instant - half), min(high, instant + half)
        if predicted is not None and count >= 1 and half < self.period_ns / 4 and narrowed[0] <= narrowed[1]:
            low, high = narrowed
            self._anchor_count += count
            self._confirmations += 1
            self._jitter_ns = max(float(JITTER_NS), 0.99 * self._jitter_ns)
        else:
            if self.is_locked:
                self._jitter_ns = min(2 * self._jitter_ns, self._declared_ns / 16)
            self._anchor = None
            self._confirmations = 0
            self.period_ns, self._period_half_ns = self._declared_ns, PERIOD_TOLERANCE * self._declared_ns
        self._tick_ns, self._half_ns = (low + high) / 2, max((high - low) / 2, self._jitter_ns)
        self._learn_period(self._tick_ns, self._half_ns)
        return self._tick_ns, self._half_ns

    def last_tick(self, at_ns: float) -> tuple[float, float] | None:
        """Return the latest tick not later than ``at_ns`` and its half-width, or None where that cannot be told."""
        found = self._predicted(at_ns - self.period_ns / 2)
        if found is None or not self.is_locked:
            return None
        instant, half, _ = found
        is_clear = instant + half < at_ns < instant + self.period_ns - half
        return (instant, half) if is_clear and half <= self.period_ns / 8 else None

    def next_tick(self, at_ns: float) -> tuple[float, float] | None:
        """Return the first tick predicted after ``at_ns`` and its half-width, or None while not locked."""
        found = self._predicted(at_ns + self.period_ns / 2)
        if found is None or not self.is_locked:
            return None
        instant, half, _ = found
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
