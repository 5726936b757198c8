"""One picture of a result; it needs matplotlib, and says so where there is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from gpu.truth import NEIGHBOURS

SHOWN_NOISE = 0.1
"""The noise of folded power, over mean power, is at most this: so many parts of the period are shown as one."""


def plot(result: dict[str, Any], path: Path) -> str:
    """Draw what there is of ``result`` into ``path``; return a sentence about it."""
    try:
        import matplotlib
    except ImportError:
        return "no picture: matplotlib is not installed; the figures are in the JSON"
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(11, 7.5), layout="constrained")
    card = result["card"]
    simulated = ", simulated" if result["simulated"] else ""
    figure.suptitle(f"{card['name']}{simulated}, driver {card['driver']}, {result['started_at'][:10]}")
    drawn = (_waves, _fold, _coverage, _overhead)
    for draw, panel in zip(drawn, panels.flat, strict=True):
        name = draw.__name__.strip("_").replace("fold", "coverage")
        data = result["phases"].get(name, {}).get("data")
        if data is None:
            panel.set_title(f"{name}: no result")
            panel.set_axis_off()
        else:
            draw(panel, data)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return f"picture: {path}"


def _waves(panel: Any, data: dict[str, Any]) -> None:
    panel.set_title("Energy counter over integrated power, square waves")
    for name in ("instant", "average"):
        rows = [row for row in data["waves"] if row[f"counter_over_{name}"]]
        found = [row[f"counter_over_{name}"] for row in rows]
        ratios = [one["ratio"] for one in found]
        errors = [[one["ratio"] - one["low"] for one in found], [one["high"] - one["ratio"] for one in found]]
        periods_ms = [1e3 * row["period_s"] for row in rows]
        panel.errorbar(periods_ms, ratios, yerr=errors, marker="o", capsize=3, label=name.upper())
    panel.axhline(1.0, color="gray", linewidth=0.8)
    _marks(panel, [(1e3 * row["period_s"], f"{1e3 * row['period_s']:g}") for row in data["waves"]])
    panel.set_xlabel("period of the wave, ms")
    panel.set_ylabel("ratio, 95 % interval")
    panel.legend()


def _fold(panel: Any, data: dict[str, Any]) -> None:
    lag = data["lag_s"]
    panel.set_title(f"Power by the counter, folded; rises {1e3 * lag['rise']:.0f} ms after the load")
    phases_s, powers_w = np.array(data["fold"]["phase_s"]), np.array(data["fold"]["power_w"])
    part_s = data["period_s"] / len(phases_s)
    noise_w = data["scatter_j"] * math.sqrt(2 / NEIGHBOURS) / part_s
    parts = math.ceil(len(phases_s) / max(1.0, noise_w / (SHOWN_NOISE * data["mean_power_w"])))
    shown = [(part.mean(), powers_w[part].mean()) for part in np.array_split(np.arange(len(phases_s)), parts)]
    panel.plot([1e3 * part_s * (at + 0.5) for at, _ in shown], [power_w for _, power_w in shown])
    panel.set_xlabel("time within the period, ms")
    panel.set_ylabel("W")
    panel.set_ylim(bottom=0)


def _coverage(panel: Any, data: dict[str, Any]) -> None:
    panel.set_title("Windows at random instants: error and half-width")
    rows = data["against_load"]
    lengths_s = [row["length_s"] for row in rows]
    panel.plot(lengths_s, [100 * row["error_median"] for row in rows], marker="o", label="error, median")
    panel.plot(lengths_s, [100 * row["error_p90"] for row in rows], marker="o", label="error, 90th percentile")
    widths = [100 * row["half_width_median"] for row in rows]
    panel.plot(lengths_s, widths, marker="s", linestyle="--", label="half-width of the 95 % interval, median")
    _marks(
        panel, [(row["length_s"], f"{row['length_s']:g} s\n{row['inside']} of {row['windows']} inside") for row in rows]
    )
    panel.set_yscale("log")
    panel.set_xlabel("length of the window")
    panel.set_ylabel("% of the energy")
    panel.legend(fontsize=8)


def _overhead(panel: Any, data: dict[str, Any]) -> None:
    panel.set_title("Opening and closing a window, cold")
    rows = {name: found for name, found in data["window_ms"].items() if "median" in found}
    panel.barh(list(rows), [found["p95"] for found in rows.values()], color="lightgray")
    panel.barh(list(rows), [found["median"] for found in rows.values()])
    panel.set_xlabel("ms, median (and 95th percentile)")


def _marks(panel: Any, marks: list[tuple[float, str]]) -> None:
    """Make the axis logarithmic, with these marks and no other."""
    panel.set_xscale("log")
    panel.set_xticks([at for at, _ in marks], [text for _, text in marks], fontsize=8)
    panel.minorticks_off()
