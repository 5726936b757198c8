"""Whether a channel's energy counter and its power readings tell the same energy.

A power reading, refreshed every ``T`` and averaging over ``w``, is held from its refresh to the next; what it tells
lies on average ``(w + T) / 2`` before it is read, and it is put there. Its integral is then that of a moving average:
at each end of the span it tells the mean of the cumulative energy over ``w``, so that mean is what is taken of the
counter too, interpolated between its steps.

The uncertainty has three parts, which add in squares (GUM 5.1.2): what may have happened between two power readings
that differ by ``d``, as rectangular distributions of widths ``d T`` and ``d`` times the pause between the two reads,
which is long where the reader was kept from reading; the two ends, where the power is unsure over the period of either
sensor; and the spacing of the reads about the ends. A load that repeats itself with the period of the power readings
looks constant to them: no interval made of the readings can tell that.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from greenllm_kernel.metering.characterization.refresh import Sample, refreshed
from greenllm_kernel.quantities import COVERAGE_FACTOR_95

LEAST_S = 0.5
"""Over a shorter span than this nothing is compared, s."""


PARTS = 41
"""Instants over which the mean of the counter's energy is taken at each end."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The counter's energy over the integral of power, with its 95 % interval, over ``seconds``."""

    ratio: float
    low: float
    high: float
    seconds: float


def agreement(
    counts: Sequence[Sample],
    powers: Sequence[Sample],
    counter_period_s: float,
    power_period_s: float,
    averaging_window_s: float | None,
) -> Agreement | None:
    """Return how the counter compares with integrated power, or None where too little is known.

    Args:
        counts: what the counter showed, J, without wraps and resets.
        powers: what the power readings were, W.
        counter_period_s: how often the counter is refreshed, s; 0: at each read.
        power_period_s: how often power is refreshed, s; 0: at each read.
        averaging_window_s: what power averages over, s; None: unknown, and taken as one period.
    """
    if len(counts) < 3 or len(powers) < 3:
        return None
    window_s = power_period_s if averaging_window_s is None else averaging_window_s
    ticks = refreshed(counts)
    held = _held(powers, (window_s + power_period_s) / 2 * 1e9)
    if len(ticks) < 2 or len(held) < 3:
        return None
    half_ns = window_s / 2 * 1e9
    start_ns = max(ticks[0][0] + half_ns, held[0][0])
    end_ns = min(ticks[-1][0] - half_ns, held[-1][0])
    seconds = (end_ns - start_ns) / 1e9
    if seconds < max(LEAST_S, 3 * counter_period_s, 3 * power_period_s):
        return None
    counted_j = _mean_j(ticks, end_ns, half_ns) - _mean_j(ticks, start_ns, half_ns)
    integral_j = _integral(held, start_ns, end_ns)
    if counted_j <= 0 or integral_j <= 0:
        return None
    pauses_s = [(later[0] - sooner[0]) / 1e9 for sooner, later in pairwise(powers)]
    between_j2 = sum(
        (later[1] - sooner[1]) ** 2 * (power_period_s**2 + pause_s**2) / 12
        for (sooner, later), pause_s in zip(pairwise(held), pauses_s, strict=True)
        if start_ns <= later[0] and sooner[0] <= end_ns
    )
    unsure_s = counter_period_s + power_period_s
    edges_j2 = sum((_range_w(ticks, held, at_ns, unsure_s) * unsure_s) ** 2 / 12 for at_ns in (start_ns, end_ns))
    spacings_s = (_pause_s(reads, at_ns) for reads in (counts, powers) for at_ns in (start_ns, end_ns))
    clock_j2 = sum((integral_j / seconds * spacing_s) ** 2 / 12 for spacing_s in spacings_s)
    ratio = counted_j / integral_j
    half = COVERAGE_FACTOR_95 * ratio * math.sqrt(between_j2 + edges_j2 + clock_j2) / integral_j
    return Agreement(ratio, ratio - half, ratio + half, seconds)


def _held(powers: Sequence[Sample], lag_ns: float) -> list[Sample]:
    """Return from when on each power holds; the last one only marks the end."""
    first = (powers[0][0] - lag_ns, powers[0][1])
    return [first, *(((sooner[0] + later[0]) / 2 - lag_ns, later[1]) for sooner, later in pairwise(powers))]


def _pause_s(reads: Sequence[Sample], at_ns: float) -> float:
    """Return how far the two reads about an instant lie apart, s."""
    index = min(max(1, bisect_right(reads, at_ns, key=lambda read: read[0])), len(reads) - 1)
    return (reads[index][0] - reads[index - 1][0]) / 1e9


def _mean_j(steps: Sequence[Sample], at_ns: float, half_ns: float) -> float:
    """Return the mean of the cumulative energy within ``half_ns`` of an instant, J."""
    parts = (2 * part / (PARTS - 1) - 1 for part in range(PARTS))
    return statistics.fmean(_interpolated(steps, at_ns + half_ns * part) for part in parts)


def _interpolated(steps: Sequence[Sample], at_ns: float) -> float:
    index = min(max(1, bisect_right(steps, at_ns, key=lambda step: step[0])), len(steps) - 1)
    (before_ns, before_j), (after_ns, after_j) = steps[index - 1], steps[index]
    return before_j + (after_j - before_j) * (at_ns - before_ns) / (after_ns - before_ns)


def _integral(held: Sequence[Sample], start_ns: float, end_ns: float) -> float:
    return sum(
        power_w * max(0.0, min(until_ns, end_ns) - max(from_ns, start_ns)) / 1e9
        for (from_ns, power_w), (until_ns, _) in pairwise(held)
    )


def _range_w(steps: Sequence[Sample], held: Sequence[Sample], at_ns: float, reach_s: float) -> float:
    """Return the range of power about an instant, as far as either sensor shows it, W."""
    reach_ns = reach_s * 1e9
    counted_w = [
        (later[1] - sooner[1]) / (later[0] - sooner[0]) * 1e9
        for sooner, later in pairwise(steps)
        if sooner[0] - reach_ns <= at_ns <= later[0] + reach_ns
    ]
    near_w = [power_w for t_ns, power_w in held if abs(t_ns - at_ns) <= reach_ns] + counted_w
    return max(near_w, default=0.0) - min(near_w, default=0.0)
