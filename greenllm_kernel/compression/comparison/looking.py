"""Looks at trials while they are made: what they say of each comparison by then, and whether more are wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from greenllm_kernel.compression.comparison.drawn import Drawn, common_channels, mean_of, systematic_of
from greenllm_kernel.compression.comparison.plan import Look
from greenllm_kernel.compression.comparison.ratio import Pair, Ratio, ratio_of
from greenllm_kernel.compression.comparison.verdict import Evidence, is_decided

Failures = Mapping[tuple[str, int], str]
"""By contender and batch, why it could not be compared there."""


class Tried(Protocol):
    """What is looked at of a trial."""

    @property
    def drawn(self) -> Mapping[str, Drawn]:
        """By phase, what one unit has drawn."""

    def middle_s(self, phase: str) -> float:
        """Return the middle of the window that tells of a phase, s."""


class Looking:
    """The family of comparisons with one baseline: each other contender in each phase at each batch.

    Args:
        trials: by contender and batch those that were made so far, by round, from 1; more come in meanwhile.
        baseline: its name.
        same_work: by name of each other contender, whether it does the very same operations as the baseline.
        phases: that are told apart.
        batches: sequences side by side.
    """

    def __init__(
        self,
        trials: Mapping[tuple[str, int], Mapping[int, Tried]],
        baseline: str,
        same_work: Mapping[str, bool],
        phases: Sequence[str],
        batches: Sequence[int],
    ) -> None:
        self._trials = trials
        self._baseline = baseline
        self._same_work = same_work
        self._phases = phases
        self._batches = batches
        self._looked: dict[tuple[str, str, int], list[tuple[Look, Ratio]]] = {}
        self._gaps: dict[tuple[str, str, int], str] = {}

    def look(self, name: str, batch: int, look: Look) -> bool:
        """Look at a contender beside the baseline, and tell whether further pairs are needless in every phase."""
        family = len(self._same_work) * len(self._batches) * len(self._phases)
        decided = []
        for phase in self._phases:
            ratio = self._ratio(name, phase, batch, look.pairs)
            if ratio is not None:
                self._looked.setdefault((name, phase, batch), []).append((look, ratio))
            decided.append(ratio is None or is_decided(look, ratio, family))
        return all(decided)

    def family(self, failures: Failures | None = None) -> Sequence[Evidence]:
        """Return what was found of each comparison. A failure takes the word from a contender at its batch alone."""
        failures = failures or {}
        found = []
        for batch in self._batches:
            why = failures.get((self._baseline, batch))
            of_baseline = f"{self._baseline} failed: {why}" if why else ""
            for name, is_same_work in self._same_work.items():
                failure = failures.get((name, batch)) or of_baseline
                for phase in self._phases:
                    looked = () if failure else self._looked.get((name, phase, batch), ())
                    gap = failure or self._gaps.get((name, phase, batch), "")
                    if not gap and not looked:
                        gap = self._unseen(name, batch)
                    found.append(Evidence(name, phase, batch, looked, is_same_work=is_same_work, gap=gap))
        return found

    def _unseen(self, name: str, batch: int) -> str:
        """Return why nothing is said of trials that were made of both; nothing where there are none."""
        both = all(self._trials.get((each, batch)) for each in (self._baseline, name))
        return "interrupted before the first look" if both else ""

    def _ratio(self, name: str, phase: str, batch: int, rounds: int) -> Ratio | None:
        """Return what the first rounds say; nothing, and why, where there is no energy to compare."""
        baseline = self._trials.get((self._baseline, batch), {})
        contender = self._trials.get((name, batch), {})
        numbers = [number for number in sorted(baseline) if number in contender and number <= rounds]
        two = [[trials[number].drawn[phase] for number in numbers] for trials in (baseline, contender)]
        channels = common_channels([*two[0], *two[1]])
        key = name, phase, batch
        if not channels:
            self._gaps[key] = "no part of the machine could be read throughout"
            return None
        theirs, mine = ([drawn.within(channels) for drawn in some] for some in two)
        pairs = []
        for number, one, other in zip(numbers, theirs, mine, strict=True):
            energies = [energy for energy in (one.energy, other.energy) if energy is not None and energy.value_j > 0]
            if len(energies) < 2:
                # To go on without such pairs would be to choose among the trials by what they show.
                self._gaps[key] = "the phase is too short for the sensor: its energy comes out at 0 J or less"
                self._looked.pop(key, None)
                return None
            middles = baseline[number].middle_s(phase), contender[number].middle_s(phase)
            edges = math.hypot(*(energy.random_j / energy.value_j for energy in energies))
            pairs.append(Pair(energies[0].value_j, energies[1].value_j, middles[1] - middles[0], edges))
        return ratio_of(pairs, systematic_of(mean_of(theirs), mean_of(mine), self._same_work[name]))
