"""What is known of a closed window: its energy by channel, its emissions, its units and its status."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from greenllm_kernel.accounting.budget import Budget, budget_to_dict
from greenllm_kernel.accounting.channel_energy import ChannelEnergy as ChannelEnergy
from greenllm_kernel.accounting.channel_energy import basis_to_dict as basis_to_dict
from greenllm_kernel.accounting.channel_energy import (
    by_provenance_to_dict,
    channel_from_dict,
    channel_to_dict,
    energy_to_dict,
    instant,
    pair,
)
from greenllm_kernel.accounting.known import Known
from greenllm_kernel.accounting.readings import Reading, Readings
from greenllm_kernel.metering.idle.baseline import Basis
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, Provenance

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
        budget: what it was to draw or emit at most; None where nothing was said.
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
    budget: Budget | None = None
    overhead_s: float = 0.0
    sampler_cpu_s: float = 0.0
    series: Callable[[], Mapping[str, Sequence[tuple[float, float]]]] = field(default=dict, repr=False, compare=False)

    @property
    def mean_power_w(self) -> float | None:
        """The mean of all that was drawn over the time, W; None where that is not known."""
        return self.gross.value_j / self.duration_s if self.gross is not None and self.duration_s > 0 else None

    @property
    def provenance(self) -> Provenance:
        """The weakest provenance in the total."""
        return self.gross.provenance if self.gross else Provenance.UNAVAILABLE

    @property
    def unavailable(self) -> list[str]:
        """Ids of the channels that should count and of which no energy is known: the total lacks them."""
        return [reading.channel_id for reading in self.readings.missing]

    @property
    def partial(self) -> list[Reading]:
        """The channels in the total that gave readings for part of the time only."""
        return self.readings.partial

    @property
    def readings(self) -> Readings:
        """How far each channel that should count was read."""
        return Readings.of_channels(self.channels, self.duration_s)

    @property
    def known(self) -> Known:
        """Idle, net and share of those channels in the total that know theirs, and which ones do not."""
        # No cached_property: before Python 3.12 all records share its lock, and a forked child may find it held.
        if "_known" not in self.__dict__:
            self.__dict__["_known"] = Known.of_channels(self.channels)
        known: Known = self.__dict__["_known"]
        return known

    @property
    def idle(self) -> Energy | None:
        """What the idle machine would have drawn, J; None unless all channels in the total have a baseline."""
        return _whole(channel.idle for channel in self._summed)

    @property
    def net(self) -> Energy | None:
        """What was drawn beyond idle, J; may be below zero; None unless all channels in the total have a baseline."""
        return _whole(channel.net for channel in self._summed)

    @property
    def share_j(self) -> float | None:
        """This kernel's part of the total, J; None unless it can be told of all channels in it."""
        shares = [channel.share_j for channel in self._summed]
        known = [share_j for share_j in shares if share_j is not None]
        return math.fsum(known) if known and len(known) == len(shares) else None

    @property
    def baseline(self) -> Basis | None:
        """What :attr:`idle` and :attr:`net` rest on; None where they are not known."""
        baselines = [channel.baseline for channel in self._summed]
        known = [baseline for baseline in baselines if baseline is not None]
        return Basis.of(known) if len(known) == len(baselines) else None

    @property
    def units(self) -> dict[str, Unit]:
        """Energy per unit, by the unit's name."""
        return {name: Unit(count, self.gross) for name, count in self.counts.items()}

    @property
    def _summed(self) -> list[ChannelEnergy]:
        return [channel for channel in self.channels if channel.counted and channel.energy is not None]

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
            **budget_to_dict(self.budget),
            "status": self.status.value,
            "host": self.host,
            "started_at": instant(self.started_at),
            "duration_s": self.duration_s,
            "settled": self.settled,
            "energy": _total_to_dict(self),
            "channels": [channel_to_dict(channel) for channel in self.channels],
            "emissions": emissions_to_dict(self.emissions) if self.emissions else None,
            "units": {
                name: {
                    "count": unit.count,
                    "energy_j_per_unit": unit.energy_j_per_unit,
                    "interval_j_per_unit": pair(unit.interval_j_per_unit),
                }
                for name, unit in self.units.items()
            },
            "self": {"overhead_s": self.overhead_s, "sampler_cpu_s": self.sampler_cpu_s},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Return the record that :meth:`to_dict` described.

        Raises:
            ValueError: ``data`` is not a record of this schema.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"a record of schema {data.get('schema')!r}; this version reads schema {SCHEMA}")
        estimated_j = data["energy"]["by_provenance_j"]["estimated"]
        channels = [channel_from_dict(channel, estimated_j) for channel in data["channels"]]
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
            budget=Budget.from_dict(data),
            overhead_s=data["self"]["overhead_s"],
            sampler_cpu_s=data["self"]["sampler_cpu_s"],
        )


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


def known_net_to_dict(known: Known) -> dict[str, Any] | None:
    """Return idle and net of the channels that know theirs as JSON data; None where all do: the total's is the same."""
    if not known.lacking:
        return None
    return {
        "of": list(known.of),
        "without": list(known.without),
        "idle_j": known.idle.value_j if known.idle else None,
        "idle_interval_j": pair(known.idle.interval_j) if known.idle else None,
        "net_j": known.net.value_j if known.net else None,
        "net_interval_j": pair(known.net.interval_j) if known.net else None,
        "baseline": basis_to_dict(known.baseline) if known.baseline else None,
    }


def _total_to_dict(record: Record) -> dict[str, Any]:
    gross, idle, net, baseline = record.gross, record.idle, record.net, record.baseline
    total = energy_to_dict(gross)
    total["gross_j"] = total.pop("energy_j")
    return {
        **total,
        "idle_j": idle.value_j if idle else None,
        "idle_interval_j": pair(idle.interval_j) if idle else None,
        "net_j": net.value_j if net else None,
        "net_interval_j": pair(net.interval_j) if net else None,
        "share_j": record.share_j,
        "baseline": basis_to_dict(baseline) if baseline else None,
        "known_net": known_net_to_dict(record.known),
        "by_provenance_j": by_provenance_to_dict(gross),
        "unavailable": record.unavailable,
    }


def _emissions_from_dict(data: Mapping[str, Any]) -> Emissions:
    intensity = CarbonIntensity(
        value_gco2e_per_kwh=data["intensity_gco2e_per_kwh"],
        interval_gco2e_per_kwh=tuple(data["intensity_interval_gco2e_per_kwh"]),
        place=data["place"],
        source=data["source"],
        vintage=data["vintage"],
    )
    return Emissions(data["mass_gco2e"], tuple(data["interval_gco2e"]), intensity, data["pue"])


def _whole(energies: Iterable[Energy | None]) -> Energy | None:
    """Return the sum, or nothing where a part is missing."""
    parts = list(energies)
    known = [energy for energy in parts if energy is not None]
    return Energy.sum(known) if len(known) == len(parts) else None
