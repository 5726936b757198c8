"""How far a comparison is, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a comparison is.

    Attributes:
        part: of all that may have to be done, 0 to 1; it jumps where less is enough.
        doing: in a few words.
        contender: which is at work.
        batch: sequences side by side.
        pair: of trials that is being made, from 1; 0 before the first.
        pairs: at most.
        power_w: the mean since the comparison began, W; None where it is not known.
    """

    part: float
    doing: str
    contender: str
    batch: int
    pair: int
    pairs: int
    power_w: float | None = None


Tell = Callable[[Progress], object]
