"""A channel's power over time in bounded memory: recent at full resolution, the past ever coarser."""

from __future__ import annotations

from collections.abc import Sequence

CAPACITY = 4096
"""Points kept; at 10 a second the last minutes are whole, a day keeps about one point in 20 s."""


class History:
    """Points of instant (ns) and power (W); when full, neighbours in the older half are merged."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._points: list[tuple[float, float]] = []

    def add(self, t_ns: float, power_w: float) -> None:
        """Append a point."""
        if len(self._points) >= self._capacity:
            self._coarsen()
        self._points.append((t_ns, power_w))

    def between(self, start_ns: float, end_ns: float, most: int = 500) -> Sequence[tuple[float, float]]:
        """Return at most ``most`` points from ``start_ns`` to ``end_ns``, averaged where there are more."""
        points = [point for point in list(self._points) if start_ns <= point[0] <= end_ns]
        while len(points) > most:
            points = _merged(points)
        return points

    def _coarsen(self) -> None:
        half = self._capacity // 2
        self._points[:half] = _merged(self._points[:half])


def _merged(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged = [
        ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
        for left, right in zip(points[::2], points[1::2], strict=False)
    ]
    return merged + points[len(merged) * 2 :]
