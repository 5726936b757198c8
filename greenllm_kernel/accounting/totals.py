"""Sums over records: one cell over all its runs, one stage, or everything that was recorded.

A sum counts each joule of nested windows once: a record whose ancestor (by ``parent_run_id``) is in the same sum adds
nothing to it. Two windows that overlap without one being inside the other (async cells, kernel subshells, two kernels
on a host) both saw the whole machine; the sum has the energy of their common time once, as told by their power
(``overlap.py``), and ``Totals.overlap_s`` says how long that time was.

Sums of different cells may overlap: a cell's total is what the machine drew while that cell ran.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from greenllm_kernel.accounting.known import Known
from greenllm_kernel.accounting.overlap import Part, parts, times
from greenllm_kernel.accounting.readings import Readings
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, EnergySum, Interval, Provenance


@dataclass(frozen=True)
class Totals:
    """What several records come to.

    Attributes:
        runs: how many windows were added (those nested in another one of the sum not counted).
        duration_s: time in which at least one of them was open, s.
        overlap_s: time for which a window overlapped with another one, s; the sum has it once.
        energy: all that was drawn, J; None where no record knows.
        idle: what the idle machine would have drawn, J; None unless every record with energy knows it.
        net: what was drawn beyond that, J; None likewise.
        share_j: the kernels' own part, J; None likewise. Of one kernel's overlapping windows as for ``energy``;
            the shares of several kernels on a host are apart from one another anyhow, and all are added.
        mass_gco2e: emissions of the records that have any; None where none has.
        interval_gco2e: its 95 % interval.
        readings: how far each channel was read: which are missing from the sum, and which are partly read.
        runs_without_energy: how many of the runs know no energy at all; the sum lacks them.
        runs_without_emissions: how many of the runs know no emissions; ``mass_gco2e`` lacks them.
        known: idle, net and share of the parts that know theirs, where not all do.
    """

    runs: int
    duration_s: float
    overlap_s: float
    energy: Energy | None
    mass_gco2e: float | None
    interval_gco2e: Interval | None
    readings: Readings
    runs_without_energy: int
    runs_without_emissions: int
    idle: Energy | None = None
    net: Energy | None = None
    share_j: float | None = None
    known: Known = field(default_factory=Known)

    @property
    def unavailable(self) -> tuple[str, ...]:
        """Ids of the channels of which no record knows the energy: the sum lacks them."""
        return tuple(reading.channel_id for reading in self.readings.missing)

    @property
    def provenance(self) -> Provenance:
        """The weakest provenance in the sum; ``UNAVAILABLE`` only where nothing is known."""
        return self.energy.provenance if self.energy else Provenance.UNAVAILABLE


@dataclass(frozen=True)
class CellTotals:
    """One cell (or one window outside cells, by its name) over all its runs.

    Attributes:
        key: what the runs have in common: the session, and the cell's id or the name.
        totals: over all runs.
        latest: the latest run; name, stage and status are its.
    """

    key: tuple[str, str]
    totals: Totals
    latest: Record

    @property
    def name(self) -> str:
        return self.latest.name

    @property
    def stage(self) -> str | None:
        return self.latest.stage

    @property
    def status(self) -> Status:
        return self.latest.status

    @property
    def execution_count(self) -> int | None:
        return self.latest.execution_count


def total(records: Iterable[Record]) -> Totals:
    """Return the sum of ``records``, each nested window counted only as part of the one around it."""
    counted = outermost(list(records))
    added = parts(counted)
    known = [part for part in added if part.record.gross is not None]
    mass_gco2e, interval_gco2e = _emissions(added)
    duration_s, overlap_s = times(counted)
    return Totals(
        runs=len(counted),
        duration_s=duration_s,
        overlap_s=overlap_s,
        energy=_sum(part.of(part.record.gross) for part in known),
        mass_gco2e=mass_gco2e,
        interval_gco2e=interval_gco2e,
        readings=sum((record.readings for record in counted), Readings()),
        runs_without_energy=sum(record.gross is None for record in counted),
        runs_without_emissions=sum(record.emissions is None for record in counted),
        idle=_sum(part.of(part.record.idle) for part in known),
        net=_sum(part.of(part.record.net) for part in known),
        share_j=_shares(counted),
        known=_known(counted, added),
    )


def by_cell(records: Iterable[Record]) -> list[CellTotals]:
    """Return each cell's sum over its runs, in the order in which the cells first ran.

    A window opened inside a cell (``measure()``) belongs to that cell's sum and has no row of its own; outside of
    cells (a script, a command) windows of one name make one row.
    """
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in outermost(sorted(records, key=_start)):
        key = (record.session_id, record.cell_id) if record.cell_id else (record.session_id, f"name {record.name}")
        cells.setdefault(key, []).append(record)
    return [CellTotals(key=key, totals=total(runs), latest=runs[-1]) for key, runs in cells.items()]


def by_stage(records: Iterable[Record]) -> dict[str, Totals]:
    """Return the sum of each stage that was named, in the order in which the stages first began.

    A stage holds what its own windows drew. Stages may lie inside each other and inside cells: each sum is right by
    itself, and they need not add up to the total.
    """
    stages: dict[str, list[Record]] = {}
    for record in sorted(records, key=_start):
        if record.stage:
            stages.setdefault(record.stage, []).append(record)
    return {stage: total(members) for stage, members in stages.items()}


def intensities(records: Iterable[Record]) -> Mapping[CarbonIntensity, int]:
    """Return the carbon intensities that the records were computed with, and how many used each."""
    found: dict[CarbonIntensity, int] = {}
    for record in records:
        if record.emissions is not None:
            found[record.emissions.intensity] = found.get(record.emissions.intensity, 0) + 1
    return found


def outermost(records: Sequence[Record]) -> list[Record]:
    """Return those of ``records`` that lie inside no other one of them."""
    parents = {record.run_id: record.parent_run_id for record in records}

    def is_nested(record: Record) -> bool:
        seen = {record.run_id}
        parent = record.parent_run_id
        while parent is not None and parent not in seen:
            if parent in parents:
                return True
            seen.add(parent)
            parent = parents.get(parent)
        return False

    return [record for record in records if not is_nested(record)]


def _sum(energies: Iterable[Energy | None]) -> Energy | None:
    """Return the sum, or nothing where a part is missing."""
    found = list(energies)
    known = [energy for energy in found if energy is not None]
    return Energy.sum(known) if len(known) == len(found) else None


def _shares(records: Sequence[Record]) -> float | None:
    sessions: dict[str, list[Record]] = {}
    for record in records:
        if record.gross is not None:
            sessions.setdefault(record.session_id, []).append(record)
    shares_j = [part.share_j for members in sessions.values() for part in parts(members)]
    known = [share_j for share_j in shares_j if share_j is not None]
    return math.fsum(known) if known and len(known) == len(shares_j) else None


def _known(counted: Sequence[Record], added: Sequence[Part]) -> Known:
    """Return what the parts know; of the shares all sessions' are added, as they are apart from one another."""
    sessions: dict[str, list[Record]] = {}
    for record in counted:
        if record.known.shared is not None:
            sessions.setdefault(record.session_id, []).append(record)
    shares_j = [part.known.share_j for members in sessions.values() for part in parts(members)]
    told_j = [share_j for share_j in shares_j if share_j is not None]
    shared = [part.known.shared for part in parts([record for members in sessions.values() for record in members])]
    return replace(
        sum((part.known for part in added), Known()),
        share_j=math.fsum(told_j) if told_j else None,
        shared=Energy.sum(energy for energy in shared if energy is not None),
    )


def emissions_together(groups: Iterable[tuple[CarbonIntensity, float, Energy]]) -> tuple[float | None, Interval | None]:
    """Return the emissions, gCO2e, of energies under different intensities, and their 95 % interval.

    Records under one intensity share its error, so their energies are to be added before it is applied. Sums under
    different intensities have their half-widths added linearly, the widest that they can combine to.

    Args:
        groups: each intensity, with its PUE and all the energy under it.
    """
    found = [Emissions.of(energy, intensity, pue) for intensity, pue, energy in groups]
    if not found:
        return None, None
    mass = math.fsum(emissions.mass_gco2e for emissions in found)
    low = math.fsum(emissions.interval_gco2e[0] for emissions in found)
    high = math.fsum(emissions.interval_gco2e[1] for emissions in found)
    return mass, (low, high)


def _emissions(added: Sequence[Part]) -> tuple[float | None, Interval | None]:
    groups: dict[tuple[CarbonIntensity, float], EnergySum] = {}
    for part in added:
        emissions, energy = part.record.emissions, part.of(part.record.gross)
        if emissions is not None and energy is not None:
            groups.setdefault((emissions.intensity, emissions.pue), EnergySum()).add(energy)
    return emissions_together((*key, sum.energy) for key, sum in groups.items() if sum.energy is not None)


def _start(record: Record) -> datetime:
    return record.started_at
