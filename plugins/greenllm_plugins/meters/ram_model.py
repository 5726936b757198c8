"""An estimate of what main memory draws, for machines where no sensor can be read: watts a gigabyte."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter

NAME = "ram_model"
CHANNEL_ID = "dram:model"

W_PER_GB = 0.3725
"""Power of a gigabyte, W (Lannelongue et al. 2021, Green Algorithms, doi:10.1002/advs.202100707)."""

MOST_W = 16 * 5.0
"""Never more than sixteen modules of 5 W (CodeCarbon 3's figure for a module of a PC or server), W."""

MODEL_UNCERTAINTY = 1.0 / 1.96
"""Relative standard uncertainty: 100 % at 95 %. Measured against it: 1.5 W more for 64 GB more, where it says 24 W
(github.com/GreenAlgorithms/green-algorithms-tool/issues/14)."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Return the estimate; ``[meters.ram_model] power_w`` names the memory's power instead."""
    power_w = config.meters.get(NAME, {}).get("power_w")
    if power_w is not None:
        if type(power_w) not in (int, float) or not 0.0 < power_w < math.inf:
            return [UnusableMeter(NAME, f"power_w = {power_w!r}: expected watts", "Correct [meters.ram_model].")]
        return [RamModel(float(power_w), f"{power_w:g} W as configured")]
    try:
        import psutil
    except ImportError as error:
        return [UnusableMeter(NAME, f"psutil cannot be imported: {error}", "pip install psutil")]
    size_gb = psutil.virtual_memory().total / 1e9
    return [RamModel(memory_power_w(size_gb), f"{size_gb:.0f} GB")]


def memory_power_w(size_gb: float) -> float:
    """Return the estimated power of ``size_gb`` gigabytes of main memory, W, whatever it does."""
    return min(W_PER_GB * size_gb, MOST_W)


class RamModel:
    """Counts the modelled joules of main memory since it was made.

    Args:
        power_w: that it draws always, W.
        basis: where that comes from, in words.
    """

    name = NAME

    def __init__(self, power_w: float, basis: str) -> None:
        self._power_w = power_w
        self._start_ns = time.monotonic_ns()
        self._channel = Channel(
            id=CHANNEL_ID,
            component=Component.DRAM,
            label=f"Memory, estimated ({basis})",
            provides=frozenset({Kind.COUNTER}),
            update_period_s=0.0,
            model_uncertainty=MODEL_UNCERTAINTY,
        )

    def channels(self) -> Sequence[Channel]:
        """Return the one channel: all of main memory."""
        return [self._channel]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Return the modelled joules since the start."""
        t_ns = time.monotonic_ns()
        energy_j = self._power_w * (t_ns - self._start_ns) / 1e9
        return [Reading(channel_id, Kind.COUNTER, energy_j, t_ns) for channel_id in channel_ids]

    def close(self) -> None:
        """End; nothing is held."""
