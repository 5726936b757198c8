"""Instants at which a channel's cumulative energy is known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knot:
    """An instant at which the cumulative energy is known.

    ``half_ns`` is the half-width of the instant's interval. ``variance_j2`` (what interpolated power, resets and
    gaps have added), ``gap_ns`` (time without valid readings) and ``guessed_j`` (what was bridged in that time, J)
    accumulate since the trace began.
    """

    t_ns: float
    joules: float
    half_ns: float
    variance_j2: float
    gap_ns: float
    guessed_j: float = 0.0


def mean_w(left: Knot, right: Knot) -> float:
    """Return the mean power between two knots, W."""
    return (right.joules - left.joules) / max(1.0, right.t_ns - left.t_ns) * 1e9
