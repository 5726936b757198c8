"""What a simulated part of a machine truly draws over time: power in pieces, whose energy is known in closed form."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Protocol

MOST_PIECES = 4000
"""Pieces a load is made of at most: random loads change less often over long sessions."""

Span = tuple[float, float]
"""From and to, s."""


def spread(rng: random.Random, low: float, high: float) -> float:
    """Return a number between the two whose logarithm is uniform."""
    return low * (high / low) ** rng.random()


class Load(Protocol):
    """The true power of one channel."""

    def energy_j(self, t_s: float) -> float:
        """Return the energy since instant 0, J; negative before it."""


class Pieces:
    """Power that runs straight from one point to the next, or stays and then steps.

    Args:
        points: instants, s, and powers, W, in order of time; constant before the first and after the last.
        ramps: whether power runs straight to the next point; else it stays until it.
    """

    def __init__(self, points: Sequence[tuple[float, float]], ramps: bool = False) -> None:
        self._at_s = [t_s for t_s, _ in points]
        self._power_w = [power_w for _, power_w in points]
        self._slope_w_per_s = [0.0] * len(points)
        if ramps:
            for index in range(len(points) - 1):
                rise_w = self._power_w[index + 1] - self._power_w[index]
                self._slope_w_per_s[index] = rise_w / (self._at_s[index + 1] - self._at_s[index])
        self._energy_j = [0.0]
        for index in range(len(points) - 1):
            self._energy_j.append(self._until(index, self._at_s[index + 1]))
        self._at_zero_j = self._counted_j(0.0)

    def energy_j(self, t_s: float) -> float:
        return self._counted_j(t_s) - self._at_zero_j

    def _counted_j(self, t_s: float) -> float:
        index = bisect_right(self._at_s, t_s) - 1
        if index < 0:
            return self._power_w[0] * (t_s - self._at_s[0])
        return self._until(index, t_s)

    def _until(self, index: int, t_s: float) -> float:
        passed_s = t_s - self._at_s[index]
        mean_w = self._power_w[index] + self._slope_w_per_s[index] * passed_s / 2
        return self._energy_j[index] + mean_w * passed_s


class Wave:
    """Power that is high for the first ``duty`` of each period and low for the rest."""

    def __init__(self, low_w: float, high_w: float, period_s: float, phase_s: float, duty: float) -> None:
        self._low_w, self._more_w = low_w, high_w - low_w
        self._period_s, self._phase_s, self._duty = period_s, phase_s, duty
        self._at_zero_s = self._high_s(0.0)

    def energy_j(self, t_s: float) -> float:
        return self._low_w * t_s + self._more_w * (self._high_s(t_s) - self._at_zero_s)

    def _high_s(self, t_s: float) -> float:
        turns = (t_s - self._phase_s) / self._period_s
        whole = math.floor(turns)
        return (whole * self._duty + min(turns - whole, self._duty)) * self._period_s


class Together:
    """Several loads on one channel at once."""

    def __init__(self, *loads: Load) -> None:
        self._loads = loads

    def energy_j(self, t_s: float) -> float:
        return sum(load.energy_j(t_s) for load in self._loads)


# Random loads. Each takes the random numbers, when the session ends (s), and the spans of its cells (s).


def constant(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Never changes."""
    return Pieces([(0.0, _level_w(rng))])


def steps(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Stays at a level for 0.2 to 10 s, then steps to another."""
    return Pieces(_points(rng, end_s, lambda: rng.uniform(0.2, 10.0), _levels(rng)))


def square(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Goes to and fro between two levels, with a period of 5 ms to 5 s."""
    low_w, high_w = sorted((_level_w(rng), _level_w(rng)))
    period_s = spread(rng, 0.005, 5.0)
    return Wave(low_w, high_w, period_s, rng.uniform(0.0, period_s), rng.uniform(0.1, 0.9))


def ramps(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Runs straight from level to level, each in 0.05 to 5 s."""
    return Pieces(_points(rng, end_s, lambda: spread(rng, 0.05, 5.0), _levels(rng)), ramps=True)


def spikes(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Is low, but for spikes of 1 to 50 ms now and then."""
    low_w, high_w = sorted((_level_w(rng), _level_w(rng)))
    pause_s = max(spread(rng, 0.1, 5.0), 2 * end_s / MOST_PIECES)
    points = [(-5.0, low_w)]
    t_s = -5.0 + rng.expovariate(1 / pause_s)
    while t_s < end_s:
        points.append((t_s, low_w + (high_w - low_w) * rng.uniform(0.3, 1.0)))
        t_s += spread(rng, 0.001, 0.05)
        points.append((t_s, low_w))
        t_s += rng.expovariate(1 / pause_s)
    return Pieces(points)


def noisy(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Changes to a random level after a random while, 5 ms to 1 s in the mean."""
    dwell_s = max(spread(rng, 0.005, 1.0), end_s / MOST_PIECES)
    return Pieces(_points(rng, end_s, lambda: 1e-4 + rng.expovariate(1 / dwell_s), _levels(rng)))


def cells(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Idles, and is busy from a little after each cell begins until about its end."""
    idle_w = spread(rng, 5.0, 100.0)
    points = [(-5.0, idle_w)]
    for opened_s, closed_s in cells:
        busy_w = idle_w * spread(rng, 1.5, 8.0)
        began_s = opened_s + rng.uniform(0.0, 0.06)
        ended_s = closed_s + rng.uniform(-0.05, 0.02)
        if points[-1][0] < began_s < ended_s:
            points += [(began_s, busy_w), (ended_s, idle_w)]
    quiet = Pieces(points)
    if rng.random() < 0.5:
        return quiet
    flutter_w = idle_w * rng.uniform(0.02, 0.3)
    period_s = spread(rng, 0.01, 1.0)
    return Together(quiet, Wave(0.0, flutter_w, period_s, rng.uniform(0.0, period_s), rng.uniform(0.2, 0.8)))


def aligned(rng: random.Random, end_s: float, cells: Sequence[Span]) -> Load:
    """Idles, and is busy exactly while a cell runs: the cell is the load."""
    idle_w = spread(rng, 5.0, 100.0)
    points = [(-5.0, idle_w)]
    for opened_s, closed_s in cells:
        if points[-1][0] < opened_s:
            points += [(opened_s, idle_w * spread(rng, 1.5, 8.0)), (closed_s, idle_w)]
    return Pieces(points)


LOADS: tuple[Callable[[random.Random, float, Sequence[Span]], Load], ...] = (
    constant,
    steps,
    square,
    ramps,
    spikes,
    noisy,
    cells,
    aligned,
)


def _points(
    rng: random.Random, end_s: float, dwell_s: Callable[[], float], level_w: Callable[[], float]
) -> list[tuple[float, float]]:
    points = [(-5.0, level_w())]
    while points[-1][0] < end_s:
        points.append((points[-1][0] + dwell_s(), level_w()))
    return points


def _levels(rng: random.Random) -> Callable[[], float]:
    low_w, high_w = sorted((_level_w(rng), _level_w(rng)))
    return lambda: rng.uniform(low_w, high_w)


def _level_w(rng: random.Random) -> float:
    return spread(rng, 8.0, 800.0)
