"""One channel's readings made into cumulative joules with an uncertainty.

A trace is a line of knots: instants at which the cumulative energy is known. Counters give a knot a tick,
power readings one a reading (trapezoids). Energy is asked for between two instants, its edges.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from greenllm_kernel.metering.counter import IMPLAUSIBLE_W, Counter
from greenllm_kernel.metering.edge import Edge, Knot, between, beyond, mean_w, random_uncertainty_j
from greenllm_kernel.metering.history import History
from greenllm_kernel.metering.meter import Channel, Kind, Reading
from greenllm_kernel.metering.tick import TickClock
from greenllm_kernel.quantities import Energy, Provenance

TICKING_FROM_S = 0.015
"""Counters refreshed more slowly than this have ticks worth learning; faster ones count as continuous."""

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
        source = self.channel.id
        return Energy(
            value_j=value_j,
            random_j=random_uncertainty_j(opening, closing),
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
        self._shown_w = mean_w(shown, self._knots[-1])
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
        return mean_w(self._knots[-2], self._knots[-1]) if len(self._knots) > 1 else 0.0

    # Answering for an instant.

    def _edge(self, t_ns: int) -> Edge | None:
        knots = self._knots
        if not knots or not self._is_believed:
            return None
        index = bisect_right(knots, float(t_ns), key=lambda knot: knot.t_ns)
        if 0 < index < len(knots):
            seen_w = self._powers_between(knots[index - 1].t_ns, knots[index].t_ns) if self._counts else []
            return between(t_ns, knots, index, seen_w)
        power_w = self._power_near(is_after=index > 0)
        if power_w is None:
            return None
        return beyond(t_ns, knots[max(0, index - 1)], power_w, self._period_ns, self._lost_at)

    def _power_near(self, is_after: bool) -> float | None:
        if self._powers:
            return self._powers[-1 if is_after else 0][1]
        if len(self._knots) < 2:
            return None
        pair = (self._knots[-2], self._knots[-1]) if is_after else (self._knots[0], self._knots[1])
        return mean_w(*pair)

    def _powers_between(self, start_ns: float, end_ns: float) -> Sequence[float]:
        first = bisect_right(self._powers, start_ns, key=lambda power: power[0])
        return [power_w for t_ns, power_w in islice(self._powers, first, first + 64) if t_ns <= end_ns]


def _implausible(reading: Reading) -> str | None:
    if not math.isfinite(reading.value) or reading.value < 0:
        return f"the sensor gave {reading.value} {'J' if reading.kind is Kind.COUNTER else 'W'}"
    if reading.kind is Kind.POWER and reading.value > IMPLAUSIBLE_W:
        return f"the sensor gave {reading.value:.3g} W, which no machine draws"
    return None
