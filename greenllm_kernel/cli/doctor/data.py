"""What the doctor found as plain data, for programs: ``greenllm doctor --json``."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from typing import Any

from greenllm_kernel import __version__
from greenllm_kernel.accounting.record import ChannelEnergy
from greenllm_kernel.cli.doctor.examination import Examination, Examined
from greenllm_kernel.metering.characterization.characterize import Characteristics

SCHEMA = 1


def as_data(found: Examination) -> dict[str, Any]:
    """Return the findings as JSON data; what is not known is null."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "meters": [_meter(meter, found.record.duration_s) for meter in found.meters],
        "unusable": [asdict(unusable) for unusable in found.unusable],
        "unused": list(found.unused),
        "silent": list(found.silent),
        "own_cost": asdict(found.own_cost) if found.own_cost else None,
        "settings": [asdict(finding) for finding in found.settings],
        "jupyter": [asdict(finding) for finding in found.jupyter],
        "notes": list(found.notes),
    }


def _meter(meter: Examined, duration_s: float) -> dict[str, Any]:
    return {
        "name": meter.name,
        "works": meter.works,
        "remark": meter.remark,
        "remedy": meter.remedy,
        "warnings": list(meter.warnings),
        "channels": [
            _channel(channel, meter.characteristics.get(channel.channel_id), duration_s) for channel in meter.channels
        ],
    }


def _channel(channel: ChannelEnergy, found: Characteristics | None, duration_s: float) -> dict[str, Any]:
    energy = channel.energy
    return {
        "id": channel.channel_id,
        "label": channel.label,
        "component": channel.component.value,
        "counted": channel.counted,
        "provenance": energy.provenance.value if energy else "unavailable",
        "power_w": energy.value_j / duration_s if energy else None,
        "energy_j": energy.value_j if energy else None,
        "interval_j": list(energy.interval_j) if energy else None,
        "fault": channel.fault,
        "measured": _measured(found) if found else None,
    }


def _measured(found: Characteristics) -> dict[str, Any]:
    data = {key: value for key, value in asdict(found).items() if key != "channel"}
    data["declared"] = {
        "update_period_s": found.channel.update_period_s,
        "averaging_window_s": found.channel.averaging_window_s,
        "gain_uncertainty": found.channel.gain_uncertainty,
    }
    return data
