"""``greenllm export``: what the ledger holds, as a file for other programs."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from greenllm_kernel.accounting.export import Format, check, write_file, write_ledger
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.cli.report import chosen_session, existing_ledger
from greenllm_kernel.errors import LedgerError

STDOUT = Path("-")


def export(file: Path, format: str | None, session: str, since: datetime | None, cells: bool) -> int:
    """Write what was recorded.

    Args:
        file: ``-`` is the standard output.
        format: csv, json or parquet; None: what the file's name ends with, and CSV on the standard output.
        session: an id or its beginning, ``"last"`` or ``"all"``.
        since: only what began then or later.
        cells: cells over all their runs, instead of single runs.

    Raises:
        CommandError: there is nothing to export.
        ExportError: it cannot be written so.
        LedgerError: the ledger cannot be read.
    """
    chosen = Format.of(format) if format else Format.CSV if file == STDOUT else Format.of_file(file)
    check(chosen)
    unreadable: list[LedgerError] = []
    with Ledger(existing_ledger(), read_only=True) as ledger:
        session_id = chosen_session(session, ledger.sessions())

        write = partial(
            write_ledger,
            ledger,
            chosen,
            cells=cells,
            session_id=session_id,
            since=since,
            on_unreadable=unreadable.append,
        )
        if file == STDOUT:
            write(sys.stdout.buffer)
        else:
            write_file(file, write)
    if unreadable:
        count = "a record" if len(unreadable) == 1 else f"{len(unreadable)} records"
        print(f"greenllm: {count} left out; the first: {unreadable[0]}", file=sys.stderr)
    return 0
