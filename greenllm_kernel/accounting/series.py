"""Power over time, made small enough to keep: at most so many points, and eight bytes for each."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

POINTS = 500
"""Most points kept of one channel of one record: about what a chart has pixels for."""

Points = Sequence[tuple[float, float]]
"""Pairs of seconds since the start and watts."""


def decimated(points: Points, limit: int = POINTS) -> Points:
    """Return at most ``limit`` points: the first, the last, and between them the means of equal spans of time.

    A mean over a span keeps the energy under the curve; a point left out would not.

    Args:
        points: seconds and watts, in order of time.
        limit: at least 3.
    """
    if len(points) <= limit:
        return points
    begin_s, end_s = points[0][0], points[-1][0]
    spans = limit - 2
    width_s = (end_s - begin_s) / spans or 1.0
    groups: dict[int, list[tuple[float, float]]] = {}
    for point in points[1:-1]:
        groups.setdefault(min(spans - 1, int((point[0] - begin_s) / width_s)), []).append(point)
    means = [(_mean([t for t, _ in group]), _mean([w for _, w in group])) for group in groups.values()]
    return [points[0], *means, points[-1]]


def energy_j(points: Points) -> float:
    """Return the energy under the curve by the trapezoidal rule, J."""
    return sum((right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in pairwise(points))


def packed(points: Points) -> bytes:
    """Return the points as little-endian pairs of 32-bit floats."""
    return struct.pack(f"<{2 * len(points)}f", *(value for point in points for value in point))


def unpacked(data: bytes) -> list[tuple[float, float]]:
    """Return the points that :func:`packed` made."""
    return list(struct.iter_unpack("<2f", data))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
