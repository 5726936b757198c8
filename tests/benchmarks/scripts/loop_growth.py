"""Prints by how much a pure-Python loop's own CPU time grows while it is measured: pairs in random order."""

from __future__ import annotations

import json
import random
import statistics
import time

PAIRS = 60
LOOP_STEPS = 6_000_000


def work() -> float:
    """Return the CPU time, s, that this thread spends on a fixed loop."""
    began = time.thread_time()
    total = 0
    for number in range(LOOP_STEPS):
        total += number & 7
    return time.thread_time() - began


def main() -> None:
    from greenllm_kernel.accounting.session import Session

    session = Session.current()
    session.find_meters()
    rng = random.Random(3)
    growths = []

    def measured() -> float:
        run = session.open("loop")
        spent_s = work()
        run.close()
        run.settle()
        time.sleep(0.3)
        return spent_s

    measured()
    for _ in range(PAIRS):
        if rng.random() < 0.5:
            bare_s = work()
            measured_s = measured()
        else:
            measured_s = measured()
            bare_s = work()
        growths.append(measured_s / bare_s - 1)
    middle = statistics.median(growths)
    spread = statistics.median(abs(growth - middle) for growth in growths) * 1.4826
    print(json.dumps({"growth": middle, "pairs": PAIRS, "standard_error": 1.2533 * spread / PAIRS**0.5}))


if __name__ == "__main__":
    main()
