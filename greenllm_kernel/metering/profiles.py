"""Known courses of power over time, each with its energy in closed form: the truth behind the virtual meter."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol


class Profile(Protocol):
    """Power as a function of time, s, before and after 0."""

    def power_w(self, t_s: float) -> float:
        """Return the power at ``t_s``, W."""

    def energy_j(self, t_s: float) -> float:
        """Return the integral of the power from 0 to ``t_s``, J (negative before 0)."""


@dataclass(frozen=True)
class Constant:
    """The same power always."""

    level_w: float

    def power_w(self, t_s: float) -> float:
        return self.level_w

    def energy_j(self, t_s: float) -> float:
        return self.level_w * t_s


@dataclass(frozen=True)
class Square:
    """High for the first ``duty`` of each period, then low. A small ``duty`` makes spikes.

    Attributes:
        low_w: power in the low part, W.
        high_w: power in the high part, W.
        period_s: of the wave, above 0, s.
        phase_s: when a high part starts, s.
        duty: share of the period that is high, 0 to 1.
    """

    low_w: float
    high_w: float
    period_s: float
    phase_s: float = 0.0
    duty: float = 0.5

    def __post_init__(self) -> None:
        _check_period(self.period_s)
        if not 0.0 <= self.duty <= 1.0:
            raise ValueError(f"duty is {self.duty!r}: it is a share, from 0 to 1")

    def power_w(self, t_s: float) -> float:
        turns = (t_s - self.phase_s) / self.period_s
        return self.high_w if turns - math.floor(turns) < self.duty else self.low_w

    def energy_j(self, t_s: float) -> float:
        return self.low_w * t_s + (self.high_w - self.low_w) * (self._high_s(t_s) - self._high_s(0.0))

    def _high_s(self, t_s: float) -> float:
        turns = (t_s - self.phase_s) / self.period_s
        whole = math.floor(turns)
        return (whole * self.duty + min(turns - whole, self.duty)) * self.period_s


@dataclass(frozen=True)
class Sine:
    """``mean_w + amplitude_w * sin(2 pi (t - phase_s) / period_s)``."""

    mean_w: float
    amplitude_w: float
    period_s: float
    phase_s: float = 0.0

    def __post_init__(self) -> None:
        _check_period(self.period_s)

    def power_w(self, t_s: float) -> float:
        return self.mean_w + self.amplitude_w * math.sin(self._angle(t_s))

    def energy_j(self, t_s: float) -> float:
        swing_j = self.amplitude_w * self.period_s / math.tau
        return self.mean_w * t_s + swing_j * (math.cos(self._angle(0.0)) - math.cos(self._angle(t_s)))

    def _angle(self, t_s: float) -> float:
        return math.tau * (t_s - self.phase_s) / self.period_s


@dataclass(frozen=True)
class Points:
    """Power given at instants; the first power holds before them and the last one after them.

    Attributes:
        points: ``(t_s, power_w)``, in order of time.
        ramps: whether power runs in a straight line from point to point; otherwise it steps at each.
    """

    points: Sequence[tuple[float, float]]
    ramps: bool = False
    _cumulative_j: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a profile of points needs at least one point")
        if any(later[0] <= earlier[0] for earlier, later in pairwise(self.points)):
            raise ValueError("the points of a profile stand in order of time, and no two at one instant")
        cumulative_j = [0.0]
        for earlier, later in pairwise(self.points):
            mean_w = (earlier[1] + later[1]) / 2 if self.ramps else earlier[1]
            cumulative_j.append(cumulative_j[-1] + mean_w * (later[0] - earlier[0]))
        object.__setattr__(self, "_cumulative_j", tuple(cumulative_j))

    def power_w(self, t_s: float) -> float:
        index = self._index(t_s)
        if index < 0:
            return self.points[0][1]
        start_s, start_w = self.points[index]
        if not self.ramps or index + 1 == len(self.points):
            return start_w
        end_s, end_w = self.points[index + 1]
        return start_w + (end_w - start_w) * (t_s - start_s) / (end_s - start_s)

    def energy_j(self, t_s: float) -> float:
        return self._since_first_j(t_s) - self._since_first_j(0.0)

    def _index(self, t_s: float) -> int:
        return bisect_right(self.points, t_s, key=lambda point: point[0]) - 1

    def _since_first_j(self, t_s: float) -> float:
        index = self._index(t_s)
        if index < 0:
            return self.points[0][1] * (t_s - self.points[0][0])
        start_s, start_w = self.points[index]
        mean_w = (start_w + self.power_w(t_s)) / 2 if self.ramps else start_w
        return self._cumulative_j[index] + mean_w * (t_s - start_s)


@dataclass(frozen=True)
class Sum:
    """Several profiles on top of each other."""

    parts: Sequence[Profile]

    def power_w(self, t_s: float) -> float:
        return sum(part.power_w(t_s) for part in self.parts)

    def energy_j(self, t_s: float) -> float:
        return sum(part.energy_j(t_s) for part in self.parts)


def _check_period(period_s: float) -> None:
    if not period_s > 0.0:
        raise ValueError(f"period_s is {period_s!r}: a period is above 0 s")
