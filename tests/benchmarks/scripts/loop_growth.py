"""Prints by how much a pure-Python loop's own CPU time grows while eight channels are read beside it.

The loop runs in pieces of some milliseconds. A piece during which the meter was read is compared with the pieces
around it during which it was not: the machine's own swings, ten per cent and more from second to second on a shared
one, cancel, and what a read costs the loop remains. The growth is the sum of that over the loop's whole time.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Sequence

SECONDS = 120.0
PIECE_STEPS = 150_000
AROUND = 12
"""Pieces on each side among which the undisturbed ones are looked for."""

RESAMPLES = 400


class Watched:
    """The NVML meter, with a count that is odd while it is being read."""

    name = "nvml"

    def __init__(self, meter: object) -> None:
        self._meter = meter
        self.count = 0

    def channels(self):
        return self._meter.channels()

    def read(self, channel_ids: Sequence[str]):
        self.count += 1
        try:
            return self._meter.read(channel_ids)
        finally:
            self.count += 1

    def close(self) -> None:
        self._meter.close()


def opened() -> tuple[object, Watched]:
    from greenllm_kernel.accounting.session import Session
    from greenllm_kernel.configuration import Configuration
    from greenllm_kernel.hookspecs import hookimpl
    from greenllm_kernel.plugins import Plugins
    from greenllm_plugins.meters import nvml

    watched = [Watched(meter) for meter in nvml.greenllm_meters(Configuration())]

    class Plugin:
        @hookimpl
        def greenllm_meters(self, config):
            return watched

    plugins = Plugins(found=[])
    plugins.register(Plugin(), "watched")
    session = Session(Configuration(), plugins)
    assert session.find_meters()
    return session, watched[0]


def piece() -> float:
    """Return the CPU time, s, that this thread spends on a fixed loop."""
    began = time.thread_time()
    total = 0
    for number in range(PIECE_STEPS):
        total += number & 7
    return time.thread_time() - began


def main() -> None:
    session, meter = opened()
    run = session.open("loop")
    time.sleep(3.0)
    taken: list[tuple[float, bool]] = []
    end = time.perf_counter() + SECONDS
    was_touched = False
    while time.perf_counter() < end:
        before = meter.count
        spent_s = piece()
        is_touched = meter.count != before or before % 2 == 1
        taken.append((spent_s, is_touched or was_touched))
        was_touched = is_touched
    run.close()
    assert len(run.settle().channels) == 8
    excesses = excess_s(taken)
    bare_s = sum(spent_s for spent_s, _ in taken) - sum(excesses)
    rng = random.Random(1)
    again = [sum(rng.choices(excesses, k=len(excesses))) / bare_s for _ in range(RESAMPLES)]
    print(
        json.dumps(
            {
                "growth": sum(excesses) / bare_s,
                "standard_error": statistics.stdev(again),
                "pieces": len(taken),
                "touched": sum(is_touched for _, is_touched in taken),
                "reads": meter.count // 2,
            }
        )
    )


def excess_s(taken: Sequence[tuple[float, bool]]) -> list[float]:
    """Return by how much each touched piece exceeds the mean of the untouched ones around it, s."""
    excesses = []
    for index, (spent_s, is_touched) in enumerate(taken):
        around = taken[max(0, index - AROUND) : index + AROUND + 1]
        bare = [other_s for other_s, other_touched in around if not other_touched]
        if is_touched and bare:
            excesses.append(spent_s - statistics.fmean(bare))
    return excesses


if __name__ == "__main__":
    main()
