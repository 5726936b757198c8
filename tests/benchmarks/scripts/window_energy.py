"""Prints what our session says of windows of several lengths over the NVML stand-in: one JSON object a window.

One session stays open, as in a notebook. Long windows hold shorter ones, as a training run holds its epochs; between
windows the cell idles, mostly for a moment, now and then for seconds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

WARM_UP_S = 2.0

SETTLE_S = 4.0


def main(seed: int, is_busy: bool, outer: int, single: dict[str, int], inner: dict[str, int]) -> None:
    """Measure ``outer`` windows of 5 s that hold ``inner`` shorter ones each, and ``single`` ones, by length in s."""
    from greenllm_kernel.accounting.session import Session

    rng = random.Random(seed)
    session = Session.current()
    session.find_meters()
    spend = compute if is_busy else time.sleep
    runs: list[tuple[float, bool, Any]] = []

    def measure(length_s: float, is_inner: bool, within: Callable[[], None] | None = None) -> None:
        run = session.open(f"{length_s:g} s")
        began = time.perf_counter()
        if within is not None:
            within()
        spend(max(0.0, length_s - (time.perf_counter() - began)))
        run.close()
        runs.append((length_s, is_inner, run))

    def epochs() -> None:
        lengths = [float(length) for length, count in inner.items() for _ in range(count)]
        rng.shuffle(lengths)
        weights = [rng.random() for _ in range(len(lengths) + 1)]
        spare_s = 4.7 - sum(lengths)
        for length_s, weight in zip(lengths, weights, strict=False):
            spend(spare_s * weight / sum(weights))
            measure(length_s, True)

    plan: list[float] = [5.0] * outer + [float(length) for length, count in single.items() for _ in range(count)]
    rng.shuffle(plan)
    warm_up(session, spend)
    for length_s in plan:
        time.sleep(rng.uniform(0.02, 0.15) if rng.random() < 0.75 else rng.uniform(0.5, 2.5))
        measure(length_s, False, epochs if length_s == 5.0 else None)
    print(json.dumps([described(*one) for one in runs]))


def warm_up(session: Any, spend: Callable[[float], None]) -> None:
    """Have measured before: the first window of a session is another matter."""
    run = session.open("warm-up")
    spend(WARM_UP_S)
    run.close()


def compute(seconds: float) -> None:
    """Keep Python busy for so long."""
    until = time.perf_counter() + seconds
    number = 1
    while time.perf_counter() < until:
        for step in range(200):
            number = (number * 31 + step) % 65537


def described(length_s: float, is_inner: bool, run: Any) -> dict[str, Any]:
    record = run.settle(SETTLE_S)
    energies = [record.gross, *(channel.energy for channel in record.channels)]
    assert record.settled
    assert len(record.channels) == 2, [channel.channel_id for channel in record.channels]
    assert all(energy is not None for energy in energies)
    return {
        "length_s": length_s,
        "is_inner": is_inner,
        "span_ns": [run.opened_ns, run.closed_ns],
        "ids": [channel.channel_id for channel in record.channels],
        "values_j": [energy.value_j for energy in energies],
        "intervals_j": [energy.repeatability_interval_j for energy in energies],
    }


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
