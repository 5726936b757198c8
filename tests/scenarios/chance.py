"""Draws what a random scenario is made of: a sensor, when it is read, and which windows are measured."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from greenllm_kernel.metering.meter import Channel, Component, Kind
from scenarios import loads
from scenarios.loads import Span, spread
from scenarios.sensor import JITTERS, Sensed, Ticks

LONG_SHARE = 0.03
"""The part of the windows that last 10 to 100 s; the others last 10 ms to 10 s."""

GAINS = (0.0, 0.01, 0.05 / math.sqrt(3), 0.05)
"""Relative standard uncertainties of a gain that channels declare."""


@dataclass
class Lateness:
    """By how much a thread wakes too late: always a little, now and then for a busy interpreter, seldom for long.

    The interpreter hands the lock on after 5 ms at the earliest (``sys.getswitchinterval``), to one of several threads.
    """

    rng: random.Random
    usual_s: float = 0.0001
    busy_share: float = 0.0
    stall_share: float = 0.0
    stall_s: Span = (0.05, 0.15)

    def __call__(self) -> float:
        late_s = self.rng.expovariate(1 / self.usual_s)
        chance = self.rng.random()
        if chance < self.stall_share:
            return late_s + self.rng.uniform(*self.stall_s)
        return late_s + (self.rng.uniform(0.0, 0.015) if chance < self.stall_share + self.busy_share else 0.0)


@dataclass
class Scenario:
    """One session: what is there to be measured, and how it is."""

    kind: str
    index: int
    seed: int
    sensed: Sensed
    windows_s: Sequence[Span]
    late: Lateness
    official: int
    found_s: float = 0.0
    is_watched: bool = False
    cpu_s: float = 0.0001
    before: Sequence[Sensed] = ()
    """Further channels of the same meter that are read first."""
    after: Sequence[Sensed] = ()
    """Further channels of the same meter that are read last."""


class Chance:
    """The random numbers of one scenario, and what most kinds have in common."""

    def __init__(self, rng: random.Random, kind: str, index: int, seed: int) -> None:
        self.rng = rng
        self.names = kind, index, seed
        self.windows_s, outermost = _windows(rng)
        self.end_s = max(ended_s for _, ended_s in self.windows_s) + 6.0
        self.outermost = outermost

    def scenario(self, sensed: Sensed, **options: object) -> Scenario:
        rng = self.rng
        given: dict[str, object] = {
            "late": Lateness(rng, usual_s=spread(rng, 2e-5, 5e-4)),
            "official": rng.randrange(len(self.windows_s)),
            "found_s": 0.0 if rng.random() < 0.7 else rng.uniform(0.0, 1.5),
            "is_watched": rng.random() < 0.4,
            "cpu_s": spread(rng, 5e-5, 1e-3),
        }
        return Scenario(*self.names, sensed, self.windows_s, **{**given, **options})  # type: ignore[arg-type]

    def load(self, make: Callable[..., loads.Load] | None = None) -> loads.Load:
        make = make or self.rng.choice((*loads.LOADS, loads.cells, loads.cells))
        return make(self.rng, self.end_s, self.outermost)

    def span_s(self, low_s: float, high_s: float) -> Span:
        """Return a span somewhere in the session, as often as not about a window's edge."""
        length_s = spread(self.rng, low_s, high_s)
        if self.rng.random() < 0.5:
            edge_s = self.rng.choice(self.rng.choice(self.windows_s))
            began_s = edge_s - self.rng.random() * length_s
        else:
            began_s = self.rng.uniform(0.0, self.end_s)
        return began_s, began_s + length_s

    # Sensors.

    def any_sensor(self, load: loads.Load) -> Sensed:
        return self.rng.choice((self.both, self.both, self.slow_counter, self.fast_counter, self.power))(load)

    def both(self, load: loads.Load, averaging_s: float | None = None) -> Sensed:
        """A card: a counter, and power refreshed as often; of some it is not known what power is a mean over."""
        declared_s = averaging_s or self.rng.choice((0.025, 0.025, 1.0, None))
        averaging_s = declared_s or spread(self.rng, 0.02, 1.0)
        return self._sensed(frozenset(Kind), load, 0.1, averaging_s, declared_s)

    def slow_counter(self, load: loads.Load, declared_s: float | None = None) -> Sensed:
        """A counter alone, refreshed every 20 to 250 ms."""
        declared_s = declared_s or spread(self.rng, 0.02, 0.25)
        return self._sensed(frozenset({Kind.COUNTER}), load, declared_s, 0.025, None)

    def fast_counter(self, load: loads.Load) -> Sensed:
        """A processor's counter: refreshed every millisecond, in steps of 15 to 61 uJ, and soon at its end."""
        rng = self.rng
        sensed = self._sensed(frozenset({Kind.COUNTER}), load, 0.001, 0.025, None)
        wraps_at_j = rng.choice((65532.610987, 262143.328850, 65712.999613))
        return replace(
            sensed,
            channel=replace(sensed.channel, component=Component.CPU, wraps_at_j=wraps_at_j),
            offset_j=wraps_at_j - rng.uniform(0.0, 5000.0) if rng.random() < 0.7 else rng.uniform(0.0, wraps_at_j),
            counter_step_j=rng.choice((2.0**-14, 2.0**-16, 1e-6)),
            counter_ticks=self.ticks(0.001, jitter=rng.choice((0.0, 0.02, 0.1))),
        )

    def power(self, load: loads.Load, is_declared: bool | None = None, period_s: float | None = None) -> Sensed:
        """Power alone, a mean over 10 ms to 1 s, refreshed every 10 to 250 ms or at each read."""
        is_declared = self.rng.random() < 0.5 if is_declared is None else is_declared
        averaging_s = spread(self.rng, 0.01, 1.0)
        if period_s is None:
            period_s = 0.0 if self.rng.random() < 0.1 else spread(self.rng, 0.01, 0.25)
        return self._sensed(frozenset({Kind.POWER}), load, period_s, averaging_s, averaging_s if is_declared else None)

    def _sensed(
        self,
        provides: frozenset[Kind],
        load: loads.Load,
        period_s: float,
        averaging_s: float,
        declared_averaging_s: float | None,
    ) -> Sensed:
        rng = self.rng
        gain_uncertainty = rng.choice(GAINS)
        channel = Channel(
            id="gpu:0",
            component=Component.GPU,
            label="simulated",
            provides=provides,
            update_period_s=period_s,
            averaging_window_s=declared_averaging_s,
            gain_uncertainty=gain_uncertainty,
        )
        return Sensed(
            channel,
            load,
            gain_error=_gain_error(rng, gain_uncertainty),
            counter_ticks=self.ticks(period_s),
            power_ticks=self.ticks(period_s),
            averaging_s=averaging_s,
            offset_j=rng.choice((0.0, rng.uniform(0.0, 1e3), rng.uniform(0.0, 1e8))),
            counter_step_j=0.001,
            power_step_w=0.001,
            power_noise=rng.choice((0.0, spread(rng, 0.001, 0.02))),
            latency_s=rng.choice((0.0, 0.0003, spread(rng, 1e-5, 1e-3))),
        )

    def ticks(self, period_s: float, jitter: float = 0.0) -> Ticks:
        """Return ticks at a random phase; ``jitter`` is the relative deviation (standard, or at most)."""
        rng = self.rng
        phase_s = rng.uniform(0.0, period_s)
        if not jitter:
            return Ticks(period_s, phase_s)
        way = rng.choice(("normal", "uniform", "walk"))
        if way == "uniform":
            return Ticks(period_s, phase_s, [rng.uniform(-jitter, jitter) * period_s for _ in range(JITTERS)])
        if way == "normal":
            most = 0.45
            deviations = [max(-most, min(most, rng.gauss(0.0, jitter))) * period_s for _ in range(JITTERS)]
            return Ticks(period_s, phase_s, deviations)
        strides = [period_s * (1 + rng.uniform(0.0, jitter)) for _ in range(JITTERS)]
        mean = math.fsum(strides) / JITTERS
        return Ticks(period_s, phase_s, strides_s=[stride * period_s / mean for stride in strides])


def _gain_error(rng: random.Random, uncertainty: float) -> float:
    """Return a gain's error.

    A channel declares a standard uncertainty. That of the built-in meters comes from the bounds in data sheets, so the
    error is rectangular within sqrt(3) of it (GUM 4.3.7); one that was calibrated has a normal one (GUM 4.3.4): half
    of each.
    """
    if rng.random() < 0.5:
        return rng.uniform(-1.0, 1.0) * math.sqrt(3) * uncertainty
    return rng.gauss(0.0, uncertainty)


def _windows(rng: random.Random) -> tuple[list[Span], list[Span]]:
    """Return the windows of a session, and those that lie in no other: nested, overlapping, one after the other."""
    windows: list[Span] = []
    outermost: list[Span] = []
    t_s = rng.uniform(0.0, 1.0)
    for _ in range(rng.randint(1, 4)):
        length_s = _length_s(rng)
        outer = (t_s, t_s + length_s)
        windows.append(outer)
        outermost.append(outer)
        if rng.random() < 0.4:
            inner_s = max(0.01, length_s * rng.uniform(0.05, 0.9))
            began_s = t_s + rng.random() * max(0.0, length_s - inner_s)
            windows.append((began_s, began_s + inner_s))
        if rng.random() < 0.25:
            began_s = t_s + rng.random() * length_s
            windows.append((began_s, began_s + min(10.0, _length_s(rng))))
        t_s = max(ended_s for _, ended_s in windows) + spread(rng, 0.001, 5.0)
    return windows, outermost


def _length_s(rng: random.Random) -> float:
    return spread(rng, 10.0, 100.0) if rng.random() < LONG_SHARE else spread(rng, 0.01, 10.0)
