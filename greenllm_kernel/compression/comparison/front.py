"""Contenders in the plane of energy and quality, and which of them no other beats in both: the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from greenllm_kernel.quantities import Energy, Interval


@dataclass(frozen=True)
class FrontPoint:
    """One contender in the plane of energy and quality, at one batch.

    Attributes:
        contender: its name.
        batch: sequences side by side.
        energy_j: of one new token (or request), J.
        interval_j: 95 %.
        quality: bits per byte, or the part of wrong answers: lower is better.
        quality_interval: 95 %; None where that is not known.
        is_on_front: whether no other contender is at least as good in both and better in one.
    """

    contender: str
    batch: int
    energy_j: float
    interval_j: Interval
    quality: float
    quality_interval: Interval | None
    is_on_front: bool


def front_of(batch: int, known: Sequence[tuple[str, Energy, float, Interval | None]]) -> Sequence[FrontPoint]:
    """Return the contenders at one batch, each with whether it is on the front.

    Args:
        batch: sequences side by side.
        known: of each contender its name, the energy of one new token (or request), its quality, and that one's 95 %.
    """
    places = [(energy.value_j, quality) for _, energy, quality, _ in known]
    return [
        FrontPoint(
            contender=name,
            batch=batch,
            energy_j=energy.value_j,
            interval_j=energy.interval_j,
            quality=quality,
            quality_interval=interval,
            is_on_front=not any(_dominates(other, (energy.value_j, quality)) for other in places),
        )
        for name, energy, quality, interval in known
    ]


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and one != other
