"""Takes what was measured elsewhere: runs or cells as CSV, JSON or Parquet, row by row, so that memory stays small."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from greenllm_kernel.accounting.channel_energy import instant
from greenllm_kernel.accounting.export_columns import CELL_COLUMNS, RECORD_COLUMNS, Column, Value
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.totals import CellTotals, by_cell
from greenllm_kernel.errors import ExportError, LedgerError

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Spreadsheets take a text that begins so for a formula and run it (OWASP, CSV injection)."""

ROWS_AT_ONCE = 1000
"""Rows of a Parquet row group."""

T = TypeVar("T")


class Format(StrEnum):
    """What a file is written as."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """For HTTP (RFC 7111, RFC 8259; IANA has registered ``application/vnd.apache.parquet``)."""
        return {
            Format.CSV: "text/csv; charset=utf-8",
            Format.JSON: "application/json",
            Format.PARQUET: "application/vnd.apache.parquet",
        }[self]

    @classmethod
    def of(cls, name: str) -> Format:
        """Return the format of this name.

        Raises:
            ExportError: there is none.
        """
        try:
            return cls(name.lower())
        except ValueError:
            raise ExportError(f"{name!r} is no format to export to; there is {', '.join(cls)}") from None

    @classmethod
    def of_file(cls, path: Path) -> Format:
        """Return the format that a file's name ends with.

        Raises:
            ExportError: it ends with none.
        """
        suffix = path.suffix.removeprefix(".")
        if not suffix:
            raise ExportError(f"{path} does not say its format; let its name end with .{', .'.join(cls)}, or name it")
        return cls.of(suffix)


def check(format: Format) -> None:
    """Look whether a format can be written here.

    Raises:
        ExportError: it needs a package that is not installed.
    """
    if format is Format.PARQUET:
        _pyarrow()


def write_ledger(
    ledger: Ledger,
    format: Format,
    to: BinaryIO,
    *,
    cells: bool = False,
    session_id: str | None = None,
    since: datetime | None = None,
    on_unreadable: Callable[[LedgerError], None] = lambda error: None,
) -> None:
    """Write what a ledger holds, row by row.

    Args:
        ledger: the ledger.
        format: see :func:`write_records` and :func:`write_cells`.
        to: a binary stream; it is only written to.
        cells: cells over all their runs, instead of single runs; the records of one session at a time are in memory.
        session_id: of this session only.
        since: only what began then or later.
        on_unreadable: told of each record that cannot be read; it is left out.

    Raises:
        ExportError: the format needs a package that is not installed.
        LedgerError: the ledger cannot be read.
    """
    if not cells:
        write_records(ledger.each(session_id, since, on_unreadable), format, to)
        return
    sessions = [summary.session_id for summary in ledger.sessions()] if session_id is None else [session_id]
    write_cells((cell for one in sessions for cell in by_cell(ledger.each(one, since, on_unreadable))), format, to)


def write_records(records: Iterable[Record], format: Format, to: BinaryIO) -> None:
    """Write single runs.

    Args:
        records: in the order in which they are written.
        format: JSON is a list of whole records, with their channels; the others are tables.
        to: a binary stream; it is only written to.

    Raises:
        ExportError: the format needs a package that is not installed.
    """
    if format is Format.JSON:
        _write_json((record.to_dict() for record in records), to)
    else:
        _write_table(records, RECORD_COLUMNS, format, to)


def write_cells(cells: Iterable[CellTotals], format: Format, to: BinaryIO) -> None:
    """Write cells over all their runs, as a table in every format.

    Raises:
        ExportError: the format needs a package that is not installed.
    """
    if format is Format.JSON:
        _write_json(({c.name: _json_value(c.of(cell)) for c in CELL_COLUMNS} for cell in cells), to)
    else:
        _write_table(cells, CELL_COLUMNS, format, to)


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill the file: whole, or what was there before stays.

    Raises:
        ExportError: it cannot be written.
    """
    target = path.expanduser().resolve()
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        try:
            with open(descriptor, "wb") as draft:
                write(draft)
                draft.flush()
                os.fsync(draft.fileno())
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise ExportError(f"{path} cannot be written ({error.strerror or error}); choose another file") from error


def _write_table(rows: Iterable[T], columns: Sequence[Column[T]], format: Format, to: BinaryIO) -> None:
    if format is Format.CSV:
        _write_csv(rows, columns, to)
    else:
        _write_parquet(rows, columns, to)


def _write_csv(rows: Iterable[T], columns: Sequence[Column[T]], to: BinaryIO) -> None:
    line = io.StringIO(newline="")
    writer = csv.writer(line, lineterminator="\r\n")  # RFC 4180

    def send(values: Iterable[Any]) -> None:
        writer.writerow(values)
        to.write(line.getvalue().encode("utf-8", "replace"))
        line.seek(0)
        line.truncate()

    send(column.name for column in columns)
    for row in rows:
        send(_csv_value(column.of(row)) for column in columns)


def _csv_value(value: Value) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_STARTS) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json_value(value)


def _write_json(rows: Iterable[Any], to: BinaryIO) -> None:
    before = b"[\n"
    for row in rows:
        to.write(before + json.dumps(row, allow_nan=False).encode())
        before = b",\n"
    to.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def _json_value(value: Value) -> Any:
    return instant(value) if isinstance(value, datetime) else value


def _write_parquet(rows: Iterable[T], columns: Sequence[Column[T]], to: BinaryIO) -> None:
    pyarrow, parquet = _pyarrow()
    types = {
        str: pyarrow.string(),
        float: pyarrow.float64(),
        int: pyarrow.int64(),
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("ms", tz="UTC"),
    }
    schema = pyarrow.schema([(column.name, types[column.type]) for column in columns])
    with parquet.ParquetWriter(to, schema) as writer:
        for some in _batches(rows, ROWS_AT_ONCE):
            data = [[_parquet_value(column.of(row)) for row in some] for column in columns]
            writer.write_table(pyarrow.table(data, schema=schema))


def _parquet_value(value: Value) -> Value:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ExportError(
            "Parquet needs pyarrow, which is not installed: pip install 'greenllm[parquet]', or choose CSV or JSON"
        ) from error
    return pyarrow, pyarrow.parquet


def _umask() -> int:
    # It can only be asked for by setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
