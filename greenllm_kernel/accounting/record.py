"""What is known of a closed window: its energy by channel, its emissions, its units and its status."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import (
    COVERAGE_FACTOR_95,
    CarbonIntensity,
    Emissions,
    Energy,
    Provenance,
)

SCHEMA = 1
MIME_TYPE = "application/vnd.greenllm.energy.v1+json"


class Status(StrEnum):
    """How a window ended."""

    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    PARTIAL = "partial"
    """Still running, or cut off (the kernel was killed)."""


@dataclass(frozen=True)
class ChannelEnergy:
    """One channel's part in a record.

    Attributes:
        channel_id: which channel.
        component: the part of the machine.
        label: what a person calls it.
        meter: the name of the meter that read it.
        energy: what it drew, J; None where nothing is known.
        coverage: the part of the window's time with valid readings, 0 to 1.
        counted: whether it stands in the total (False where another channel already contains it).
        fault: why readings are missing; None where none are.
    """

    channel_id: str
    component: Component
    label: str
    meter: str
    energy: Energy | None
    coverage: float
    counted: bool = True
    fault: str | None = None


@dataclass(frozen=True)
class Unit:
    """What the energy was spent on: how many, and the energy of each."""

    count: float
    energy: Energy | None

    @property
    def energy_j_per_unit(self) -> float | None:
        """Joules for one unit, or None where the energy or a count above zero is missing."""
        return self.energy.value_j / self.count if self.energy and self.count > 0 else None

    @property
    def interval_j_per_unit(self) -> tuple[float, float] | None:
        """95 % interval of :attr:`energy_j_per_unit`, J."""
        if not self.energy or self.count <= 0:
            return None
        low, high = self.energy.interval_j
        return low / self.count, high / self.count


@dataclass(frozen=True)
class Record:
    """A closed window (or, with status ``partial``, an open one so far).

    Attributes:
        run_id: this window's own id.
        name: what the user called it, or the cell.
        started_at: wall clock, UTC, for labels only.
        duration_s: by the monotonic clock.
        settled: whether later readings can still sharpen it.
        channels: every channel that was to be read, with or without energy.
        gross: all that was drawn, J; None where no channel knows.
        overhead_s: time this window cost in the thread that ran the cell.
        sampler_cpu_s: processor time the sampler used meanwhile.
    """

    run_id: str
    name: str
    session_id: str
    host: str
    started_at: datetime
    duration_s: float
    status: Status
    settled: bool
    channels: Sequence[ChannelEnergy]
    gross: Energy | None
    emissions: Emissions | None
    stage: str | None = None
    parent_run_id: str | None = None
    cell_id: str | None = None
    execution_count: int | None = None
    counts: Mapping[str, float] = field(default_factory=dict)
    overhead_s: float = 0.0
    sampler_cpu_s: float = 0.0
    series: Callable[[], Mapping[str, Sequence[tuple[float, float]]]] = field(default=dict, repr=False, compare=False)

    @property
    def provenance(self) -> Provenance:
        """The weakest provenance in the total."""
        return self.gross.provenance if self.gross else Provenance.UNAVAILABLE

    @property
    def unavailable(self) -> list[str]:
        """Ids of the channels that should count and gave readings for part of the time, or not at all."""
        return [c.channel_id for c in self.channels if c.counted and (c.energy is None or c.fault)]

    @property
    def units(self) -> dict[str, Unit]:
        """Energy per unit, by the unit's name."""
        return {name: Unit(count, self.gross) for name, count in self.counts.items()}

    def power(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        """Return the power over time: by channel id, pairs of seconds since the start and watts."""
        return self.series()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON data, in the form of ``messages.schema.json``, ``$defs/record``."""
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "parent_run_id": self.parent_run_id,
            "session_id": self.session_id,
            "name": self.name,
            "stage": self.stage,
            "cell_id": self.cell_id,
            "execution_count": self.execution_count,
            "status": self.status.value,
            "host": self.host,
            "started_at": self.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration_s": self.duration_s,
            "settled": self.settled,
            "energy": _total_to_dict(self),
            "channels": [_channel_to_dict(channel) for channel in self.channels],
            "emissions": emissions_to_dict(self.emissions) if self.emissions else None,
            "units": {
                name: {
                    "count": unit.count,
                    "energy_j_per_unit": unit.energy_j_per_unit,
                    "interval_j_per_unit": _pair(unit.interval_j_per_unit),
                }
                for name, unit in self.units.items()
            },
            "self": {"overhead_s": self.overhead_s, "sampler_cpu_s": self.sampler_cpu_s},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Return the record that :meth:`to_dict` described.

        Random and systematic uncertainty of each channel are recovered from its two intervals.

        Raises:
            ValueError: ``data`` is not a record of this schema.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"a record of schema {data.get('schema')!r}; this version reads schema {SCHEMA}")
        channels = [_channel_from_dict(channel) for channel in data["channels"]]
        return cls(
            run_id=data["run_id"],
            name=data["name"],
            session_id=data["session_id"],
            host=data["host"],
            started_at=datetime.fromisoformat(data["started_at"]),
            duration_s=data["duration_s"],
            status=Status(data["status"]),
            settled=data["settled"],
            channels=channels,
            gross=Energy.sum(c.energy for c in channels if c.counted and c.energy is not None),
            emissions=_emissions_from_dict(data["emissions"]) if data["emissions"] else None,
            stage=data["stage"],
            parent_run_id=data["parent_run_id"],
            cell_id=data["cell_id"],
            execution_count=data["execution_count"],
            counts={name: unit["count"] for name, unit in data["units"].items()},
            overhead_s=data["self"]["overhead_s"],
            sampler_cpu_s=data["self"]["sampler_cpu_s"],
        )


def energy_to_dict(energy: Energy | None) -> dict[str, Any]:
    """Return what every energy says in JSON: value, both intervals, provenance (nulls where unknown)."""
    return {
        "energy_j": energy.value_j if energy else None,
        "interval_j": _pair(energy.interval_j) if energy else None,
        "repeatability_interval_j": _pair(energy.repeatability_interval_j) if energy else None,
        "provenance": (energy.provenance if energy else Provenance.UNAVAILABLE).value,
    }


def emissions_to_dict(emissions: Emissions) -> dict[str, Any]:
    """Return emissions as JSON data, with the intensity they were computed from."""
    intensity = emissions.intensity
    return {
        "mass_gco2e": emissions.mass_gco2e,
        "interval_gco2e": list(emissions.interval_gco2e),
        "intensity_gco2e_per_kwh": intensity.value_gco2e_per_kwh,
        "intensity_interval_gco2e_per_kwh": list(intensity.interval_gco2e_per_kwh),
        "place": intensity.place,
        "source": intensity.source,
        "vintage": intensity.vintage,
        "pue": emissions.pue,
    }


def _total_to_dict(record: Record) -> dict[str, Any]:
    gross = record.gross
    total = energy_to_dict(gross)
    total["gross_j"] = total.pop("energy_j")
    return {
        **total,
        "idle_j": None,
        "net_j": None,
        "net_interval_j": None,
        "share_j": None,
        "by_provenance_j": {
            p.value: gross.by_provenance_j.get(p, 0.0) if gross else 0.0
            for p in (Provenance.MEASURED, Provenance.DERIVED, Provenance.ESTIMATED)
        },
        "unavailable": record.unavailable,
    }


def _channel_to_dict(channel: ChannelEnergy) -> dict[str, Any]:
    return {
        "id": channel.channel_id,
        "component": channel.component.value,
        "label": channel.label,
        "meter": channel.meter,
        **energy_to_dict(channel.energy),
        "idle_j": None,
        "share_j": None,
        "coverage": channel.coverage,
        "counted": channel.counted,
        "fault": channel.fault,
    }


def _channel_from_dict(data: Mapping[str, Any]) -> ChannelEnergy:
    return ChannelEnergy(
        channel_id=data["id"],
        component=Component(data["component"]),
        label=data["label"],
        meter=data["meter"],
        energy=_energy_from_dict(data),
        coverage=data["coverage"],
        counted=data["counted"],
        fault=data["fault"],
    )


def _energy_from_dict(data: Mapping[str, Any]) -> Energy | None:
    value_j = data["energy_j"]
    if value_j is None:
        return None
    provenance = Provenance(data["provenance"])
    whole_j = (data["interval_j"][1] - value_j) / COVERAGE_FACTOR_95
    random_j = (data["repeatability_interval_j"][1] - value_j) / COVERAGE_FACTOR_95
    systematic_j = {data["id"]: math.sqrt(max(0.0, whole_j**2 - random_j**2))}
    part = "model_j" if provenance is Provenance.ESTIMATED else "scale_j"
    return Energy(value_j, random_j, by_provenance_j={provenance: value_j}, **{part: systematic_j})


def _emissions_from_dict(data: Mapping[str, Any]) -> Emissions:
    intensity = CarbonIntensity(
        value_gco2e_per_kwh=data["intensity_gco2e_per_kwh"],
        interval_gco2e_per_kwh=tuple(data["intensity_interval_gco2e_per_kwh"]),
        place=data["place"],
        source=data["source"],
        vintage=data["vintage"],
    )
    return Emissions(data["mass_gco2e"], tuple(data["interval_gco2e"]), intensity, data["pue"])


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return list(interval) if interval else None
