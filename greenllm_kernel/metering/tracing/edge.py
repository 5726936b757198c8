"""The cumulative energy at an instant, told from the knots around it.

Between two ticks of a counter the energy is bounded: power is taken to lie between the lowest and the highest
level around, so that within an interval of length T and mean power P, after the fraction f,

    max(low f, P - high (1 - f)) <= energy / T <= min(high f, P - low (1 - f)).

A neighbour's mean is a level where it is borne out (by the interval beside it or by a power reading); a mean that
stands alone may be an average of anything, and then the bound on that side is zero or none. Where the neighbours
lie on either side of P the power is taken to step from one to the other, which is one of these bounds; otherwise
to be even. What levels do not explain is roughness: the means scatter by ``rough_w``, as if power were noise, and
between two knots such noise is a Brownian bridge of variance (rough_w T)^2 f (1 - f).

Power readings alone are averages that come late: what they miss is told by how far power moves around the edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenllm_kernel.metering.tracing.course import Course
from greenllm_kernel.metering.tracing.knot import Knot, mean_w
from greenllm_kernel.metering.tracing.plausible import SURE_S, unseen_j
from greenllm_kernel.metering.tracing.power import Averaging

REACH_S = 2.0
"""How far before the first and after the last knot an edge may lie and still be extrapolated."""

NEAR_S = 0.25
"""Time before the first knot up to which readings count as covering it; further away it is a gap."""

EXTRAPOLATION_UNCERTAINTY = 0.3
"""Relative standard uncertainty of power beyond the knots: a cell's load is not that of the instant beside it."""

UNSEEN_S = 3.0
"""So far beyond the knots (a sensor that refreshes slowly) the power beside them says nothing any more: 100 %."""

STEP_SHARE = 3.0
"""An edge's uncertainty is the range of possible energies over this, where a step explains the knots..."""

LEVEL_STEP_SHARE = 6.0
"""... and over this, where the levels on both sides are borne out."""

UNSEEN_SHARE = 0.08
"""The part of a steady power by which it may have moved, unseen by readings that smear it."""

SMEARED_SHARE = 0.12
"""Standard uncertainty of an edge in readings that smear power over w while it moves by R around: this part of R w.
A step smeared evenly over w is off by at most 1/8 of R w in its middle."""

SMEARED_SHARE_SHORT = 0.4
"""The same for a window not much longer than w: a pulse seen as R for the time w may lie on either side of an edge."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The cumulative energy at one end of a window.

    Attributes:
        t_ns, joules: the instant, and the cumulative energy at it.
        variance_j2: of what is this edge's own, J^2.
        accumulated_j2: variance of what lies before it, as for a knot, J^2.
        low_w, high_w: bounds of the power around it, W.
        after_ns: the knot before it (None before the first), so that edges of one interval are known as such.
        rate_w: standard uncertainty of that interval's mean power, W.
        gap_ns: time without valid readings before it, as for a knot.
        span_ns: length of the interval.
        loose_before_j, loose_after_j: of the energy that no level explains, how much is taken to lie before the edge
            and how much after it; it may lie anywhere in the interval.
        rough_w: by how much mean powers scatter around it, W.
        smear_s: the time over which readings smear power, s; 0 with a counter.
        blind_s: the time between two readings that none of them sees, s.
        moves_w, range_w: how far power moves within that time, and of late, W.
        lag_s: standard uncertainty of a delay that all edges of the trace share, s.
        bridged_ns, bridged_w: time without readings that was bridged with a power, W.
        most_w: the most that may have been drawn in that time, W.
        guessed_j: what of the energy before it was bridged between readings, as for a knot, J.
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
    span_ns: float = 0.0
    loose_before_j: float = 0.0
    loose_after_j: float = 0.0
    rough_w: float = 0.0
    smear_s: float = 0.0
    blind_s: float = 0.0
    moves_w: float = 0.0
    range_w: float = math.inf
    lag_s: float = 0.0
    bridged_ns: float = 0.0
    bridged_w: float = 0.0
    most_w: float = 0.0
    guessed_j: float = 0.0


def between(
    t_ns: int, knots: Sequence[Knot], index: int, seen: Sequence[tuple[float, float]], first_w: float | None = None
) -> Edge:
    """Return the edge at ``t_ns``, which lies between two ticks of a counter.

    Args:
        t_ns: the instant.
        knots: some around it, in order of time.
        index: of the knot after the instant.
        seen: power readings that average over much less than a tick: instants, ns, and W.
        first_w: power that was read about when the first of the knots was, W; None where there is none.
    """
    left, right = knots[index - 1], knots[index]
    span_s = (right.t_ns - left.t_ns) / 1e9
    fraction = (t_ns - left.t_ns) / (right.t_ns - left.t_ns)
    course = Course(knots, index, seen, first_w)
    mean, before_w, after_w = course.mean_w, course.before_w, course.after_w
    least = max(course.low_w * fraction, mean - course.high_w * (1 - fraction))
    most = min(course.high_w * fraction, mean - course.low_w * (1 - fraction))
    if before_w < mean < after_w or before_w > mean > after_w:
        part = _stepped(before_w, mean, after_w, fraction)
        share = LEVEL_STEP_SHARE if course.is_step else STEP_SHARE
    else:
        part, share = mean * fraction, math.sqrt(12)
    shape_j = max(0.0, most - least) * span_s / share
    rough_j2 = (course.rough_w * span_s) ** 2 * fraction * (1 - fraction)
    # Knots beside each other come from one clock, so their instants are off together.
    floor_w, bright_w = min(before_w, mean, after_w), max(before_w, mean, after_w)
    clock_j = bright_w / 1e9 / math.sqrt(3) * (left.half_ns * (1 - fraction) + right.half_ns * fraction)
    return Edge(
        t_ns=t_ns,
        joules=left.joules + part * span_s,
        variance_j2=shape_j**2 + rough_j2 + clock_j**2,
        accumulated_j2=left.variance_j2 + (right.variance_j2 - left.variance_j2) * fraction,
        low_w=floor_w,
        high_w=bright_w,
        after_ns=left.t_ns,
        rate_w=_rate_uncertainty_w(left, right),
        gap_ns=left.gap_ns + (right.gap_ns - left.gap_ns) * fraction,
        span_ns=right.t_ns - left.t_ns,
        loose_before_j=max(0.0, part - floor_w * fraction) * span_s if course.excess_w > 0 else 0.0,
        loose_after_j=max(0.0, mean - part - floor_w * (1 - fraction)) * span_s if course.excess_w > 0 else 0.0,
        rough_w=course.rough_w,
        guessed_j=left.guessed_j + (right.guessed_j - left.guessed_j) * fraction,
    )


def averaged(t_ns: int, knots: Sequence[Knot], index: int, by: Averaging, around_w: Sequence[float]) -> Edge:
    """Return the edge at ``t_ns``, which lies between two power readings.

    Args:
        t_ns: the instant.
        knots: some around it, in order of time.
        index: of the knot after the instant.
        by: what the sensor does to the truth.
        around_w: the powers read as far around as one reading reaches, W.
    """
    left, right = knots[index - 1], knots[index]
    fraction = (t_ns - left.t_ns) / (right.t_ns - left.t_ns)
    mean = mean_w(left, right)
    span_s = (right.t_ns - left.t_ns) / 1e9
    low_w, high_w = min((mean, *around_w)), max((mean, *around_w))
    return Edge(
        t_ns=t_ns,
        joules=left.joules + (right.joules - left.joules) * fraction,
        variance_j2=(by.range_w * by.blind_s(span_s)) ** 2 / 12,
        accumulated_j2=left.variance_j2 + (right.variance_j2 - left.variance_j2) * fraction,
        low_w=low_w,
        high_w=high_w,
        after_ns=left.t_ns,
        rate_w=math.inf,
        gap_ns=left.gap_ns + (right.gap_ns - left.gap_ns) * fraction,
        smear_s=by.window_s + span_s,
        blind_s=by.blind_s(span_s),
        most_w=by.most_w,
        moves_w=high_w - low_w,
        range_w=by.range_w,
        lag_s=by.lag_s,
        guessed_j=left.guessed_j + (right.guessed_j - left.guessed_j) * fraction,
    )


def beyond(
    t_ns: int,
    knot: Knot,
    power_w: float,
    period_ns: float,
    lost_at_ns: int | None,
    by: Averaging | None = None,
    most_w: float = 0.0,
) -> Edge | None:
    """Return the edge before the first or after the last knot: less sure the further away, and bridged past a loss.

    Args:
        t_ns: the instant.
        knot: the first or the last.
        power_w: power beside it, W.
        period_ns: the sensor's update period, ns.
        lost_at_ns: since when the channel has been unavailable.
        by: what a power sensor does to the truth; None for a counter.
        most_w: the most that the channel is believed to draw, W.

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
    bridged_ns = t_ns - until_ns
    before_ns = max(0.0, knot.t_ns - t_ns - max(NEAR_S * 1e9, period_ns))
    share = 1.0 if before_ns > 0 else min(1.0, max(EXTRAPOLATION_UNCERTAINTY, abs(away_s) / UNSEEN_S))
    unknown_j = unseen_j(power_w, abs(away_s), most_w) if abs(away_s) > SURE_S else 0.0
    clock_j = power_w * knot.half_ns / 1e9 / math.sqrt(3)
    blind_j = by.range_w * by.blind_s(0.0) / math.sqrt(12) if by else 0.0
    return Edge(
        t_ns=t_ns,
        joules=knot.joules + power_w * (away_s + bridged_ns / 1e9),
        variance_j2=max((share * power_w * away_s) ** 2, unknown_j**2 / 3) + clock_j**2 + blind_j**2,
        accumulated_j2=knot.variance_j2,
        low_w=0.0,
        high_w=2 * power_w,
        after_ns=knot.t_ns if is_after else None,
        rate_w=share * power_w,
        gap_ns=knot.gap_ns + bridged_ns - before_ns,
        smear_s=by.window_s + by.period_s if by else 0.0,
        blind_s=by.blind_s(0.0) if by else 0.0,
        moves_w=by.range_w if by else 0.0,
        lag_s=by.lag_s if by else 0.0,
        bridged_ns=bridged_ns,
        bridged_w=power_w,
        most_w=most_w,
        guessed_j=knot.guessed_j,
    )


def before_readings(t_ns: int, first: Edge, power_w: float, most_w: float) -> Edge:
    """Return the edge at ``t_ns``, far before ``first``: the time between is bridged with ``power_w``, W.

    In that time at most ``most_w`` may have been drawn, W.
    """
    bridged_ns = first.t_ns - t_ns
    return replace(
        first,
        t_ns=t_ns,
        joules=first.joules - power_w * bridged_ns / 1e9,
        after_ns=None,
        gap_ns=first.gap_ns - bridged_ns,
        bridged_ns=first.bridged_ns - bridged_ns,
        bridged_w=power_w,
        most_w=most_w,
    )


def random_uncertainty_j(opening: Edge, closing: Edge) -> float:
    """Return the random standard uncertainty of the energy between two edges, J."""
    duration_s = (closing.t_ns - opening.t_ns) / 1e9
    edges_j2 = opening.variance_j2 + closing.variance_j2
    if opening.after_ns == closing.after_ns:
        edges_j2 = min(edges_j2, _within_j2(opening, closing))
    if opening.after_ns is None and closing.after_ns is None:
        # Nothing was read until the window was over: it is anybody's guess what it drew.
        edges_j2 = max(edges_j2, (closing.most_w * duration_s) ** 2 / 12)
    # A cell is often the load itself: then all that no level explains lies between the edges, on both sides at once.
    edges_j2 = max(edges_j2, (opening.loose_before_j + closing.loose_after_j) ** 2 / 3)
    if opening.smear_s or closing.smear_s:
        edges_j2 = _smeared_j2(opening, closing, edges_j2, duration_s)
    bridged_w = max(opening.bridged_w, closing.bridged_w)
    bridged_s = max(0.0, closing.bridged_ns - opening.bridged_ns) / 1e9
    bridged_j = unseen_j(bridged_w, bridged_s, max(opening.most_w, closing.most_w)) / math.sqrt(3)
    return math.sqrt(max(0.0, closing.accumulated_j2 - opening.accumulated_j2) + edges_j2 + bridged_j**2)


def _smeared_j2(opening: Edge, closing: Edge, edges_j2: float, duration_s: float) -> float:
    """Return the variance of edges in power readings, which smear it, come late, and do not see all the time, J^2."""
    smear_s = max(opening.smear_s, closing.smear_s)
    share = SMEARED_SHARE if duration_s > 2 * smear_s else SMEARED_SHARE_SHORT
    moves_w = [edge.moves_w + UNSEEN_SHARE * (edge.low_w + edge.high_w) / 2 for edge in (opening, closing)]
    smeared_j = share * math.hypot(moves_w[0] * opening.smear_s, moves_w[1] * closing.smear_s)
    moved_w = max(closing.high_w - opening.low_w, opening.high_w - closing.low_w, 0.0)
    lag_j = max(opening.lag_s, closing.lag_s) * moved_w
    # However little readings tell of so short a time, what it drew moved them by no more than they did move.
    range_w = max(opening.range_w, closing.range_w)
    most_j = range_w * (duration_s + smear_s) + UNSEEN_SHARE * max(opening.high_w, closing.high_w) * duration_s
    known_j2 = min(edges_j2 + smeared_j**2 + lag_j**2, most_j**2 / 4)
    blind_s = min(opening.blind_s, closing.blind_s)
    unseen_s = min(blind_s, duration_s) if duration_s < 2 * blind_s else 0.0
    return known_j2 + (max(opening.most_w, closing.most_w) * unseen_s) ** 2 / 12


def _within_j2(opening: Edge, closing: Edge) -> float:
    """Return the variance of the energy between two edges of one interval, J^2."""
    duration_s = (closing.t_ns - opening.t_ns) / 1e9
    low_w, high_w = min(opening.low_w, closing.low_w), max(opening.high_w, closing.high_w)
    even_j2 = ((high_w - low_w) ** 2 / 12 + opening.rate_w**2) * duration_s**2
    inside = (closing.t_ns - opening.t_ns) / opening.span_ns if opening.span_ns else 1.0
    rough_j2 = (opening.rough_w * opening.span_ns / 1e9) ** 2 * inside * (1 - inside)
    return even_j2 + rough_j2


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
