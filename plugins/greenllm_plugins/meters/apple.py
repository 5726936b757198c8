"""Apple silicon through ``zeus-apple-silicon``: the energy counters of macOS's IOReport, without sudo.

They are a model of Apple's (of use, frequency and voltage) and not a sensor, as far as is known; Apple itself calls
such figures estimates (manual page of ``powermetrics``). So they are estimates here, and the surest on a Mac.
"""

from __future__ import annotations

import math
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter

NAME = "apple"

MODEL_UNCERTAINTY = 0.30 / 1.96
"""Relative standard uncertainty of Apple's figures: none is published; 30 % at 95 %, taken wide."""

UPDATE_PERIOD_S = 0.01
"""Below this the counters' steps of 1 mJ show, s (zeus-apple-silicon 1.1, "Accuracy")."""

J_PER_MJ = 1e-3

POWER_SPAN_S = 0.05
"""The least span of which the mean power is taken, s: 1 mJ in it is 0.02 W."""

LONGEST_SPAN_S = 1.0
"""The longest, s: nobody read meanwhile, and the mean says little of the end."""

PARTS = (
    ("cpu_total_mj", "cpu:apple", Component.CPU, "Apple CPU"),
    ("gpu_mj", "gpu:apple", Component.GPU, "Apple GPU"),
    ("dram_mj", "dram:apple", Component.DRAM, "Memory"),
    ("ane_mj", "accelerator:apple", Component.ACCELERATOR, "Apple Neural Engine"),
)
"""Fields of ``AppleEnergyMetrics`` that add up; clusters and cores are in the CPU's, and whether the GPU's memory
is in the GPU's is not known."""

_MAY_REST = frozenset({Component.GPU, Component.ACCELERATOR})
"""Parts that are switched off while nobody uses them: a counter that stands still is believed of these alone, by
giving its mean power, 0 W, beside it."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Open the counters on a Mac with Apple's chip; silent elsewhere."""
    if (sys.platform, platform.machine()) != ("darwin", "arm64"):
        is_asked_for = NAME in (config.use_meters or ())
        return [UnusableMeter(NAME, "this is not a Mac with Apple's chip")] if is_asked_for else []
    try:
        from zeus_apple_silicon import AppleEnergyMonitor
    except ImportError as error:
        reason = f"zeus-apple-silicon cannot be imported: {error}"
        return [UnusableMeter(NAME, reason, "pip install zeus-apple-silicon")]
    try:
        meter = AppleMeter(AppleEnergyMonitor())
    except (RuntimeError, ValueError) as error:
        return [UnusableMeter(NAME, f"macOS gives no energy counters: {error}")]
    if not meter.channels():
        return [UnusableMeter(NAME, "macOS gives no energy counter of this chip", "pip install -U zeus-apple-silicon")]
    return [meter]


class AppleMeter:
    """Reads all counters of the chip by one call.

    Args:
        monitor: an ``AppleEnergyMonitor``.
    """

    name = NAME
    remark = "not tried on real hardware yet"

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor
        metrics = monitor.get_cumulative_energy()
        self._fields = {part[1]: part[0] for part in PARTS if getattr(metrics, part[0]) is not None}
        self._resting = {
            channel_id: (time.monotonic_ns(), getattr(metrics, field) * J_PER_MJ)
            for field, channel_id, component, _ in PARTS
            if channel_id in self._fields and component in _MAY_REST
        }

    def channels(self) -> Sequence[Channel]:
        """Return the parts of the chip that this generation counts."""
        return [
            Channel(
                id=channel_id,
                component=component,
                label=f"{label}, by Apple's model",
                provides=frozenset(Kind) if component in _MAY_REST else frozenset({Kind.COUNTER}),
                update_period_s=UPDATE_PERIOD_S,
                averaging_window_s=POWER_SPAN_S if component in _MAY_REST else None,
                model_uncertainty=MODEL_UNCERTAINTY,
            )
            for _, channel_id, component, label in PARTS
            if channel_id in self._fields
        ]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read every counter at one instant."""
        t_ns = time.monotonic_ns()
        try:
            metrics = self._monitor.get_cumulative_energy()
        except (RuntimeError, ValueError) as error:
            fault = f"macOS gives no energy counters at present: {error}"
            return [Reading(channel_id, Kind.COUNTER, math.nan, t_ns, fault) for channel_id in channel_ids]
        return [reading for channel_id in channel_ids for reading in self._readings(channel_id, metrics, t_ns)]

    def close(self) -> None:
        """Give macOS's subscription back."""
        self._monitor = None

    def _readings(self, channel_id: str, metrics: Any, t_ns: int) -> list[Reading]:
        energy_mj = getattr(metrics, self._fields[channel_id])
        if energy_mj is None:
            fault = "macOS no longer shows this counter"
            return [Reading(channel_id, Kind.COUNTER, math.nan, t_ns, fault)]
        energy_j = energy_mj * J_PER_MJ
        readings = [Reading(channel_id, Kind.COUNTER, energy_j, t_ns)]
        if channel_id in self._resting:
            before_ns, before_j = self._resting[channel_id]
            span_s = (t_ns - before_ns) / 1e9
            if span_s >= POWER_SPAN_S:
                self._resting[channel_id] = (t_ns, energy_j)
                if span_s <= LONGEST_SPAN_S and energy_j >= before_j:
                    readings.append(Reading(channel_id, Kind.POWER, (energy_j - before_j) / span_s, t_ns))
        return readings
