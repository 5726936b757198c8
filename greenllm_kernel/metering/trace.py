"""One channel's readings made into cumulative joules with an uncertainty.

A trace is a line of knots: instants at which the cumulative energy is known. Counters give a knot a tick,
power readings one a reading (trapezoids). Between knots the energy is bounded: power is taken to lie between
the lowest and the highest that the neighbouring knots and power readings show, so that within an interval of
length T and mean power P, after the fraction f,

    max(low f, P - high (1 - f)) <= energy / T <= min(high f, P - low (1 - f)).

Where the neighbours' levels lie on either side of P the power is taken to step from one to the other, which
is one of these bounds; otherwise the middle is taken. The range gives the standard uncertainty of an edge.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from greenllm_kernel.metering.counter import IMPLAUSIBLE_W, Counter
from greenllm_kernel.metering.history import History
from greenllm_kernel.metering.meter import Channel, Kind, Reading
from greenllm_kernel.metering.tick import TickClock
from greenllm_kernel.quantities import Energy, Provenance

TICKING_FROM_S = 0.015
"""Counters refreshed more slowly than this have ticks worth learning; faster ones count as continuous."""

REACH_S = 2.0
"""How far before the first and after the last knot an edge may lie and still be extrapolated."""

NEAR_S = 0.25
"""Time before the first knot up to which readings count as covering it; further away it is a gap."""

STANDSTILL_S = 1.0
"""A counter that has not moved for so long (and for ten periods) is not believed: no powered part draws 0 W."""

STANDS_STILL = "its counter stands still"

SHOWN_SPACING_S = 0.04
"""Power shown from a counter is the mean over at least this, and over four refreshes: less is mostly jitter."""

STALE_S = 2.0
"""A power older than this is not shown as the power now."""

KEPT_KNOTS = 1500
"""Knots kept in memory: over two minutes at 10 a second. Open windows keep their own opening edge."""

REFINED_KNOTS = 16
"""How many knots back a clock that has just been locked is believed."""

EXTRAPOLATION_UNCERTAINTY = 0.3
"""Relative standard uncertainty of power beyond the knots: a cell's load is not that of the instant beside it."""

STEP_SHARE = 3.0
"""An edge's uncertainty is the range of possible energies over this, where a step explains the knots."""


@dataclass(frozen=True, slots=True)
class Knot:
    """An instant at which the cumulative energy is known.

    ``half_ns`` is the half-width of the instant's interval. ``variance_j2`` (what interpolated power, resets and
    gaps have added) and ``gap_ns`` (time without valid readings) accumulate since the trace began.
    """

    t_ns: float
    joules: float
    half_ns: float
    variance_j2: float
    gap_ns: float


@dataclass(frozen=True, slots=True)
class Edge:
    """The cumulative energy at one end of a window.

    ``low_w`` and ``high_w`` bound the power around the edge; ``after_ns`` is the knot before it (None before the
    first), so that edges between the same two knots are known as such, and ``rate_w`` the standard uncertainty of
    the mean power between them; ``gap_ns`` as for a knot.
    """

    t_ns: int
    joules: float
    variance_j2: float
    accumulated_j2: float
    low_w: float
    high_w: float
    after_ns: float | None
    rate_w: float
    gap_ns: float


class Trace:
    """The cumulative energy of one channel; safe to use from several threads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.fault: str | None = None
        """Why there are no readings at present."""
        self.history = History()
        self._lock = threading.Lock()
        self._counts = Kind.COUNTER in channel.provides
        self._period_ns = channel.update_period_s * 1e9
        ticks = self._counts and channel.update_period_s >= TICKING_FROM_S
        self.clock = TickClock(self._period_ns) if ticks else None
        self._shown_spacing_ns = max(SHOWN_SPACING_S * 1e9, 0.0 if ticks else 4 * self._period_ns)
        self._shown_knot: Knot | None = None
        self._shown_w: float | None = None
        self._counter = Counter(channel.wraps_at_j)
        self._lag_ns = (channel.averaging_window_s or 0.0) * 1e9 / 2
        self._knots: deque[Knot] = deque(maxlen=KEPT_KNOTS)
        self._powers: deque[tuple[float, float]] = deque(maxlen=KEPT_KNOTS)
        self._last_read_ns: int | None = None
        self._last_change_ns = 0.0
        self._has_loose_knots = False
        self._stands_still = False
        self._has_moved = False
        self.has_given = False
        """Whether there ever was a good reading."""
        self._joules = 0.0
        self._variance_j2 = 0.0
        self._gap_ns = 0.0
        self._lost_at: int | None = None

    def rest(self) -> None:
        """Forget the knots: the sampler pauses, and no open window needs what lies before its next reading."""
        with self._lock:
            self._knots.clear()
            self._powers.clear()
            self._shown_knot = self._shown_w = None
            self._counter.forget()
            self._last_read_ns = None
            self._lost_at = None
            self._has_moved = False

    def add(self, reading: Reading) -> None:
        """Take in a reading. A fault makes the channel unavailable from that instant until readings come again."""
        with self._lock:
            fault = reading.fault or _implausible(reading)
            if fault is not None:
                self.fault = fault
                if self._lost_at is None:
                    self._lost_at = reading.t_ns
                return
            if reading.kind is Kind.POWER:
                self._add_power(reading)
            elif self._counts:
                self._add_count(reading)
            self.fault = STANDS_STILL if self._stands_still else None
            self.has_given = self.has_given or self._is_believed

    def lose(self, reason: str, t_ns: int) -> None:
        """Mark the channel unavailable from ``t_ns``: its meter raised, hangs, or lost the device."""
        self.add(Reading(self.channel.id, Kind.POWER, math.nan, t_ns, reason))

    def is_settled(self, at_ns: int) -> bool:
        """Whether no later reading can change much of what is known up to ``at_ns``."""
        with self._lock:
            if self._lost_at is not None and self._lost_at <= at_ns:
                return True
            if self._last_read_ns is None or len(self._knots) < (1 if self._powers else 2) or not self._is_believed:
                return False
            if self._knots[-1].t_ns >= at_ns + (self._period_ns if self.clock else 0):
                return True
            return self._counts and self._last_read_ns >= at_ns + 3 * self._period_ns

    def edge(self, t_ns: int) -> Edge | None:
        """Return the cumulative energy at ``t_ns``, or None where no reading is near enough."""
        with self._lock:
            return self._edge(t_ns)

    def first_edge(self, from_ns: int) -> Edge | None:
        """Return the first instant after ``from_ns`` at which the energy is known, where it is not at ``from_ns``."""
        with self._lock:
            later = next((knot for knot in self._knots if knot.t_ns >= from_ns), None)
            return self._edge(math.ceil(later.t_ns)) if later else None

    def energy(self, opening: Edge, closing: Edge) -> Energy:
        """Return the energy between two edges, with all its uncertainty."""
        value_j = max(0.0, closing.joules - opening.joules)
        duration_s = (closing.t_ns - opening.t_ns) / 1e9
        edges_j2 = opening.variance_j2 + closing.variance_j2
        if opening.after_ns == closing.after_ns:
            low_w, high_w = min(opening.low_w, closing.low_w), max(opening.high_w, closing.high_w)
            within_j2 = ((high_w - low_w) ** 2 / 12 + opening.rate_w**2) * duration_s**2
            edges_j2 = min(edges_j2, within_j2)
        random_j = math.sqrt(max(0.0, closing.accumulated_j2 - opening.accumulated_j2) + edges_j2)
        source = self.channel.id
        return Energy(
            value_j=value_j,
            random_j=random_j,
            scale_j={source: self.channel.gain_uncertainty * value_j} if self.channel.gain_uncertainty else {},
            model_j={source: self.channel.model_uncertainty * value_j} if self.channel.is_estimate else {},
            by_provenance_j={self.provenance: value_j},
        )

    @property
    def provenance(self) -> Provenance:
        """How this channel's energy is come by."""
        if self.channel.is_estimate:
            return Provenance.ESTIMATED
        return Provenance.MEASURED if self._counts else Provenance.DERIVED

    def power_w(self, now_ns: int) -> float | None:
        """Return the power now, W, or None where it is not known."""
        with self._lock:
            if self._lost_at is not None or self._last_read_ns is None:
                return None
            if now_ns - self._last_read_ns > STALE_S * 1e9:
                return None
            if self._powers:
                return self._powers[-1][1]
            return self._shown_w

    @property
    def _is_believed(self) -> bool:
        """Whether readings mean anything yet: a counter that has never moved may be one that never will."""
        return not self._counts or self._has_moved or bool(self._powers)

    # Taking readings in.

    def _add_power(self, reading: Reading) -> None:
        t_ns, power_w = reading.t_ns - self._lag_ns, reading.value
        previous = self._powers[-1] if self._powers else None
        self._powers.append((t_ns, power_w))
        self.history.add(t_ns, power_w)
        if self._counts:
            return
        if previous is not None:
            span_s = (t_ns - previous[0]) / 1e9
            mean_w = (power_w + previous[1]) / 2
            is_gap = span_s > max(5 * self.channel.update_period_s, 1.0)
            spread_w = max(abs(power_w - previous[1]), mean_w if is_gap else 0.0)
            self._joules += mean_w * span_s
            self._variance_j2 += (spread_w * span_s) ** 2 / 12
            self._gap_ns += t_ns - previous[0] if is_gap else 0.0
        self._append(t_ns, 0.0)
        self._read_at(reading.t_ns)

    def _stand_still(self, at_ns: int) -> None:
        """Take in that the counter has not moved: after a while it is not believed, and power serves in its place."""
        patience_ns = max(STANDSTILL_S * 1e9, 10 * self._period_ns)
        if at_ns - self._last_change_ns > patience_ns and self._rate_w() > 0 and self._powers:
            self._integrate_power_instead()
        elif at_ns - self._last_change_ns > patience_ns and not self._powers:
            self._stands_still = True
            self._lost_at = int(self._last_change_ns)
            while self._knots and (self._knots[-1].t_ns > self._last_change_ns or not self._has_moved):
                self._knots.pop()
        elif at_ns - self._last_change_ns > 2.5 * self._period_ns:
            self._place(at_ns - self._period_ns / 2, self._period_ns / 2, is_gap=False)

    def _integrate_power_instead(self) -> None:
        """Give the counter up, and take what power readings said since it last moved."""
        self._counts, self.clock = False, None
        while len(self._knots) > 1 and self._knots[-1].t_ns > self._last_change_ns:
            self._knots.pop()
        self._joules, self._variance_j2 = self._knots[-1].joules, self._knots[-1].variance_j2
        since_ns = self._knots[-1].t_ns
        said = [power for power in self._powers if power[0] > since_ns]
        self._powers.clear()
        for t_ns, power_w in said:
            self._add_power(Reading(self.channel.id, Kind.POWER, power_w, int(t_ns + self._lag_ns)))

    def _add_count(self, reading: Reading) -> None:
        rate_w = self._rate_w()
        step = self._counter.step(reading.value, self._seconds_since_read(reading.t_ns), rate_w)
        self._joules += step.joules
        self._variance_j2 += step.variance_j2
        before_ns, self._last_read_ns = self._last_read_ns, reading.t_ns
        if self._stands_still and step.joules == 0 and not step.is_break:
            return
        if before_ns is None or not self._knots:
            tick = self.clock.last_tick(reading.t_ns) if self.clock else None
            self._append(*(tick or (reading.t_ns - self._period_ns / 2, self._period_ns / 2)))
            self._last_change_ns = reading.t_ns
        elif step.joules > 0 or step.is_break:
            t_ns, half_ns = self._refreshed_at(before_ns, reading.t_ns, step.is_break)
            self._place(t_ns, half_ns, is_gap=step.is_break)
            self._last_change_ns = reading.t_ns
            self._has_moved = True
        self._stands_still = False
        self._lost_at = None
        if self._last_change_ns < reading.t_ns:
            self._stand_still(reading.t_ns)

    def _refreshed_at(self, before_ns: int, at_ns: int, is_break: bool) -> tuple[float, float]:
        """Return when the value read at ``at_ns`` was refreshed, and the half-width of that instant."""
        earliest = max(float(before_ns), at_ns - self._period_ns)
        if self.clock is None or is_break:
            return (earliest + at_ns) / 2, (at_ns - earliest) / 2
        if at_ns - before_ns < 0.9 * self._period_ns:
            found = self.clock.observe(before_ns, at_ns)
        else:
            found = self.clock.last_tick(at_ns) or ((earliest + at_ns) / 2, (at_ns - earliest) / 2)
        if self.clock.is_locked and self._has_loose_knots:
            self._refine(found[0])
        return found

    def _refine(self, tick_ns: float) -> None:
        """Move knots placed before the clock was locked onto the ticks it now knows."""
        assert self.clock is not None
        self._has_loose_knots = False
        period_ns = self.clock.period_ns
        recent = [self._knots.pop() for _ in range(min(REFINED_KNOTS, len(self._knots)))]
        for knot in reversed(recent):
            if knot.half_ns > period_ns / 8:
                knot = self._refined(knot, tick_ns, period_ns)
            if not self._knots or knot.t_ns > self._knots[-1].t_ns:
                self._knots.append(knot)

    def _refined(self, knot: Knot, tick_ns: float, period_ns: float) -> Knot:
        """Return a loose knot on its tick, or as it is where its read was too close to a tick to tell which."""
        read_ns = knot.t_ns + knot.half_ns
        half_ns = period_ns / 16
        count = math.ceil((tick_ns - read_ns) / period_ns)
        t_ns = tick_ns - count * period_ns
        is_clear = t_ns + half_ns < read_ns < t_ns + period_ns - half_ns
        is_clear = is_clear and t_ns >= knot.t_ns - knot.half_ns - half_ns and count <= REFINED_KNOTS
        return replace(knot, t_ns=t_ns, half_ns=half_ns) if is_clear else knot

    def _place(self, t_ns: float, half_ns: float, is_gap: bool) -> None:
        last = self._knots[-1]
        t_ns = max(t_ns, last.t_ns + 1)
        self._gap_ns += t_ns - last.t_ns if is_gap else 0.0
        self._append(t_ns, half_ns)
        self._show(last)

    def _show(self, last: Knot) -> None:
        """Keep the power since the last point shown, once that is old enough (power readings serve better)."""
        shown = self._shown_knot if self._shown_knot is not None else last
        if self._powers or self._knots[-1].t_ns - shown.t_ns < self._shown_spacing_ns:
            return
        self._shown_w = _mean_w(shown, self._knots[-1])
        self._shown_knot = self._knots[-1]
        self.history.add(self._knots[-1].t_ns, self._shown_w)

    def _append(self, t_ns: float, half_ns: float) -> None:
        self._knots.append(Knot(t_ns, self._joules, half_ns, self._variance_j2, self._gap_ns))
        self._has_loose_knots = self._has_loose_knots or half_ns > self._period_ns / 8

    def _read_at(self, t_ns: int) -> None:
        self._last_read_ns = t_ns
        self._lost_at = None

    def _seconds_since_read(self, t_ns: int) -> float:
        return (t_ns - self._last_read_ns) / 1e9 if self._last_read_ns is not None else 0.0

    def _rate_w(self) -> float:
        if self._powers:
            return self._powers[-1][1]
        return _mean_w(self._knots[-2], self._knots[-1]) if len(self._knots) > 1 else 0.0

    # Answering for an instant.

    def _edge(self, t_ns: int) -> Edge | None:
        knots = self._knots
        if not knots or not self._is_believed:
            return None
        index = bisect_right(knots, float(t_ns), key=lambda knot: knot.t_ns)
        if index == 0:
            return self._beyond(knots[0], t_ns)
        if index == len(knots):
            return self._beyond(knots[-1], t_ns)
        return self._between(index, t_ns)

    def _between(self, index: int, t_ns: int) -> Edge:
        left, right = self._knots[index - 1], self._knots[index]
        span_s = (right.t_ns - left.t_ns) / 1e9
        fraction = (t_ns - left.t_ns) / (right.t_ns - left.t_ns)
        mean_w = _mean_w(left, right)
        before_w = _mean_w(self._knots[index - 2], left) if index > 1 else mean_w
        after_w = _mean_w(right, self._knots[index + 1]) if index + 1 < len(self._knots) else mean_w
        seen_w = self._powers_between(left.t_ns, right.t_ns) if self._counts else []
        low_w, high_w = min(before_w, mean_w, after_w, *seen_w), max(before_w, mean_w, after_w, *seen_w)
        least = max(low_w * fraction, mean_w - high_w * (1 - fraction))
        most = min(high_w * fraction, mean_w - low_w * (1 - fraction))
        if before_w < mean_w < after_w or before_w > mean_w > after_w:
            part, share = _stepped(before_w, mean_w, after_w, fraction), STEP_SHARE
        else:
            part, share = (least + most) / 2, math.sqrt(12)
        shape_j = max(0.0, most - least) * span_s / share
        # Knots beside each other come from one clock, so their instants are off together.
        clock_j = high_w / 1e9 / math.sqrt(3) * (left.half_ns * (1 - fraction) + right.half_ns * fraction)
        return Edge(
            t_ns=t_ns,
            joules=left.joules + part * span_s,
            variance_j2=shape_j**2 + clock_j**2,
            accumulated_j2=left.variance_j2 + (right.variance_j2 - left.variance_j2) * fraction,
            low_w=low_w,
            high_w=high_w,
            after_ns=left.t_ns,
            rate_w=_rate_uncertainty_w(left, right),
            gap_ns=left.gap_ns + (right.gap_ns - left.gap_ns) * fraction,
        )

    def _beyond(self, knot: Knot, t_ns: int) -> Edge | None:
        """Extrapolate from the first or the last knot; less sure the further away, and never past a loss."""
        is_after = t_ns >= knot.t_ns
        reach_ns = REACH_S * 1e9 + self._period_ns
        until_ns = min(float(t_ns), knot.t_ns + reach_ns)
        if is_after and self._lost_at is not None:
            until_ns = min(until_ns, max(knot.t_ns, float(self._lost_at)))
        power_w = self._power_near(is_after)
        if power_w is None or knot.t_ns - t_ns > reach_ns:
            return None
        away_s = (until_ns - knot.t_ns) / 1e9
        before_ns = max(0.0, knot.t_ns - t_ns - max(NEAR_S * 1e9, self._period_ns))
        share = 1.0 if before_ns > 0 else EXTRAPOLATION_UNCERTAINTY
        clock_j = power_w * knot.half_ns / 1e9 / math.sqrt(3)
        return Edge(
            t_ns=t_ns,
            joules=knot.joules + power_w * away_s,
            variance_j2=(share * power_w * away_s) ** 2 + clock_j**2,
            accumulated_j2=knot.variance_j2,
            low_w=0.0,
            high_w=2 * power_w,
            after_ns=knot.t_ns if is_after else None,
            rate_w=share * power_w,
            gap_ns=knot.gap_ns + (t_ns - until_ns) - before_ns,
        )

    def _power_near(self, is_after: bool) -> float | None:
        if self._powers:
            return self._powers[-1 if is_after else 0][1]
        if len(self._knots) < 2:
            return None
        pair = (self._knots[-2], self._knots[-1]) if is_after else (self._knots[0], self._knots[1])
        return _mean_w(*pair)

    def _powers_between(self, start_ns: float, end_ns: float) -> Sequence[float]:
        first = bisect_right(self._powers, start_ns, key=lambda power: power[0])
        return [power_w for t_ns, power_w in islice(self._powers, first, first + 64) if t_ns <= end_ns]


def _stepped(before_w: float, mean_w: float, after_w: float, fraction: float) -> float:
    """Return the energy (over the interval's length) up to ``fraction`` of a step from one level to another."""
    at = (mean_w - after_w) / (before_w - after_w)
    return before_w * min(fraction, at) + after_w * max(0.0, fraction - at)


def _rate_uncertainty_w(left: Knot, right: Knot) -> float:
    """Return the standard uncertainty of the mean power between two knots whose instants are not sure, W.

    The mean power is the larger the shorter the interval really was: the upper side is the wider one, and is taken.
    """
    mean_w, loose_ns, span_ns = _mean_w(left, right), left.half_ns + right.half_ns, right.t_ns - left.t_ns
    return mean_w * loose_ns / max(span_ns - loose_ns, span_ns / 4) / math.sqrt(3)


def _mean_w(left: Knot, right: Knot) -> float:
    return (right.joules - left.joules) / max(1.0, right.t_ns - left.t_ns) * 1e9


def _implausible(reading: Reading) -> str | None:
    if not math.isfinite(reading.value) or reading.value < 0:
        return f"the sensor gave {reading.value} {'J' if reading.kind is Kind.COUNTER else 'W'}"
    if reading.kind is Kind.POWER and reading.value > IMPLAUSIBLE_W:
        return f"the sensor gave {reading.value:.3g} W, which no machine draws"
    return None
