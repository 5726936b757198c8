"""By how much a process grows that measures for a day: 16 channels, ten reads a second, in simulated time."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figure import Figure
from process import run

CHANNELS = 16

HOURS = 24.0

QUICK_HOURS = 2.0

CELL_EVERY_S = 60.0
"""A cell a minute, all day long: more than anybody runs by hand."""

CELL_S = 20.0

PROCESSES = 2
"""Each reads its part of the channels and keeps all the records, so that a day takes minutes."""

LIMIT_MB = 20.0


def figures(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Return the growth of resident memory from before the first read to the day's end, over all channels, MB."""
    hours = QUICK_HOURS if options.quick else HOURS

    def day(_: int) -> dict[str, float]:
        return run(
            "simulated_day.py",
            folder,
            channels=CHANNELS // PROCESSES,
            hours=hours,
            cell_every_s=CELL_EVERY_S,
            cell_s=CELL_S,
        )

    with ThreadPoolExecutor(PROCESSES) as pool:
        said = list(pool.map(day, range(PROCESSES)))
    reads = sum(one["reads"] for one in said)
    return [
        Figure(
            f"resident memory, {CHANNELS} channels, {hours:g} h at 10 Hz",
            sum(one["growth"] for one in said) / 1e6,
            "MB",
            LIMIT_MB,
            f"after the first hour {sum(one['first_hour'] for one in said) / 1e6:.1f} MB; {reads / 1e6:.1f} million "
            f"reads, {said[0]['records']} records, in {said[0]['seconds']:.0f} s on {PROCESSES} processes",
        )
    ]
