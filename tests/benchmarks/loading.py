"""``%load_ext greenllm_kernel``: its time, and what it must not bring in."""

from __future__ import annotations

import statistics
from pathlib import Path

from figure import Figure
from process import run
from standins.nvml import Gpu

TRIES = 11


def figures(folder: Path) -> list[Figure]:
    """Return the median time of loading in a fresh interpreter that runs ipykernel already, s."""
    said = [run("load_extension.py", folder, [Gpu()]) for _ in range(TRIES)]
    seconds = statistics.median(one["seconds"] for one in said)
    heavy = sorted({name for one in said for name in one["heavy"]})
    drivers = any(one["has_driver"] for one in said)
    return [
        Figure("%load_ext greenllm_kernel", seconds, "s", 0.2),
        Figure("  heavy modules imported", len(heavy), "", 0, ", ".join(heavy)),
        Figure("  drivers initialised", float(drivers), "", 0),
    ]
