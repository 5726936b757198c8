"""One channel's readings made into cumulative joules with an uncertainty.

A trace takes readings in and puts them on a line of knots (``line.py``): counters give a knot a tick, power readings
one a reading (trapezoids). Energy is asked for between two instants, its edges (``edge.py``).
"""

from __future__ import annotations

import math
import threading

from greenllm_kernel.metering.meter import Channel, Kind, Reading
from greenllm_kernel.metering.tracing.counter import Counter
from greenllm_kernel.metering.tracing.edge import Edge, averaged, before_readings, between, beyond, random_uncertainty_j
from greenllm_kernel.metering.tracing.history import History
from greenllm_kernel.metering.tracing.knot import Knot, mean_w
from greenllm_kernel.metering.tracing.line import Line
from greenllm_kernel.metering.tracing.plausible import ABSURD_W, LIKELY_W, implausible
from greenllm_kernel.metering.tracing.power import Powers
from greenllm_kernel.metering.tracing.tick import TickClock
from greenllm_kernel.quantities import Energy, Provenance

TICKING_FROM_S = 0.015
"""Counters refreshed more slowly than this have ticks worth learning; faster ones count as continuous."""

STANDSTILL_S = 1.0
"""A counter that has not moved for so long (and for ten periods) is not believed: no powered part draws 0 W."""

GIVEN_UP_S = 3.0
"""A counter that did move before and has stood still for so long, while power is above 0, is given up for power;
a sensor that has failed for so long is no longer waited for."""

STANDS_STILL = "its counter stands still"

SHOWN_SPACING_S = 0.04
"""Power shown from a counter is the mean over at least this, and over four refreshes: less is mostly jitter."""

STALE_S = 2.0
"""A power older than this, and than one and a half periods of its sensor, is not shown as the power now."""

AROUND = 6
"""Knots on each side of an edge that tell what power does around it."""

THAWED = 1.5
"""A counter that has stood still for this many refreshes may move again with the value of an earlier tick."""


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
        self._counter = Counter(
            channel.wraps_at_j, channel.update_period_s, LIKELY_W[channel.component], ABSURD_W[channel.component]
        )
        self._line = Line()
        self._powers = Powers(channel)
        self._last_read_ns: int | None = None
        self._last_change_ns = 0.0
        self._stands_still = False
        self._has_moved = False
        self.has_given = False
        """Whether there ever was a good reading."""
        self._lost_at: int | None = None
        self._failed_ns = 0

    def rest(self) -> None:
        """Forget the knots: the sampler pauses, and no open window needs what lies before its next reading."""
        with self._lock:
            self._line.clear()
            self._powers.clear()
            self._shown_knot = self._shown_w = None
            self._counter.forget()
            self._last_read_ns = None
            self._lost_at = None
            self._has_moved = False

    def add(self, reading: Reading) -> str | None:
        """Take in a reading; return what is wrong with it, if anything.

        A fault makes the channel unavailable from that instant until readings come again. One of power readings does
        not where there is a counter, nor one of a counter that was given up for power.
        """
        with self._lock:
            fault = reading.fault or implausible(reading, self.channel)
            if fault is not None:
                if (reading.kind is Kind.COUNTER) == self._counts or not self._line:
                    self._lose(fault, reading.t_ns)
                return fault
            if reading.kind is Kind.POWER:
                self._add_power(reading)
            elif self._counts:
                self._add_count(reading)
            if self._stands_still:
                self.fault = STANDS_STILL
            elif self._lost_at is None:
                self.fault = None
            self.has_given = self.has_given or self._is_believed
            return self.fault

    def lose(self, reason: str, t_ns: int) -> None:
        """Mark the channel unavailable from ``t_ns``: its meter raised, hangs, or lost the device."""
        with self._lock:
            self._lose(reason, t_ns)

    def doubt(self) -> None:
        """Do not believe what its counter says of the time since its last reading: the machine was suspended."""
        with self._lock:
            self._counter.doubt()

    def is_settled(self, at_ns: int) -> bool:
        """Whether no later reading can change much of what is known up to ``at_ns``."""
        with self._lock:
            if self._lost_at is not None and self._lost_at <= at_ns:
                return self._stands_still or self._failed_ns - self._lost_at > GIVEN_UP_S * 1e9
            if self._last_read_ns is None or len(self._line) < (1 if self._powers else 2) or not self._is_believed:
                return False
            return self._line.last.t_ns >= at_ns + (self._refresh_ns if self.clock else 0)

    @property
    def known_until_ns(self) -> float:
        """The instant of the last knot: what lies after it is extrapolated; -inf where there is none."""
        with self._lock:
            return self._line.last.t_ns if self._line else -math.inf

    def edge(self, t_ns: int) -> Edge | None:
        """Return the cumulative energy at ``t_ns``, or None where no reading is near enough."""
        with self._lock:
            return self._edge(t_ns)

    def first_edge(self, from_ns: int) -> Edge | None:
        """Return an edge at ``from_ns`` although no reading is near: the time until the first one is bridged."""
        with self._lock:
            later = self._line.first_from(from_ns)
            edge = self._edge(math.ceil(later.t_ns)) if later else None
            power_w = self._power_near(is_after=False)
            return before_readings(from_ns, edge, power_w, self._most_w) if edge and power_w is not None else None

    def energy(self, opening: Edge, closing: Edge) -> Energy:
        """Return the energy between two edges, with all its uncertainty."""
        value_j = max(0.0, closing.joules - opening.joules)
        source = self.channel.id
        bridged_s = max(0.0, closing.bridged_ns - opening.bridged_ns) / 1e9
        guessed_j = max(0.0, closing.guessed_j - opening.guessed_j)
        bridged_j = min(value_j, max(opening.bridged_w, closing.bridged_w) * bridged_s + guessed_j)
        known = {self.provenance: value_j - bridged_j}
        return Energy(
            value_j=value_j,
            random_j=random_uncertainty_j(opening, closing),
            scale_j={source: self.channel.gain_uncertainty * value_j} if self.channel.gain_uncertainty else {},
            model_j={source: self.channel.model_uncertainty * value_j} if self.channel.is_estimate else {},
            by_provenance_j=_with_estimated(known, bridged_j) if bridged_j > 0 else known,
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
            if self._are_powers_fresh(now_ns):
                return self._powers.last_w
            is_fresh = now_ns - self._last_read_ns <= max(STALE_S * 1e9, 1.5 * self._period_ns)
            return self._shown_w if is_fresh else None

    @property
    def refresh_s(self) -> float:
        """How often the sensor is refreshed, as far as it is known, s."""
        return self._refresh_ns / 1e9

    @property
    def _refresh_ns(self) -> float:
        return self.clock.period_ns if self.clock else self._period_ns

    @property
    def _loose_ns(self) -> float:
        """A knot known less closely than this may be put on its tick later, once that is known."""
        return self._refresh_ns / 8

    @property
    def _is_believed(self) -> bool:
        """Whether readings mean anything yet: a counter that has never moved may be one that never will."""
        return not self._counts or self._has_moved or bool(self._powers)

    @property
    def _most_w(self) -> float:
        """What the channel is believed to draw at most, W."""
        return max(self._powers.highest_w, self._counter.highest_w)

    def _are_powers_fresh(self, at_ns: float) -> bool:
        """Whether power was read of late."""
        stale_ns = max(STALE_S * 1e9, 1.5 * self._period_ns) + self._powers.lag_ns
        return bool(self._powers) and at_ns - self._powers.last_ns <= stale_ns

    # Taking readings in.

    def _lose(self, reason: str, t_ns: int) -> None:
        self.fault = reason
        self._failed_ns = t_ns
        if self._lost_at is None:
            self._lost_at = t_ns

    def _add_power(self, reading: Reading) -> None:
        t_ns = reading.t_ns - self._powers.lag_ns
        if self._powers and t_ns <= self._powers.last_ns:
            return  # an older reading, or the same one again, tells nothing
        self._integrate(t_ns, reading.value)
        self.history.add(t_ns, reading.value)
        if self._counts and self._lost_at is not None and reading.t_ns - self._lost_at > GIVEN_UP_S * 1e9:
            self._integrate_power_instead()
        if not self._counts:
            self._read_at(reading.t_ns)

    def _integrate(self, t_ns: float, power_w: float) -> None:
        stretch = self._powers.add(t_ns, power_w)
        if self._counts:
            return
        if stretch is not None:
            self._line.add(stretch.joules, stretch.variance_j2, stretch.joules if stretch.is_gap else 0.0)
            if stretch.is_gap and self._line:
                self._line.bridge(t_ns - self._line.last.t_ns)
        self._line.append(t_ns, 0.0, self._loose_ns)

    def _stand_still(self, at_ns: int) -> None:
        """Take in that the counter has not moved: after a while it is not believed, and power serves in its place."""
        still_ns = at_ns - self._last_change_ns
        has_power = self._are_powers_fresh(at_ns)
        if has_power and self._powers.last_w == 0:
            if still_ns > 2.5 * self._refresh_ns:
                self._place(at_ns - self._refresh_ns / 2, self._refresh_ns / 2, is_gap=False)
        elif has_power:
            if still_ns > max(1e9 * (GIVEN_UP_S if self._has_moved else STANDSTILL_S), 10 * self._period_ns):
                self._integrate_power_instead()
        elif still_ns > max(STANDSTILL_S * 1e9, 10 * self._period_ns):
            self._stands_still = True
            self._lost_at = int(self._last_change_ns)
            self._line.cut(self._last_change_ns if self._has_moved else -math.inf)

    def _integrate_power_instead(self) -> None:
        """Give the counter up, and take what power readings said since it last moved."""
        self._counts, self.clock = False, None
        self._stands_still = False
        self._line.cut(self._last_change_ns, kept=1)
        self._line.go_on_from_last()
        since_ns = self._line.last.t_ns if self._line else 0.0
        said = self._powers.since(since_ns)
        self._powers.clear()
        if self._line and said:
            self._powers.add(since_ns, said[0][1])
        for t_ns, power_w in said:
            self._integrate(t_ns, power_w)

    def _add_count(self, reading: Reading) -> None:
        if self._last_read_ns is not None and reading.t_ns <= self._last_read_ns:
            return  # an older reading, or the same one again, tells nothing
        rate_w = self._rate_w(reading.t_ns)
        step = self._counter.step(reading.value, self._seconds_since_read(reading.t_ns), rate_w)
        self._line.add(step.joules, step.variance_j2, step.guessed_j)
        is_jump = step.is_break or step.is_return
        before_ns, self._last_read_ns = self._last_read_ns, reading.t_ns
        if self._stands_still and step.joules == 0 and not is_jump:
            return
        if before_ns is None or not self._line:
            tick = self.clock.last_tick(reading.t_ns) if self.clock else None
            t_ns, half_ns = tick or (reading.t_ns - self._refresh_ns / 2, self._refresh_ns / 2)
            self._line.append(t_ns, half_ns, self._loose_ns)
            self._last_change_ns = reading.t_ns
        elif step.joules > 0 or is_jump:
            t_ns, half_ns = self._refreshed_at(before_ns, reading.t_ns, is_jump)
            if self.clock and before_ns - self._last_change_ns > THAWED * self._refresh_ns:
                t_ns, half_ns = t_ns - self._refresh_ns / 2, half_ns + self._refresh_ns / 2
            if step.is_return:
                self._line.unbreak()
            self._place(t_ns, half_ns, is_gap=step.is_break)
            self._last_change_ns = reading.t_ns
            self._has_moved = True
        elif self.clock:
            self.clock.pass_over(before_ns, reading.t_ns)
            self._pin(self.clock.last_tick(reading.t_ns))
        self._stands_still = False
        self._lost_at = None
        if self._last_change_ns < reading.t_ns:
            self._stand_still(reading.t_ns)

    def _refreshed_at(self, before_ns: int, at_ns: int, is_break: bool) -> tuple[float, float]:
        """Return when the value read at ``at_ns`` was refreshed, and the half-width of that instant."""
        earliest = max(float(before_ns), at_ns - self._refresh_ns)
        if self.clock is None or is_break:
            return (earliest + at_ns) / 2, (at_ns - earliest) / 2
        if at_ns - before_ns < 0.9 * self._refresh_ns:
            found = self.clock.observe(before_ns, at_ns)
            if found[1] < self._loose_ns:
                self._pin((found[0] - self._refresh_ns, found[1]))
        else:
            self.clock.resume(before_ns, at_ns)
            found = self.clock.last_tick(at_ns) or ((earliest + at_ns) / 2, (at_ns - earliest) / 2)
        if self.clock.is_locked and found[1] < self._loose_ns:
            self._line.refine(found[0], self._refresh_ns)
        return found

    def _pin(self, tick: tuple[float, float] | None) -> None:
        if tick is not None and self.clock is not None and self.clock.is_locked:
            self._line.pin(*tick, self._refresh_ns)

    def _place(self, t_ns: float, half_ns: float, is_gap: bool) -> None:
        last = self._line.last
        self._line.place(t_ns, half_ns, is_gap, self._loose_ns)
        self._show(last)

    def _show(self, last: Knot) -> None:
        """Keep the power since the last point shown, once that is old enough (power readings serve better)."""
        shown = self._shown_knot if self._shown_knot is not None else last
        if self._powers or self._line.last.t_ns - shown.t_ns < self._shown_spacing_ns:
            return
        self._shown_w = mean_w(shown, self._line.last)
        self._shown_knot = self._line.last
        self.history.add(self._line.last.t_ns, self._shown_w)

    def _read_at(self, t_ns: int) -> None:
        self._last_read_ns = t_ns
        self._lost_at = None

    def _seconds_since_read(self, t_ns: int) -> float:
        return (t_ns - self._last_read_ns) / 1e9 if self._last_read_ns is not None else 0.0

    def _rate_w(self, at_ns: float) -> float:
        if self._are_powers_fresh(at_ns):
            return self._powers.last_w
        return self._line.last_w or 0.0

    # Answering for an instant.

    def _edge(self, t_ns: int) -> Edge | None:
        if not self._line or not self._is_believed:
            return None
        index = self._line.index_after(t_ns)
        if 0 < index < len(self._line):
            return self._edge_between(t_ns, index)
        power_w = self._power_near(is_after=index > 0)
        if power_w is None:
            return None
        by = None if self._counts else self._powers.averaging()
        return beyond(t_ns, self._line[max(0, index - 1)], power_w, self._refresh_ns, self._lost_at, by, self._most_w)

    def _edge_between(self, t_ns: int, index: int) -> Edge:
        first = max(0, index - AROUND)
        around = self._line.between(first, index + AROUND)
        if self._counts:
            seen = self._powers.between(around[0].t_ns, around[-1].t_ns) if self._powers.sees_inside_ticks else []
            before_w = self._powers.first_w if first == 0 and self._powers.sees_inside_ticks and self._powers else None
            return between(t_ns, around, index - first, seen, before_w)
        by = self._powers.averaging()
        reach_ns = by.window_s * 1e9 + self._period_ns
        around_w = [power_w for _, power_w in self._powers.between(t_ns - reach_ns, t_ns + reach_ns)]
        return averaged(t_ns, around, index - first, by, around_w)

    def _power_near(self, is_after: bool) -> float | None:
        if self._powers:
            return self._powers.last_w if is_after else self._powers.first_w
        return self._line.last_w if is_after else self._line.first_w


def _with_estimated(known_j: dict[Provenance, float], bridged_j: float) -> dict[Provenance, float]:
    return {**known_j, Provenance.ESTIMATED: known_j.get(Provenance.ESTIMATED, 0.0) + bridged_j}
