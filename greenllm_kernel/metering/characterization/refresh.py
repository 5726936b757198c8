"""How often a sensor's figure is refreshed, told from reading it more often than that."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Sample = tuple[float, float]
"""An instant, ns, and what was read then, J or W."""

LEAST_STEPS = 4
"""Fewer changes than this tell no period."""

EACH_READ_SHARE = 0.6
"""A figure that has changed in more than this part of the reads is refreshed about as often as it is read."""

ONE_PERIOD_QUANTILE = 0.2
"""This quantile of the intervals is taken for one period; longer ones hold several, in which the value repeated."""

LATE_READ = 3.0
"""An interval is left out where a read at one of its ends came this many times later than usual."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh period as it was seen.

    Attributes:
        period_s: mean time between two refreshes without the shortest and longest 5 %, s (a median would be a whole
            number of reads); None where that cannot be told.
        low_s: 5th percentile, s.
        high_s: 95th percentile, s.
        at_most_s: where the figure changed at nearly each read, the spacing of these reads, s.
        steps: how often the figure changed.
        reason: why there is no period; empty where there is one.
    """

    period_s: float | None
    low_s: float | None = None
    high_s: float | None = None
    at_most_s: float | None = None
    steps: int = 0
    reason: str = ""


def refresh(samples: Sequence[Sample]) -> Refresh:
    """Return how often the figure is refreshed that ``samples`` show.

    A figure that happens to stay the same over a refresh makes an interval of several periods; these are divided
    by the whole number of periods they hold.

    Args:
        samples: in order of time.
    """
    if len(samples) < 2:
        return Refresh(None, reason="it could not be read often enough")
    spacing_ns = statistics.median(later[0] - sooner[0] for sooner, later in pairwise(samples))
    brackets = [(sooner[0], later[0]) for sooner, later in pairwise(samples) if later[1] != sooner[1]]
    seconds = (samples[-1][0] - samples[0][0]) / 1e9
    if not brackets:
        return Refresh(None, reason=f"it did not change in {seconds:.1f} s")
    if len(brackets) > EACH_READ_SHARE * (len(samples) - 1):
        return Refresh(None, at_most_s=spacing_ns / 1e9, steps=len(brackets), reason="it changes at each read")
    intervals_s = [
        (later[0] + later[1] - sooner[0] - sooner[1]) / 2e9
        for sooner, later in pairwise(brackets)
        if max(later[1] - later[0], sooner[1] - sooner[0]) <= LATE_READ * spacing_ns
    ]
    if len(intervals_s) < LEAST_STEPS - 1:
        changes = "once" if len(brackets) == 1 else f"{len(brackets)} times"
        return Refresh(None, steps=len(brackets), reason=f"it changed only {changes} in {seconds:.1f} s")
    one_s = quantile(intervals_s, ONE_PERIOD_QUANTILE)
    periods_s = [interval_s / max(1, round(interval_s / one_s)) for interval_s in intervals_s]
    low_s, high_s = quantile(periods_s, 0.05), quantile(periods_s, 0.95)
    return Refresh(
        period_s=statistics.fmean(period_s for period_s in periods_s if low_s <= period_s <= high_s),
        low_s=low_s,
        high_s=high_s,
        steps=len(brackets),
    )


def refreshed(samples: Sequence[Sample]) -> list[Sample]:
    """Return the instants at which a figure was refreshed, midway between two reads, and what it then showed."""
    return [((sooner[0] + later[0]) / 2, later[1]) for sooner, later in pairwise(samples) if later[1] != sooner[1]]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lie, interpolated (Hyndman and Fan 1996, type 7)."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])
