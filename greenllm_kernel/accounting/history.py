"""What the ledger holds of earlier sessions: sums of today and of all time, of each session, and of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.totals import CellTotals, Totals, by_cell, outermost, total

MOST_SESSIONS = 200
"""Sessions told of, the newest."""

MOST_CELLS = 2000
"""Cells of one session told of, those that ran first."""

MOST_NAMES = 3


@dataclass(frozen=True)
class PastSession:
    """One session: who it was, when, and what it came to; ``names`` are those that drew most."""

    session_id: str
    host: str
    first_at: datetime
    last_at: datetime
    names: tuple[str, ...]
    totals: Totals


@dataclass(frozen=True)
class History:
    """What was measured so far; ``problem`` says why figures are missing, if any are."""

    today: Totals
    all: Totals
    sessions: Sequence[PastSession]
    problem: str | None = None


def history(path: Path) -> History:
    """Return what the ledger at ``path`` holds; of a ledger that is missing, nothing.

    Raises:
        LedgerError: it cannot be read.
    """
    records = _records(path)
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    sessions: dict[str, list[Record]] = {}
    for record in records:
        sessions.setdefault(record.session_id, []).append(record)
    newest = list(sessions.values())[::-1][:MOST_SESSIONS]
    return History(
        today=total(record for record in records if record.started_at >= midnight),
        all=total(records),
        sessions=[_session(members) for members in newest],
    )


def cells(path: Path, session_id: str) -> Sequence[CellTotals]:
    """Return the cells of one session, each over all its runs, in the order in which they first ran.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return by_cell(_records(path, session_id))[:MOST_CELLS]


def _records(path: Path, session_id: str | None = None) -> list[Record]:
    if not path.exists():
        return []
    with Ledger(path, read_only=True) as ledger:
        return ledger.records(session_id)


def _session(records: Sequence[Record]) -> PastSession:
    drawn_j: dict[str, float] = {}
    for record in outermost(records):
        drawn_j[record.name] = drawn_j.get(record.name, 0.0) + (record.gross.value_j if record.gross else 0.0)
    names = sorted(drawn_j, key=lambda name: drawn_j[name], reverse=True)
    return PastSession(
        session_id=records[0].session_id,
        host=records[0].host,
        first_at=records[0].started_at,
        last_at=records[-1].started_at,
        names=tuple(names[:MOST_NAMES]),
        totals=total(records),
    )
