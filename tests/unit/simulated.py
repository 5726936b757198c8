"""Sessions in simulated time over sensors that a test writes itself: what they show, and what they do wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
from greenllm_kernel.metering.window import Draw
from scenarios.driving import Driving
from scenarios.loads import Pieces, Span
from scenarios.simulated_time import SimulatedTime

Show = Callable[[float], dict[Kind, float]]
"""What a sensor shows at an instant, s after the session's start: J and W."""

GPU = Channel("gpu:0", Component.GPU, "GPU", frozenset(Kind), averaging_window_s=0.025)
POWER_ONLY = Channel("gpu:0", Component.GPU, "GPU", frozenset({Kind.POWER}), averaging_window_s=0.025)
PACKAGE = Channel("cpu:0", Component.CPU, "CPU", frozenset({Kind.COUNTER}), 0.001, wraps_at_j=262143.328)


class OwnMeter:
    """A meter of one or more channels, each of which shows what a function of time says."""

    name = "own"

    def __init__(self, shows: dict[Channel, Show], time: SimulatedTime) -> None:
        self._shows = {channel.id: (channel, show) for channel, show in shows.items()}
        self._time = time
        self._start_ns = time.now_ns
        self.reads = 0

    def channels(self) -> Sequence[Channel]:
        return [channel for channel, _ in self._shows.values()]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        self.reads += len(channel_ids)
        t_ns = self._time.now_ns
        readings = []
        for channel_id in channel_ids:
            channel, show = self._shows[channel_id]
            shown = show((t_ns - self._start_ns) / 1e9)
            readings += [Reading(channel_id, kind, shown[kind], t_ns) for kind in channel.provides if kind in shown]
        return readings

    def close(self) -> None:
        pass


def sensor(load: Pieces, offset_j: float = 5000.0, wraps_at_j: float | None = None, tick_s: float = 0.1) -> Show:
    """Return what a faultless sensor shows: a counter refreshed every ``tick_s``, and power of the last 25 ms."""

    def show(t_s: float) -> dict[Kind, float]:
        tick = math.floor(t_s / tick_s + 1e-6) * tick_s
        counted_j = offset_j + load.energy_j(tick)
        power_w = round((load.energy_j(tick) - load.energy_j(tick - 0.025)) / 0.025, 3)
        return {Kind.COUNTER: counted_j % wraps_at_j if wraps_at_j else counted_j, Kind.POWER: power_w}

    return show


def drawn(
    shows: dict[Channel, Show],
    windows_s: Sequence[Span],
    held_s: Span | None = None,
    time: SimulatedTime | None = None,
) -> list[Sequence[Draw]]:
    """Measure windows, and return what each channel drew in them.

    Args:
        shows: by channel, what its sensor shows.
        windows_s: from and to.
        held_s: a span in which no other thread than the cell's runs (the GIL is held in C).
        time: simulated; None: a new one.
    """
    time = time or SimulatedTime()
    start_ns = time.now_ns

    def late_s() -> float:
        now_s = (time.now_ns - start_ns) / 1e9
        return held_s[1] - now_s if held_s is not None and held_s[0] - 0.12 <= now_s < held_s[1] else 0.0

    driving = Driving(OwnMeter(shows, time), time, late_s, is_watched=True)
    return [measured.draws for measured in driving.measure(windows_s)]


def holds(draw: Draw, truth_j: float) -> bool:
    """Whether the interval of a draw holds the truth."""
    assert draw.energy is not None
    low_j, high_j = draw.energy.interval_j
    return low_j <= truth_j <= high_j
