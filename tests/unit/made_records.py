"""Records for tests, with figures one can check in one's head."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, Provenance

FRANCE = CarbonIntensity(56.0, (30.0, 105.0), "FR", "a source", "2023")
GERMANY = CarbonIntensity(381.0, (259.0, 561.0), "DE", "a source", "2023")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

_numbers = itertools.count(1)


def measured(value_j: float, random_j: float = 0.0, gain_j: float = 0.0, sensor: str = "gpu:0") -> Energy:
    return Energy(value_j, random_j, {sensor: gain_j}, by_provenance_j={Provenance.MEASURED: value_j})


def estimated(value_j: float, model_j: float, model: str = "cpu:model") -> Energy:
    return Energy(value_j, model_j={model: model_j}, by_provenance_j={Provenance.ESTIMATED: value_j})


def channel(
    channel_id: str, component: Component, energy: Energy | None, label: str | None = None, **more: Any
) -> ChannelEnergy:
    return ChannelEnergy(
        channel_id=channel_id,
        component=component,
        label=label or channel_id,
        meter=more.pop("meter", "virtual"),
        energy=energy,
        coverage=more.pop("coverage", 1.0 if energy else 0.0),
        **more,
    )


def record(
    energy: Energy | None = None,
    name: str = "cell",
    begin_s: float = 0.0,
    duration_s: float = 10.0,
    intensity: CarbonIntensity | None = FRANCE,
    channels: Sequence[ChannelEnergy] | None = None,
    **more: Any,
) -> Record:
    """Return a record of one GPU (or of ``channels``) that began ``begin_s`` seconds after noon."""
    if channels is None:
        channels = [channel("gpu:0", Component.GPU, energy, "NVIDIA H200")]
    gross = Energy.sum(c.energy for c in channels if c.counted and c.energy is not None)
    series = more.pop("series", {})
    values: dict[str, Any] = {
        "run_id": f"run-{next(_numbers)}",
        "session_id": "session-1",
        "host": "lab",
        "status": Status.OK,
        "settled": True,
        **more,
    }
    return Record(
        name=name,
        started_at=NOON + timedelta(seconds=begin_s),
        duration_s=duration_s,
        channels=channels,
        gross=gross,
        emissions=Emissions.of(gross, intensity) if gross and intensity else None,
        series=lambda: series,
        **values,
    )
