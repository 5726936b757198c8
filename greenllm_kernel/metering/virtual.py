"""A meter whose true power is known: what tests, demos and screenshots run on.

Everything is a function of time and a seed, so that two meters made alike give the same readings at the
same instants. All instants (``_s``) count from the meter's epoch.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from greenllm_kernel.errors import MeterError
from greenllm_kernel.metering.meter import Channel, Kind, Reading, Usage
from greenllm_kernel.metering.profiles import Profile

NS_PER_S = 1_000_000_000

Span = tuple[float, float]
"""From and to, s; the end may be infinite."""


class SimulatedClock:
    """A clock that stands still until it is moved. Calling it gives nanoseconds, like ``time.monotonic_ns``."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def __call__(self) -> int:
        return self._now_ns

    def sleep(self, duration_s: float) -> None:
        """Move on by ``duration_s``, s."""
        self._now_ns += round(duration_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class VirtualChannel:
    """A channel, what really happens there, and how its sensor distorts it.

    Attributes:
        channel: as the meter describes it; its update period is the counter's and its averaging window power's.
        profile: the true power.
        gain_error: relative error of every reading (0.02: reads 2 % too much); unknown to whoever reads.
        counter_phase_s: an instant at which the counter is refreshed, s.
        power_period_s: how often power is refreshed, s; None: as often as the counter.
        power_phase_s: an instant at which power is refreshed, s.
        jitter_s: each refresh comes up to this much early or late, s; below half of the period.
        counter_offset_j: what the counter shows at the epoch, J (real ones have run before).
        counter_step_j: resolution of the counter, J; 0: exact.
        resets_at_s: when the counter goes back to 0, s, in order.
        frozen_s: spans in which nothing is refreshed.
        gaps_s: spans in which reading gives a fault.
        read_latency_s: how long one read of this channel takes, s.
        limit_w: its power limit, W; 0: none.
        utilization: for which part of the time its device is busy, 0 to 1, by whom is not told; None: not told either.
    """

    channel: Channel
    profile: Profile
    gain_error: float = 0.0
    counter_phase_s: float = 0.0
    power_period_s: float | None = None
    power_phase_s: float = 0.0
    jitter_s: float = 0.0
    counter_offset_j: float = 1000.0
    counter_step_j: float = 0.0
    resets_at_s: Sequence[float] = ()
    frozen_s: Sequence[Span] = ()
    gaps_s: Sequence[Span] = ()
    read_latency_s: float = 0.0
    limit_w: float = 0.0
    utilization: float | None = None


class VirtualMeter:
    """Reads channels of known power.

    Args:
        channels: what can be read.
        clock: gives nanoseconds; a ``SimulatedClock`` is moved on by read latencies and hangs.
        epoch_ns: the instant of the clock from which all times of the channels count; None: now.
        seed: of the jitter.
        raises_s: spans in which ``read`` raises ``MeterError``.
        hangs_s: ``(instant_s, duration_s)``: the first read after the instant takes that long.
        name: of the meter.

    Raises:
        ValueError: two channels of one id, a jitter of half a period or more, or a utilization above 1.
    """

    def __init__(
        self,
        channels: Sequence[VirtualChannel],
        clock: Callable[[], int] = time.monotonic_ns,
        *,
        epoch_ns: int | None = None,
        seed: int = 0,
        raises_s: Sequence[Span] = (),
        hangs_s: Sequence[Span] = (),
        name: str = "virtual",
    ) -> None:
        self.name = name
        self.epoch_ns = clock() if epoch_ns is None else epoch_ns
        self.closed = False
        self._clock = clock
        self._sleep = clock.sleep if isinstance(clock, SimulatedClock) else time.sleep
        self._raises_s = tuple(raises_s)
        self._hangs_s = sorted(hangs_s)
        self._sensors = {virtual.channel.id: _Sensor(virtual, seed) for virtual in channels}
        if len(self._sensors) < len(channels):
            raise ValueError("two virtual channels have one id")

    def channels(self) -> Sequence[Channel]:
        """Return the channels in the order they were given."""
        return [sensor.virtual.channel for sensor in self._sensors.values()]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read each channel as its sensor shows it half-way through its read latency.

        Raises:
            MeterError: in the spans of ``raises_s``, after ``close``, or for a channel that does not exist.
        """
        if self.closed:
            raise MeterError("the virtual meter is closed")
        self._disturb()
        readings: list[Reading] = []
        for channel_id in channel_ids:
            sensor = self._sensor(channel_id)
            t_ns = self._clock()
            latency_s = sensor.virtual.read_latency_s
            readings.extend(sensor.read(self._seconds(t_ns) + latency_s / 2, t_ns))
            if latency_s > 0.0:
                self._sleep(latency_s)
        return readings

    def limits_w(self, channel_ids: Sequence[str]) -> Mapping[str, float]:
        """Return the limits of the channels that have one, W."""
        limits_w = {channel_id: self._sensor(channel_id).virtual.limit_w for channel_id in channel_ids}
        return {channel_id: limit_w for channel_id, limit_w in limits_w.items() if limit_w > 0}

    def usage(self, channel_ids: Sequence[str], process_ids: Collection[int]) -> Sequence[Usage]:
        """Return how long the devices have been busy whose utilization is told."""
        now_ns = self._clock()
        parts = {channel_id: self._sensor(channel_id).virtual.utilization for channel_id in channel_ids}
        fault = "the virtual meter does not tell by whom"
        return [
            Usage(channel_id, math.nan, part * self._seconds(now_ns), now_ns, fault)
            for channel_id, part in parts.items()
            if part is not None
        ]

    def close(self) -> None:
        """End the meter; nothing is held."""
        self.closed = True

    def true_energy_j(self, channel_id: str, start_ns: int, end_ns: int) -> float:
        """Return the energy really drawn between two instants of the clock, J."""
        profile = self._sensor(channel_id).virtual.profile
        return profile.energy_j(self._seconds(end_ns)) - profile.energy_j(self._seconds(start_ns))

    def true_power_w(self, channel_id: str, t_ns: int) -> float:
        """Return the power really drawn at an instant of the clock, W."""
        return self._sensor(channel_id).virtual.profile.power_w(self._seconds(t_ns))

    def _disturb(self) -> None:
        t_s = self._seconds(self._clock())
        if self._hangs_s and t_s >= self._hangs_s[0][0]:
            self._sleep(self._hangs_s.pop(0)[1])
        if _inside(self._raises_s, self._seconds(self._clock())):
            raise MeterError("the virtual meter was told to fail now")

    def _sensor(self, channel_id: str) -> _Sensor:
        try:
            return self._sensors[channel_id]
        except KeyError:
            raise MeterError(f"the virtual meter has no channel {channel_id!r}") from None

    def _seconds(self, t_ns: int) -> float:
        return (t_ns - self.epoch_ns) / NS_PER_S


class _Sensor:
    def __init__(self, virtual: VirtualChannel, seed: int) -> None:
        if virtual.utilization is not None and not 0.0 <= virtual.utilization <= 1.0:
            raise ValueError(f"utilization is {virtual.utilization!r}: it is a part of the time, 0 to 1")
        self.virtual = virtual
        channel = virtual.channel
        power_period_s = channel.update_period_s if virtual.power_period_s is None else virtual.power_period_s
        stream = random.Random(f"{seed} {channel.id}")
        self._counter_ticks, self._power_ticks = (
            _Ticks(period_s, phase_s, virtual.jitter_s, stream.getrandbits(64), virtual.frozen_s)
            for period_s, phase_s in (
                (channel.update_period_s, virtual.counter_phase_s),
                (power_period_s, virtual.power_phase_s),
            )
        )
        self._kinds = [kind for kind in Kind if kind in channel.provides]

    def read(self, t_s: float, t_ns: int) -> list[Reading]:
        channel_id = self.virtual.channel.id
        if _inside(self.virtual.gaps_s, t_s):
            fault = "the virtual sensor was told not to answer now"
            return [Reading(channel_id, kind, math.nan, t_ns, fault) for kind in self._kinds]
        return [
            Reading(channel_id, kind, self._counter_j(t_s) if kind is Kind.COUNTER else self._power_w(t_s), t_ns)
            for kind in self._kinds
        ]

    def _counter_j(self, t_s: float) -> float:
        virtual = self.virtual
        tick_s = self._counter_ticks.last(t_s)
        reset_s = max((instant for instant in virtual.resets_at_s if instant <= t_s), default=None)
        if reset_s is None:
            shown_j = virtual.counter_offset_j + self._sensed(virtual.profile.energy_j(tick_s))
        elif tick_s <= reset_s:
            shown_j = 0.0
        else:
            shown_j = self._sensed(virtual.profile.energy_j(tick_s) - virtual.profile.energy_j(reset_s))
        if virtual.counter_step_j > 0.0:
            shown_j = math.floor(shown_j / virtual.counter_step_j) * virtual.counter_step_j
        return shown_j % virtual.channel.wraps_at_j if virtual.channel.wraps_at_j else shown_j

    def _power_w(self, t_s: float) -> float:
        tick_s = self._power_ticks.last(t_s)
        window_s = self.virtual.channel.averaging_window_s
        profile = self.virtual.profile
        if not window_s:
            return self._sensed(profile.power_w(tick_s))
        return self._sensed((profile.energy_j(tick_s) - profile.energy_j(tick_s - window_s)) / window_s)

    def _sensed(self, value: float) -> float:
        return value * (1.0 + self.virtual.gain_error)


class _Ticks:
    """The instants at which a sensor refreshes its figure."""

    def __init__(self, period_s: float, phase_s: float, jitter_s: float, key: int, frozen_s: Sequence[Span]) -> None:
        if jitter_s and jitter_s >= period_s / 2:
            raise ValueError(f"jitter_s is {jitter_s!r}: it stays below half of the refresh period ({period_s!r} s)")
        self._period_s, self._phase_s, self._jitter_s = period_s, phase_s, jitter_s
        self._key = key
        self._frozen_s = frozen_s

    def last(self, t_s: float) -> float:
        """Return the latest refresh at or before ``t_s``."""
        for start_s, end_s in self._frozen_s:
            if start_s <= t_s < end_s:
                t_s = start_s
        if self._period_s <= 0.0:
            return t_s
        index = math.floor((t_s - self._phase_s) / self._period_s) + 1
        while (tick_s := self._tick(index)) > t_s:
            index -= 1
        return tick_s

    def _tick(self, index: int) -> float:
        nominal_s = self._phase_s + index * self._period_s
        return nominal_s + self._jitter_s * _uniform(self._key + index) if self._jitter_s else nominal_s


def _inside(spans: Sequence[Span], t_s: float) -> bool:
    return any(start_s <= t_s < end_s for start_s, end_s in spans)


def _uniform(key: int) -> float:
    """Return a number from -1 to 1 that looks random and depends on ``key`` alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, doi:10.1145/2660193.2660195).
    """
    mixed = key * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ mixed >> 31) / 2.0**63 - 1.0
