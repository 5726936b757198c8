"""A run as it is shown below its cell: the record for JupyterLab, and text and static HTML for everything else."""

from __future__ import annotations

import html
from typing import Any

from greenllm_kernel.accounting.notation import (
    duration_text,
    energy_text,
    mass_text,
    per_unit_text,
    provenance_text,
)
from greenllm_kernel.accounting.record import MIME_TYPE, ChannelEnergy, Record

CELL_STYLE = "text-align:left;padding:1px 12px 1px 0"


def bundle(record: Record) -> dict[str, Any]:
    """Return the MIME bundle of a record: JSON for our renderer, ``text/plain``, and HTML without scripts."""
    return {MIME_TYPE: record.to_dict(), "text/plain": text(record), "text/html": as_html(record)}


def text(record: Record) -> str:
    """Return a record as lines of text."""
    return "\n".join([_headline(record), *(f"  {line}" for line in _details(record))])


def as_html(record: Record) -> str:
    """Return a record as HTML that needs neither scripts nor styles from elsewhere."""
    rows = "".join(
        f"<tr>{''.join(f'<td style={CELL_STYLE!r}>{html.escape(cell)}</td>' for cell in row)}</tr>"
        for row in (_channel(channel) for channel in record.channels)
    )
    details = "".join(f"<div>{html.escape(line)}</div>" for line in (*_details(record), *_basis(record)))
    return (
        f"<details><summary>{html.escape(_headline(record))}</summary>{details}"
        f"<table style='font-size:90%'>{rows}</table></details>"
    )


def _headline(record: Record) -> str:
    parts = [
        energy_text(record.gross),
        _emissions(record),
        duration_text(record.duration_s),
        provenance_text(record.gross),
    ]
    waiting = "" if record.settled else " (being sharpened)"
    return f"{record.name}: {', '.join(parts)}{waiting}"


def _emissions(record: Record) -> str:
    if record.emissions is None:
        return "emissions unavailable"
    return f"{mass_text(record.emissions)} CO2e ({record.emissions.intensity.place})"


def _details(record: Record) -> list[str]:
    details = [per_unit_text(name, unit) for name, unit in record.units.items()]
    for channel in record.channels:
        if channel.fault:
            details.append(f"{channel.label}: {channel.fault}")
    return details


def _basis(record: Record) -> list[str]:
    """Say what the emissions were computed with."""
    if record.emissions is None:
        return []
    intensity = record.emissions.intensity
    return [f"at {intensity.value_gco2e_per_kwh:.0f} gCO2e/kWh: {intensity.source}, {intensity.vintage}"]


def _channel(channel: ChannelEnergy) -> tuple[str, ...]:
    energy = energy_text(channel.energy)
    return (
        channel.label,
        energy if channel.counted else f"({energy}, contained in another channel)",
        provenance_text(channel.energy),
        channel.meter,
    )
