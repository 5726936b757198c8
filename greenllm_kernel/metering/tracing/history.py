"""A channel's power over time in bounded memory: recent at full resolution, the past ever coarser."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

CAPACITY = 4096
"""Points kept; at 10 a second the last minutes are whole, a day keeps about one point in 20 s."""


class History:
    """Points of instant (ns) and power (W); when full, neighbours in the older half are merged."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._t_ns = array("d")
        self._power_w = array("d")

    def add(self, t_ns: float, power_w: float) -> None:
        """Append a point."""
        if len(self._t_ns) >= self._capacity:
            self._coarsen()
        self._t_ns.append(t_ns)
        self._power_w.append(power_w)

    def between(self, start_ns: float, end_ns: float, most: int = 500) -> Sequence[tuple[float, float]]:
        """Return at most ``most`` points from ``start_ns`` to ``end_ns``, averaged where there are more."""
        instants, powers = self._t_ns[:], self._power_w[:]
        points = [point for point in zip(instants, powers, strict=False) if start_ns <= point[0] <= end_ns]
        while len(points) > most:
            points = _merged(points)
        return points

    def _coarsen(self) -> None:
        half = self._capacity // 2
        merged = _merged(list(zip(self._t_ns[:half], self._power_w[:half], strict=True)))
        self._t_ns[:half] = array("d", [t_ns for t_ns, _ in merged])
        self._power_w[:half] = array("d", [power_w for _, power_w in merged])


def _merged(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged = [
        ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
        for left, right in zip(points[::2], points[1::2], strict=False)
    ]
    return merged + points[len(merged) * 2 :]
