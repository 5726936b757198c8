"""One channel's part in a record, and its form as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from greenllm_kernel.metering.idle.baseline import Baseline, Basis, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, Energy, Interval, Provenance


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
        idle: what it would have drawn idle, J; None where no baseline is known.
        baseline: what ``idle`` rests on.
        share_j: this kernel's part of the energy, J; None where it cannot be told.
    """

    channel_id: str
    component: Component
    label: str
    meter: str
    energy: Energy | None
    coverage: float
    counted: bool = True
    fault: str | None = None
    idle: Energy | None = None
    baseline: Baseline | None = None
    share_j: float | None = None

    @property
    def idle_j(self) -> float | None:
        """What it would have drawn idle, J; None where no baseline is known."""
        return self.idle.value_j if self.idle else None

    @property
    def net(self) -> Energy | None:
        """What it drew beyond idle, J; may be below zero; None where either is not known."""
        return self.energy - self.idle if self.energy and self.idle else None


def channel_to_dict(channel: ChannelEnergy) -> dict[str, Any]:
    """Return a channel as JSON data, in the form of ``messages.schema.json``, ``$defs/channelEnergy``."""
    return {
        "id": channel.channel_id,
        "component": channel.component.value,
        "label": channel.label,
        "meter": channel.meter,
        **energy_to_dict(channel.energy),
        "idle_j": channel.idle_j,
        "idle_interval_j": pair(channel.idle.interval_j) if channel.idle else None,
        "net_interval_j": pair(channel.net.interval_j) if channel.net else None,
        "share_j": channel.share_j,
        "baseline": _baseline_to_dict(channel.baseline) if channel.baseline else None,
        "coverage": channel.coverage,
        "counted": channel.counted,
        "fault": channel.fault,
    }


def channel_from_dict(data: Mapping[str, Any]) -> ChannelEnergy:
    """Return the channel that :func:`channel_to_dict` described, its uncertainties recovered from its intervals."""
    energy = _energy_from_dict(data)
    # Records of earlier versions have no baseline.
    baseline = _baseline_from_dict(data["baseline"]) if data.get("baseline") else None
    idle_j = data.get("idle_j")
    idle = None
    if energy is not None and baseline is not None and idle_j is not None:
        duration_s = idle_j / baseline.power_w if baseline.power_w > 0 else 0.0
        idle = baseline.energy(data["id"], energy, duration_s)
    return ChannelEnergy(
        channel_id=data["id"],
        component=Component(data["component"]),
        label=data["label"],
        meter=data["meter"],
        energy=energy,
        coverage=data["coverage"],
        counted=data["counted"],
        fault=data["fault"],
        idle=idle,
        baseline=baseline,
        share_j=data["share_j"],
    )


def energy_to_dict(energy: Energy | None) -> dict[str, Any]:
    """Return what every energy says in JSON: value, both intervals, provenance (nulls where unknown)."""
    return {
        "energy_j": energy.value_j if energy else None,
        "interval_j": pair(energy.interval_j) if energy else None,
        "repeatability_interval_j": pair(energy.repeatability_interval_j) if energy else None,
        "provenance": (energy.provenance if energy else Provenance.UNAVAILABLE).value,
    }


def basis_to_dict(basis: Basis | Baseline) -> dict[str, Any]:
    """Return how and when a baseline was come by as JSON data."""
    return {"how": basis.how.value, "at": instant(basis.taken_at), "duration_s": basis.duration_s}


def instant(at: datetime) -> str:
    """Return an instant as records have it: UTC, to the millisecond."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pair(interval: Interval | None) -> list[float] | None:
    """Return an interval as JSON data."""
    return list(interval) if interval else None


def _baseline_to_dict(baseline: Baseline) -> dict[str, Any]:
    return {
        **basis_to_dict(baseline),
        "power_w": baseline.power_w,
        "standard_uncertainty_w": baseline.uncertainty_w,
    }


def _baseline_from_dict(data: Mapping[str, Any]) -> Baseline:
    return Baseline(
        power_w=data["power_w"],
        uncertainty_w=data["standard_uncertainty_w"],
        taken_at=datetime.fromisoformat(data["at"]),
        duration_s=data["duration_s"],
        how=How(data["how"]),
    )


def _energy_from_dict(data: Mapping[str, Any]) -> Energy | None:
    value_j = data["energy_j"]
    if value_j is None:
        return None
    provenance = Provenance(data["provenance"])
    whole_j = (data["interval_j"][1] - value_j) / COVERAGE_FACTOR_95
    random_j = (data["repeatability_interval_j"][1] - value_j) / COVERAGE_FACTOR_95
    systematic_j = {data["id"]: math.sqrt(max(0.0, whole_j**2 - random_j**2))}
    split_j = {provenance: value_j}
    if provenance is Provenance.ESTIMATED:
        return Energy(value_j, random_j, model_j=systematic_j, by_provenance_j=split_j)
    return Energy(value_j, random_j, scale_j=systematic_j, by_provenance_j=split_j)
