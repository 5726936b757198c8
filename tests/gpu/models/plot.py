"""One picture of joules per token by batch, a line for each form of the weights; it needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PHASES = ("prefill", "decode")


def plot(result: dict[str, Any], path: Path) -> str:
    """Draw the cells that there are into ``path``; return a sentence about it."""
    try:
        import matplotlib
    except ImportError:
        return "no picture: matplotlib is not installed; the figures are in the JSON"
    found = [cell for cell in result["cells"].values() if "error" not in cell]
    found = [cell for cell in found if all(cell[phase]["energy_j_per_token"] is not None for phase in PHASES)]
    if not found:
        return "no picture: nothing is measured yet"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    shapes = list(dict.fromkeys(cell["shape"] for cell in found))
    size = (5.5 * len(shapes), 7.5)
    figure, panels = pyplot.subplots(len(PHASES), len(shapes), figsize=size, squeeze=False, layout="constrained")
    packages = ", ".join(f"{name} {version}" for name, version in result["packages"].items())
    figure.suptitle(f"{result['card']['name']}, {result['started_at'][:10]}\n{packages}", fontsize=9)
    for column, shape in enumerate(shapes):
        for row, phase in enumerate(PHASES):
            _draw(panels[row][column], [cell for cell in found if cell["shape"] == shape], phase)
            panels[row][column].set_title(f"{shape}, {phase}", fontsize=10)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return f"picture: {path}"


def _draw(panel: Any, found: list[dict[str, Any]], phase: str) -> None:
    from matplotlib.ticker import FormatStrFormatter, NullLocator

    batches = sorted({cell["batch"] for cell in found})
    for form in dict.fromkeys(cell["form"] for cell in found):
        own = sorted((cell for cell in found if cell["form"] == form), key=lambda cell: int(cell["batch"]))
        values = [cell[phase]["energy_j_per_token"] for cell in own]
        intervals = [
            cell[phase]["interval_j_per_token"] or [value, value] for cell, value in zip(own, values, strict=True)
        ]
        errors = [
            [max(0.0, value - low) for value, (low, _) in zip(values, intervals, strict=True)],
            [max(0.0, high - value) for value, (_, high) in zip(values, intervals, strict=True)],
        ]
        panel.errorbar([cell["batch"] for cell in own], values, yerr=errors, marker="o", capsize=3, label=form)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(batches, [str(batch) for batch in batches])
    panel.xaxis.set_minor_locator(NullLocator())
    for formatter in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
        formatter(FormatStrFormatter("%.3g"))
    panel.yaxis.set_tick_params(which="both", labelsize=8)
    panel.set_xlabel("texts side by side")
    panel.set_ylabel("J per token, 95 % interval")
    panel.legend(fontsize=8)
