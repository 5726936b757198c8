"""Prints the median time in ms that opening and closing an empty window takes, one way."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

WINDOWS = 60
PAUSE_S = 0.25
"""Between windows: a cell that begins finds cold caches and resting threads."""


def ours() -> Callable[[], None]:
    from greenllm_kernel.accounting.session import Session

    session = Session.current()
    session.find_meters()
    last = []

    def window() -> None:
        run = session.open("empty")
        run.close()
        last[:] = [run]

    def settled() -> None:
        record = last[0].settle()
        assert record.gross is not None
        assert len(record.channels) == 2

    window.after = settled  # type: ignore[attr-defined]
    return window


def raw() -> Callable[[], None]:
    import pynvml

    pynvml.nvmlInit()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(2)]

    def window() -> None:
        for _ in range(2):
            for handle in handles:
                pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)

    return window


def zeus() -> Callable[[], None]:
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[0, 1])

    def window() -> None:
        monitor.begin_window("w", sync_execution=False)
        monitor.end_window("w", sync_execution=False)

    return window


def codecarbon() -> Callable[[], None]:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="critical")
    names = iter(range(10**6))

    def window() -> None:
        name = str(next(names))
        tracker.start_task(name)
        tracker.stop_task(name)

    return window


def main(way: str) -> None:
    window = {"ours": ours, "raw": raw, "zeus": zeus, "codecarbon": codecarbon}[way]()
    after = getattr(window, "after", lambda: None)
    taken_ms = []
    for _ in range(WINDOWS + 5):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        window()
        taken_ms.append((time.perf_counter() - began) * 1e3)
        after()
    print(json.dumps(statistics.median(taken_ms[5:])))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
