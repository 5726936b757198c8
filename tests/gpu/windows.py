"""Windows of our own session at random instants of a load, and whether their intervals hold what is true."""

from __future__ import annotations

import heapq
import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.characterization.refresh import quantile
from greenllm_kernel.plugins import Plugins

SEED = 20260131

SETTLE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Measured:
    """One window: its planned length, s, its instants, and what our session says it drew."""

    length_s: float
    opened_ns: int
    closed_ns: int
    energy_j: float
    repeatability_interval_j: tuple[float, float]
    interval_j: tuple[float, float]


def nvml_session() -> Session:
    """Return a session that reads NVIDIA cards and nothing else, and keeps nothing."""
    from greenllm_plugins.meters import nvml

    plugins = Plugins(found=[])
    plugins.register(nvml, "nvml")
    return Session(Configuration(), plugins)


def measure_windows(channel_id: str, lengths: Mapping[float, int], seconds: float) -> tuple[list[Measured], int]:
    """Open and close windows of each length at random instants within the next ``seconds``.

    Returns:
        Those of which the session knows the energy, and how many it does not.
    """
    session = nvml_session()
    try:
        session.find_meters()
        runs = _run(session, _schedule(lengths, seconds))
        for _, run in runs:
            run.settle(SETTLE_TIMEOUT_S)
        measured = [found for length_s, run in runs if (found := _measured(length_s, run, channel_id)) is not None]
        return measured, len(runs) - len(measured)
    finally:
        session.close()


def _schedule(lengths: Mapping[float, int], seconds: float) -> list[tuple[float, float]]:
    """Return by window when it opens, s, and its length, s."""
    drawn = random.Random(SEED)
    return sorted(
        (drawn.uniform(0.5, seconds - length_s - 0.5), length_s)
        for length_s, count in lengths.items()
        for _ in range(count)
    )


def _run(session: Session, schedule: Sequence[tuple[float, float]]) -> list[tuple[float, Run]]:
    began = time.monotonic()
    # What is due: when, a number that tells equal ones apart, and the window to open (by length) or to close.
    due: list[tuple[float, int, float, Run | None]] = [
        (at_s, number, length_s, None) for number, (at_s, length_s) in enumerate(schedule)
    ]
    heapq.heapify(due)
    runs: list[tuple[float, Run]] = []
    while due:
        at_s, number, length_s, run = heapq.heappop(due)
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        if run is None:
            run = session.open(f"{length_s:g} s", is_outermost=True)
            runs.append((length_s, run))
            closing_s = run.opened_ns / 1e9 - began + length_s
            heapq.heappush(due, (closing_s, number + len(schedule), length_s, run))
        else:
            run.close()
    return runs


def _measured(length_s: float, run: Run, channel_id: str) -> Measured | None:
    channel = next((channel for channel in run.record.channels if channel.channel_id == channel_id), None)
    if channel is None or channel.energy is None or run.closed_ns is None:
        return None
    energy = channel.energy
    return Measured(
        length_s, run.opened_ns, run.closed_ns, energy.value_j, energy.repeatability_interval_j, energy.interval_j
    )


def judged(measured: Sequence[Measured], truth_j: Callable[[float, float], float]) -> list[dict[str, Any]]:
    """Return by length how often the repeatability interval holds the truth, how wide it is, and how far off we are.

    The truth comes from the same sensor, so its gain is in both, and the interval without the gain is the one to hold.
    """
    rows = []
    for length_s in sorted({window.length_s for window in measured}):
        own = [window for window in measured if window.length_s == length_s]
        truths = [truth_j(window.opened_ns, window.closed_ns) for window in own]
        inside = sum(
            window.repeatability_interval_j[0] <= true_j <= window.repeatability_interval_j[1]
            for window, true_j in zip(own, truths, strict=True)
        )
        errors = [abs(window.energy_j - true_j) / true_j for window, true_j in zip(own, truths, strict=True)]
        widths = [
            (window.repeatability_interval_j[1] - window.repeatability_interval_j[0]) / 2 / window.energy_j
            for window in own
            if window.energy_j > 0
        ]
        rows.append(
            {
                "length_s": length_s,
                "windows": len(own),
                "inside": inside,
                "coverage": inside / len(own),
                "coverage_interval": wilson(inside, len(own)),
                "error_median": statistics.median(errors),
                "error_p90": quantile(errors, 0.9),
                "error_max": max(errors),
                "half_width_median": statistics.median(widths) if widths else None,
                "zero": sum(window.energy_j == 0 for window in own),
            }
        )
    return rows


def wilson(hits: int, trials: int) -> list[float]:
    """Return the 95 % interval of a share (Wilson 1927, doi:10.2307/2276774)."""
    z2, share = 1.959964**2, hits / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return [max(0.0, middle - half), min(1.0, middle + half)]
