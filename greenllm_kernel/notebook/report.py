"""What ``%energy report`` shows: this session's records from the ledger, newest settled ones included."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence

from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.remarks import intensity_rows, intensity_text
from greenllm_kernel.accounting.report import CellRow, SessionPart, StageRow, Sum, session_part
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.tables import part_lines, print_records, share_column_text
from greenllm_kernel.notebook.html_table import known_columns, table_html
from greenllm_kernel.notebook.session_records import session_records

WIDTH = 120
"""Columns of the table of text."""

CELL_TITLES = ("Cell", "Name", "Stage", "Runs", "Time", "Energy (95 %)", "Share", "CO2e (95 %)", "Provenance", "Status")
STAGE_TITLES = ("Stage", "Runs", "Time", "Energy (95 %)", "Share", "CO2e (95 %)", "Mean power", "Provenance")


def report_bundle(session: Session) -> dict[str, str]:
    """Return the table of this session's cells as text and as static HTML, or why there is none."""
    from rich.console import Console

    records, note = session_records(session)
    if not records:
        return {"text/plain": "Nothing was measured in this session yet: run a cell, then %energy report."}
    console = Console(file=io.StringIO(), record=True, width=WIDTH, highlight=False, force_jupyter=False)
    print_records(console, records)
    if note:
        console.print(note, markup=False)
    return {"text/html": _as_html(records, note), "text/plain": console.export_text()}


def _as_html(records: Sequence[Record], note: str) -> str:
    """Return tables that are as narrow as the cell they stand below: their texts wrap."""
    part = session_part(sorted(records, key=lambda record: record.started_at), {})
    tables = [table_html(*known_columns(CELL_TITLES, _cell_rows(part)))]
    if len(part.stages) > 1:
        tables.append(table_html(STAGE_TITLES, [_stage_row(stage) for stage in part.stages]))
    lines = [*part_lines(part), *(f"Carbon intensity {intensity_text(row)}" for row in intensity_rows(records)), note]
    return "".join([*tables, *(f"<div>{html.escape(line)}</div>" for line in lines if line)])


def _cell_rows(part: SessionPart) -> list[list[str]]:
    rows = [_cell_row(cell) for cell in part.cells]
    if len(rows) > 1:
        rows.append(["", "total", "", str(part.sum.runs), *_figures(part.sum), "", part.sum.mass, _how(part.sum), ""])
    return rows


def _cell_row(cell: CellRow) -> list[str]:
    figures, share = _figures(cell.sum, cell.units), share_column_text(cell.share)
    row = [cell.label, cell.name, cell.stage, str(cell.sum.runs), *figures, share, cell.sum.mass, _how(cell.sum)]
    return [*row, cell.status.value]


def _stage_row(row: StageRow) -> list[str]:
    figures, share = _figures(row.sum), share_column_text(row.share)
    return [row.stage, str(row.sum.runs), *figures, share, row.sum.mass, row.sum.power, _how(row.sum)]


def _figures(total: Sum, units: Sequence[str] = ()) -> list[str]:
    """Return time, and energy with what is known of it."""
    net = f"net {total.net}{' in part' if total.net_without else ''}" if total.net else ""
    own = f"this kernel {total.own} {total.own_of}".rstrip() if total.own else ""
    return [total.duration, "\n".join(line for line in (total.energy, net, own, *units) if line)]


def _how(total: Sum) -> str:
    missing = f"without {total.missing}" if total.missing else ""
    return "\n".join(line for line in (total.provenance, missing, "partly read" if total.partly else "") if line)
