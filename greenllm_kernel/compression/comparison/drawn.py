"""What was drawn for one unit of work, channel by channel, and how much of its error a ratio keeps.

In the ratio of two energies an error cancels as far as it moves both by the same part. So for each sensor what is
left of its gain's error is the difference of the parts that it has in the two sums: nothing where there is one
sensor, little where two workloads use the same parts of the machine alike.

A model's error has two causes. What is wrong about the machine (its thermal design power, its idle power) acts as a
gain does. What is wrong about the workload does not cancel: at the same load one program's instructions draw more
than another's. Two contenders that do the very same operations are one workload in this sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from greenllm_kernel.accounting.record import ChannelEnergy
from greenllm_kernel.accounting.repeatability import repeatability
from greenllm_kernel.metering.window import Draw
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, Energy

WORKLOAD_UNCERTAINTY = 0.10
"""Relative standard uncertainty of a model of a part's power from one workload to the next on one machine, where it is
not surer as a whole. That such models err by a tenth or so, and by what, shows in McCullough et al., Evaluating the
Effectiveness of Model-Based Power Characterization, USENIX ATC 2011; the figure is our choice."""


@dataclass(frozen=True)
class Drawn:
    """What one unit of work has drawn.

    Attributes:
        energies: by channel, of those that count, J.
        idles: by channel, what it would have drawn idle, J; None where that is not known.
        missing: labels of channels that should count and of which no energy is known.
    """

    energies: Mapping[str, Energy]
    idles: Mapping[str, Energy | None]
    missing: frozenset[str] = frozenset()

    @classmethod
    def of(cls, draws: Iterable[Draw | ChannelEnergy], count: float = 1.0) -> Drawn:
        """Return what a window drew, divided by how many units that was for."""
        counted = [draw for draw in draws if draw.counted]
        known = {draw.channel_id: draw for draw in counted if draw.energy is not None}
        return cls(
            {key: draw.energy.scaled(1 / count) for key, draw in known.items() if draw.energy is not None},
            {key: draw.idle.scaled(1 / count) if draw.idle else None for key, draw in known.items()},
            frozenset(draw.label for draw in counted if draw.energy is None or draw.fault),
        )

    @property
    def energy(self) -> Energy | None:
        """All of it, J; None where no channel is known."""
        return Energy.sum(self.energies.values())

    @property
    def net(self) -> Energy | None:
        """What was drawn beyond idle, J; None unless all channels have a baseline."""
        idles = [self.idles.get(key) for key in self.energies]
        known = [idle for idle in idles if idle is not None]
        energy = self.energy
        idle = Energy.sum(known)
        return energy - idle if energy is not None and idle is not None and len(known) == len(idles) else None

    def scaled(self, factor: float) -> Drawn:
        """Return this many times it."""
        return Drawn(
            {key: energy.scaled(factor) for key, energy in self.energies.items()},
            {key: idle.scaled(factor) if idle else None for key, idle in self.idles.items()},
            self.missing,
        )

    def __add__(self, other: Drawn) -> Drawn:
        """Return both together, of the channels that are known in both."""
        keys = [key for key in self.energies if key in other.energies]
        idles = {key: (self.idles.get(key), other.idles.get(key)) for key in keys}
        return Drawn(
            {key: self.energies[key] + other.energies[key] for key in keys},
            {key: one + two if one and two else None for key, (one, two) in idles.items()},
            self.missing | other.missing,
        )

    def __sub__(self, other: Drawn) -> Drawn:
        """Return what it is more than another, of the channels that are known in both."""
        return self + other.scaled(-1.0)

    def within(self, channel_ids: Iterable[str]) -> Drawn:
        """Return it with these channels alone."""
        kept = set(channel_ids)
        return replace(self, energies={key: energy for key, energy in self.energies.items() if key in kept})


def common_channels(drawn: Iterable[Drawn]) -> frozenset[str]:
    """Return the channels that are known in all of them: a sum that has one in some only would not be one."""
    known = [frozenset(one.energies) for one in drawn]
    return frozenset.intersection(*known) if known else frozenset()


def mean_of(trials: Sequence[Drawn]) -> Drawn:
    """Return the mean of trials, of the channels that are known in all."""
    return reduce(Drawn.__add__, trials).scaled(1 / len(trials))


def mean_energy(trials: Sequence[Energy]) -> Energy:
    """Return the mean of trials; its random part is how far the mean may be off, by the scatter of the trials.

    It is never less than what the windows' own random parts leave open.
    """
    total = Energy.sum(trials)
    assert total is not None, "there is a first trial"
    mean = total.scaled(1 / len(trials))
    if len(trials) == 1:
        return mean
    half_width = repeatability([trial.value_j for trial in trials]).half_width
    return replace(mean, random_j=max(mean.random_j, half_width / COVERAGE_FACTOR_95))


def systematic_of(baseline: Drawn, contender: Drawn, is_same_work: bool) -> float:
    """Return the standard uncertainty of ln(contender / baseline) that comes from sensors' gains and models.

    Args:
        baseline: the mean of its trials.
        contender: the same of the contender, of the same channels.
        is_same_work: whether both do the very same operations.
    """
    squares = 0.0
    one, two = _relative_parts(baseline), _relative_parts(contender)
    for source in {*one, *two}:
        squares += (two.get(source, 0.0) - one.get(source, 0.0)) ** 2
    if not is_same_work:
        squares += _of_workload(baseline) + _of_workload(contender)
    return math.sqrt(squares)


def _relative_parts(drawn: Drawn) -> dict[tuple[str, str], float]:
    """Return, by sensor or model, its uncertainty as a part of the whole energy."""
    energy = drawn.energy
    if energy is None or energy.value_j <= 0:
        return {}
    kinds = (("scale", energy.scale_j), ("model", energy.model_j))
    return {(kind, source): part_j / energy.value_j for kind, parts in kinds for source, part_j in parts.items()}


def _of_workload(drawn: Drawn) -> float:
    """Return the relative variance of the whole energy that the models' errors about this workload make."""
    energy = drawn.energy
    if energy is None or energy.value_j <= 0:
        return 0.0
    parts = (
        min(math.hypot(*one.model_j.values()), WORKLOAD_UNCERTAINTY * abs(one.value_j)) / energy.value_j
        for one in drawn.energies.values()
        if one.model_j
    )
    return math.fsum(part**2 for part in parts)
