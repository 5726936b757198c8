"""The ledger: every record, kept in one SQLite file that several kernels write and anyone can query.

A running window's record is written again and again (status ``partial``) and finally replaced by the settled one, so
that after a kill what was measured until then is there. Each write is one short transaction.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from greenllm_kernel.accounting.ledger_schema import Row, prepare, row_of, write, write_comparison
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.series import unpacked
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import LedgerError

__all__ = ["Ledger", "Row", "SessionSummary", "explained", "ledger_path", "row_of"]

BUSY_TIMEOUT_S = 5.0
"""How long one write waits for another process's, s; a write itself takes milliseconds."""

MOST_COMPARISONS = 20
"""Comparisons that are returned where nobody says how many."""

PAGE = 100
"""Records read at once where one goes through them all."""

_MOVE_AWAY = "move the file away and a new ledger is begun (nothing in it is lost or deleted)"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

T = TypeVar("T")


@dataclass(frozen=True)
class SessionSummary:
    """One session in the ledger: its id, its machine, its first and last record, and how many there are."""

    session_id: str
    host: str
    started_at: datetime
    last_at: datetime
    records: int


def ledger_path(configuration: Configuration) -> Path:
    """Return the ledger's file: as configured, or in Jupyter's data folder."""
    if configuration.ledger is not None:
        return configuration.ledger
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "greenllm" / "ledger.sqlite"


class Ledger:
    """The records in one SQLite file. May be used from any thread.

    Args:
        path: the file; made, with its folder, where it is missing.
        read_only: do not make or change anything.

    Raises:
        LedgerError: the file cannot be opened, or is not a ledger this version knows. It is left as it is.
    """

    def __init__(self, path: Path, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._guarded(lambda connection: None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def write(self, record: Record) -> None:
        """Keep ``record``, in place of what was kept of the same run before, unless that was further along.

        Raises:
            LedgerError: it could not be written. What is in the ledger stays, and a later write tries again.
        """
        self.write_all([record])

    def write_all(self, records: Iterable[Record]) -> None:
        """Keep several records in one transaction: all or none.

        Raises:
            LedgerError: as for :meth:`write`.
        """
        self.write_rows([row_of(record) for record in records])

    def write_rows(self, rows: Iterable[Row]) -> None:
        """Keep records that :func:`row_of` has made ready, in one transaction: all or none.

        Raises:
            LedgerError: as for :meth:`write`.
        """
        self._guarded(lambda connection: write(connection, rows))

    def write_comparison(self, comparison: Mapping[str, Any]) -> None:
        """Keep what a comparison has found, as JSON data.

        Raises:
            LedgerError: as for :meth:`write`.
        """
        self._guarded(lambda connection: write_comparison(connection, comparison))

    def comparisons(
        self, session_id: str | None = None, since: datetime | None = None, limit: int = MOST_COMPARISONS
    ) -> list[Mapping[str, Any]]:
        """Return comparisons as they were kept, oldest first; those that cannot be read are left out.

        Args:
            session_id: of this session only.
            since: not begun before; without a time zone it is local time.
            limit: at most so many, the newest.

        Raises:
            LedgerError: the ledger could not be read.
        """
        if not self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'comparisons'"):
            return []
        where = _where(session_id, since)
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        query = f"SELECT json FROM comparisons {condition} ORDER BY started_at DESC, rowid DESC LIMIT ?"
        found: list[Mapping[str, Any]] = []
        for (text,) in reversed(self.rows(query, *where.values(), limit)):
            with suppress(ValueError, TypeError):
                if isinstance(data := json.loads(text), dict):
                    found.append(data)
        return found

    def records(
        self, session_id: str | None = None, since: datetime | None = None, limit: int | None = None
    ) -> list[Record]:
        """Return records, oldest first, with their power series at hand.

        Args:
            session_id: of this session only.
            since: not begun before; without a time zone it is local time.
            limit: at most so many, the newest.

        Raises:
            LedgerError: the ledger could not be read.
        """
        where = _where(session_id, since)
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        query = f"SELECT json FROM records {condition} ORDER BY started_at DESC, rowid DESC LIMIT ?"
        arguments = (*where.values(), -1 if limit is None else limit)
        rows = self._guarded(lambda connection: connection.execute(query, arguments).fetchall())
        return [self._record(row[0]) for row in reversed(rows)]

    def each(
        self,
        session_id: str | None = None,
        since: datetime | None = None,
        on_unreadable: Callable[[LedgerError], None] = lambda error: None,
    ) -> Iterator[Record]:
        """Yield the records that :meth:`records` returns one by one: a few are in memory, and writers need not wait.

        Args:
            session_id: of this session only.
            since: not begun before; without a time zone it is local time.
            on_unreadable: told of each record that cannot be read; it is left out.

        Raises:
            LedgerError: the ledger could not be read.
        """
        where = _where(session_id, since)
        condition = " AND ".join([*where, "(started_at, rowid) > (?, ?)"])
        query = f"SELECT started_at, rowid, json FROM records WHERE {condition} ORDER BY started_at, rowid LIMIT {PAGE}"
        after: tuple[object, ...] = ("", -1)
        while rows := self.rows(query, *where.values(), *after):
            for *after_, text in rows:
                after = tuple(after_)
                try:
                    record = self._record(text)
                except LedgerError as error:
                    on_unreadable(error)
                    continue
                yield record

    def sessions(self) -> list[SessionSummary]:
        """Return every session, the one last written to last.

        Raises:
            LedgerError: the ledger could not be read.
        """
        query = """
            SELECT session_id, MAX(host), MIN(started_at), MAX(started_at) AS last_at, COUNT(*)
            FROM records GROUP BY session_id ORDER BY last_at, MAX(rowid)
        """
        rows = self._guarded(lambda connection: connection.execute(query).fetchall())
        return [
            SessionSummary(session_id, host, datetime.fromisoformat(first), datetime.fromisoformat(last), count)
            for session_id, host, first, last, count in rows
        ]

    def rows(self, query: str, *arguments: object) -> list[Any]:
        """Return the rows of a query that only reads. Keep it short: where there is no write-ahead log, writers wait.

        Raises:
            LedgerError: the ledger could not be read.
        """
        return self._guarded(lambda connection: connection.execute(query, arguments).fetchall())

    def power(self, run_id: str) -> Mapping[str, Sequence[tuple[float, float]]]:
        """Return a run's power over time: by channel id, pairs of seconds since its start and watts.

        Raises:
            LedgerError: the ledger could not be read.
        """
        query = "SELECT channel_id, series FROM power WHERE run_id = ? ORDER BY rowid"
        rows = self._guarded(lambda connection: connection.execute(query, (run_id,)).fetchall())
        return {channel_id: unpacked(series) for channel_id, series in rows}

    def close(self) -> None:
        """Let go of the file. A later call opens it again."""
        with self._lock:
            self._disconnect()

    def _record(self, text: str) -> Record:
        try:
            record = Record.from_dict(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LedgerError(f"a record in {self.path} cannot be read ({error}); {_MOVE_AWAY}") from error
        return replace(record, series=partial(self.power, record.run_id))

    def _guarded(self, use: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return use(self._connected())
            except BaseException as error:
                self._disconnect()  # which undoes a transaction under way: left open, it would lock out the others
                if isinstance(error, (sqlite3.Error, OSError)):
                    raise LedgerError(explained(self.path, error)) from error
                raise

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and not self._is_same_file():
            self._disconnect()
        if self._connection is None:
            self._connection = self._opened()
            self._inode = self.path.stat().st_ino
        return self._connection

    def _is_same_file(self) -> bool:
        # Somebody may have moved the ledger away: writing on would fill a file that no one finds.
        try:
            return self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _opened(self) -> sqlite3.Connection:
        if not self.read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect(self.path.absolute().as_uri())
        else:
            connection = self._opened_to_read()
        try:
            prepare(connection, self.path, self.read_only, BUSY_TIMEOUT_S)
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened_to_read(self) -> sqlite3.Connection:
        address = self.path.absolute().as_uri()
        connection = self._connect(f"{address}?mode=ro")
        try:
            connection.execute("SELECT * FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # A write-ahead log cannot be read from a folder one may not write to, unless nobody else writes there.
            connection.close()
            if not self.path.exists() or os.access(self.path.parent, os.W_OK):
                raise
            connection = self._connect(f"{address}?immutable=1")
        return connection

    def _connect(self, address: str) -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Closing tidies up the log, which may fail for the reason that is being reported already.
            with suppress(sqlite3.Error):
                connection.close()


def _where(session_id: str | None, since: datetime | None) -> dict[str, str]:
    """Return the conditions of a query, each with its argument."""
    where = {}
    if session_id is not None:
        where["session_id = ?"] = session_id
    if since is not None:
        where["started_at >= ?"] = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return where


def explained(path: Path, error: Exception) -> str:
    """Return what an error of SQLite or the file system means for the ledger at ``path``, and what to do."""
    name = getattr(error, "sqlite_errorname", None) or ""
    kind = "_".join(name.split("_")[:2])
    elsewhere = "or set `ledger` in greenllm.toml (or GREENLLM_LEDGER) to a file elsewhere"
    if kind in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return f"the ledger {path} is damaged ({error}); {_MOVE_AWAY}"
    if kind == "SQLITE_FULL" or getattr(error, "errno", None) in _NO_SPACE:
        return f"no space is left for the ledger {path}; free some, {elsewhere}"
    if kind in ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"):
        return f"the ledger {path} was held by another process for {BUSY_TIMEOUT_S:.0f} s; it is tried again later"
    if kind in ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH") or isinstance(error, OSError):
        return f"the ledger {path} cannot be opened or written ({error}); allow it, {elsewhere}"
    if kind == "SQLITE_IOERR":
        return f"the ledger {path} cannot be read or written ({error}); see to the disk, {elsewhere}"
    return f"the ledger {path} failed ({error}); {_MOVE_AWAY}, {elsewhere}"
