"""A channel's power readings: when they were true, how far they can be trusted, and the energy between two of them.

A reading is an average over a window that ended when the sensor was last refreshed, some time before it was read; it is
placed in the middle of what it may be about. Between two readings energy is a trapezoid, whose variance has the part
of the time that no reading saw, noise, and spans in which a sensor seems frozen.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import islice

from greenllm_kernel.metering.meter import Channel
from greenllm_kernel.metering.tracing.plausible import LIKELY_W, unseen_j

KEPT_POWERS = 600
"""Readings kept in memory: a minute at 10 a second."""

MOST_POWERS = 64
"""Readings around an edge that are looked at."""

RECENT_POWERS = 128
"""Readings whose range is the range power has moved in of late."""

UNKNOWN_WINDOW_S = 1.0
"""What power is averaged over at most where nobody says, s (as on NVIDIA's cards; arXiv:2312.02741)."""

GAP_S = 1.0
"""Readings further apart than this, and than five refreshes, leave a gap."""

USUAL_SPACING_S = 0.1
"""Readings this far apart follow what power does."""

NOISE_SHARE = 1.1
"""The variance of normal noise over the mean square of the smaller of two neighbouring differences (simulated)."""

FROZEN_S = 0.3
"""A power that used to move and stays the very same for so long, and for five refreshes, may be frozen."""

FROZEN_PERIODS = 5

LIVELINESS_STEP = 0.2
"""How fast it is learnt whether power moves with each reading."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The energy between two power readings, J, its variance, J^2, and whether they lie too far apart to know it."""

    joules: float
    variance_j2: float
    is_gap: bool


@dataclass(frozen=True, slots=True)
class Averaging:
    """What a power sensor does to the truth.

    Attributes:
        window_s: readings are averages over about this, s.
        is_known: whether somebody said so.
        period_s: they are refreshed so often, s.
        lag_s: standard uncertainty of how late they come, s.
        range_w: between the lowest and the highest power seen of late, W.
        most_w: the most the channel is believed to draw, W.
    """

    window_s: float
    is_known: bool
    period_s: float
    lag_s: float
    range_w: float
    most_w: float

    def blind_s(self, span_s: float) -> float:
        """Return how much of the time between two readings no reading sees, s."""
        return max(0.0, max(span_s, self.period_s) - self.window_s) if self.is_known else self.period_s / 2


class Powers:
    """The power readings of one channel.

    Args:
        channel: what it declares of its sensor.
    """

    def __init__(self, channel: Channel) -> None:
        window_s = UNKNOWN_WINDOW_S / 2 if channel.averaging_window_s is None else channel.averaging_window_s
        self.lag_ns = (window_s + channel.update_period_s) * 1e9 / 2
        """How long before it is read a reading is true, ns."""
        self.sees_inside_ticks = channel.averaging_window_s is not None and window_s <= channel.update_period_s / 2
        """Whether readings tell what happens within a refresh of the channel's counter."""
        self._window_s = channel.averaging_window_s
        self._period_s = channel.update_period_s
        self._points: deque[tuple[float, float]] = deque(maxlen=KEPT_POWERS)
        self._liveliness = 0.0
        self._same_s = 0.0
        self.highest_w = LIKELY_W[channel.component]
        """The highest power seen so far, W; until more was seen, what such a channel may be believed to draw."""

    def __bool__(self) -> bool:
        return bool(self._points)

    def clear(self) -> None:
        """Forget all readings."""
        self._points.clear()

    @property
    def first_w(self) -> float:
        """The oldest reading, W."""
        return self._points[0][1]

    @property
    def last_w(self) -> float:
        """The latest reading, W."""
        return self._points[-1][1]

    @property
    def last_ns(self) -> float:
        """The instant at which the latest reading was true, ns."""
        return self._points[-1][0]

    def add(self, t_ns: float, power_w: float) -> Stretch | None:
        """Take in a reading that was true at ``t_ns``; return the stretch since the one before."""
        previous = self._points[-1] if self._points else None
        self._points.append((t_ns, power_w))
        self.highest_w = max(self.highest_w, power_w)
        if previous is None:
            return None
        span_s = (t_ns - previous[0]) / 1e9
        mean_w = (power_w + previous[1]) / 2
        sure_s = max(5 * self._period_s, GAP_S)
        is_gap = span_s > sure_s
        if is_gap:
            unseen_j2 = unseen_j(mean_w, span_s, self.highest_w, sure_s) ** 2 / 3
        else:
            unseen_j2 = (self._unseen_spread_w(previous[1], power_w, span_s) * span_s) ** 2 / 12
        variance_j2 = unseen_j2 + self._noise_w2() * span_s**2
        return Stretch(mean_w * span_s, variance_j2 + self._frozen_j2(previous[1], power_w, span_s), is_gap)

    def between(self, start_ns: float, end_ns: float) -> list[tuple[float, float]]:
        """Return the latest readings after ``start_ns`` and not later than ``end_ns``: instants, ns, and W."""
        found: list[tuple[float, float]] = []
        for point in reversed(self._points):
            if point[0] <= start_ns or len(found) >= MOST_POWERS:
                break
            if point[0] <= end_ns:
                found.append(point)
        return found[::-1]

    def since(self, start_ns: float) -> list[tuple[float, float]]:
        """Return all readings after ``start_ns``: instants, ns, and W."""
        return [point for point in self._points if point[0] > start_ns]

    def averaging(self) -> Averaging:
        """Return what is known of how readings come about; an unknown window is taken to be a long one."""
        late_s = self._period_s / math.sqrt(12)
        recent_w = [power_w for _, power_w in islice(reversed(self._points), RECENT_POWERS)]
        range_w = max(recent_w) - min(recent_w) if recent_w else 0.0
        if self._window_s is not None:
            return Averaging(self._window_s, True, self._period_s, late_s, range_w, self.highest_w)
        late_s = math.hypot(late_s, UNKNOWN_WINDOW_S / 2 / math.sqrt(12))
        return Averaging(UNKNOWN_WINDOW_S, False, self._period_s, late_s, range_w, self.highest_w)

    def _unseen_spread_w(self, before_w: float, power_w: float, span_s: float) -> float:
        """Return over what range the mean power between two readings may lie, for the part no reading saw."""
        if span_s <= 0:
            return 0.0
        unseen = 1.0 - min(1.0, (self._window_s or 0.0) / span_s)
        is_usual = span_s < 2.5 * max(self._period_s, USUAL_SPACING_S)
        return unseen * (abs(power_w - before_w) if is_usual else max(power_w, before_w, self.averaging().range_w))

    def _noise_w2(self) -> float:
        """Return the variance of the latest readings that is noise, W^2: a step moves only one of two in a row."""
        if len(self._points) < 3:
            return 0.0
        first, second, third = (self._points[at][1] for at in (-3, -2, -1))
        return NOISE_SHARE * min(abs(second - first), abs(third - second)) ** 2

    def _frozen_j2(self, before_w: float, power_w: float, span_s: float) -> float:
        """Return the variance of a span in which power stays the very same though it used to move with each reading."""
        if power_w != before_w:
            self._liveliness += LIVELINESS_STEP * (1 - self._liveliness)
            self._same_s = 0.0
            return 0.0
        was_s, self._same_s = self._same_s, self._same_s + span_s
        if self._same_s < max(FROZEN_S, FROZEN_PERIODS * self._period_s):
            self._liveliness -= LIVELINESS_STEP * self._liveliness / 2
            return 0.0
        # One cause for all of the span: its uncertainty grows with the time, not with its root.
        grown_s2 = self._same_s**2 - (was_s**2 if was_s >= FROZEN_S else 0.0)
        return (power_w / 2) ** 2 * grown_s2 if self._liveliness > 0.5 else 0.0
