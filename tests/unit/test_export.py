"""What was measured can be taken elsewhere: as CSV, JSON or Parquet, whole or not at all, and safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenllm_kernel.accounting.export import Format, write_cells, write_file, write_ledger, write_records
from greenllm_kernel.accounting.ledger import PAGE, Ledger
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.totals import by_cell
from greenllm_kernel.errors import ExportError, LedgerError
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from made_records import NOON, channel, estimated, measured, record
from message_schema import fits_schema


def exported(records: list[Record], format: Format) -> bytes:
    to = io.BytesIO()
    write_records(records, format, to)
    return to.getvalue()


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_a_table_has_each_figure_with_its_unit_and_interval() -> None:
    idle = Baseline(50.0, 1.0, NOON, 9.0, How.MEASURED)
    gpu = measured(1000, 3, 4)
    run = record(
        channels=[
            channel("gpu:0", Component.GPU, gpu, baseline=idle, idle=idle.energy("gpu:0", gpu, 10.0), share_j=600.0),
            channel("dram", Component.DRAM, estimated(20, 8, "dram")),
            channel("cpu", Component.CPU, None, fault="not readable"),
        ],
        name="train",
        stage="train",
        cell_id="a",
        execution_count=3,
        counts={"token": 512.0},
    )
    (row,) = table(exported([run], Format.CSV))
    assert run.gross is not None
    assert (row["name"], row["stage"], row["execution_count"], row["settled"]) == ("train", "train", "3", "true")
    assert (row["started_at"], row["duration_s"]) == ("2026-01-31T12:00:00.000Z", "10.0")
    assert float(row["energy_j"]) == 1020
    assert (float(row["energy_low_j"]), float(row["energy_high_j"])) == run.gross.interval_j
    assert (float(row["gpu_j"]), float(row["dram_j"]), row["cpu_j"]) == (1000, 20, "")
    assert (float(row["measured_j"]), float(row["estimated_j"]), row["provenance"]) == (1000, 20, "estimated")
    assert (row["unavailable"], json.loads(row["units"])) == ("cpu", {"token": 512.0})
    assert (row["idle_j"], row["net_j"]) == ("", ""), "not every part has a baseline"
    assert (row["place"], float(row["intensity_gco2e_per_kwh"])) == ("FR", 56)


def test_what_is_not_known_is_empty_and_not_zero() -> None:
    (row,) = table(exported([record(None)], Format.CSV))
    known = {name for name, value in row.items() if value}
    assert known == {
        *("run_id", "session_id", "host", "name", "status", "settled", "started_at", "duration_s"),
        *("provenance", "unavailable"),
    }
    assert row["provenance"] == "unavailable"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_name_is_no_formula_to_a_spreadsheet(start: str) -> None:
    name = start + 'HYPERLINK("http://example.invalid";"x")'
    (row,) = table(exported([record(measured(1), name=name, stage=name)], Format.CSV))
    assert (row["name"], row["stage"]) == (f"'{name}", f"'{name}")


def test_names_with_commas_quotes_and_lines_come_back_as_they_were() -> None:
    name = 'a "quoted", two-\r\nline name \U0001f642'
    (row,) = table(exported([record(measured(1), name=name)], Format.CSV))
    assert row["name"] == name


def test_json_has_whole_records() -> None:
    runs = [record(measured(1, 2, 3)), record(None)]
    data = json.loads(exported(runs, Format.JSON))
    assert [Record.from_dict(one) for one in data] == [Record.from_dict(run.to_dict()) for run in runs]
    for one in data:
        fits_schema(one, "record")


def test_of_nothing_there_is_an_empty_table_and_an_empty_list() -> None:
    assert exported([], Format.CSV).startswith(b"run_id,")
    assert table(exported([], Format.CSV)) == []
    assert json.loads(exported([], Format.JSON)) == []


def test_parquet_has_the_same_columns_with_their_types() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = [record(measured(1, 2, 3), name="=1+1", begin_s=n, execution_count=n or None) for n in range(3)]
    read = parquet.read_table(io.BytesIO(exported(runs, Format.PARQUET)))
    assert read.column_names == list(table(exported(runs, Format.CSV))[0])
    assert read["name"].to_pylist() == ["=1+1"] * 3
    assert read["execution_count"].to_pylist() == [None, 1, 2]
    assert read["started_at"].to_pylist()[0] == NOON
    assert read["energy_j"].to_pylist() == [1, 1, 1]
    assert parquet.read_table(io.BytesIO(exported([], Format.PARQUET))).num_rows == 0


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"pip install 'greenllm\[parquet\]'"):
        exported([record(measured(1))], Format.PARQUET)


@pytest.mark.parametrize("format", list(Format))
def test_cells_are_sums_over_their_runs(format: Format) -> None:
    runs = [record(measured(10, 3), cell_id="a", begin_s=20 * n, name="train") for n in range(4)]
    to = io.BytesIO()
    if format is Format.PARQUET:
        parquet = pytest.importorskip("pyarrow.parquet")
    write_cells(by_cell(runs), format, to)
    rows: list[Any]
    if format is Format.CSV:
        rows = table(to.getvalue())
    elif format is Format.JSON:
        rows = json.loads(to.getvalue())
    else:
        rows = parquet.read_table(io.BytesIO(to.getvalue())).to_pylist()
    (row,) = rows
    assert (row["name"], int(row["runs"]), float(row["energy_j"])) == ("train", 4, 40)
    assert float(row["energy_high_j"]) == pytest.approx(40 + 1.959964 * 6)


# ---- Out of a ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def out_of(ledger: Ledger, **options: Any) -> list[dict[str, str]]:
    to = io.BytesIO()
    write_ledger(ledger, Format.CSV, to, **options)
    return table(to.getvalue())


def test_all_pages_of_a_ledger_are_exported_oldest_first(ledger: Ledger) -> None:
    # Several begin at the same instant, also across the end of a page.
    ledger.write_all(record(measured(1), begin_s=n // 3, name=f"{n}") for n in range(2 * PAGE + 5))
    assert [row["name"] for row in out_of(ledger)] == [f"{n}" for n in range(2 * PAGE + 5)]


def test_one_session_or_what_began_since_then_can_be_chosen(ledger: Ledger) -> None:
    ledger.write_all(record(measured(1), begin_s=n, name=f"{n}", session_id="ab"[n % 2]) for n in range(6))
    assert [row["name"] for row in out_of(ledger, session_id="b")] == ["1", "3", "5"]
    since = ledger.records()[4].started_at
    assert [row["name"] for row in out_of(ledger, since=since)] == ["4", "5"]
    assert [(row["session_id"], row["runs"]) for row in out_of(ledger, cells=True, since=since)] == [
        *(("a", "1"), ("b", "1"))
    ]


def test_a_record_that_cannot_be_read_is_left_out_and_told_of(ledger: Ledger) -> None:
    ledger.write_all(record(measured(1), begin_s=n, name=f"{n}", run_id=f"r{n}") for n in range(3))
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("UPDATE records SET json = '[]' WHERE run_id = 'r1'")
    told: list[LedgerError] = []
    assert [row["name"] for row in out_of(ledger, on_unreadable=told.append)] == ["0", "2"]
    assert len(told) == 1


# ---- Into a file


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "energy.csv"
    path.write_text("before")
    path.chmod(0o640)
    with pytest.raises(RuntimeError):
        write_file(path, fails_halfway)
    assert path.read_text() == "before"
    write_file(path, lambda to: to.write(b"after"))
    assert path.read_text() == "after"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["energy.csv"]


def fails_halfway(to: Any) -> None:
    to.write(b"half")
    raise RuntimeError("stopped")


@pytest.mark.skipif(os.name != "posix", reason="modes and links of another kind")
def test_a_new_file_has_the_usual_mode_and_a_link_goes_on_being_one(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "target.csv")
    mask = os.umask(0o027)
    try:
        write_file(link, lambda to: to.write(b"x"))
    finally:
        os.umask(mask)
    assert link.is_symlink()
    assert stat.S_IMODE((tmp_path / "target.csv").stat().st_mode) == 0o640


def test_where_no_file_can_be_written_it_is_said_why(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written.*choose another file"):
        write_file(tmp_path / "none" / "energy.csv", lambda to: None)
    with pytest.raises(ExportError, match="cannot be written"):
        write_file(tmp_path, lambda to: None)


def test_the_format_follows_from_the_files_name() -> None:
    assert Format.of_file(Path("a.b/energy.PARQUET")) is Format.PARQUET
    with pytest.raises(ExportError, match="'xlsx' is no format to export to; there is csv, json, parquet"):
        Format.of_file(Path("energy.xlsx"))
    with pytest.raises(ExportError, match="does not say its format"):
        Format.of_file(Path("energy"))
