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

ROUNDING = 1e-9
"""Sums of the same figures, added in another order, differ by less than this part of them."""


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
        "by_provenance_j": by_provenance_to_dict(channel.energy),
        "standard_uncertainty_j": _uncertainty_to_dict(channel.energy) if channel.energy else None,
        "idle_j": channel.idle_j,
        "idle_interval_j": pair(channel.idle.interval_j) if channel.idle else None,
        "net_interval_j": pair(channel.net.interval_j) if channel.net else None,
        "share_j": channel.share_j,
        "baseline": _baseline_to_dict(channel.baseline) if channel.baseline else None,
        "coverage": channel.coverage,
        "counted": channel.counted,
        "fault": channel.fault,
    }


def channel_from_dict(data: Mapping[str, Any], estimated_j: float | None = None) -> ChannelEnergy:
    """Return the channel that :func:`channel_to_dict` described.

    Args:
        data: the channel as JSON data. Where it does not have the parts of its uncertainty (earlier versions), they
            are recovered from its intervals.
        estimated_j: how much of the whole record's energy is estimated, J; None where that is not known.
    """
    energy = _energy_from_dict(data, estimated_j)
    # Records of earlier versions have no baseline.
    baseline = _baseline_from_dict(data["baseline"]) if data.get("baseline") else None
    idle_j = data.get("idle_j")
    idle = None
    if energy is not None and baseline is not None and idle_j is not None:
        idle = baseline.energy(data["id"], energy, _idle_duration_s(data, baseline))
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


def by_provenance_to_dict(energy: Energy | None) -> dict[str, float | None]:
    """Return how much of an energy was come by in which way, J, as JSON data (nulls where nothing is known)."""
    kinds = (Provenance.MEASURED, Provenance.DERIVED, Provenance.ESTIMATED)
    return {kind.value: energy.by_provenance_j.get(kind, 0.0) if energy else None for kind in kinds}


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


def _idle_duration_s(data: Mapping[str, Any], baseline: Baseline) -> float:
    """Return the time that a channel's idle energy is about, s."""
    if baseline.power_w > 0:
        return float(data["idle_j"]) / baseline.power_w
    # At no power the interval alone tells: its half-width is the baseline's uncertainty times the time.
    interval_j = data.get("idle_interval_j")
    if interval_j is None or baseline.uncertainty_w <= 0:
        return 0.0
    return float(interval_j[1] - data["idle_j"]) / COVERAGE_FACTOR_95 / baseline.uncertainty_w


def _uncertainty_to_dict(energy: Energy) -> dict[str, float]:
    return {
        "random": energy.random_j,
        "scale": math.hypot(*energy.scale_j.values()),
        "model": math.hypot(*energy.model_j.values()),
    }


def _energy_from_dict(data: Mapping[str, Any], estimated_j: float | None) -> Energy | None:
    value_j = data["energy_j"]
    if value_j is None:
        return None
    parts_j = data.get("standard_uncertainty_j") or _recovered(data, estimated_j)
    return Energy(
        value_j=value_j,
        random_j=parts_j["random"],
        scale_j={data["id"]: parts_j["scale"]} if parts_j["scale"] else {},
        model_j={data["id"]: parts_j["model"]} if parts_j["model"] else {},
        by_provenance_j=_by_provenance_from_dict(data),
    )


def _by_provenance_from_dict(data: Mapping[str, Any]) -> dict[Provenance, float]:
    weakest, split_j = data["provenance"], data.get("by_provenance_j")
    if split_j is None:
        return {Provenance(weakest): data["energy_j"]}
    return {kind: split_j[kind] for kind in Provenance if kind in split_j and (kind == weakest or split_j[kind])}


def _recovered(data: Mapping[str, Any], estimated_j: float | None) -> dict[str, float]:
    """Return the parts of an uncertainty from the intervals: beside the random part there is a gain or a model.

    A channel with more energy than all the record has estimated is a sensor's, with an estimated part.
    """
    value_j = data["energy_j"]
    whole_j = (data["interval_j"][1] - value_j) / COVERAGE_FACTOR_95
    random_j = (data["repeatability_interval_j"][1] - value_j) / COVERAGE_FACTOR_95
    systematic_j = math.sqrt(max(0.0, whole_j**2 - random_j**2))
    is_estimate = data["provenance"] == Provenance.ESTIMATED and (
        estimated_j is None or value_j <= estimated_j * (1 + ROUNDING)
    )
    return {
        "random": random_j,
        "scale": 0.0 if is_estimate else systematic_j,
        "model": systematic_j if is_estimate else 0.0,
    }
