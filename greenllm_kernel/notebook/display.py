"""A run as it is shown below its cell: the record for JupyterLab, and text and static HTML for everything else."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from greenllm_kernel.accounting.budget import Budget, Standing, standing
from greenllm_kernel.accounting.budget_watch import budget_text
from greenllm_kernel.accounting.known import Known
from greenllm_kernel.accounting.notation import (
    HOW_TO_KNOW,
    basis_text,
    duration_text,
    energy_text,
    list_text,
    mass_text,
    per_unit_text,
    percent_text,
    provenance_text,
    rounded_energy_text,
    share_percent_text,
    share_text,
)
from greenllm_kernel.accounting.record import MIME_TYPE, ChannelEnergy, Record
from greenllm_kernel.notebook.html_table import table_html


def bundle(record: Record) -> dict[str, Any]:
    """Return the MIME bundle of a record: JSON for our renderer, ``text/plain``, and HTML without scripts."""
    return {MIME_TYPE: record.to_dict(), "text/plain": text(record), "text/html": as_html(record)}


def text(record: Record) -> str:
    """Return a record as lines of text."""
    return "\n".join([_headline(record), *(f"  {line}" for line in (*_net_in_brief(record), *_details(record)))])


def as_html(record: Record) -> str:
    """Return a record as HTML that needs neither scripts nor styles from elsewhere."""
    columns = _columns(record)
    rows = [[write(channel) for _, write in columns] for channel in record.channels]
    table = table_html([title for title, _ in columns], rows) if rows else ""
    lines = (*_net(record), *_details(record), *_basis(record))
    details = "".join(f"<div>{html.escape(line)}</div>" for line in lines)
    return f"<details><summary>{html.escape(_headline(record))}</summary>{details}{table}</details>"


def _headline(record: Record) -> str:
    parts = [
        energy_text(record.gross),
        _emissions(record),
        duration_text(record.duration_s),
        provenance_text(record.gross),
    ]
    if record.budget is not None and _standing(record) is not Standing.WITHIN:
        parts.append(_budget(record, record.budget))
    waiting = "" if record.settled else " (being sharpened)"
    return f"{record.name}: {', '.join(parts)}{waiting}"


def _emissions(record: Record) -> str:
    if record.emissions is None:
        return "emissions unavailable"
    return f"{mass_text(record.emissions)} CO2e ({record.emissions.intensity.place})"


def _net_in_brief(record: Record) -> list[str]:
    known, parts = record.known, []
    if known.net is not None and known.baseline is not None:
        taken = basis_text(known.baseline, record.started_at).partition(" (")[0]
        idle = f"(idle {rounded_energy_text(known.idle)}, {taken})"
        parts.append(f"{_whose_net(known)} {energy_text(known.net, beside=record.gross)} {idle}{_not_of(known)}")
    if known.share_j is not None and known.shared is not None and known.shared.value_j > 0:
        percent = share_percent_text(known.share_j / known.shared.value_j, not known.untold)
        parts.append(f"this kernel {percent}")
    if known.lacking:
        return parts
    return ["; ".join(parts)] if parts else []


def _net(record: Record) -> list[str]:
    """Say what of the energy is net, what idle, and whose it is, or why that is not known."""
    if record.gross is None:
        return []
    known, lines = record.known, []
    if known.net is not None and known.baseline is not None:
        taken = basis_text(known.baseline, record.started_at)
        net, idle = energy_text(known.net, beside=record.gross), energy_text(known.idle)
        lines.append(f"{_whose_net(known)} {net}; idle {idle}, {taken}")
    if known.lacking:
        lines.append(f"net: no idle power known of {list_text(known.lacking)}; {HOW_TO_KNOW}")
    if known.share_j is not None and known.shared is not None:
        lines.append(f"this kernel {share_text(known.share_j, known.shared, not known.untold)}")
    if known.untold:
        lines.append(f"this kernel's share cannot be told of {list_text(known.untold)}")
    return lines


def _whose_net(known: Known) -> str:
    return f"net of {list_text(known.of)}:" if known.lacking else "net"


def _not_of(known: Known) -> str:
    return f", not of {list_text(known.lacking)} (no idle power known)" if known.lacking else ""


def _details(record: Record) -> list[str]:
    details = [per_unit_text(name, unit) for name, unit in record.units.items()]
    if record.budget is not None and _standing(record) is Standing.WITHIN:
        details.append(_budget(record, record.budget))
    for channel in record.channels:
        if channel.fault:
            details.append(f"{channel.label}: {_fault(channel, channel.fault)}")
    return details


def _standing(record: Record) -> Standing:
    return standing(record.gross, record.emissions, record.budget)


def _budget(record: Record, budget: Budget) -> str:
    return budget_text(record.gross, record.emissions, budget, not record.unavailable)


def _fault(channel: ChannelEnergy, fault: str) -> str:
    """Return what went wrong, and for how much of the time where there are readings all the same."""
    read = f"{percent_text(channel.coverage)} of the time"
    return fault if channel.energy is None or read in fault else f"partly read ({read}): {fault}"


def _basis(record: Record) -> list[str]:
    """Say what the emissions were computed with."""
    if record.emissions is None:
        return []
    intensity = record.emissions.intensity
    return [f"at {intensity.value_gco2e_per_kwh:.0f} gCO2e/kWh: {intensity.source}, {intensity.vintage}"]


def _columns(record: Record) -> list[tuple[str, Callable[[ChannelEnergy], str]]]:
    """Return titles and contents of the table's columns; idle, net and share only where a channel knows them."""
    columns: list[tuple[str, Callable[[ChannelEnergy], str]]] = [("Part", lambda c: c.label), ("Energy", _energy)]
    if any(channel.net for channel in record.channels):
        columns.append(("Idle", lambda c: _taken(c, record)))
        columns.append(("Net", lambda c: energy_text(c.net, beside=c.energy) if c.net else ""))
    if any(channel.share_j is not None for channel in record.channels):
        columns.append(("This kernel", _share))
    return [*columns, ("Provenance", lambda c: provenance_text(c.energy)), ("Meter", lambda c: c.meter)]


def _energy(channel: ChannelEnergy) -> str:
    energy = energy_text(channel.energy)
    return energy if channel.counted else f"({energy}, contained in another channel)"


def _taken(channel: ChannelEnergy, record: Record) -> str:
    if channel.idle is None or channel.baseline is None:
        return ""
    return f"{energy_text(channel.idle)}, {basis_text(channel.baseline, record.started_at)}"


def _share(channel: ChannelEnergy) -> str:
    if channel.share_j is None or channel.energy is None:
        return ""
    return share_text(channel.share_j, channel.energy)
