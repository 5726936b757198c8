"""How long the sums of a ledger of 100,000 records take: at first, and again after one more record."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from figure import Figure
from greenllm_kernel.accounting.channel_energy import instant
from greenllm_kernel.accounting.history import HistoryReader
from greenllm_kernel.accounting.ledger import Ledger, Row, row_of
from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, Provenance

RECORDS = 100_000

RUNS_OF_A_SESSION = 200

EVERY_S = 30.0
"""From the beginning of one run to that of the next, s."""

TRIALS = 3

WRITES = 200

READ = """
import sys
from pathlib import Path
from greenllm_kernel.accounting.history import HistoryReader
print("reading", flush=True)
while True:
    HistoryReader(Path(sys.argv[1])).history()
"""


def figures(folder: Path) -> list[Figure]:
    """Return processor times, the sums' beside that of reading the same JSON alone, and what writers notice."""
    path = folder / "history.sqlite"
    with Ledger(path) as ledger:
        for begin in range(0, RECORDS, 5000):
            ledger.write_rows(_rows(begin, begin + 5000))
        texts = [row[0] for row in ledger.rows("SELECT json FROM records LIMIT 5000")]
        json_s = _least_s(lambda: [json.loads(text) for text in texts]) * RECORDS / len(texts)
        first_s = _least_s(lambda: HistoryReader(path).history())
        reader = HistoryReader(path)
        reader.history()
        again = []
        for number in range(RECORDS, RECORDS + 20):
            ledger.write_rows(_rows(number, number + 1))
            again.append(_taken_s(reader.history))
        alone_s, beside_s = _write_s(ledger, path)
    again_s = statistics.median(again)
    return [
        Figure(
            f"sums of {RECORDS:,} records at first, processor time",
            first_s,
            "s",
            2.0,
            f"json.loads of the same: {json_s:.1f} s",
        ),
        Figure("the same, of the time of json.loads alone", first_s / json_s, "", 0.5),
        Figure("the same again after one more record, of the first time", again_s / first_s, "", 0.05),
        Figure(
            "writing a record while somebody reads, of the time alone (median)",
            beside_s / alone_s,
            "",
            3.0,
            f"alone {alone_s * 1e3:.1f} ms",
        ),
    ]


def _rows(begin: int, end: int) -> Iterator[Row]:
    """Yield records of three channels, as a kernel writes them; they differ in what tells runs apart."""
    columns, _ = row_of(_record())
    for number in range(begin, end):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=EVERY_S * number)
        more = {
            "run_id": f"run-{number}",
            "session_id": f"session-{number // RUNS_OF_A_SESSION}",
            "started_at": instant(at),
            "name": f"cell {number % 20}",
        }
        yield {**columns, **more}, {}


def _record() -> Record:
    idle = Baseline(75.0, 3.0, datetime(2026, 1, 1, tzinfo=UTC), 9.0, How.MEASURED)
    gpu = Energy(4_000.25, 3.5, {"gpu:0": 200.125}, by_provenance_j={Provenance.MEASURED: 4_000.25})
    cpu = Energy(900.5, 2.25, {"cpu:0": 9.0625}, by_provenance_j={Provenance.MEASURED: 900.5})
    dram = Energy(60.125, model_j={"dram": 20.5}, by_provenance_j={Provenance.ESTIMATED: 60.125})
    channels = [
        ChannelEnergy(
            *("gpu:0", Component.GPU, "NVIDIA H200", "nvml", gpu, 1.0),
            idle=idle.energy("gpu:0", gpu, 20.0),
            baseline=idle,
            share_j=3_000.0,
        ),
        ChannelEnergy("cpu:0", Component.CPU, "CPU package 0", "rapl", cpu, 1.0),
        ChannelEnergy("dram", Component.DRAM, "Memory", "ram_model", dram, 1.0),
    ]
    gross = Energy.sum([gpu, cpu, dram])
    assert gross is not None
    return Record(
        run_id="",
        name="",
        session_id="",
        host="host",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        duration_s=20.0,
        status=Status.OK,
        settled=True,
        channels=channels,
        gross=gross,
        emissions=Emissions.of(gross, CarbonIntensity(56.0, (30.0, 105.0), "FR", "a source", "2025")),
    )


def _write_s(ledger: Ledger, path: Path) -> tuple[float, float]:
    """Return the median time of one write, alone and while another process sums up without a pause, s."""
    reader = subprocess.Popen([sys.executable, "-c", READ, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout is not None
        reader.stdout.readline()
        beside_s = _median_write_s(ledger)
    finally:
        reader.kill()
        reader.wait()
    return _median_write_s(ledger), beside_s


def _median_write_s(ledger: Ledger) -> float:
    taken = []
    for number in range(2 * RECORDS, 2 * RECORDS + WRITES):
        began = time.perf_counter()
        ledger.write_rows(_rows(number, number + 1))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _least_s(act: Callable[[], object]) -> float:
    return min(_taken_s(act) for _ in range(TRIALS))


def _taken_s(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began
