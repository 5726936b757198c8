"""Prints how long opening and closing an empty window takes, one way, in ms: cold, after a pause each time."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests")]

Cost = tuple[Callable[[], None], Callable[[], None]]
"""What opens and closes a window, and what ends it all."""


def ours(index: int) -> Cost:
    from gpu.windows import nvml_session

    session = nvml_session()
    session.find_meters()
    return lambda: session.open("empty").close(), session.close


def raw(index: int) -> Cost:
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)

    def window() -> None:
        for _ in range(2):
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)

    return window, pynvml.nvmlShutdown


def zeus(index: int) -> Cost:
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[index])

    def window() -> None:
        monitor.begin_window("w", sync_execution=False)
        monitor.end_window("w", sync_execution=False)

    return window, lambda: None


def codecarbon(index: int) -> Cost:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="critical", gpu_ids=[index])
    names = iter(range(10**6))

    def window() -> None:
        name = str(next(names))
        tracker.start_task(name)
        tracker.stop_task(name)

    return window, lambda: None


WAYS: dict[str, Any] = {"ours": ours, "raw": raw, "zeus": zeus, "codecarbon": codecarbon}


def main(way: str, index: int, windows: int, pause_s: float) -> None:
    """Measure and print."""
    window, end = WAYS[way](index)
    taken_ms = []
    for _ in range(windows + 3):
        time.sleep(pause_s)
        began = time.perf_counter()
        window()
        taken_ms.append((time.perf_counter() - began) * 1e3)
    end()
    print(json.dumps(taken_ms[3:]))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
