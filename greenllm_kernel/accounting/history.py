"""What the ledger holds of earlier sessions: sums of today and of all time, of each session, and of its cells.

Everything is read in pages, each a short query of its own, so that no kernel that writes has to wait. What was read
once is not read again: runs that will not change any more are summed up for good, and only those after them are looked
at when the file has changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import time as time_of_day
from pathlib import Path

from greenllm_kernel.accounting.comparisons import Summary, summaries_of
from greenllm_kernel.accounting.history_sums import HistorySums, PastSession, Position, StaleError, Unreadable
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.ledger_run import COLUMNS, LedgerRun, run_of
from greenllm_kernel.accounting.running_sum import NOTHING, PastSum, RunningSum
from greenllm_kernel.errors import LedgerError

MOST_SESSIONS = 200
"""Sessions told of, the newest."""

MOST_CELLS = 2000
"""Cells of one session told of, those that ran first."""

PAGE = 500
"""Runs in one query, which takes some milliseconds."""

SURE_AFTER_S = 600.0
"""Age from which on a run is taken as it stands, s; a running one is written anew every few seconds."""

FRESH_S = 2.0
"""A file changed within this time may change again without its time stamp telling, s."""

_AFTER = f"(started_at, rowid) > (?, ?) ORDER BY started_at, rowid LIMIT {PAGE}"


@dataclass(frozen=True)
class PastCell:
    """One cell (or window outside cells) over all its runs; ``latest`` is the last one."""

    latest: LedgerRun
    sum: PastSum


@dataclass(frozen=True)
class History:
    """What was measured so far; ``problem`` says why figures are missing, if any are."""

    today: PastSum = NOTHING
    all: PastSum = NOTHING
    sessions: Sequence[PastSession] = ()
    comparisons: Sequence[Summary] = ()
    problem: str | None = None


class HistoryReader:
    """Reads one ledger, again and again. May be used from any thread.

    Args:
        path: the ledger's file, which need not exist.
        now: tells the time, s since 1970.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._sure: HistorySums | None = None
        self._seen: object = None
        self._known = History()

    def history(self) -> History:
        """Return what the ledger holds now; of a ledger that is missing, nothing."""
        with self._lock:
            midnight_s = _midnight_s(self._now())
            files = self._files()
            if files is None:
                self._sure = self._seen = None
                return History()
            if (files, midnight_s) == self._seen:
                return self._known
            try:
                self._known = self._read(midnight_s, files[0])
            except LedgerError as error:
                self._sure = self._seen = None
                return History(problem=str(error))
            is_fresh = any(time.time() - changed_ns / 1e9 < FRESH_S for _, _, changed_ns in files)
            self._seen = None if is_fresh else (files, midnight_s)
            return self._known

    def cells(self, session_id: str) -> tuple[Sequence[PastCell], str | None] | None:
        """Return the cells of one session, each over all its runs, in the order in which they first ran.

        A window opened inside a cell belongs to that cell's sum; outside of cells, windows of one name make one cell.
        Beside them stands why figures are missing, if any are. None where the ledger has no such session.
        """
        if self._files() is None:
            return None
        sums: dict[tuple[str, str], tuple[RunningSum, LedgerRun]] = {}
        unreadable, left_out, is_known = Unreadable(), False, False
        try:
            with Ledger(self._path, read_only=True) as ledger:
                for _, run in _runs(ledger, ("", -1), session_id):
                    is_known = True
                    if isinstance(run, ValueError):
                        unreadable.add(run)
                        continue
                    key = ("cell", run.cell_id) if run.cell_id else ("name", run.name)
                    left_out = left_out or (key not in sums and len(sums) == MOST_CELLS)
                    if run.is_nested or (key not in sums and len(sums) == MOST_CELLS):
                        continue
                    sum = sums[key][0] if key in sums else RunningSum()
                    try:
                        sum.add(run, ledger.power)
                        sums[key] = sum, run
                    except ValueError as error:
                        unreadable.add(error)
        except LedgerError as error:
            return [], str(error)
        if not is_known:
            return None
        cells = [PastCell(latest, sum.result()) for sum, latest in sums.values()]
        return cells, unreadable.problem or (f"only the first {MOST_CELLS} cells are shown" if left_out else None)

    def _read(self, midnight_s: float, file: object) -> History:
        with Ledger(self._path, read_only=True) as ledger:
            if self._sure is not None and self._sure.are_of(ledger, midnight_s, file):
                try:
                    return self._go_on(ledger, self._sure)
                except StaleError:
                    pass
            return self._go_on(ledger, HistorySums(ledger, midnight_s, file, MOST_SESSIONS))

    def _go_on(self, ledger: Ledger, sure: HistorySums) -> History:
        """Add the runs since then: to what is sure as far as they are, and the others to a copy of it."""
        sure_before_s = self._now() - SURE_AFTER_S
        sums = sure
        for position, run in _runs(ledger, sure.position):
            if sums is sure and isinstance(run, LedgerRun) and not run.is_sure(sure_before_s):
                sums = sure.copy()
            sums.add(position, run, ledger.power)
        sure.has_gone_through = True
        self._sure = sure
        comparisons = summaries_of(ledger.comparisons())
        return History(sums.today.result(), sums.all, sums.newest(), comparisons, sums.unreadable.problem)

    def _files(self) -> list[tuple[int, int, int]] | None:
        """Return what tells whether the ledger has changed; None where there is none, or nothing in it."""
        found = []
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return found if any(size for _, size, _ in found) else None


def _midnight_s(now_s: float) -> float:
    """Return when the local day began, s since 1970."""
    return datetime.combine(datetime.fromtimestamp(now_s), time_of_day.min).timestamp()


def _runs(
    ledger: Ledger, after: Position, session_id: str | None = None
) -> Iterator[tuple[Position, LedgerRun | ValueError]]:
    """Yield the runs after a place in the order in which they began, or why one cannot be read."""
    while True:
        if session_id is None:
            rows = ledger.rows(f"SELECT {COLUMNS} FROM records WHERE {_AFTER}", *after)
        else:
            rows = ledger.rows(f"SELECT {COLUMNS} FROM records WHERE session_id = ? AND {_AFTER}", session_id, *after)
        for row in rows:
            after = row[0], row[1]
            try:
                yield after, run_of(row)
            except ValueError as error:
                yield after, error
        if len(rows) < PAGE:
            return
