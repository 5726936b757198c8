"""Contests in simulated time: what each contender truly draws, what disturbs the machine, and what a sensor shows.

Power is made of pieces of a tenth of a second. It is the contender's own, times what the machine does meanwhile: a
drift over the whole contest, and a disturbance of one of several kinds, none of which is what an estimator would wish
for. The contest knows nothing of how ratios are estimated; only the order of its trials is given.
"""

from __future__ import annotations

import functools
import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenllm_kernel.metering.profiles import Points
from greenllm_kernel.metering.virtual import SimulatedClock, VirtualMeter
from greenllm_kernel.quantities import Energy, Provenance
from unit.driven import START_NS, Driven, gpu

PIECE_S = 0.1
TRIAL_S = 1.0
"""How long a trial's window lasts, s: ten refreshes of the sensor."""

PAUSE_S = (0.05, 0.4)
"""Between two windows, s."""

LEVEL_W = 300.0
DRIFT = 0.05
"""Power rises or falls by this part of it over a whole contest."""

Noise = Callable[[random.Random, int], list[float]]
"""Gives so many pieces of a disturbance of any size."""


def by_trial(rng: random.Random, count: int) -> list[float]:
    """Each second is another, whatever the last one was."""
    pieces: list[float] = []
    while len(pieces) < count:
        pieces += [rng.gauss(0, 1)] * 12
    return pieces[:count]


def remembering(rng: random.Random, count: int) -> list[float]:
    """An Ornstein-Uhlenbeck process that forgets in half a trial to eight."""
    keep = math.exp(-PIECE_S / (TRIAL_S * 0.5 * 16 ** rng.random()))
    value, pieces = rng.gauss(0, 1), []
    for _ in range(count):
        value = keep * value + math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
        pieces.append(value)
    return pieces


def walking(rng: random.Random, count: int) -> list[float]:
    """Goes wherever chance takes it, and does not come back."""
    value, pieces = 0.0, []
    for _ in range(count):
        value += rng.gauss(0, 1)
        pieces.append(value)
    return pieces


def neighbour(rng: random.Random, count: int) -> list[float]:
    """Another process comes and goes, and draws its own while it is there."""
    stay, is_there, pieces = math.exp(-PIECE_S / (TRIAL_S * 0.5 * 10 ** rng.random())), False, []
    for _ in range(count):
        is_there = is_there if rng.random() < stay else not is_there
        pieces.append(float(is_there) + 0.1 * rng.gauss(0, 1))
    return pieces


def bursts(rng: random.Random, count: int) -> list[float]:
    """Rare and short, and much higher than all else."""
    pieces, left, height = [], 0, 0.0
    for _ in range(count):
        if left == 0 and rng.random() < 0.04:
            left, height = rng.randint(1, 8), rng.expovariate(1.0)
        left = max(0, left - 1)
        pieces.append(height if left else 0.05 * rng.gauss(0, 1))
    return pieces


def periodic(rng: random.Random, count: int) -> list[float]:
    """Swings with a period of one trial and a half to twenty."""
    period_s, phase = TRIAL_S * 1.5 * 13 ** rng.random(), rng.random()
    return [math.sin(math.tau * (at * PIECE_S / period_s + phase)) + 0.2 * rng.gauss(0, 1) for at in range(count)]


def warming(rng: random.Random, count: int) -> list[float]:
    """Rises fast at first and then hardly any more, beside noise."""
    rate = 3 + 7 * rng.random()
    noise = remembering(rng, count)
    return [3 * (1 - math.exp(-rate * at / count)) + 0.6 * noise[at] for at in range(count)]


def throttled(rng: random.Random, count: int) -> list[float]:
    """Falls at some instant, and stays there, beside noise."""
    at_piece = rng.randrange(count)
    noise = by_trial(rng, count)
    return [-2.0 * (at > at_piece) + 0.6 * noise[at] for at in range(count)]


KINDS: Sequence[Noise] = (by_trial, remembering, walking, neighbour, bursts, periodic, warming, throttled)


@dataclass(frozen=True)
class Told:
    """What the sensor showed of one window: its energy, J; and its middle, s."""

    energy: Energy
    middle_s: float


@dataclass(frozen=True)
class Contest:
    """Trials of several contenders.

    Attributes:
        powers: of each contender, as a part of the first one's.
        times: that each takes, as a part of the first one's.
        kind: of the disturbance.
        noise: standard deviation of a trial's energy that it makes, as a part of it.
        windows: in each trial, one after the other.
        is_read: whether a sensor that is refreshed ten times a second is read as measuring does; else it is one that
            knows at any instant.
    """

    powers: Sequence[float]
    times: Sequence[float]
    kind: Noise
    noise: float = 0.05
    windows: int = 1
    is_read: bool = False

    def run(self, orders: Sequence[Sequence[int]], seed: object) -> list[dict[int, list[Told]]]:
        """Return, by round and contender, what was told of each of its windows."""
        rng = random.Random(f"contest {seed}")
        spans: list[tuple[int, int, float, float]] = []
        now_s = 2.0
        for number, order in enumerate(orders):
            for contender in order:
                for _ in range(self.windows):
                    now_s += rng.uniform(*PAUSE_S)
                    spans.append((number, contender, now_s, now_s + TRIAL_S * self.times[contender]))
                    now_s = spans[-1][3]
        told = self._measured(spans, self._power(spans, rng), rng)
        found: list[dict[int, list[Told]]] = [{} for _ in orders]
        for (number, contender, _, _), one in zip(spans, told, strict=True):
            found[number].setdefault(contender, []).append(one)
        return found

    def _power(self, spans: Sequence[tuple[int, int, float, float]], rng: random.Random) -> Points:
        count = math.ceil((spans[-1][3] + 1.0) / PIECE_S)
        size = self.noise / _spread(self.kind)
        drift = DRIFT * rng.choice([-1, 1]) / count
        noise = self.kind(rng, count)
        own = [1.0] * count
        for _, contender, start_s, end_s in spans:
            for at in range(int(start_s / PIECE_S), int(end_s / PIECE_S) + 1):
                own[at] = self.powers[contender]
        return Points(
            [(at * PIECE_S, LEVEL_W * own[at] * math.exp(size * noise[at] + drift * at)) for at in range(count)]
        )

    def _measured(
        self, spans: Sequence[tuple[int, int, float, float]], power: Points, rng: random.Random
    ) -> list[Told]:
        gain = rng.uniform(-0.05, 0.05)
        if not self.is_read:
            clock = SimulatedClock(START_NS)
            exact = gpu(power, update_period_s=0.0, provides=frozenset({"counter"}), gain_error=gain)
            meter = VirtualMeter([exact], clock)

            def counter_j(t_s: float) -> float:
                clock.sleep(t_s - (clock() - START_NS) / 1e9)
                return meter.read(["gpu:0"])[0].value

            def energy(start_s: float, end_s: float) -> Energy:
                value_j = -counter_j(start_s) + counter_j(end_s)
                return Energy(value_j, by_provenance_j={Provenance.MEASURED: value_j})

            return [Told(energy(start_s, end_s), (start_s + end_s) / 2) for *_, start_s, end_s in spans]
        driven = Driven([gpu(power, gain_error=gain, counter_phase_s=rng.uniform(0, 0.1))])
        told: list[Told] = []
        waiting: list[tuple[float, float]] = []

        def take(until_s: float) -> None:
            while waiting and waiting[0][1] < until_s - 0.5:
                start_s, end_s = waiting.pop(0)
                instants = (START_NS + int(1e9 * at_s) for at_s in (start_s, end_s))
                told.append(Told(driven.energy("gpu:0", *instants), (start_s + end_s) / 2))

        for *_, start_s, end_s in spans:
            waiting.append((start_s, end_s))
            driven.run(end_s - (driven.clock() - START_NS) / 1e9)
            take(end_s)
        driven.run(0.8)
        take(math.inf)
        return told


@functools.cache
def _spread(kind: Noise) -> float:
    """Return the standard deviation of the means of single trials, over many contests, of a disturbance as it comes."""
    rng = random.Random(f"spread {kind.__name__}")
    length = round(TRIAL_S / PIECE_S)
    variances = []
    for _ in range(200):
        pieces = kind(rng, 320)
        means = [statistics.fmean(pieces[at : at + length]) for at in range(0, 310, 13)]
        variances.append(statistics.variance(means))
    return math.sqrt(statistics.fmean(variances))
