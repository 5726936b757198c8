"""The ledger's tables: how they are laid out, made, recognised and written."""

from __future__ import annotations

import json
import sqlite3
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from greenllm_kernel.accounting.filesystem import is_on_network
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.series import decimated, packed
from greenllm_kernel.errors import LedgerError

APPLICATION_ID: Final = 0x47724C4D
"""Marks an SQLite file as a ledger of ours ("GrLM"; https://www.sqlite.org/pragma.html#pragma_application_id)."""

SCHEMA_VERSION: Final = 1

JOURNAL_RETRY_S: Final = 0.05

Row = tuple[Mapping[str, Any], Mapping[str, bytes]]
"""A record's columns, and its power series by channel id."""

_TABLES: Final = """
CREATE TABLE records (
    run_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, parent_run_id TEXT, name TEXT NOT NULL, stage TEXT,
    cell_id TEXT, execution_count INTEGER, status TEXT NOT NULL, settled INTEGER NOT NULL, host TEXT NOT NULL,
    started_at TEXT NOT NULL, duration_s REAL NOT NULL, energy_j REAL, energy_low_j REAL, energy_high_j REAL,
    provenance TEXT NOT NULL, mass_gco2e REAL, json TEXT NOT NULL
);
CREATE INDEX records_by_session ON records (session_id, started_at);
CREATE INDEX records_by_time ON records (started_at);
CREATE TABLE power (
    run_id TEXT NOT NULL, channel_id TEXT NOT NULL, series BLOB NOT NULL, PRIMARY KEY (run_id, channel_id)
);
"""

_LATER_TABLES: Final = """
CREATE TABLE IF NOT EXISTS comparisons (
    comparison_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, started_at TEXT NOT NULL, json TEXT NOT NULL
);
"""
"""Made where a ledger of the same schema lacks them: who does not know them leaves them alone."""

_COLUMNS: Final = {
    **dict.fromkeys(("run_id", "session_id", "name", "status", "host", "started_at", "provenance", "json"), str),
    **dict.fromkeys(("parent_run_id", "stage", "cell_id"), str | None),
    **dict.fromkeys(("settled", "duration_s"), int | float),
    **dict.fromkeys(("execution_count", "energy_j", "energy_low_j", "energy_high_j", "mass_gco2e"), int | float | None),
}
"""What each column takes."""

_UPSERT: Final = f"""
INSERT INTO records ({", ".join(_COLUMNS)}) VALUES ({", ".join(f":{column}" for column in _COLUMNS)})
ON CONFLICT (run_id) DO UPDATE SET {", ".join(f"{column} = excluded.{column}" for column in list(_COLUMNS)[1:])}
WHERE 2 * excluded.settled + (excluded.status <> 'partial') >= 2 * records.settled + (records.status <> 'partial')
"""


def prepare(connection: sqlite3.Connection, path: Path, read_only: bool, busy_timeout_s: float) -> None:
    """Check that the file is a ledger of this version, and make the tables where it is new and may be written.

    Raises:
        LedgerError: it is something else, or of another version.
        sqlite3.Error: it cannot be read or written.
    """
    if read_only:
        if not _is_made(connection, path):
            raise LedgerError(f"the ledger {path} is empty: nothing has been measured yet")
        return
    _is_made(connection, path)
    _set_journal_mode(connection, "delete" if is_on_network(path) else "wal", busy_timeout_s)
    # Safe against a kill in both modes, and in WAL mode no wait for the disk at each commit
    # (https://www.sqlite.org/pragma.html#pragma_synchronous).
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    is_new = not _is_made(connection, path)
    for statement in filter(str.strip, f"{_TABLES if is_new else ''}{_LATER_TABLES}".split(";")):
        connection.execute(statement)
    if is_new:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def row_of(record: Record) -> Row:
    """Return what is kept of ``record``; SQLite takes it. What is no Unicode in its texts becomes a question mark.

    Raises:
        LedgerError: a figure is not finite, which JSON cannot hold, or something is of a type that cannot be kept.
    """
    low_j, high_j = record.gross.interval_j if record.gross else (None, None)
    try:
        data = record.to_dict()
        text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        series = {_unicode(channel): packed(decimated(points)) for channel, points in record.power().items()}
    except (TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise LedgerError(f"the record of {record.name!r} cannot be kept: {error}; please report it") from error
    columns: dict[str, Any] = {
        **{column: data[column] for column in _COLUMNS if column in data},
        "energy_j": record.gross.value_j if record.gross else None,
        "energy_low_j": low_j,
        "energy_high_j": high_j,
        "provenance": record.provenance.value,
        "mass_gco2e": record.emissions.mass_gco2e if record.emissions else None,
        "json": text,
    }
    for column, value in columns.items():
        if not isinstance(value, _COLUMNS[column]) or (isinstance(value, int) and value.bit_length() > 63):
            raise LedgerError(f"the record of {record.name!r} cannot be kept: its {column} is {value!r}")
    return {column: _unicode(value) if isinstance(value, str) else value for column, value in columns.items()}, series


def write(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Write all rows in one transaction; a row that is less far along than the kept one changes nothing."""
    connection.execute("BEGIN IMMEDIATE")
    for columns, series in rows:
        if connection.execute(_UPSERT, columns).rowcount == 0:
            continue
        connection.execute("DELETE FROM power WHERE run_id = ?", (columns["run_id"],))
        connection.executemany(
            "INSERT INTO power (run_id, channel_id, series) VALUES (?, ?, ?)",
            [(columns["run_id"], channel_id, data) for channel_id, data in series.items()],
        )
    connection.execute("COMMIT")


def write_comparison(connection: sqlite3.Connection, comparison: Mapping[str, Any]) -> None:
    """Keep a comparison, in place of what was kept of the same one before.

    Raises:
        LedgerError: a figure is not finite, or something is of a type that cannot be kept.
    """
    record = comparison["record"]
    try:
        text = json.dumps(comparison, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"a comparison cannot be kept: {error}; please report it") from error
    connection.execute(
        "INSERT OR REPLACE INTO comparisons (comparison_id, session_id, started_at, json) VALUES (?, ?, ?, ?)",
        (record["run_id"], record["session_id"], record["started_at"], _unicode(text)),
    )


def _unicode(text: str) -> str:
    # Python lets half a surrogate pair stand in a text (a file name on Linux may bring one); UTF-8 does not.
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_made(connection: sqlite3.Connection, path: Path) -> bool:
    # The tables first: another process may make the ledger between two questions.
    is_empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if is_empty and application_id == 0:
        return False
    if application_id != APPLICATION_ID:
        raise LedgerError(f"{path} is an SQLite file, but no GreenLLM ledger; set `ledger` to another file")
    if version != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger {path} has schema {version} and this version of GreenLLM writes schema {SCHEMA_VERSION}; "
            "update GreenLLM, or set `ledger` to another file"
        )
    return True


def _set_journal_mode(connection: sqlite3.Connection, mode: str, busy_timeout_s: float) -> None:
    # SQLite does not wait for others here as it does elsewhere, and two kernels may begin one ledger together.
    give_up_at = time.monotonic() + busy_timeout_s
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != mode:
        try:
            # A file system without shared memory keeps the mode it has, which serves as well.
            connection.execute(f"PRAGMA journal_mode = {mode}")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(JOURNAL_RETRY_S)
