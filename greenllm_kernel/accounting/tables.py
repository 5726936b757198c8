"""Records as tables of text, for a terminal or below a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.comparison_part import comparison_part, is_number
from greenllm_kernel.accounting.comparisons import Summary
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.remarks import intensity_rows, intensity_text
from greenllm_kernel.accounting.report import KERNEL, CellRow, SessionPart, StageRow, Sum, session_part

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod, RenderableType
    from rich.table import Table
    from rich.text import Text

WIDE = 116
"""Columns of a page from which a table has one for everything but net and this kernel's share."""

WIDEST = 150
"""Columns from which it has one for these too; below, they stand in the energy's."""

STYLES = {"measured": "green", "derived": "blue", "estimated": "yellow", "unavailable": "dim"}


def print_records(
    to: Console, records: Sequence[Record], sources: Mapping[str, str] | None = None, owner: str = KERNEL
) -> None:
    """Print a table of cells, of stages where some are named, and the totals, for each session of ``records``.

    Args:
        to: where.
        records: of any sessions.
        sources: by cell id, where the cell stands.
        owner: whose own part is told beside the energy.
    """
    sessions: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.started_at):
        sessions.setdefault(record.session_id, []).append(record)
    for members in sessions.values():
        part = session_part(members, sources or {})
        if len(sessions) > 1:
            to.print(f"\n[bold]{part.when}[/]  {part.host}, session {part.session_id}")
        to.print(_cell_table(part, to.width, owner))
        if len(part.stages) > 1:
            to.print(_stage_table(part, to.width, owner))
        for line in part_lines(part):
            to.print(line, style="dim", markup=False, soft_wrap=True)
    for record in intensity_rows(records):
        to.print(f"Carbon intensity {intensity_text(record)}", style="dim", markup=False, soft_wrap=True)


def print_comparisons(to: Console, comparisons: Sequence[Summary]) -> None:
    """Print a table for each comparison of models: what each draws, at what quality, and the verdict.

    Args:
        to: where.
        comparisons: as ``comparisons.summaries_of`` returns them, in words.
    """
    for part in map(comparison_part, comparisons):
        to.print(f"\n{part.title}", style="bold", markup=False)
        table = _table([f">{title}" if is_number(title) else title for title in part.columns])
        for row in part.rows:
            table.add_row(*map(_plain, row))
        to.print(table)


def _cell_table(part: SessionPart, width: int, owner: str) -> Table:
    many, is_narrow, is_widest = len(part.cells) > 1, width < WIDE, width >= WIDEST
    columns: list[tuple[str, Callable[[CellRow], RenderableType]]] = [
        ("Cell", lambda cell: _plain(cell.label)),
        ("Name", partial(_name, with_stage=is_narrow)),
    ]
    if any(cell.stage for cell in part.cells) and not is_narrow:
        columns.append(("Stage", lambda cell: _plain(cell.stage)))
    columns.append((">Time", lambda cell: cell.sum.duration))
    if is_narrow:
        columns.append((">Energy, CO2e (95 %)", lambda cell: _energy(cell.sum, owner, cell.units, with_mass=True)))
    else:
        columns.append((">Energy (95 %)", lambda cell: _energy(cell.sum, owner, cell.units, with_net=not is_widest)))
        if many:
            columns.append((">Share", lambda cell: share_column_text(cell.share)))
        if is_widest:
            columns += [(title, partial(_of_cell, write)) for title, write in _net_columns(part, owner)]
        columns.append((">CO2e (95 %)", lambda cell: cell.sum.mass))
    columns += [("Provenance", lambda cell: _provenance(cell.sum)), ("Status", _status)]
    table = _table([title for title, _ in columns])
    for cell in part.cells:
        table.add_row(*(write(cell) for _, write in columns))
    if many:
        table.add_section()
        total = CellRow("", "total", "", "", part.sum, None, (), Status.OK, "")
        table.add_row(*(write(total) for title, write in columns[:-1]), "", style="bold")
    return table


def _stage_table(part: SessionPart, width: int, owner: str) -> Table:
    is_narrow, is_widest = width < WIDE, width >= WIDEST
    columns: list[tuple[str, Callable[[StageRow], RenderableType]]] = [
        ("Stage", lambda row: _plain(row.stage)),
        (">Runs", lambda row: str(row.sum.runs)),
        (">Time", lambda row: row.sum.duration),
        (">Energy (95 %)", lambda row: _energy(row.sum, owner, with_net=not is_widest)),
        (">Share", lambda row: share_column_text(row.share)),
        *[(title, partial(_of_stage, write)) for title, write in _net_columns(part, owner) if is_widest],
        (">CO2e (95 %)", lambda row: row.sum.mass),
        (">Mean power", lambda row: row.sum.power),
        ("Provenance", lambda row: _provenance(row.sum)),
    ]
    if is_narrow:
        columns = [column for column in columns if column[0] not in (">Share", ">Mean power")]
    table = _table([title for title, _ in columns])
    for row in part.stages:
        table.add_row(*(write(row) for _, write in columns))
    return table


def _table(titles: Sequence[str]) -> Table:
    """Return an empty table; a title that begins with ``>`` has its column aligned to the right.

    Names and provenances give way where the page is too narrow; figures never do.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for title in titles:
        name = title.removeprefix(">")
        gives_way = name in ("Name", "Provenance")
        justify: JustifyMethod = "right" if title != name else "left"
        table.add_column(name, justify=justify, no_wrap=not gives_way, max_width=44 if gives_way else None)
    return table


def _name(cell: CellRow, with_stage: bool) -> Text:
    from rich.text import Text

    text = Text(cell.name, no_wrap=True, overflow="ellipsis")
    if cell.sum.runs > 1 and cell.label:
        text.append(f" x {cell.sum.runs}", "dim")
    for line in (cell.stage if with_stage else "", cell.source):
        if line:
            text.append(f"\n{line}", "dim")
    return text


def _net_columns(part: SessionPart, owner: str) -> list[tuple[str, Callable[[Sum], str]]]:
    """Return titles and contents of columns for what is known beside the energy."""
    columns: list[tuple[str, Callable[[Sum], str]]] = []
    if part.knows_net:
        columns.append((">Net (95 %)", _net))
    if part.knows_own:
        columns.append((f">This {owner}", _own))
    return columns


def _net(total: Sum) -> str:
    return f"{total.net}\nin part" if total.net_without else total.net


def _own(total: Sum) -> str:
    return f"{total.own}\n{total.own_of}" if total.own_of else total.own


def _of_cell(write: Callable[[Sum], str], cell: CellRow) -> str:
    return write(cell.sum)


def _of_stage(write: Callable[[Sum], str], stage: StageRow) -> str:
    return write(stage.sum)


def _energy(total: Sum, owner: str, units: Sequence[str] = (), with_mass: bool = False, with_net: bool = True) -> Text:
    from rich.text import Text

    text = Text(total.energy)
    if with_mass:
        text.append(f"\n{total.mass}")
    if with_net and total.net:
        text.append(f"\nnet {_net(total)}", "dim")
    if with_net and total.own:
        text.append(f"\nthis {owner} {_own(total)}", "dim")
    for unit in units:
        text.append(f"\n{unit}", "dim")
    return text


def _provenance(total: Sum) -> Text:
    from rich.text import Text

    text = Text(total.provenance, STYLES[total.provenance])
    if total.missing:
        text.append(f"\nwithout {total.missing}", "dim")
    if total.partly:
        text.append("\npartly read", "dim")
    return text


def _status(cell: CellRow) -> Text:
    from rich.text import Text

    return Text(cell.status.value, "" if cell.status is Status.OK else "red")


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(text)


def share_column_text(share: float | None) -> str:
    """Return a part of all cells' energy as a table has it, such as ``"71 %"``; nothing where it is not known."""
    if share is None:
        return ""
    return "< 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def part_lines(part: SessionPart) -> list[str]:
    """Return what is to be said below a session's tables: what is unavailable and why, and the notes."""
    unknown = [f"{row.label}: {row.note}" for row in part.channels if row.energy == "unavailable"]
    return [*(f"Unavailable: {line}" for line in unknown), *part.notes]
