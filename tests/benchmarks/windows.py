"""Opening and closing a window on two simulated GPUs, beside raw reads, Zeus and CodeCarbon."""

from __future__ import annotations

from pathlib import Path

from figure import Figure
from process import run
from standins.nvml import Gpu

LATENCIES_S = (0.0, 0.0003)


def figures(folder: Path) -> list[Figure]:
    """Return the medians over cold windows, ms, with free reads and with reads of 0.3 ms."""
    found = []
    for latency_s in LATENCIES_S:
        gpus = [Gpu(latency_s=latency_s), Gpu(period_s=2.63, latency_s=latency_s)]
        ms = {way: run("window_cost.py", folder, gpus, way=way) for way in ("ours", "raw", "zeus", "codecarbon")}
        reads = f"reads of {latency_s * 1e3:g} ms"
        limit = 0.3 if latency_s == 0 else min(0.3, ms["raw"])
        found.append(Figure(f"window on 2 GPUs, {reads}", ms["ours"], "ms", limit, "in the cell's thread, cold"))
        found += [
            Figure(f"  {name}", ms[way], "ms")
            for way, name in (("raw", "two pairs of raw reads"), ("zeus", "Zeus"), ("codecarbon", "CodeCarbon"))
        ]
    return found
