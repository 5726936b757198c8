"""The energy between two instants of a long periodic load, told from a long recording of the card's own counter.

Under a load that repeats itself every ``T`` the cumulative energy is ``E(t) = mean * t + fold(t mod T) + drift(t)``,
with a drift that is slow against ``T``. The counter's ticks fall on ever other phases of the wave, so that many of
them show the fold much finer than one tick could: sampling in equivalent time. Nothing is assumed of the wave's
shape, nor of the sensor but that its counter shows, at each tick, the energy up to then (or up to a constant lag
before, which shifts the fold and is told by where it bends).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpu.recorder import Array, Recording

GRID = 1000
"""Points of the fold."""

NEIGHBOURS = 12
"""The fold is smoothed over about so many ticks."""

LEAST_WIDTH_S = 0.004
"""It is smoothed over at least this, s: about the uncertainty of a tick."""

DRIFT_PERIODS = 12
"""The drift is smoothed over so many periods."""


@dataclass(frozen=True)
class Ticks:
    """When the counter was refreshed and what it then showed; ``half_ns`` is how unsure an instant is."""

    t_ns: Array
    joules: Array
    half_ns: float


def ticks(recording: Recording) -> Ticks:
    """Return the counter's ticks: midway between the two reads around each change.

    Raises:
        ValueError: the counter did not move.
    """
    changed = np.flatnonzero(np.diff(recording.counter_j) > 0)
    if len(changed) < 3:
        raise ValueError("the counter did not move while it was recorded")
    t_ns = recording.t_ns
    brackets = t_ns[changed + 1] - t_ns[changed]
    sharp = brackets <= 3 * np.median(brackets)
    at = changed[sharp]
    middle_ns = (t_ns[at] + t_ns[at + 1]) / 2
    return Ticks(middle_ns, recording.counter_j[at + 1], float(np.median(brackets)) / 2)


class Folded:
    """The cumulative energy under a periodic load.

    Args:
        found: ticks over many periods.
        period_s: of the load.
        start_ns: an instant at which a period began.
    """

    def __init__(self, found: Ticks, period_s: float, start_ns: float) -> None:
        self.period_s = period_s
        self._start_ns = start_ns
        t_s = (found.t_ns - start_ns) / 1e9
        self._width_s = max(LEAST_WIDTH_S, NEIGHBOURS * period_s / len(t_s))
        grid_s = (np.arange(GRID) + 0.5) * period_s / GRID
        phase_s = t_s % period_s
        self._mean_w, self._offset_j = np.polyfit(t_s, found.joules, 1)
        # The wave averages out over whole periods, so the drift is seen before the fold is known.
        drift_j = _running_line(t_s, found.joules - self._offset_j - self._mean_w * t_s, DRIFT_PERIODS * period_s)
        for _ in range(3):
            rest_j = found.joules - self._offset_j - self._mean_w * t_s - drift_j
            fold_j = _smoothed_on_circle(phase_s, rest_j, grid_s, self._width_s, period_s)
            self._grid = (_wrapped(grid_s, period_s), np.concatenate([fold_j[-1:], fold_j, fold_j[:1]]))
            rest_j = found.joules - self._offset_j - self._mean_w * t_s - self._fold_j(t_s)
            drift_j = _running_line(t_s, rest_j, DRIFT_PERIODS * period_s)
        self._drift = (t_s, drift_j)
        self.scatter_j = float(np.std(rest_j - drift_j))
        """Standard deviation of single ticks about the fold, J."""

    @property
    def mean_w(self) -> float:
        """Mean power over the whole recording, W."""
        return float(self._mean_w)

    @property
    def span_ns(self) -> tuple[float, float]:
        """First and last tick."""
        return self._start_ns + self._drift[0][0] * 1e9, self._start_ns + self._drift[0][-1] * 1e9

    def energy_j(self, from_ns: float, until_ns: float) -> float:
        """Return the energy between two instants within the recording, J."""
        t_s = (np.array([from_ns, until_ns]) - self._start_ns) / 1e9
        drift_j = np.interp(t_s, *self._drift)
        whole_j = self._mean_w * t_s + self._fold_j(t_s) + drift_j
        return float(whole_j[1] - whole_j[0])

    def bends_s(self) -> tuple[float, float]:
        """Return at which phases the power rises above its mean and falls below it: the fold's least and most, s."""
        phase_s, fold_j = self._grid
        return float(phase_s[np.argmin(fold_j)] % self.period_s), float(phase_s[np.argmax(fold_j)] % self.period_s)

    def power_w(self) -> tuple[Array, Array]:
        """Return phases, s, and the mean power in each of a hundred parts of the period, W."""
        edges_s = np.linspace(0.0, self.period_s, 101)
        energy_j = self._mean_w * edges_s + self._fold_j(np.minimum(edges_s, self.period_s * (1 - 1e-9)))
        return (edges_s[1:] + edges_s[:-1]) / 2, np.diff(energy_j) / np.diff(edges_s)

    def _fold_j(self, t_s: Array) -> Array:
        return np.interp(t_s % self.period_s, *self._grid)


def lag_s(bend_s: float, phase_s: float, period_s: float) -> float:
    """Return how much later than ``phase_s`` a bend is, s; negative where it is earlier."""
    return (bend_s - phase_s + period_s / 2) % period_s - period_s / 2


def _smoothed_on_circle(phase_s: Array, values: Array, at_s: Array, width_s: float, period_s: float) -> Array:
    """Return a local straight line's value at each phase, with weights that fall to 0 at ``width_s``."""
    smooth = np.empty_like(at_s)
    for number, centre_s in enumerate(at_s):
        away_s = (phase_s - centre_s + period_s / 2) % period_s - period_s / 2
        weights = np.maximum(0.0, 1.0 - np.abs(away_s) / width_s)
        while np.count_nonzero(weights) < 4:
            width_s *= 1.5
            weights = np.maximum(0.0, 1.0 - np.abs(away_s) / width_s)
        total, first = weights.sum(), (weights * away_s).sum()
        second = (weights * away_s**2).sum()
        determinant = total * second - first**2
        level = (weights * values).sum()
        tilted = (weights * values * away_s).sum()
        smooth[number] = (second * level - first * tilted) / determinant if determinant > 0 else level / total
    return smooth


def _running_line(t_s: Array, values: Array, width_s: float) -> Array:
    """Return at each instant the straight line's value through what lies within half of ``width_s``.

    At the ends, where one side is missing, a mean would be off by the slope.
    """
    first = np.searchsorted(t_s, t_s - width_s / 2)
    last = np.searchsorted(t_s, t_s + width_s / 2, side="right")

    def mean(of: Array) -> Array:
        sums = np.concatenate([[0.0], np.cumsum(of)])
        return np.asarray((sums[last] - sums[first]) / (last - first))

    mean_s, level = mean(t_s), mean(values)
    spread = np.maximum(mean(t_s**2) - mean_s**2, 1e-12)
    return np.asarray(level + (mean(t_s * values) - mean_s * level) / spread * (t_s - mean_s))


def _wrapped(grid_s: Array, period_s: float) -> Array:
    return np.concatenate([grid_s[-1:] - period_s, grid_s, grid_s[:1] + period_s])
