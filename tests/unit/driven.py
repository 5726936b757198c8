"""Drives schedules and traces over a virtual meter in simulated time, as the reader's thread does in real time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from greenllm_kernel.errors import MeterError
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.profiles import Profile
from greenllm_kernel.metering.schedule import Schedule
from greenllm_kernel.metering.tracing.trace import Trace
from greenllm_kernel.metering.virtual import SimulatedClock, VirtualChannel, VirtualMeter

START_NS = 10**12


class Driven:
    """A virtual meter, its traces, and a clock that one moves on."""

    def __init__(self, channels: Sequence[VirtualChannel], late_s: Callable[[], float] = lambda: 0.0, **meter: object):
        self.clock = SimulatedClock(START_NS)
        self.meter = VirtualMeter(channels, self.clock, **meter)  # type: ignore[arg-type]
        self.traces = {channel.id: Trace(channel) for channel in self.meter.channels()}
        self.schedules = {key: Schedule(trace) for key, trace in self.traces.items()}
        self.reads = 0
        self._late_s = late_s
        self.begin()

    def begin(self) -> None:
        for schedule in self.schedules.values():
            schedule.begin(self.clock())

    def run(self, seconds: float) -> tuple[int, int]:
        """Read for so long; return the instants of the beginning and the end."""
        start_ns = self.clock()
        end_ns = start_ns + int(seconds * 1e9)
        while True:
            key = min(self.schedules, key=lambda key: self.schedules[key].due_ns)
            due_ns = self.schedules[key].due_ns + int(self._late_s() * 1e9)
            if due_ns > end_ns:
                break
            self.clock.sleep(max(0.0, (due_ns - self.clock()) / 1e9))
            self._read(key)
        self.clock.sleep(max(0.0, (end_ns - self.clock()) / 1e9))
        return start_ns, end_ns

    def energy(self, key: str, start_ns: int, end_ns: int):
        trace = self.traces[key]
        opening, closing = trace.edge(start_ns), trace.edge(end_ns)
        assert opening is not None
        assert closing is not None
        return trace.energy(opening, closing)

    def truth_j(self, key: str, start_ns: int, end_ns: int) -> float:
        return self.meter.true_energy_j(key, start_ns, end_ns)

    def _read(self, key: str) -> None:
        trace = self.traces[key]
        at_ns = self.clock()
        self.reads += 1
        try:
            for reading in self.meter.read([key]):
                trace.add(reading)
        except MeterError as error:
            trace.lose(str(error), at_ns)
        self.schedules[key].was_read(at_ns)


def gpu(profile: Profile, key: str = "gpu:0", counts: bool = True, **options: object) -> VirtualChannel:
    """Return a GPU as NVML shows a Hopper card; ``counts`` False leaves the energy counter out."""
    sensor = {name: options.pop(name) for name in list(options) if name in VirtualChannel.__dataclass_fields__}
    described: dict[str, object] = {
        "update_period_s": 0.1,
        "averaging_window_s": 0.025,
        "gain_uncertainty": 0.02,
        "provides": frozenset(Kind) if counts else frozenset({Kind.POWER}),
        **options,
    }
    channel = Channel(id=key, component=Component.GPU, label=key, **described)  # type: ignore[arg-type]
    return VirtualChannel(channel, profile, **sensor)  # type: ignore[arg-type]


def package(profile: Profile, key: str = "cpu:0", **options: object) -> VirtualChannel:
    """Return a CPU package as RAPL shows it: a counter refreshed every millisecond that wraps."""
    sensor = {name: options.pop(name) for name in list(options) if name in VirtualChannel.__dataclass_fields__}
    described: dict[str, object] = {"update_period_s": 0.001, "wraps_at_j": 262143.32885, **options}
    channel = Channel(
        id=key,
        component=Component.CPU,
        label=key,
        provides=frozenset({Kind.COUNTER}),
        **described,  # type: ignore[arg-type]
    )
    return VirtualChannel(channel, profile, **sensor)  # type: ignore[arg-type]
