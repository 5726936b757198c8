"""Reads RAPL's counters, whichever way they are opened."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenllm_kernel.metering.meter import Channel, Kind, Reading
from greenllm_plugins.meters.powercap import zone_limit_w
from greenllm_plugins.meters.rapl_parts import Part, described

REMARK = "not yet tried on real hardware"


class RaplMeter:
    """Reads counters from files that stay open.

    Args:
        name: of the meter.
        parts: by the channel made of each.
        remedy: what opens the counters among them that cannot be read; empty where all can.
        zones: by channel, the folder of the kernel's powercap that has its power limit.
    """

    remark = REMARK

    def __init__(
        self, name: str, parts: Mapping[Channel, Part], remedy: str = "", zones: Mapping[str, Path] | None = None
    ) -> None:
        self.name = name
        self.remedy = remedy
        self._parts = {channel.id: part for channel, part in parts.items()}
        self._channels = list(parts)
        self._zones = zones or {}

    def channels(self) -> Sequence[Channel]:
        """Return the boards, packages, their parts and DRAM, in the kernel's order."""
        return self._channels

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read each counter; one that cannot be read gives a fault and leaves the others alone."""
        return [self._read(channel_id) for channel_id in channel_ids]

    def limits_w(self, channel_ids: Sequence[str]) -> Mapping[str, float]:
        """Return the sustained power limits that are switched on, W."""
        limits_w = {key: zone_limit_w(self._zones[key]) for key in channel_ids if key in self._zones}
        return {key: limit_w for key, limit_w in limits_w.items() if limit_w is not None}

    def close(self) -> None:
        """Close the files."""
        for part in self._parts.values():
            part.close()

    def _read(self, channel_id: str) -> Reading:
        t_ns = time.monotonic_ns()
        part = self._parts[channel_id]
        try:
            return Reading(channel_id, Kind.COUNTER, part.energy_j(), t_ns)
        except (OSError, ValueError) as error:
            return Reading(channel_id, Kind.COUNTER, math.nan, t_ns, f"{part}: {described(error)}")
