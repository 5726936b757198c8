"""``greenllm report``: what the ledger holds, as tables and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from greenllm_kernel.accounting.ledger import Ledger, SessionSummary, ledger_path
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.tables import print_comparisons, print_records
from greenllm_kernel.cli.command_error import USAGE, CommandError
from greenllm_kernel.cli.output import comparisons_of, console, write_report
from greenllm_kernel.configuration import Configuration

SHOWN_SESSIONS = 5
"""How many sessions are named to who asks for one that does not exist."""


def report(session: str, since: datetime | None, html: Path | None) -> int:
    """Print what was recorded, and write it as HTML if asked.

    Args:
        session: an id or its beginning, ``"last"`` or ``"all"``.
        since: only what began then or later.
        html: the file to write.

    Raises:
        CommandError: there is nothing to show.
        LedgerError: the ledger cannot be read.
    """
    with Ledger(existing_ledger(), read_only=True) as ledger:
        session_id = chosen_session(session, ledger.sessions())
        records = ledger.records(session_id=session_id, since=since)
        if not records:
            raise CommandError("nothing was recorded" + (f" since {since:%Y-%m-%d}" if since else " yet"))
        to = console()
        print_records(to, records)
        comparisons = comparisons_of(ledger, session_id, since)
        print_comparisons(to, comparisons)
        if html is not None:
            write_report(html, records, _title(records), comparisons=comparisons)
            to.print(f"Report: {html}", markup=False)
    return 0


def existing_ledger() -> Path:
    """Return the ledger's file.

    Raises:
        CommandError: there is none.
    """
    path = ledger_path(Configuration.load())
    if not path.exists():
        raise CommandError(
            f"nothing has been measured yet: there is no ledger at {path}; try greenllm run NOTEBOOK.ipynb"
        )
    return path


def chosen_session(wanted: str, sessions: Sequence[SessionSummary]) -> str | None:
    """Return the id of the session that is wanted, None for all.

    Args:
        wanted: an id or its beginning, ``"last"`` or ``"all"``.
        sessions: those there are, the one last written to last.

    Raises:
        CommandError: there is none such, or more than one.
    """
    if wanted == "all" or not sessions:
        return None
    if wanted == "last":
        return sessions[-1].session_id
    found = [summary.session_id for summary in sessions if summary.session_id.startswith(wanted)]
    if wanted in found or len(found) == 1:
        return wanted if wanted in found else found[0]
    latest = ", ".join(
        f"{summary.session_id[:12]} ({summary.last_at.astimezone():%Y-%m-%d %H:%M})"
        for summary in reversed(sessions[-SHOWN_SESSIONS:])
    )
    problem = f"{len(found)} sessions begin with" if found else "there is no session"
    raise CommandError(f"{problem} {wanted!r}; the latest are {latest}", USAGE)


def _title(records: Sequence[Record]) -> str:
    first = min(record.started_at for record in records).astimezone()
    return f"Energy and emissions, {first:%Y-%m-%d}"
