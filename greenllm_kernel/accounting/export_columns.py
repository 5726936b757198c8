"""What an exported table has in its columns: each name, with its unit where it has one, and how its value is got."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from greenllm_kernel.accounting.budget import budget_to_dict
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.totals import CellTotals
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import Energy, Interval, Provenance

Value = str | float | int | bool | datetime | None
"""What stands in a column; None where it is not known, or there is none."""

T = TypeVar("T")
V = TypeVar("V")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: its name, the type of its values, and what gets one of a row."""

    name: str
    type: type
    of: Callable[[T], Value]


def _energy(name: str, of: Callable[[T], Energy | None]) -> list[Column[T]]:
    """Return an energy's value and its 95 % interval."""
    return [
        Column(f"{name}_j", float, lambda row: _get(of(row), lambda energy: energy.value_j)),
        *_interval(name, "j", lambda row: _get(of(row), lambda energy: energy.interval_j)),
    ]


def _interval(name: str, unit: str, of: Callable[[T], Interval | None]) -> list[Column[T]]:
    return [
        Column(f"{name}_low_{unit}", float, lambda row: _get(of(row), lambda interval: interval[0])),
        Column(f"{name}_high_{unit}", float, lambda row: _get(of(row), lambda interval: interval[1])),
    ]


def _gross(of: Callable[[T], Energy | None]) -> list[Column[T]]:
    """Return all that was drawn: value, both intervals, provenance, and how much was come by in which way."""

    def part(kind: Provenance, row: T) -> Value:
        return _get(of(row), lambda energy: energy.by_provenance_j.get(kind, 0.0))

    return [
        *_energy("energy", of),
        *_interval(
            "energy_repeatability", "j", lambda row: _get(of(row), lambda energy: energy.repeatability_interval_j)
        ),
        Column("provenance", str, lambda row: (_get(of(row), lambda e: e.provenance) or Provenance.UNAVAILABLE).value),
        *(
            Column(f"{kind.value}_j", float, partial(part, kind))
            for kind in Provenance
            if kind is not Provenance.UNAVAILABLE
        ),
    ]


def _get(found: T | None, get: Callable[[T], V]) -> V | None:
    return get(found) if found is not None else None


def _component_j(component: Component, record: Record) -> float | None:
    known_j = [
        channel.energy.value_j
        for channel in record.channels
        if channel.component is component and channel.counted and channel.energy is not None
    ]
    return math.fsum(known_j) if known_j else None


RECORD_COLUMNS: tuple[Column[Record], ...] = (
    Column("run_id", str, lambda record: record.run_id),
    Column("parent_run_id", str, lambda record: record.parent_run_id),
    Column("session_id", str, lambda record: record.session_id),
    Column("host", str, lambda record: record.host),
    Column("name", str, lambda record: record.name),
    Column("stage", str, lambda record: record.stage),
    Column("cell_id", str, lambda record: record.cell_id),
    Column("execution_count", int, lambda record: record.execution_count),
    Column("status", str, lambda record: record.status.value),
    Column("settled", bool, lambda record: record.settled),
    Column("started_at", datetime, lambda record: record.started_at),
    Column("duration_s", float, lambda record: record.duration_s),
    *_gross(lambda record: record.gross),
    *_energy("idle", lambda record: record.idle),
    *_energy("net", lambda record: record.net),
    Column("share_j", float, lambda record: record.share_j),
    Column("budget_j", float, lambda record: budget_to_dict(record.budget)["budget_j"]),
    Column("budget_gco2e", float, lambda record: budget_to_dict(record.budget)["budget_gco2e"]),
    *(Column(f"{component.value}_j", float, partial(_component_j, component)) for component in Component),
    Column("unavailable", str, lambda record: " ".join(record.unavailable)),
    Column("mass_gco2e", float, lambda record: _get(record.emissions, lambda emissions: emissions.mass_gco2e)),
    *_interval("mass", "gco2e", lambda record: _get(record.emissions, lambda emissions: emissions.interval_gco2e)),
    Column(
        "intensity_gco2e_per_kwh",
        float,
        lambda record: _get(record.emissions, lambda emissions: emissions.intensity.value_gco2e_per_kwh),
    ),
    *_interval(
        "intensity",
        "gco2e_per_kwh",
        lambda record: _get(record.emissions, lambda emissions: emissions.intensity.interval_gco2e_per_kwh),
    ),
    Column("place", str, lambda record: _get(record.emissions, lambda emissions: emissions.intensity.place)),
    Column(
        "intensity_source", str, lambda record: _get(record.emissions, lambda emissions: emissions.intensity.source)
    ),
    Column(
        "intensity_vintage", str, lambda record: _get(record.emissions, lambda emissions: emissions.intensity.vintage)
    ),
    Column("pue", float, lambda record: _get(record.emissions, lambda emissions: emissions.pue)),
    Column("units", str, lambda record: json.dumps(dict(record.counts)) if record.counts else None),
)
"""Of single runs; ``units`` is JSON, ``unavailable`` the ids of channels with spaces between them."""

CELL_COLUMNS: tuple[Column[CellTotals], ...] = (
    Column("session_id", str, lambda cell: cell.latest.session_id),
    Column("host", str, lambda cell: cell.latest.host),
    Column("name", str, lambda cell: cell.name),
    Column("stage", str, lambda cell: cell.stage),
    Column("cell_id", str, lambda cell: cell.latest.cell_id),
    Column("execution_count", int, lambda cell: cell.execution_count),
    Column("status", str, lambda cell: cell.status.value),
    Column("runs", int, lambda cell: cell.totals.runs),
    Column("latest_started_at", datetime, lambda cell: cell.latest.started_at),
    Column("duration_s", float, lambda cell: cell.totals.duration_s),
    *_gross(lambda cell: cell.totals.energy),
    *_energy("idle", lambda cell: cell.totals.idle),
    *_energy("net", lambda cell: cell.totals.net),
    Column("share_j", float, lambda cell: cell.totals.share_j),
    Column("unavailable", str, lambda cell: " ".join(cell.totals.unavailable)),
    Column("mass_gco2e", float, lambda cell: cell.totals.mass_gco2e),
    *_interval("mass", "gco2e", lambda cell: cell.totals.interval_gco2e),
)
"""Of cells, each over all its runs; name, stage, status and count are those of the latest."""
