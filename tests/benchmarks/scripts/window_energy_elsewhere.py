"""Prints what raw counter differences, Zeus and CodeCarbon say of the same windows: one JSON object a window.

All three measure each window at once, one around the other; each has its own instants. CodeCarbon gives one figure for
all the GPUs it tracks, and tracks the first alone.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

Stop = Callable[[], dict[int, float]]
"""Ends a window and returns its energy, J, by index of the GPU."""


def raw() -> Callable[[], Stop]:
    import pynvml

    pynvml.nvmlInit()
    handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(2)]

    def counted_mj() -> list[int]:
        return [pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles]

    def start() -> Stop:
        before_mj = counted_mj()
        return lambda: {index: (counted - before_mj[index]) / 1e3 for index, counted in enumerate(counted_mj())}

    return start


def zeus() -> Callable[[], Stop]:
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(gpu_indices=[0, 1])

    def start() -> Stop:
        monitor.begin_window("w", sync_execution=False)
        return lambda: dict(monitor.end_window("w", sync_execution=False).gpu_energy)

    return start


def codecarbon() -> Callable[[], Stop]:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", save_to_file=False, log_level="critical", gpu_ids=[0], allow_multiple_runs=True
    )
    names = iter(range(10**6))

    def start() -> Stop:
        name = str(next(names))
        tracker.start_task(name)
        return lambda: {0: tracker.stop_task(name).gpu_energy * 3.6e6}

    return start


def main(seed: int, counts: dict[str, int]) -> None:
    """Measure so many windows of each length, s."""
    rng = random.Random(seed)
    ways = {"CodeCarbon": codecarbon(), "Zeus": zeus(), "raw differences": raw()}
    lengths = [float(length) for length, count in counts.items() for _ in range(count)]
    rng.shuffle(lengths)
    said = []
    for length_s in [0.2, *lengths]:
        time.sleep(rng.uniform(0.0, 0.2))
        opened = []
        for name, start in ways.items():
            stop = start()
            opened.append((name, stop, time.monotonic_ns()))
        time.sleep(length_s)
        for name, stop, opened_ns in reversed(opened):
            closed_ns = time.monotonic_ns()
            said.append({"way": name, "length_s": length_s, "span_ns": [opened_ns, closed_ns], "values_j": stop()})
    print(json.dumps(said[len(ways) :]))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
