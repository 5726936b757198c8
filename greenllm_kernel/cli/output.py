"""Where commands write: consoles for people, and the HTML report's file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.report import KERNEL, html_report
from greenllm_kernel.cli.command_error import CommandError

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 130
"""Columns of a table that goes into a file or a pipe."""


def console(to_stderr: bool = False) -> Console:
    """Return a console for people: as wide as the terminal, and wide enough where there is none."""
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    return Console(
        stderr=to_stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    )


def write_report(
    path: Path, records: Sequence[Record], title: str, sources: Mapping[str, str] | None = None, owner: str = KERNEL
) -> None:
    """Write the HTML report.

    Raises:
        CommandError: the file cannot be written.
    """
    try:
        path.write_text(html_report(records, title, sources, owner), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"the report {path} cannot be written ({error.strerror}); choose another file") from error
