"""A simulated sensor: what a meter shows of a true load, with every fault real ones were seen to have."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from greenllm_kernel.errors import MeterError
from greenllm_kernel.metering.meter import Channel, Kind, Reading
from scenarios.loads import Load, Span
from scenarios.simulated_time import SimulatedTime

JITTERS = 1024
"""Random deviations of ticks; they come again after so many."""


NONSENSE = {
    Kind.COUNTER: (math.nan, -1.0, 0.0, 2.0**64 / 1e3, math.inf),
    Kind.POWER: (math.nan, -5.0, 12.5e6, math.inf),
}
"""What sensors were seen to give now and then: nothing, minus something, all bits set, 12.5 MW."""


@dataclass
class Ticks:
    """The instants at which a sensor's figure is refreshed.

    Attributes:
        period_s: between two of them, s; 0: at each read.
        phase_s: one of them, s.
        deviations_s: by which each comes early or late, s; below half of the period.
        strides_s: instead, how long each takes, s: deviations add up.
        frozen_s: spans in which there are none.
    """

    period_s: float
    phase_s: float = 0.0
    deviations_s: Sequence[float] = ()
    strides_s: Sequence[float] = ()
    frozen_s: Sequence[Span] = ()
    _walked: list[float] = field(default_factory=list)

    def last_s(self, t_s: float) -> float:
        """Return the latest one not after ``t_s``."""
        for began_s, ended_s in self.frozen_s:
            if began_s <= t_s < ended_s:
                t_s = began_s
        if self.period_s <= 0:
            return t_s
        if self.strides_s:
            return self._walk(t_s)
        number = math.floor((t_s - self.phase_s) / self.period_s) + 1
        while self._at_s(number) > t_s:
            number -= 1
        return self._at_s(number)

    def _at_s(self, number: int) -> float:
        deviation_s = self.deviations_s[number % len(self.deviations_s)] if self.deviations_s else 0.0
        return self.phase_s + number * self.period_s + deviation_s

    def _walk(self, t_s: float) -> float:
        walked = self._walked
        if not walked:
            walked.append(self.phase_s - 5.0)
        while walked[-1] <= t_s:
            walked.append(walked[-1] + self.strides_s[len(walked) % len(self.strides_s)])
        index = len(walked) - 1
        while index > 0 and walked[index] > t_s:
            index -= 1
        return walked[index]


@dataclass
class Sensed:
    """One channel: what it declares, what it truly draws, and how its sensor distorts that.

    Attributes:
        channel: as declared.
        load: the true power.
        gain_error: relative error of all it shows.
        counter_ticks, power_ticks: when the two are refreshed.
        averaging_s: the span power is a mean over, whatever is declared, s.
        offset_j: what the counter shows at instant 0, J.
        counter_step_j, power_step_w: resolution; 0: exact.
        power_noise: relative standard deviation of what power shows.
        resets_s: when the counter starts at 0 again, s, in order.
        gaps_s: spans in which a read gives a fault.
        breaks_s: spans in which a read raises.
        latency_s: how long a read takes, s; the sensor is looked at somewhere within.
        regain_s: at most so much longer it takes to come back to Python (a busy interpreter), s.
        garbage: the share of the reads whose values are nonsense.
    """

    channel: Channel
    load: Load
    gain_error: float
    counter_ticks: Ticks
    power_ticks: Ticks
    averaging_s: float = 0.025
    offset_j: float = 0.0
    counter_step_j: float = 0.0
    power_step_w: float = 0.0
    power_noise: float = 0.0
    resets_s: Sequence[float] = ()
    gaps_s: Sequence[Span] = ()
    breaks_s: Sequence[Span] = ()
    latency_s: float = 0.0
    regain_s: float = 0.0
    garbage: float = 0.0


class Sensor:
    """A meter of simulated channels.

    Args:
        sensed: the channels.
        time: is moved on by what reads take.
        rng: for noise and for the instant within a read.
        cpu_s: processor time that one read costs, s.
    """

    name = "simulated"

    def __init__(self, sensed: Sequence[Sensed], time: SimulatedTime, rng: random.Random, cpu_s: float) -> None:
        self._by_id = {one.channel.id: one for one in sensed}
        self._time = time
        self._start_ns = time.now_ns
        self._rng = rng
        self._cpu_s = cpu_s
        self.reads = 0

    def channels(self) -> Sequence[Channel]:
        return [one.channel for one in self._by_id.values()]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        readings: list[Reading] = []
        for channel_id in channel_ids:
            readings += self._read(self._by_id[channel_id])
        return readings

    def close(self) -> None:
        pass

    def _read(self, one: Sensed) -> list[Reading]:
        self.reads += 1
        self._time.cpu_s += self._cpu_s
        t_ns = self._time.now_ns
        asked_s = (t_ns - self._start_ns) / 1e9
        looked_s = asked_s + one.latency_s * self._rng.uniform(0.2, 0.8)
        self._time.now_ns += int(1e9 * (one.latency_s + one.regain_s * self._rng.random()))
        if _within(one.breaks_s, asked_s):
            raise MeterError("the simulated meter is broken")
        fault = "the simulated sensor has no value" if _within(one.gaps_s, asked_s) else None
        return [
            Reading(one.channel.id, kind, math.nan if fault else self._value(one, kind, looked_s), t_ns, fault)
            for kind in (Kind.COUNTER, Kind.POWER)
            if kind in one.channel.provides
        ]

    def _value(self, one: Sensed, kind: Kind, t_s: float) -> float:
        if one.garbage and self._rng.random() < one.garbage:
            return self._rng.choice(NONSENSE[kind])
        return self._count_j(one, t_s) if kind is Kind.COUNTER else self._power_w(one, t_s)

    def _count_j(self, one: Sensed, t_s: float) -> float:
        tick_s = one.counter_ticks.last_s(t_s)
        joules = one.offset_j + (1 + one.gain_error) * one.load.energy_j(tick_s)
        for reset_s in one.resets_s:
            if reset_s <= t_s:
                joules = (1 + one.gain_error) * (one.load.energy_j(max(tick_s, reset_s)) - one.load.energy_j(reset_s))
        if one.counter_step_j:
            joules = math.floor(joules / one.counter_step_j) * one.counter_step_j
        return joules % one.channel.wraps_at_j if one.channel.wraps_at_j else joules

    def _power_w(self, one: Sensed, t_s: float) -> float:
        tick_s = one.power_ticks.last_s(t_s)
        drawn_j = one.load.energy_j(tick_s) - one.load.energy_j(tick_s - one.averaging_s)
        power_w = (1 + one.gain_error) * drawn_j / one.averaging_s
        if one.power_noise:
            power_w *= max(0.0, 1 + one.power_noise * self._noise(tick_s))
        if one.power_step_w:
            power_w = round(power_w / one.power_step_w) * one.power_step_w
        return power_w

    @staticmethod
    def _noise(tick_s: float) -> float:
        """Return the noise of one refresh, the same at each read of it."""
        return random.Random(tick_s).gauss(0.0, 1.0)


def _within(spans_s: Sequence[Span], t_s: float) -> bool:
    return any(began_s <= t_s < ended_s for began_s, ended_s in spans_s)
