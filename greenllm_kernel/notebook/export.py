"""``%energy export``: this session as a file for other programs."""

from __future__ import annotations

from pathlib import Path

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from greenllm_kernel.accounting.export import Format, check, write_cells, write_file, write_records
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.totals import by_cell
from greenllm_kernel.errors import ExportError
from greenllm_kernel.notebook.magic_line import unquoted
from greenllm_kernel.notebook.session_records import session_records

_parser = MagicArgumentParser(prog="%energy export", add_help=False)
_parser.add_argument("file", metavar="FILE")
_parser.add_argument("--format", metavar="|".join(Format))
_parser.add_argument("--cells", action="store_true")


def export_session(session: Session, line: str) -> str:
    """Write what the line says, and return a sentence about it.

    Args:
        session: whose records they are.
        line: FILE, and ``--format`` and ``--cells`` as wanted.

    Raises:
        UsageError: it cannot be done so, and why.
    """
    try:
        found = _parser.parse_argstring(line)
    except ValueError as error:
        raise UsageError(f"%energy export {line}: {error}") from error
    file = Path(unquoted(found.file))
    try:
        format = Format.of(found.format) if found.format else Format.of_file(file)
        check(format)
        records, note = session_records(session)
        if found.cells:
            cells = by_cell(records)
            write_file(file, lambda to: write_cells(cells, format, to))
            what = f"{len(cells)} cells" if len(cells) != 1 else "1 cell"
        else:
            write_file(file, lambda to: write_records(records, format, to))
            what = f"{len(records)} runs" if len(records) != 1 else "1 run"
    except ExportError as error:
        raise UsageError(f"%energy export: {error}") from error
    return "\n".join(filter(None, [f"{what} of this session written to {file}", note]))
