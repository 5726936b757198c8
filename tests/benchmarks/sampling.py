"""What the sampler costs beside a cell that keeps Python busy: eight GPUs, reads of 0.3 ms."""

from __future__ import annotations

from pathlib import Path

from figure import Figure
from process import run
from standins.nvml import Gpu


def figures(folder: Path) -> list[Figure]:
    """Return the sampler's share of a core, and the growth of a pure-Python loop's own CPU time, %."""
    gpus = [Gpu(period_s=1.5 + 0.2 * index, counter_phase_s=0.011 * index, latency_s=0.0003) for index in range(8)]
    asleep = run("sampler_cost.py", folder, gpus, is_busy=False)
    busy = run("sampler_cost.py", folder, gpus, is_busy=True)
    loop = run("loop_growth.py", folder, gpus)
    return [
        Figure("sampler, 8 channels, cell asleep", 100 * asleep["share"], "% of a core", 1.0, _reads(asleep)),
        Figure("sampler, 8 channels, cell busy", 100 * busy["share"], "% of a core", 1.0, _reads(busy)),
        Figure(
            "a loop's own CPU time, more than bare",
            100 * loop["growth"],
            "%",
            0.5,
            f"standard error {100 * loop['standard_error']:.2f} %; {loop['reads']} reads in {loop['pieces']} pieces",
        ),
    ]


def _reads(said: dict[str, float]) -> str:
    return f"all threads of ours: {100 * said['process_share']:.2f} %" if "process_share" in said else ""
