"""The report: records as one HTML page that stands alone, without scripts and without anything from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from greenllm_kernel import __version__
from greenllm_kernel.accounting.chart import Chart, power_chart
from greenllm_kernel.accounting.comparison_part import comparison_part, is_number
from greenllm_kernel.accounting.comparisons import Summary
from greenllm_kernel.accounting.notation import (
    GRAMS,
    OF_PART,
    PROVENANCE_MEANING,
    UNAVAILABLE,
    duration_text,
    energy_text,
    list_text,
    partly_text,
    per_unit_text,
    power_text,
    provenance_text,
    quantity_text,
    share_text,
)
from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.accounting.remarks import intensity_rows, intensity_text, notes
from greenllm_kernel.accounting.totals import CellTotals, Totals, by_cell, by_stage, outermost, total
from greenllm_kernel.quantities import Energy, Provenance

TEMPLATE = Path(__file__).with_name("report.html.j2")

KERNEL = "kernel"
"""Whose own part of the energy is told, where records are a notebook's."""

STATUS_TEXT = {
    Status.OK: "ok",
    Status.ERROR: "error",
    Status.INTERRUPTED: "interrupted",
    Status.PARTIAL: "partial: still running, or cut off",
}


@dataclass(frozen=True)
class Sum:
    """A sum as it is written: for the page's head, a cell, a stage. Idle, net and own are empty where not known.

    Where they are known of some channels only, ``net_of`` and ``net_without`` say which those are, and which not, and
    ``own_of`` what own is a part of.
    """

    runs: int
    energy: str
    mass: str
    duration: str
    power: str
    provenance: str
    provenance_detail: str
    missing: str
    partly: str = ""
    idle: str = ""
    net: str = ""
    net_of: str = ""
    net_without: str = ""
    own: str = ""
    own_of: str = ""


@dataclass(frozen=True)
class CellRow:
    """A cell in the table; ``share`` is its part of the energy of all cells, 0 to 1."""

    label: str
    name: str
    source: str
    stage: str
    sum: Sum
    share: float | None
    units: tuple[str, ...]
    status: Status
    status_text: str


@dataclass(frozen=True)
class StageRow:
    """A stage in the table."""

    stage: str
    sum: Sum
    share: float | None


@dataclass(frozen=True)
class ChannelRow:
    """A channel in the table; ``note`` says why a figure is missing, incomplete or not in the total.

    Idle, net and own are empty where they are not known of each of its readings.
    """

    label: str
    channel_id: str
    component: str
    meter: str
    energy: str
    provenance: str
    coverage: str
    note: str
    idle: str = ""
    net: str = ""
    own: str = ""


@dataclass(frozen=True)
class SessionPart:
    """What the page shows of one session; ``knows_net`` and ``knows_own``: whether any cell or channel does."""

    session_id: str
    host: str
    when: str
    sum: Sum
    parts: tuple[tuple[str, float], ...]
    chart: Chart | None
    cells: tuple[CellRow, ...]
    stages: tuple[StageRow, ...]
    channels: tuple[ChannelRow, ...]
    notes: tuple[str, ...]

    @property
    def knows_net(self) -> bool:
        return any(row.net for row in self._known)

    @property
    def knows_own(self) -> bool:
        return any(row.own for row in self._known)

    @property
    def _known(self) -> tuple[Sum | ChannelRow, ...]:
        return (*(cell.sum for cell in self.cells), *(stage.sum for stage in self.stages), *self.channels)


def html_report(
    records: Sequence[Record],
    title: str,
    sources: Mapping[str, str] | None = None,
    owner: str = KERNEL,
    comparisons: Sequence[Summary] = (),
) -> str:
    """Return the page.

    Args:
        records: of one session or several.
        title: of the page.
        sources: by cell id, the cell's first line, to show beside its name.
        owner: whose own part of the energy is told.
        comparisons: of models, as ``comparisons.summaries_of`` returns them, in words.
    """
    from jinja2 import Environment, StrictUndefined

    sessions: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.started_at):
        sessions.setdefault(record.session_id, []).append(record)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        owner=owner,
        version=__version__,
        sum=sum_of(total(records)),
        sessions=[session_part(part, sources or {}) for part in sessions.values()],
        comparisons=[comparison_part(comparison) for comparison in comparisons],
        is_number=is_number,
        intensities=[intensity_text(intensity) for intensity in intensity_rows(records)],
        meanings=[(provenance.value, meaning) for provenance, meaning in PROVENANCE_MEANING.items()],
    )


def session_part(records: Sequence[Record], sources: Mapping[str, str]) -> SessionPart:
    """Return what the page shows of one session's records, which are in order of time and at least one."""
    totals = total(records)
    cells = by_cell(records)
    labels = {run.run_id: cell_label(run, number) for number, run in enumerate(outermost(records), 1)}
    return SessionPart(
        session_id=records[0].session_id,
        host=records[0].host,
        when=when_text(records),
        sum=sum_of(totals),
        parts=provenance_parts(totals.energy),
        chart=power_chart(records, labels),
        cells=tuple(_cell_row(cell, number, totals, sources) for number, cell in enumerate(cells, 1)),
        stages=tuple(
            StageRow(stage, sum_of(part), share(part.energy, totals.energy))
            for stage, part in by_stage(records).items()
        ),
        channels=tuple(_channel_rows(outermost(records))),
        notes=tuple(notes(records, totals)),
    )


def sum_of(totals: Totals) -> Sum:
    """Return a sum as it is written."""
    energy, known = totals.energy, totals.known
    mean_w = energy.value_j / totals.duration_s if energy and totals.duration_s > 0 else None
    low_j, high_j = energy.interval_j if energy else (0.0, 0.0)
    interval_w = (low_j / totals.duration_s, high_j / totals.duration_s) if mean_w is not None else None
    return Sum(
        runs=totals.runs,
        energy=energy_text(energy),
        mass=quantity_text(totals.mass_gco2e, totals.interval_gco2e, GRAMS),
        duration=duration_text(totals.duration_s),
        power=power_text(mean_w, interval_w),
        provenance=totals.provenance.value,
        provenance_detail=provenance_text(energy),
        missing=list_text(reading.label for reading in totals.readings.missing),
        partly=partly_text(totals.readings.partial),
        idle=energy_text(known.idle) if known.idle else "",
        net=energy_text(known.net, beside=energy) if known.net else "",
        net_of=list_text(known.of) if known.net and known.lacking else "",
        net_without=list_text(known.without) if known.net else "",
        own=_own(known.share_j, known.shared),
        own_of=OF_PART if known.share_j is not None and known.untold else "",
    )


def cell_label(record: Record, number: int) -> str:
    """Return how a cell is referred to in a narrow place: its execution count, or else its number."""
    return f"[{record.execution_count}]" if record.execution_count is not None else f"{number}"


def share(part: Energy | None, whole: Energy | None) -> float | None:
    """Return ``part`` of ``whole``, 0 to 1, or None where one of them is not known."""
    return min(1.0, part.value_j / whole.value_j) if part and whole and whole.value_j > 0 else None


def when_text(records: Sequence[Record]) -> str:
    """Return from when to when records were taken, in local time; the earliest comes first."""
    begin = records[0].started_at.astimezone()
    end = datetime.fromtimestamp(max(r.started_at.timestamp() + r.duration_s for r in records)).astimezone()
    same_day = begin.date() == end.date()
    return f"{begin:%Y-%m-%d %H:%M} to {end:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}} ({begin:%Z})"


def provenance_parts(energy: Energy | None) -> tuple[tuple[str, float], ...]:
    """Return each provenance that contributes, and its part of the energy, 0 to 1."""
    whole_j = math.fsum(energy.by_provenance_j.values()) if energy else 0.0
    if energy is None or whole_j <= 0:
        return ()
    return tuple((p.value, energy.by_provenance_j[p] / whole_j) for p in Provenance if energy.by_provenance_j.get(p))


def _cell_row(cell: CellTotals, number: int, whole: Totals, sources: Mapping[str, str]) -> CellRow:
    source = sources.get(cell.latest.cell_id or "", "")
    return CellRow(
        label=cell_label(cell.latest, number),
        name=cell.name,
        source="" if _says(cell.name, source) else source,
        stage=cell.stage or "",
        sum=sum_of(cell.totals),
        share=share(cell.totals.energy, whole.energy),
        units=tuple(per_unit_text(name, unit) for name, unit in cell.latest.units.items()),
        status=cell.status,
        status_text=STATUS_TEXT[cell.status],
    )


def _says(name: str, source: str) -> bool:
    return source == name or (name.endswith("…") and source.startswith(name[:-1]))


def _channel_rows(records: Sequence[Record]) -> list[ChannelRow]:
    channels: dict[str, list[tuple[ChannelEnergy, float]]] = {}
    for record in records:
        for channel in record.channels:
            channels.setdefault(channel.channel_id, []).append((channel, record.duration_s))
    return [_channel_row(readings) for readings in channels.values()]


def _channel_row(readings: Sequence[tuple[ChannelEnergy, float]]) -> ChannelRow:
    latest = readings[-1][0]
    energy = Energy.sum(channel.energy for channel, _ in readings if channel.energy is not None)
    whole_s = math.fsum(duration_s for _, duration_s in readings)
    covered_s = math.fsum(channel.coverage * duration_s for channel, duration_s in readings)
    faults = dict.fromkeys(channel.fault for channel, _ in readings if channel.fault)
    contained = ["not in the total: another channel has it"] if not latest.counted else []
    return ChannelRow(
        label=latest.label,
        channel_id=latest.channel_id,
        component=latest.component.value,
        meter=latest.meter,
        energy=energy_text(energy),
        provenance=energy.provenance.value if energy else UNAVAILABLE,
        coverage=f"{100 * covered_s / whole_s:.0f} %" if whole_s > 0 else "",
        note="; ".join([*contained, *faults]),
        **_net_texts([channel for channel, _ in readings if channel.energy is not None], energy),
    )


def _net_texts(readings: Sequence[ChannelEnergy], energy: Energy | None) -> dict[str, str]:
    idle = [channel.idle for channel in readings if channel.idle is not None]
    shares_j = [channel.share_j for channel in readings if channel.share_j is not None]
    texts = {"own": _own(math.fsum(shares_j), energy) if shares_j and len(shares_j) == len(readings) else ""}
    whole = Energy.sum(idle) if len(idle) == len(readings) else None
    if whole is not None and energy is not None:
        texts |= {"idle": energy_text(whole), "net": energy_text(energy - whole, beside=energy)}
    return texts


def _own(share_j: float | None, energy: Energy | None) -> str:
    return share_text(share_j, energy) if share_j is not None and energy is not None else ""
