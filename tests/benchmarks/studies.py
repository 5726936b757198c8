"""The case studies of the tutorials 06 and 07, whole: less energy than published, at about the same accuracy.

Where there is no sensor, energy is time times modelled power, and the verdicts say "(estimated)".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from figure import Figure
from process import run

CLAIMS: Mapping[str, tuple[str, float, float]] = {
    "classification": ("request", 50.0, 30.0),
    "dialogue": ("generate", 40.0, 25.0),
}
"""By study: the phase that is compared; what was published, percent of the energy and percent more throughput."""

HELD = "2 layers"
"""The contender that is to do what was published: the one that both tutorials make on every device. Others are printed
beside it, such as the same in 8 bits, which only a processor has."""

LOST_POINTS = 1.0
"""Of accuracy, at most: percentage points, by the estimate."""


def figures(folder: Path) -> list[Figure]:
    """Return of each study and contender what it saves, how much faster it is, and what of the accuracy is lost."""
    return [figure for name in CLAIMS for figure in _of(name, run("study.py", folder, study=name))]


def _of(study: str, said: Mapping[str, Any]) -> Iterator[Figure]:
    comparison = said["comparison"]
    phase, less_percent, more_percent = CLAIMS[study]
    rates = {(cell["contender"], cell["batch"]): cell["rate"] for cell in comparison["cells"] if cell["phase"] == phase}
    for contender in comparison["contenders"][1:]:
        name, is_held = contender["name"], contender["name"] == HELD
        for verdict in comparison["verdicts"]:
            if verdict["contender"] != name or verdict["phase"] != phase:
                continue
            batch = verdict["batch"]
            what = f"study of {study}, {name}, batch {batch}"
            more = rates[name, batch] / rates[comparison["baseline"], batch] - 1
            yield Figure(
                f"{what}: less energy",
                -100 * verdict["change"],
                "%",
                least=less_percent if is_held else None,
                note=f"{verdict['verdict']}, {_range(verdict)}; {verdict['pairs']} pairs",
            )
            yield Figure(f"{what}: more throughput", 100 * more, "%", least=more_percent if is_held else None)
        low, high = (-100 * end for end in reversed(contender["interval_accuracy_change"]))
        yield Figure(
            f"study of {study}, {name}: accuracy lost",
            -100 * contender["accuracy_change"],
            "points",
            LOST_POINTS if is_held else None,
            f"{low:+.1f} to {high:+.1f} (95 %); of {100 * comparison['contenders'][0]['accuracy']:.1f} %",
        )


def _range(verdict: Mapping[str, Any]) -> str:
    low, high = (-100 * end for end in reversed(verdict["interval"]))
    return f"{low:.0f} to {high:.0f} %"
