"""One figure of the benchmark: what was measured, in which unit, and what it may be at most or must be at least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured figure; without a limit it is only there to compare with.

    ``limit`` is what it may be at most, ``least`` what it must be at least.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""
    least: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the figure is within its limits; None where it has none."""
        if self.limit is None and self.least is None:
            return None
        return (self.limit is None or self.value <= self.limit) and (self.least is None or self.value >= self.least)

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as JSON data."""
        return {**asdict(self), "holds": self.holds}


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as lines of text."""
    rows = [("figure", "measured", "limit", "", "")]
    for figure in figures:
        limits = [
            f"{word} {bound:.3g} {figure.unit}"
            for word, bound in (("at most", figure.limit), ("at least", figure.least))
            if bound is not None
        ]
        verdict = {None: "", True: "holds", False: "DOES NOT HOLD"}[figure.holds]
        rows.append((figure.name, f"{figure.value:.3g} {figure.unit}", ", ".join(limits), verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )
