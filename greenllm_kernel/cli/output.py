"""Where commands write: consoles for people, and the HTML report's file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.comparisons import Summary, summaries_of
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.report import KERNEL, html_report
from greenllm_kernel.cli.command_error import CommandError

if TYPE_CHECKING:
    from rich.console import Console

MOST_ROWS = 200
"""Of a comparison of models: contenders at batches."""

WIDTH_WITHOUT_TERMINAL = 130
"""Columns of a table that goes into a file or a pipe."""


def console(to_stderr: bool = False) -> Console:
    """Return a console for people: as wide as the terminal, and wide enough where there is none."""
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    return Console(
        stderr=to_stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    )


def comparisons_of(ledger: Ledger, session_id: str | None, since: datetime | None = None) -> list[Summary]:
    """Return the comparisons of models that a report shows.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return summaries_of(ledger.comparisons(session_id, since), MOST_ROWS, in_words=True)


def write_report(
    path: Path,
    records: Sequence[Record],
    title: str,
    sources: Mapping[str, str] | None = None,
    owner: str = KERNEL,
    comparisons: Sequence[Summary] = (),
) -> None:
    """Write the HTML report.

    Raises:
        CommandError: the file cannot be written.
    """
    try:
        path.write_text(html_report(records, title, sources, owner, comparisons), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"the report {path} cannot be written ({error.strerror}); choose another file") from error
