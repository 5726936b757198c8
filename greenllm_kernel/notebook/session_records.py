"""This session's records for ``%energy report`` and ``%energy export``: from the ledger, newest ones included."""

from __future__ import annotations

from collections.abc import Sequence

from greenllm_kernel.accounting.ledger import Ledger, ledger_path
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.errors import LedgerError

SETTLE_S = 3.0
"""How long is waited for records that are still being sharpened, s."""


def session_records(session: Session) -> tuple[Sequence[Record], str]:
    """Return the records in the ledger; what it lacks (it may be unreadable or full) comes from memory."""
    session.settle(SETTLE_S)
    try:
        stored = Ledger(ledger_path(session.configuration)).records(session_id=session.id)
        note = ""
    except LedgerError as error:
        stored, note = [], f"Taken from memory: {error}"
    settled = {record.run_id: record for record in session.records}
    open_ids = {run.run_id for run in session.open_runs}
    merged = {record.run_id: record for record in stored if record.run_id not in open_ids} | settled
    return list(merged.values()), note
