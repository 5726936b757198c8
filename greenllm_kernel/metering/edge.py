"""The cumulative energy at an instant, told from the knots around it.

Between two knots the energy is bounded: power is taken to lie between the lowest and the highest that the
neighbouring knots and power readings show, so that within an interval of length T and mean power P, after the
fraction f,

    max(low f, P - high (1 - f)) <= energy / T <= min(high f, P - low (1 - f)).

Where the neighbours' levels lie on either side of P the power is taken to step from one to the other, which
is one of these bounds; otherwise the middle is taken. The range gives the standard uncertainty of an edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

REACH_S = 2.0
"""How far before the first and after the last knot an edge may lie and still be extrapolated."""

NEAR_S = 0.25
"""Time before the first knot up to which readings count as covering it; further away it is a gap."""

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


def between(t_ns: int, knots: Sequence[Knot], index: int, seen_w: Sequence[float]) -> Edge:
    """Return the edge at ``t_ns``, which lies between ``knots[index - 1]`` and ``knots[index]``.

    Args:
        t_ns: the instant.
        knots: in order of time.
        index: of the knot after the instant.
        seen_w: power readings between the two knots, W.
    """
    left, right = knots[index - 1], knots[index]
    span_s = (right.t_ns - left.t_ns) / 1e9
    fraction = (t_ns - left.t_ns) / (right.t_ns - left.t_ns)
    mean = mean_w(left, right)
    before_w = mean_w(knots[index - 2], left) if index > 1 else mean
    after_w = mean_w(right, knots[index + 1]) if index + 1 < len(knots) else mean
    low_w, high_w = min(before_w, mean, after_w, *seen_w), max(before_w, mean, after_w, *seen_w)
    least = max(low_w * fraction, mean - high_w * (1 - fraction))
    most = min(high_w * fraction, mean - low_w * (1 - fraction))
    if before_w < mean < after_w or before_w > mean > after_w:
        part, share = _stepped(before_w, mean, after_w, fraction), STEP_SHARE
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


def beyond(t_ns: int, knot: Knot, power_w: float, period_ns: float, lost_at_ns: int | None) -> Edge | None:
    """Return the edge before the first or after the last knot: less sure the further away, and never past a loss.

    Args:
        t_ns: the instant.
        knot: the first or the last.
        power_w: power beside it, W.
        period_ns: the sensor's update period, ns.
        lost_at_ns: since when the channel has been unavailable.

    Returns:
        The edge, or None where it lies too far before the first knot.
    """
    is_after = t_ns >= knot.t_ns
    reach_ns = REACH_S * 1e9 + period_ns
    if knot.t_ns - t_ns > reach_ns:
        return None
    until_ns = min(float(t_ns), knot.t_ns + reach_ns)
    if is_after and lost_at_ns is not None:
        until_ns = min(until_ns, max(knot.t_ns, float(lost_at_ns)))
    away_s = (until_ns - knot.t_ns) / 1e9
    before_ns = max(0.0, knot.t_ns - t_ns - max(NEAR_S * 1e9, period_ns))
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


def random_uncertainty_j(opening: Edge, closing: Edge) -> float:
    """Return the random standard uncertainty of the energy between two edges, J."""
    edges_j2 = opening.variance_j2 + closing.variance_j2
    if opening.after_ns == closing.after_ns:
        duration_s = (closing.t_ns - opening.t_ns) / 1e9
        low_w, high_w = min(opening.low_w, closing.low_w), max(opening.high_w, closing.high_w)
        edges_j2 = min(edges_j2, ((high_w - low_w) ** 2 / 12 + opening.rate_w**2) * duration_s**2)
    return math.sqrt(max(0.0, closing.accumulated_j2 - opening.accumulated_j2) + edges_j2)


def mean_w(left: Knot, right: Knot) -> float:
    """Return the mean power between two knots, W."""
    return (right.joules - left.joules) / max(1.0, right.t_ns - left.t_ns) * 1e9


def _stepped(before_w: float, mean_w: float, after_w: float, fraction: float) -> float:
    """Return the energy (over the interval's length) up to ``fraction`` of a step from one level to another."""
    at = (mean_w - after_w) / (before_w - after_w)
    return before_w * min(fraction, at) + after_w * max(0.0, fraction - at)


def _rate_uncertainty_w(left: Knot, right: Knot) -> float:
    """Return the standard uncertainty of the mean power between two knots whose instants are not sure, W.

    The mean power is the larger the shorter the interval really was: the upper side is the wider one, and is taken.
    """
    mean, loose_ns, span_ns = mean_w(left, right), left.half_ns + right.half_ns, right.t_ns - left.t_ns
    return mean * loose_ns / max(span_ns - loose_ns, span_ns / 4) / math.sqrt(3)
