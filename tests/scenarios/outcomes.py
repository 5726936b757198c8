"""Runs scenarios and tells for each window whether its interval holds the truth, and what of many that amounts to."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.driving import Driving
from scenarios.kinds import scenario
from scenarios.sensor import Sensor
from scenarios.simulated_time import SimulatedTime

LENGTHS_S = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 101.0)
"""Upper ends of the classes of window lengths, s."""


FAR = 5.0
"""A value that is off by more half-widths than this was wrong with a straight face."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One window: the truth, J, and what was said of it; ``value_j`` None where it was unavailable."""

    kind: str
    index: int
    number: int
    is_official: bool
    opened_s: float
    length_s: float
    truth_j: float
    sensed_j: float
    """The truth as a sensor of this gain shows it, J: what the repeatability interval is about."""
    value_j: float | None
    interval_j: tuple[float, float]
    repeatability_j: tuple[float, float]
    coverage: float
    settled_after_s: float
    fault: str | None

    @property
    def is_covered(self) -> bool:
        return self.value_j is not None and self.interval_j[0] <= self.truth_j <= self.interval_j[1]

    @property
    def is_repeatable(self) -> bool:
        slack_j = 1e-9 * self.sensed_j
        return (
            self.value_j is not None
            and self.repeatability_j[0] - slack_j <= self.sensed_j <= self.repeatability_j[1] + slack_j
        )

    @property
    def half_width(self) -> float:
        """Half of the interval, relative to the truth."""
        return (self.interval_j[1] - self.value_j) / self.truth_j if self.value_j is not None else math.nan

    @property
    def repeatability_half_width(self) -> float:
        """Half of the repeatability interval, relative to the truth."""
        return (self.repeatability_j[1] - self.value_j) / self.truth_j if self.value_j is not None else math.nan

    @property
    def error(self) -> float:
        """Of the value, relative to the truth as the sensor shows it (its gain is nobody's fault)."""
        return abs(self.value_j - self.sensed_j) / self.sensed_j if self.value_j is not None else math.nan

    @property
    def miss(self) -> float:
        """How far the sensed truth is from the value, in half-widths of the repeatability interval."""
        if self.value_j is None:
            return math.nan
        return abs(self.value_j - self.sensed_j) / max(1e-12, self.repeatability_j[1] - self.value_j)

    @property
    def is_far_off(self) -> bool:
        """Whether it is nowhere near what its interval says."""
        return not self.is_repeatable and self.miss > FAR


def outcomes(kind: str, index: int, seed: int) -> list[Outcome]:
    """Run one scenario and return what came of its windows."""
    found = scenario(kind, index, seed)
    time = SimulatedTime()
    rng = random.Random(f"{seed}/{kind}/{index}/sensor")
    meter = Sensor([*found.before, found.sensed, *found.after], time, rng, found.cpu_s)
    driving = Driving(meter, time, found.late, found.found_s, found.is_watched)
    load, gain = found.sensed.load, 1 + found.sensed.gain_error
    told = []
    for number, measured in enumerate(driving.measure(found.windows_s)):
        opened_s, closed_s = measured.window_s
        truth_j = load.energy_j(closed_s) - load.energy_j(opened_s)
        draw = next((draw for draw in measured.draws if draw.channel.id == found.sensed.channel.id), None)
        energy = draw.energy if draw else None
        told.append(
            Outcome(
                kind=kind,
                index=index,
                number=number,
                is_official=number == found.official,
                opened_s=opened_s,
                length_s=closed_s - opened_s,
                truth_j=truth_j,
                sensed_j=gain * truth_j,
                value_j=energy.value_j if energy else None,
                interval_j=energy.interval_j if energy else (math.nan, math.nan),
                repeatability_j=energy.repeatability_interval_j if energy else (math.nan, math.nan),
                coverage=draw.coverage if draw else 0.0,
                settled_after_s=measured.settled_s - closed_s,
                fault=draw.fault if draw else "no draw",
            )
        )
    return told


@dataclass(frozen=True)
class Summary:
    """Of many windows: how many intervals held, how wide they were, how far off the values."""

    windows: int
    unavailable: int
    partial: int
    covered: int
    repeatable: int
    half_width: float
    repeatability_half_width: float
    error: float
    error_p90: float

    @classmethod
    def of(cls, told: Sequence[Outcome]) -> Summary:
        known = [one for one in told if one.value_j is not None]
        errors = sorted(one.error for one in known)
        return cls(
            windows=len(known),
            unavailable=len(told) - len(known),
            partial=sum(one.coverage < 0.99 for one in known),
            covered=sum(one.is_covered for one in known),
            repeatable=sum(one.is_repeatable for one in known),
            half_width=_median(one.half_width for one in known),
            repeatability_half_width=_median(one.repeatability_half_width for one in known),
            error=_median(errors),
            error_p90=errors[int(0.9 * len(errors))] if errors else math.nan,
        )

    @property
    def share(self) -> float:
        """The part of the intervals that held the truth."""
        return self.covered / self.windows if self.windows else math.nan

    @property
    def repeatable_share(self) -> float:
        """The part of the repeatability intervals that held what the sensor showed."""
        return self.repeatable / self.windows if self.windows else math.nan


def least_share(count: int, share: float, doubt: float = 0.001) -> float:
    """Return the share of ``count`` below which one falls by chance with a probability under ``doubt``.

    Exact: the lower ``doubt`` quantile of the binomial distribution of ``count`` and ``share``, over ``count``.
    """
    below = 0.0
    for successes in range(count + 1):
        log = math.lgamma(count + 1) - math.lgamma(successes + 1) - math.lgamma(count - successes + 1)
        below += math.exp(log + successes * math.log(share) + (count - successes) * math.log1p(-share))
        if below >= doubt:
            return successes / count
    return 1.0


def _median(numbers) -> float:
    numbers = list(numbers)
    return statistics.median(numbers) if numbers else math.nan
