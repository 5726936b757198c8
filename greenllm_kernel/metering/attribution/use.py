"""How long a device was kept busy in a window, by this kernel and by all, told from looks at cumulative times.

Between two looks, use is taken to be even. A look may lie beside an edge by ``SLACK_SHARE`` of the window's time; where
both are further away, the use is told only if own over all is the same however use was spread (to ``AGREEING``).

Where the time of all is counted in ticks, n ticks are taken as n + ``ROUNDING_TICKS`` + ``SAMPLING_TICKS`` sqrt(n), so
that no part of it is overstated, and with fewer than ``LEAST_TICKS`` the use cannot be told.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from greenllm_kernel.metering.meter import Usage

LEAST_TICKS = 10
"""Ticks of busy time below which nobody's share can be told: at 10, what is added for rounding is a third of them."""

ROUNDING_TICKS = 2.0
"""Ticks by which busy time may be shown too small: up to one is cut off each of the user's and the system's time."""

SAMPLING_TICKS = 0.5
"""The same for busy time that is sampled at the timer's interrupts (Linux, CONFIG_TICK_CPU_ACCOUNTING), times the root
of the ticks: the standard deviation of a count of samples at 400 a second, most kernels having 250 or 1000."""

SLACK_SHARE = 0.25
"""The part of a window's time by which a look may lie beside an edge, before even use is too bold a guess."""

SLACK_S = 0.02
"""A look that lies no further from an edge is always near enough, s."""

AGREEING = 0.2
"""Where own over all lies in a range no wider than this, however use was spread between looks, any slack will do."""

REACH_S = 1.5
"""How far from the first or the last look an edge may lie, s."""

RESOLVED_S = 1.0
"""A meter that shows no use at all in a shorter window may have missed it, s (NVML samples use each 1/6 to 1 s)."""

LATELY_S = 1.0
"""How far back the use goes that is called the present one, s; a look further where looks are rarer."""

STALE_S = 5.0
"""A last look that lies further back says nothing of the present, s."""

KEPT_LOOKS = 3000
"""Looks kept: 50 minutes, or half a minute of the shortest spacing. Open windows keep their own opening."""


@dataclass(frozen=True, slots=True)
class Point:
    """A cumulative use at an edge of a window.

    Attributes:
        value_s: as interpolated, s.
        low_s: at the last look before, s, or the least that it can be.
        high_s: at the next look after, s, or the most that it can be.
        slack_s: distance to the nearer of the two, s.
    """

    value_s: float
    low_s: float
    high_s: float
    slack_s: float


@dataclass(frozen=True, slots=True)
class UseAt:
    """Own and all use at an edge."""

    own: Point
    all: Point


@dataclass(frozen=True, slots=True)
class Use:
    """How long, in a window, this kernel and everybody kept a device busy, of the time that was possible, s."""

    own_s: float
    all_s: float
    capacity_s: float


class Cumulative:
    """A time that only grows, known at some instants.

    Args:
        most: how fast it can grow, s a second.
    """

    def __init__(self, most: float = 1.0) -> None:
        self._most = most
        self._points: deque[tuple[int, float]] = deque(maxlen=KEPT_LOOKS)

    def add(self, t_ns: int, value_s: float) -> None:
        """Take in a value; one that is smaller than the last begins a new count, and an older one says nothing."""
        if self._points and value_s < self._points[-1][1]:
            self._points.clear()
        if not self._points or t_ns > self._points[-1][0]:
            self._points.append((t_ns, value_s))

    def forget(self) -> None:
        """Begin anew: what is between the last value and the next is not known."""
        self._points.clear()

    @property
    def last_ns(self) -> int | None:
        """The instant of the latest value."""
        return self._points[-1][0] if self._points else None

    def latest(self, span_s: float) -> tuple[int, int, float] | None:
        """Return the instants of two looks, and by how much the value grew between them; None where there are none.

        The later one is the latest; the earlier one is the last that lies ``span_s`` or more before it.
        """
        points = list(self._points)
        if len(points) < 2:
            return None
        end_ns, end_s = points[-1]
        index = bisect_right(points, end_ns - int(span_s * 1e9), key=lambda point: point[0])
        begin_ns, begin_s = points[min(max(0, index - 1), len(points) - 2)]
        return begin_ns, end_ns, end_s - begin_s

    def at(self, t_ns: int) -> Point | None:
        """Return the value at an instant, or None where none is near enough."""
        points = list(self._points)
        if not points:
            return None
        index = bisect_right(points, t_ns, key=lambda point: point[0])
        if 0 < index < len(points):
            (before_ns, low_s), (after_ns, high_s) = points[index - 1], points[index]
            value_s = low_s + (high_s - low_s) * (t_ns - before_ns) / (after_ns - before_ns)
            return Point(value_s, low_s, high_s, min(t_ns - before_ns, after_ns - t_ns) / 1e9)
        nearest_ns, nearest_s = points[max(0, index - 1)]
        away_s = abs(t_ns - nearest_ns) / 1e9
        if away_s > REACH_S:
            return None
        if index == 0:
            return Point(nearest_s, nearest_s - self._most * away_s, nearest_s, away_s)
        rate = 0.0
        if len(points) > 1:
            rate = min(self._most, (nearest_s - points[-2][1]) / ((nearest_ns - points[-2][0]) / 1e9))
        return Point(nearest_s + rate * away_s, nearest_s, nearest_s + self._most * away_s, away_s)


class UseLine:
    """How long one device has been kept busy, by this kernel and by all; written by one thread, read by any.

    Args:
        devices: how many of it there are (CPUs).
        tick_s: the step in which the time of all is counted, s; 0 where both come from one source.
    """

    def __init__(self, devices: int = 1, tick_s: float = 0.0) -> None:
        self.fault: str | None = None
        """Why it cannot be told at present whose the use is."""
        self._devices = devices
        self._tick_s = tick_s
        self._own, self._all = Cumulative(devices), Cumulative(devices)
        self._is_held = False
        self._lock = threading.Lock()

    def add(self, own_ns: int, own_s: float, all_ns: int, all_s: float) -> None:
        """Take in both, each with its instant."""
        with self._lock:
            self.fault = None
            self._own.add(own_ns, own_s)
            self._all.add(all_ns, all_s)

    def take(self, usage: Usage) -> None:
        """Take in what a meter says; how busy the device was counts even where it cannot be told by whom."""
        self._is_held = usage.is_held
        is_number = math.isfinite(usage.own_s) and math.isfinite(usage.all_s) and 0 <= usage.own_s <= usage.all_s
        if usage.fault is None and is_number:
            self.add(usage.t_ns, usage.own_s, usage.t_ns, usage.all_s)
        else:
            is_known = usage.fault is not None and math.isfinite(usage.all_s) and usage.all_s >= 0
            fault = usage.fault or f"its meter says {usage.own_s} s of {usage.all_s} s"
            self.lose(fault, (usage.t_ns, usage.all_s) if is_known else None)

    def lose(self, fault: str, everybody: tuple[int, float] | None = None) -> None:
        """Take in that it cannot be told whose the use was.

        Args:
            fault: why.
            everybody: until when and for how long, s, all have used it; None where that is not known either.
        """
        with self._lock:
            self.fault = fault
            self._own.forget()
            if everybody is None:
                self._all.forget()
            else:
                self._all.add(*everybody)

    def covers(self, t_ns: int) -> bool:
        """Whether later looks would not change what is known up to ``t_ns``."""
        with self._lock:
            last_ns = (self._own.last_ns, self._all.last_ns)
        return self.fault is not None or all(at_ns is not None and at_ns >= t_ns for at_ns in last_ns)

    @property
    def told_until_ns(self) -> float:
        """Until when it is told how busy the device was; -inf where it never was."""
        with self._lock:
            return -math.inf if self._all.last_ns is None else self._all.last_ns

    def at(self, t_ns: int) -> UseAt | None:
        """Return the use up to an instant, or None where it is not known."""
        with self._lock:
            own, everybody = self._own.at(t_ns), self._all.at(t_ns)
        return UseAt(own, everybody) if own is not None and everybody is not None else None

    def busy_share(self, opened_ns: int, closed_ns: int) -> float | None:
        """Return for which part of a time, 0 to 1, the device was busy, or None where that is not known."""
        with self._lock:
            opening, closing = self._all.at(opened_ns), self._all.at(closed_ns)
        if opening is None or closing is None or closed_ns <= opened_ns:
            return None
        busy_s = closing.value_s - opening.value_s
        return min(1.0, max(0.0, busy_s / self._devices / ((closed_ns - opened_ns) / 1e9)))

    def latest_busy_share(self) -> float | None:
        """Return for which part of the last second or so, 0 to 1, the device was busy, or None where that is not known.

        That is known also where it cannot be told by whom, but not where the meter only knows that somebody holds it.
        """
        if self._is_held:
            return None
        with self._lock:
            latest = self._all.latest(LATELY_S)
        if latest is None:
            return None
        begin_ns, end_ns, busy_s = latest
        if time.monotonic_ns() - end_ns > STALE_S * 1e9:
            return None
        return min(1.0, max(0.0, busy_s / self._devices / ((end_ns - begin_ns) / 1e9)))

    def between(self, opening: UseAt | None, closing: UseAt | None, duration_s: float) -> Use | None:
        """Return the use in a window of ``duration_s``, or None where it cannot be told well enough."""
        if opening is None or closing is None or duration_s <= 0:
            return None
        own_s = closing.own.value_s - opening.own.value_s
        all_s = closing.all.value_s - opening.all.value_s
        if own_s < 0 or all_s < 0 or all_s < (LEAST_TICKS - 0.5) * self._tick_s:
            return None
        unseen_s = closing.all.high_s - closing.all.value_s
        if all_s <= 0 and (duration_s < RESOLVED_S or unseen_s > SLACK_SHARE * duration_s):
            return None
        if self._tick_s:
            all_s += (ROUNDING_TICKS + SAMPLING_TICKS * math.sqrt(all_s / self._tick_s)) * self._tick_s
        slack_s = max(point.slack_s for edge in (opening, closing) for point in (edge.own, edge.all))
        if slack_s > max(SLACK_S, SLACK_SHARE * duration_s) and _range(opening, closing) > AGREEING:
            return None
        return Use(own_s, all_s, self._devices * duration_s)


def _range(opening: UseAt, closing: UseAt) -> float:
    """Return how far own over all may move, however use was spread between the looks around both edges."""
    own_low = max(0.0, closing.own.low_s - opening.own.high_s)
    own_high = closing.own.high_s - opening.own.low_s
    others_low = max(0.0, closing.all.low_s - opening.all.high_s - own_high)
    others_high = max(0.0, closing.all.high_s - opening.all.low_s - own_low)
    highest = own_high / (own_high + others_low) if own_high > 0 else 0.0
    # Who is the only one to use a device is so whether it is used in this window or not.
    others_high = 0.0 if _is_alone(opening, closing) else others_high
    lowest = own_low / (own_low + others_high) if own_low + others_high > 0 else highest
    return highest - lowest


def _is_alone(opening: UseAt, closing: UseAt) -> bool:
    others_s = (closing.all.high_s - closing.own.high_s) - (opening.all.low_s - opening.own.low_s)
    return others_s <= 1e-9
