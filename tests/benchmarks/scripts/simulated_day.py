"""Prints by how much a process grows while it measures for a simulated day: its resident memory, in bytes.

Cards with counter and power are read ten times a second all day, while cells come and go, and one window stays open
from the first instant to the last. Records are made and kept as a session does.
"""

from __future__ import annotations

import gc
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
from greenllm_kernel.plugins import Plugins
from scenarios.driving import Driving
from scenarios.simulated_time import START_NS, SimulatedTime


class Cards:
    """A meter of cards at constant power, refreshed every 100 ms at phases of their own; as lean as can be."""

    name = "cards"

    def __init__(self, count: int, time: SimulatedTime) -> None:
        self._time = time
        self._started_ns = time.now_ns
        self._number = {f"gpu:{number}": number for number in range(count)}
        self.reads = 0

    def channels(self) -> Sequence[Channel]:
        return [
            Channel(key, Component.GPU, key, frozenset(Kind), averaging_window_s=0.025, gain_uncertainty=0.03)
            for key in self._number
        ]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        self.reads += len(channel_ids)
        t_ns = self._time.now_ns
        t_s = (t_ns - self._started_ns) / 1e9
        readings = []
        for key in channel_ids:
            number = self._number[key]
            power_w = 100.0 + number
            tick_s = math.floor(10 * t_s - number / 16) / 10
            readings.append(Reading(key, Kind.COUNTER, 1000.0 + power_w * tick_s, t_ns))
            readings.append(Reading(key, Kind.POWER, power_w + 0.01 * (t_ns % 97), t_ns))
        return readings

    def close(self) -> None:
        pass


def main(channels: int, hours: float, cell_every_s: float, cell_s: float) -> None:
    """Read so many channels for so long, with a cell of ``cell_s`` every ``cell_every_s``."""
    simulated = SimulatedTime()
    meter = Cards(channels, simulated)
    session = Session(Configuration(), Plugins(found=[]))
    records = session._records
    after_first_hour: list[int] = []

    def opened(sampler, opened_ns: int) -> Run:
        session.sampler = sampler
        return Run(session, "a cell", is_outermost=True)

    def settled(number: int, run: Run) -> None:
        run.close()
        records.append(run.fix())
        if not after_first_hour and simulated.now_ns - START_NS > 3600e9:
            gc.collect()
            after_first_hour.append(psutil.Process().memory_info().rss - before)

    end_s = 3600.0 * hours
    cells = [(start_s, start_s + cell_s) for start_s in _every(cell_every_s, end_s - cell_s - 1.0)]
    driving = Driving(meter, simulated, open_window=opened)
    gc.collect()
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    driving.run([(0.0, end_s), *cells], settled)
    taken_s = time.perf_counter() - began
    gc.collect()
    print(
        json.dumps(
            {
                "growth": psutil.Process().memory_info().rss - before,
                "first_hour": after_first_hour[0],
                "reads": meter.reads,
                "records": len(records),
                "seconds": taken_s,
            }
        )
    )


def _every(spacing_s: float, end_s: float) -> list[float]:
    return [1.0 + spacing_s * number for number in range(int((end_s - 1.0) / spacing_s))]


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
