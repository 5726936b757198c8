"""What ``%energy report`` prints: this session's records from the ledger, newest settled ones included."""

from __future__ import annotations

import io
from collections.abc import Sequence

from greenllm_kernel.accounting.ledger import Ledger, ledger_path
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.tables import print_records
from greenllm_kernel.errors import LedgerError

SETTLE_S = 3.0
"""How long the report waits for records that are still being sharpened, s."""

WIDTH = 120
"""Columns of the table."""

HTML = "<pre style='white-space:pre;overflow-x:auto;line-height:1.3'>{code}</pre>"
"""What the table stands in: it scrolls where the cell is narrower, and does not wrap."""


def report_bundle(session: Session) -> dict[str, str]:
    """Return the table of this session's cells as text and as static HTML, or why there is none."""
    from rich.console import Console

    session.settle(SETTLE_S)
    records, note = _records(session)
    if not records:
        return {"text/plain": "Nothing was measured in this session yet: run a cell, then %energy report."}
    console = Console(file=io.StringIO(), record=True, width=WIDTH, highlight=False, force_jupyter=False)
    print_records(console, records)
    if note:
        console.print(note, markup=False)
    return {
        "text/html": console.export_html(inline_styles=True, code_format=HTML, clear=False),
        "text/plain": console.export_text(),
    }


def _records(session: Session) -> tuple[Sequence[Record], str]:
    """Return the records in the ledger; what it lacks (it may be unreadable or full) comes from memory."""
    try:
        stored = Ledger(ledger_path(session.configuration)).records(session_id=session.id)
        note = ""
    except LedgerError as error:
        stored, note = [], f"Shown from memory: {error}"
    settled = {record.run_id: record for record in session.records}
    open_ids = {run.run_id for run in session.open_runs}
    merged = {record.run_id: record for record in stored if record.run_id not in open_ids} | settled
    return list(merged.values()), note
