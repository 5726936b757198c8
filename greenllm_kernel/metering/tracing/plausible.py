"""What power a channel can be believed to draw: while nothing was read, and where what was read is absurd."""

from __future__ import annotations

import math
from collections.abc import Mapping

from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading

LIKELY_W: Mapping[Component, float] = {
    Component.CPU: 500.0,
    Component.GPU: 1000.0,
    Component.DRAM: 150.0,
    Component.ACCELERATOR: 500.0,
    Component.PLATFORM: 3000.0,
}
"""Until more was seen, a channel is believed to draw up to this, W: the thermal design power of the largest CPUs (Intel
Xeon 6980P, AMD EPYC 9965: 500 W) and GPUs (NVIDIA B200: 1000 W), twelve memory modules, what a wall socket gives."""

ABSURD_W: Mapping[Component, float] = dict.fromkeys(Component, 1e4) | {Component.PLATFORM: 1e5}
"""No channel draws more, W: ten times a GPU; a whole machine no more than a rack (OCP ORv3 high power rack, 2024)."""

SURE_S = 1.0
"""For so long power is believed to lie between none and twice what it was; after twice as long it may be anything."""


def unseen_j(power_w: float, seconds: float, most_w: float, sure_s: float = SURE_S) -> float:
    """Return by how much the energy of a time without readings may differ from ``power_w`` all along, J.

    Args:
        power_w: power beside that time, W.
        seconds: how long nothing was read, s.
        most_w: the most the channel is believed to draw, W.
        sure_s: for how long power is believed to stay below twice ``power_w``, s.
    """
    forgotten = min(1.0, max(0.0, seconds / sure_s - 1.0))
    return (power_w + max(0.0, most_w - power_w) * forgotten) * seconds


def implausible(reading: Reading, channel: Channel) -> str | None:
    """Return what is wrong with a reading of ``channel`` that no sensor can truly give, or None."""
    unit = "J" if reading.kind is Kind.COUNTER else "W"
    if not math.isfinite(reading.value) or reading.value < 0:
        return f"the sensor gave {reading.value} {unit}"
    if reading.kind is Kind.POWER and reading.value > ABSURD_W[channel.component]:
        return f"the sensor gave {reading.value:.3g} W, which no {channel.component.value} draws"
    wraps_at_j = channel.wraps_at_j
    if reading.kind is Kind.COUNTER and wraps_at_j is not None and reading.value > wraps_at_j * (1 + 1e-9):
        return f"the sensor gave {reading.value:.6g} J, more than its range of {wraps_at_j:.6g} J"
    return None
