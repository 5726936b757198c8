"""One figure of the benchmark: what was measured, in which unit, and what it may be at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A measured figure; ``limit`` None marks an alternative that is only there to compare with."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the figure is within its limit; None where it has none."""
        return None if self.limit is None else self.value <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as JSON data."""
        return {**asdict(self), "holds": self.holds}


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as lines of text."""
    rows = [("figure", "measured", "at most", "", "")]
    for figure in figures:
        limit = "" if figure.limit is None else f"{figure.limit:.3g} {figure.unit}"
        verdict = {None: "", True: "holds", False: "DOES NOT HOLD"}[figure.holds]
        rows.append((figure.name, f"{figure.value:.3g} {figure.unit}", limit, verdict, figure.note))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )
