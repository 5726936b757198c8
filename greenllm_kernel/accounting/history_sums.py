"""The sums that a ledger's runs come to, taken in the order in which they began: today, all time, each session."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.ledger_run import LedgerRun, Power
from greenllm_kernel.accounting.running_sum import DrawnEnergy, PastSum, RunningSum, is_whole

MOST_NAMES = 3
"""Names told of a session."""

KEPT_NAMES = 1000
"""Names of a session that are told apart while its runs are summed up."""

Position = tuple[str, int]
"""A run's place in the order of beginning: ``started_at`` and ``rowid``."""

_LEFT_OUT = """
    SELECT session_id FROM records GROUP BY session_id
    ORDER BY MAX(started_at) DESC, session_id LIMIT -1 OFFSET ?
"""

_COUNT = "SELECT COUNT(*) FROM records WHERE (started_at, rowid) <= (?, ?)"

_STATE = "SELECT duration_s, settled, status FROM records WHERE run_id = ?"


class StaleError(Exception):
    """What was summed up cannot be gone on with: all has to be read anew."""


@dataclass(frozen=True)
class PastSession:
    """One session: who it was, when its first and its last run began, and what it came to.

    ``names`` are those of its runs that drew most.
    """

    session_id: str
    host: str
    first_at: datetime
    last_at: datetime
    names: tuple[str, ...]
    sum: PastSum


@dataclass
class Unreadable:
    """Counts the records that cannot be read."""

    count: int = 0
    reason: str = ""

    def add(self, error: ValueError) -> None:
        """Take in one more."""
        self.count += 1
        self.reason = self.reason or str(error)

    @property
    def problem(self) -> str | None:
        """What is to be said about it; None where all could be read."""
        if self.count == 0:
            return None
        which = "a record" if self.count == 1 else f"{self.count} records"
        return f"{which} of the ledger cannot be read and is missing from the sums ({self.reason})"


class HistorySums:
    """What the runs up to a place in the order came to.

    Args:
        ledger: whose runs will be added.
        midnight_s: when today began, s since 1970.
        file: which file the ledger is.
        most_sessions: how many sessions are kept, the newest.
    """

    def __init__(self, ledger: Ledger, midnight_s: float, file: object, most_sessions: int) -> None:
        self.position: Position = ("", -1)
        self.today = RunningSum(midnight_s)
        self.unreadable = Unreadable()
        self.has_gone_through = False
        self._origin = midnight_s, file
        self._most_sessions = most_sessions
        self._left_out = {row[0] for row in ledger.rows(_LEFT_OUT, most_sessions)}
        self._all = RunningSum()
        self._elsewhere = DrawnEnergy()
        self._sessions: dict[str, _Session] = {}
        self._shared: set[str] = set()
        self._count = 0
        self._open: dict[str, tuple[float, int, str]] = {}

    def are_of(self, ledger: Ledger, midnight_s: float, file: object) -> bool:
        """Whether they are still true of this ledger, and of this day."""
        return (
            self._origin == (midnight_s, file)
            and ledger.rows(_COUNT, *self.position)[0][0] == self._count
            and all(ledger.rows(_STATE, run_id) == [state] for run_id, state in self._open.items())
        )

    def add(self, position: Position, run: LedgerRun | ValueError, power: Power) -> None:
        """Add the run at the next place, or that it cannot be read.

        Raises:
            StaleError: it is of a session that has been left out, and is no longer to be.
        """
        self.position = position
        self._count += 1
        if isinstance(run, ValueError):
            self.unreadable.add(run)
            return
        if not run.is_final:
            self._open[run.run_id] = run.state
        session = self._session(run)
        if run.is_nested:
            return
        try:
            self._add(run, session, power)
            self.today.add(run, power)
        except ValueError as error:
            self.unreadable.add(error)

    @property
    def all(self) -> PastSum:
        """What all runs came to."""
        return self._all.result([self._elsewhere, *(session.alone for session in self._sessions.values())])

    def _add(self, run: LedgerRun, session: _Session | None, power: Power) -> None:
        """Add a run to its session and to all: once, where it counts the same in both, as nearly every run does."""
        free_s = self._all.cover(run)
        free_in_session_s = session.cover(run) if session else free_s
        if is_whole(run, free_s) and is_whole(run, free_in_session_s):
            (session.alone if session else self._elsewhere).add(run)
            return
        self._all.add_part(run, free_s, power)
        if session:
            session.sum.add_part(run, free_in_session_s, power)

    def newest(self) -> Sequence[PastSession]:
        """The sessions that are kept, the newest first."""
        newest = sorted(self._sessions.values(), key=lambda session: session.last_s, reverse=True)
        return [session.result for session in newest[: self._most_sessions]]

    def copy(self) -> HistorySums:
        """Return the same sums, to go on apart from these, which stay as they are."""
        copied = copy(self)
        copied.today, copied._all, copied._elsewhere = self.today.copy(), self._all.copy(), self._elsewhere.copy()
        copied.unreadable = copy(self.unreadable)
        copied._sessions, copied._open = dict(self._sessions), dict(self._open)
        copied._left_out = set(self._left_out)
        copied._shared = set(self._sessions)
        return copied

    def _session(self, run: LedgerRun) -> _Session | None:
        session = self._sessions.get(run.session_id)
        if session is None:
            if run.session_id in self._left_out:
                if self.has_gone_through and run.begin_s > self._oldest().last_s:
                    raise StaleError
                return None
            session = self._sessions[run.session_id] = _Session(run)
            if len(self._sessions) > self._most_sessions:
                oldest = self._oldest()
                del self._sessions[oldest.session_id]
                self._left_out.add(oldest.session_id)
                self._elsewhere.add_all(oldest.alone)
        elif run.session_id in self._shared:
            session = self._sessions[run.session_id] = session.copy()
            self._shared.remove(run.session_id)
        session.last_s = run.begin_s
        return session

    def _oldest(self) -> _Session:
        return min(self._sessions.values(), key=lambda session: session.last_s)


class _Session:
    """What the runs of one session came to so far; ``alone``: those at whose time no other session of the host ran."""

    def __init__(self, first: LedgerRun) -> None:
        self.session_id = first.session_id
        self.last_s = first.begin_s
        self._host = first.host
        self._first_s = first.begin_s
        self.sum = RunningSum()
        self.alone = DrawnEnergy()
        self._drawn_j: dict[str, float] = {}

    def cover(self, run: LedgerRun) -> float:
        drawn_j = self._drawn_j
        drawn_j[run.name] = drawn_j.get(run.name, 0.0) + (run.energy_j or 0.0)
        if len(drawn_j) > KEPT_NAMES:
            self._drawn_j = {name: drawn_j[name] for name in self._names(KEPT_NAMES // 2)}
        return self.sum.cover(run)

    @property
    def result(self) -> PastSession:
        return PastSession(
            session_id=self.session_id,
            host=self._host,
            first_at=datetime.fromtimestamp(self._first_s, UTC),
            last_at=datetime.fromtimestamp(self.last_s, UTC),
            names=tuple(self._names(MOST_NAMES)),
            sum=self.sum.result([self.alone]),
        )

    def copy(self) -> _Session:
        copied = copy(self)
        copied.sum, copied.alone = self.sum.copy(), self.alone.copy()
        copied._drawn_j = dict(self._drawn_j)
        return copied

    def _names(self, most: int) -> list[str]:
        return sorted(self._drawn_j, key=lambda name: self._drawn_j[name], reverse=True)[:most]
