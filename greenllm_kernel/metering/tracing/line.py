"""The line of knots of a trace: the instants at which its cumulative energy is known, the latest of them in memory."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import replace

from greenllm_kernel.metering.tracing.counter import RETURN_S
from greenllm_kernel.metering.tracing.knot import Knot, mean_w

KEPT_KNOTS = 600
"""Knots kept in memory: a minute at 10 a second. Open windows keep their own opening edge."""

REFINED_KNOTS = 16
"""How many knots back a clock that has just been locked is believed."""


class Line:
    """Knots in the order of their instants, and the sums that the next one will stand for.

    A knot is loose where its instant is known less closely than its tick may be told later.
    """

    def __init__(self) -> None:
        self._knots: deque[Knot] = deque(maxlen=KEPT_KNOTS)
        self._has_loose = False
        self._joules = 0.0
        self._variance_j2 = 0.0
        self._gap_ns = 0.0
        self._guessed_j = 0.0
        self._broken_ns = 0.0
        self._broke_ns = -math.inf

    def __len__(self) -> int:
        return len(self._knots)

    def __getitem__(self, index: int) -> Knot:
        return self._knots[index]

    @property
    def last(self) -> Knot:
        """The latest knot; there must be one."""
        return self._knots[-1]

    @property
    def first_w(self) -> float | None:
        """Mean power between the two oldest knots, W; None where there are not two."""
        return mean_w(self._knots[0], self._knots[1]) if len(self) > 1 else None

    @property
    def last_w(self) -> float | None:
        """Mean power between the two latest knots, W; None where there are not two."""
        return mean_w(self._knots[-2], self._knots[-1]) if len(self) > 1 else None

    def index_after(self, t_ns: float) -> int:
        """Return the place of the first knot after ``t_ns``."""
        return bisect_right(self._knots, float(t_ns), key=lambda knot: knot.t_ns)

    def between(self, first: int, end: int) -> list[Knot]:
        """Return the knots from place ``first`` to before ``end``, as far as there are any."""
        return [self._knots[at] for at in range(first, min(len(self), end))]

    def first_from(self, t_ns: float) -> Knot | None:
        """Return the first knot at ``t_ns`` or later."""
        return next((knot for knot in self._knots if knot.t_ns >= t_ns), None)

    def clear(self) -> None:
        """Forget the knots; the sums go on."""
        self._knots.clear()

    def add(self, joules: float, variance_j2: float, guessed_j: float) -> None:
        """Add to the sums of the next knot."""
        self._joules += joules
        self._variance_j2 += variance_j2
        self._guessed_j += guessed_j

    def bridge(self, gap_ns: float) -> None:
        """Take in that ``gap_ns`` before the next knot nothing was read."""
        self._gap_ns += gap_ns

    def append(self, t_ns: float, half_ns: float, loose_ns: float) -> None:
        """Put the next knot at ``t_ns``, known to within ``half_ns``; it is loose where that is above ``loose_ns``."""
        self._knots.append(Knot(t_ns, self._joules, half_ns, self._variance_j2, self._gap_ns, self._guessed_j))
        self._has_loose = self._has_loose or half_ns > loose_ns

    def place(self, t_ns: float, half_ns: float, is_break: bool, loose_ns: float) -> None:
        """Put the next knot after the last one; with ``is_break``, what lies between them was not read."""
        t_ns = max(t_ns, self.last.t_ns + 1)
        if is_break:
            is_first = self.last.t_ns - self._broke_ns > RETURN_S * 1e9
            self._broken_ns = t_ns - self.last.t_ns + (0.0 if is_first else self._broken_ns)
            self._broke_ns = t_ns
            self.bridge(t_ns - self.last.t_ns)
        self.append(t_ns, half_ns, loose_ns)

    def unbreak(self) -> None:
        """Take the breaks of a moment ago back: the counter has returned to what it said before them."""
        self._gap_ns, self._broken_ns = self._gap_ns - self._broken_ns, 0.0

    def cut(self, after_ns: float, kept: int = 0) -> None:
        """Drop the knots after ``after_ns``, but leave ``kept`` of them; the sums go on."""
        while len(self) > kept and self.last.t_ns > after_ns:
            self._knots.pop()

    def go_on_from_last(self) -> None:
        """Take the sums back to what they were at the last knot."""
        if self._knots:
            self._joules, self._variance_j2 = self.last.joules, self.last.variance_j2
            self._gap_ns, self._guessed_j = self.last.gap_ns, self.last.guessed_j

    def pin(self, tick_ns: float, half_ns: float, period_ns: float) -> None:
        """Put the last knot on the tick that its value is now known to be of, where its read was too close to tell."""
        last = self.last
        if last.half_ns <= max(half_ns, period_ns / 8):
            return
        is_near = abs(tick_ns - last.t_ns) <= last.half_ns + half_ns + period_ns / 8
        if is_near and (len(self) < 2 or tick_ns > self._knots[-2].t_ns):
            self._knots[-1] = replace(last, t_ns=tick_ns, half_ns=half_ns)

    def refine(self, tick_ns: float, period_ns: float) -> None:
        """Move loose knots, placed before the clock was locked, onto the ticks it now knows."""
        if not self._has_loose:
            return
        self._has_loose = False
        recent = [self._knots.pop() for _ in range(min(REFINED_KNOTS, len(self)))]
        for knot in reversed(recent):
            if knot.half_ns > period_ns / 8:
                knot = _refined(knot, tick_ns, period_ns)
            if not self._knots or knot.t_ns > self.last.t_ns:
                self._knots.append(knot)


def _refined(knot: Knot, tick_ns: float, period_ns: float) -> Knot:
    """Return a loose knot on its tick, or as it is where its read was too close to a tick to tell which."""
    read_ns = knot.t_ns + knot.half_ns
    half_ns = period_ns / 16
    count = math.ceil((tick_ns - read_ns) / period_ns)
    t_ns = tick_ns - count * period_ns
    is_clear = t_ns + half_ns < read_ns < t_ns + period_ns - half_ns
    is_clear = is_clear and t_ns >= knot.t_ns - knot.half_ns - half_ns and count <= REFINED_KNOTS
    return replace(knot, t_ns=t_ns, half_ns=half_ns) if is_clear else knot
