"""The energy of one loop, from repeats of many.

Where repeats follow one another at once, the energies of their windows add up to that of one window over all: what an
edge takes from one repeat it gives to its neighbour. So the mean is theirs, and its interval comes from their scatter
(:mod:`greenllm_kernel.accounting.repeatability`), which contains what the edges do to each repeat. It is not taken to
be narrower than the windows' own random parts, added in squares, say: a sensor that shows the same figure again and
again has no scatter. The sensor's gain and a model's error are the same in each repeat, and stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from greenllm_kernel.accounting.repeatability import repeatability, stopped
from greenllm_kernel.accounting.repeats import Repeat
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, Energy

K = TypeVar("K")


@dataclass(frozen=True)
class LoopEnergy:
    """What one loop drew on the channels that are known in every repeat.

    A channel that was lost on the way is left out of all repeats: a total that has it in some only would not be one.

    Attributes:
        channel_ids: of those channels.
        by_repeat: the energy of one loop in each repeat.
        idle: what they would have drawn idle in the time of one loop; None unless all have a baseline.
    """

    channel_ids: frozenset[str]
    by_repeat: Sequence[Energy]
    idle: Energy | None = None

    @classmethod
    def of(cls, repeats: Sequence[Repeat]) -> LoopEnergy | None:
        """Return what the repeats say, or nothing where no channel is known in all of them."""
        drawn = [
            {draw.channel.id: draw for draw in repeat.draws if draw.counted and draw.energy is not None}
            for repeat in repeats
        ]
        channel_ids = frozenset.intersection(*map(frozenset, drawn)) if drawn else frozenset()
        if not channel_ids:
            return None
        by_repeat, idles = [], []
        for repeat, draws in zip(repeats, drawn, strict=True):
            kept = [draws[channel_id] for channel_id in sorted(channel_ids)]
            by_repeat.append(_per(repeat.loops, [draw.energy for draw in kept]))
            idles.append(_per(repeat.loops, [draw.idle for draw in kept]))
        known = [energy for energy in by_repeat if energy is not None]
        return cls(channel_ids, known, _per(len(idles), idles))

    @property
    def values_j(self) -> tuple[float, ...]:
        """One for each repeat, J."""
        return tuple(energy.value_j for energy in self.by_repeat)

    def mean(self, narrowed_to: float | None = None) -> Energy:
        """Return the energy of one loop; its random part is that of the mean.

        Args:
            narrowed_to: the precision at which a search for it has stopped; None: it has not.
        """
        mean = _per(len(self.by_repeat), self.by_repeat)
        assert mean is not None  # there is a first repeat
        if len(self.by_repeat) == 1:
            return mean
        found = repeatability(self.values_j)
        if narrowed_to is not None:
            found = stopped(found, narrowed_to)
        return replace(mean, random_j=max(mean.random_j, found.half_width / COVERAGE_FACTOR_95))


def relative_half_width(energy: Energy) -> float:
    """Return half of the repeatability interval as a part of the energy; infinite where the energy is 0."""
    return COVERAGE_FACTOR_95 * energy.random_j / energy.value_j if energy.value_j > 0 else math.inf


def incomplete_channels(repeats: Sequence[Repeat]) -> tuple[str, ...]:
    """Return the labels of the channels that should count and gave readings for part of the time, or not at all."""
    wanted = {draw.channel.id: draw.channel.label for repeat in repeats for draw in repeat.draws if draw.counted}
    complete = [
        {draw.channel.id for draw in repeat.draws if draw.energy is not None and not draw.fault} for repeat in repeats
    ]
    return tuple(label for key, label in wanted.items() if not all(key in known for known in complete))


def _per(count: int, energies: Sequence[Energy | None]) -> Energy | None:
    """Return the sum of energies divided by a count, or nothing where one of them is not known."""
    known = [energy for energy in energies if energy is not None]
    total = Energy.sum(known) if len(known) == len(energies) else None
    if total is None:
        return None

    def each(parts: Mapping[K, float]) -> dict[K, float]:
        return {key: part_j / count for key, part_j in parts.items()}

    return replace(
        total,
        value_j=total.value_j / count,
        random_j=total.random_j / count,
        scale_j=each(total.scale_j),
        baseline_j=each(total.baseline_j),
        model_j=each(total.model_j),
        by_provenance_j=each(total.by_provenance_j),
    )
