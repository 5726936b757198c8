"""What the widgets show, as static HTML and as text: power now and the session's sums, and the table of cells."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from greenllm_kernel.accounting.budget_watch import budget_text
from greenllm_kernel.accounting.notation import (
    GRAMS,
    JOULES,
    duration_text,
    energy_text,
    list_text,
    mass_text,
    power_text,
    provenance_text,
    quantity_text,
)
from greenllm_kernel.accounting.sampled import power_now
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.html_table import known_columns, table_html
from greenllm_kernel.notebook.messages import Message, Messages
from greenllm_kernel.notebook.sparkline import sparkline

CELL_TITLES = ("Cell", "Name", "Stage", "Runs", "Time", "Energy (95 %)", "CO2e (95 %)", "Provenance", "Status")

NOTHING_YET = "Nothing has been measured in this session yet: run a cell."


@dataclass(frozen=True)
class Content:
    """What a widget shows: static HTML without scripts, and the same as text."""

    html: str
    text: str


def power_content(session: Session, messages: Messages) -> Content:
    """Return power now, in all and of each part, its course, and what the session drew so far."""
    now, parts = _powers(session)
    sums = _sums(session)
    course = [(power["at_ms"] / 1e3, power["total_w"]) for power in messages.past_powers()]
    table = table_html(*known_columns(("Part", "Power", "Provenance"), parts)) if parts else ""
    return Content(
        f"<div><strong>{html.escape(now)}</strong></div>{sparkline(course)}{table}<div>{html.escape(sums)}</div>",
        "\n".join([now, *(f"  {part}: {power}, {provenance}" for part, power, provenance in parts), sums]),
    )


def cells_content(messages: Messages, cell: str | None, most_rows: int) -> Content:
    """Return the table of cells, the latest of them, or the one of this name or id."""
    ids = messages.cells.ids
    if cell is None:
        shown = [messages.cell(cell_id) for cell_id in ids[-most_rows:]]
    else:
        shown = [message for message in map(messages.cell, ids) if cell in (message["name"], message["cell_id"])]
    if not shown:
        sentence = NOTHING_YET if cell is None else f"No cell called {cell} has been measured in this session yet."
        return Content(f"<div>{html.escape(sentence)}</div>", sentence)
    omitted = len(ids) - len(shown) if cell is None else 0
    note = f"{omitted} earlier cells are not shown; %energy report has all." if omitted else ""
    rows = [_cell_row(message) for message in shown[:most_rows]]
    lines = [f"{row[1]}: {', '.join(text for text in row[4:] if text)}" for row in rows]
    after = f"<div>{html.escape(note)}</div>" if note else ""
    return Content(
        table_html(*known_columns(CELL_TITLES, rows)) + after,
        "\n".join([*(line.replace("\n", " ") for line in lines), *([note] if note else [])]),
    )


def _powers(session: Session) -> tuple[str, list[tuple[str, str, str]]]:
    """Return power now in all, and of each part with its provenance; none is read while nothing is measured."""
    if not session.open_runs:
        return "At rest: power is read while something is measured.", []
    if not session.sampler.has_found:
        return "Looking for the meters.", []
    now = power_now(session.sampler)
    powers, total_w = now["power_w"], now["total_w"]
    parts = [
        (
            trace.channel.label,
            power_text(powers[trace.channel.id]),
            f"unavailable: {trace.fault}" if trace.fault else trace.provenance.value,
        )
        for trace in session.sampler.traces
        if trace.channel.id in powers
    ]
    return f"{power_text(total_w)} now" if total_w is not None else "Power now is not known.", parts


def _sums(session: Session) -> str:
    """Return what the session drew so far, with its interval and provenance."""
    drawn, duration_s, readings = session.span.drawn()
    energy = drawn.energy
    if energy is None and duration_s == 0:
        return NOTHING_YET
    emissions = session.emissions_of(energy)
    parts = [
        energy_text(energy),
        f"{mass_text(emissions)} CO2e ({emissions.intensity.place})" if emissions else "emissions unavailable",
        duration_text(duration_s),
        provenance_text(energy, [reading.label for reading in readings.missing]),
    ]
    if session.budget is not None:
        parts.append(budget_text(energy, emissions, session.budget, not readings.missing))
    return f"This session: {', '.join(parts)}"


def _cell_row(message: Message) -> list[str]:
    number = message["execution_count"]
    missing = f"\nwithout {list_text(message['unavailable'])}" if message["unavailable"] else ""
    return [
        f"[{number}]" if number is not None else "",
        message["name"],
        message["stage"] or "",
        str(message["runs"]),
        duration_text(message["duration_s"]),
        _quantity(message, "energy_j", "interval_j", JOULES),
        _quantity(message, "mass_gco2e", "interval_gco2e", GRAMS),
        f"{message['provenance']}{missing}",
        message["status"],
    ]


def _quantity(message: Message, value: str, interval: str, units: Any) -> str:
    pair = message[interval]
    return quantity_text(message[value], (pair[0], pair[1]) if pair else None, units)
