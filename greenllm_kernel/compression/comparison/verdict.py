"""What a comparison allows one to say.

*Saves energy* or *costs energy* is said only where all of this holds:

- the change's own interval, of 99 % over all looks together, excludes 0;
- it still does after Holm's correction for all comparisons of the family (phases x batches x models), of which at
  most 5 % may have a false verdict (Holm, Scand. J. Statist. 6, 1979). The p-value of a comparison with several looks
  is the smallest over them of p / share, which the union bound makes valid at every level;
- the change is larger than 2 %.

*No change larger than X %* is said where the whole interval lies within X of 0, X being 5 % or less: two one-sided
tests at once (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987). Whatever else is *inconclusive*: too few pairs for
so much noise. *Storage saving only* is said where the file is smaller and the energy does not change; that it could
do so is ruled out by the interval, or, where energy is modelled, by the model's doing the very same operations: the
model of power knows time and load, not values. A sensor may see that zeros draw less, so there the interval decides.

Where part of the energy is modelled, the words say *(estimated)*, and the interval has the model's error in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from greenllm_kernel.compression.comparison.plan import Look
from greenllm_kernel.compression.comparison.ratio import Ratio
from greenllm_kernel.quantities import Interval, Provenance

ALLOWED_ERROR = 0.01
"""Chance of a false verdict of one comparison: intervals are of 99 %."""

FAMILY_ERROR = 0.03
"""Chance of any false verdict in a family of comparisons. At most 5 % is what is promised: the rest is kept for noise
that fits no formula, such as one that swings with the trials."""

LEAST_CHANGE = 0.02
"""A change below this is not called a saving or a cost, however surely it is there."""

MOST_UNCHANGED = 0.05
"""Where the interval reaches further than this from 0 nobody would call it no change."""

MOST_TOLD = 10.0
"""An interval that reaches beyond this change (+1,000 %) has no upper end worth telling."""


class Outcome(StrEnum):
    """What a verdict says, in one word."""

    SAVES = "saves"
    COSTS = "costs"
    UNCHANGED = "unchanged"
    STORAGE_ONLY = "storage_only"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Evidence:
    """What is known of one comparison: a contender with the baseline, in one phase at one batch.

    Attributes:
        contender: its name.
        phase: of inference.
        batch: sequences side by side.
        looked: what was found at each look that was made, in order.
        provenance: the weakest of both energies.
        is_smaller: whether the contender's file is clearly smaller than the baseline's.
        is_same_work: whether both do the very same operations on the same number formats.
        gap: why nothing was found; empty where something was.
    """

    contender: str
    phase: str
    batch: int
    looked: Sequence[tuple[Look, Ratio]]
    provenance: Provenance = Provenance.UNAVAILABLE
    is_smaller: bool = False
    is_same_work: bool = False
    gap: str = ""

    @property
    def p_value(self) -> float:
        """Over all looks together; 1 where nothing was found."""
        return min((_spent(look, ratio) for look, ratio in self.looked), default=1.0)

    @property
    def deciding(self) -> tuple[Look, Ratio]:
        """The look whose p-value counts."""
        return min(self.looked, key=lambda found: _spent(*found))


@dataclass(frozen=True)
class Verdict:
    """What may be said of a contender beside the baseline, in one phase at one batch.

    Attributes:
        contender: its name.
        phase: of inference.
        batch: sequences side by side.
        outcome: in one word.
        change: by which part its energy for one unit lies above the baseline's; None where that is not known.
        interval: of the change, at ``confidence``.
        confidence: 0.99, or more where the family is large.
        p_value: of no change at all, over all looks together, before the correction for the family.
        pairs: of trials that were made.
        provenance: the weakest of both energies.
        gap: why nothing is known; empty where something is.
    """

    contender: str
    phase: str
    batch: int
    outcome: Outcome
    change: float | None
    interval: Interval | None
    confidence: float
    p_value: float
    pairs: int
    provenance: Provenance
    gap: str = ""

    @property
    def bound(self) -> float | None:
        """How far the interval reaches from 0, as a part of the baseline's energy."""
        return max(map(abs, self.interval)) if self.interval else None

    @property
    def words(self) -> str:
        """The verdict as it is told."""
        is_estimated = self.provenance is Provenance.ESTIMATED
        match self.outcome:
            case Outcome.SAVES | Outcome.COSTS:
                return f"{self.outcome} (estimated)" if is_estimated else f"{self.outcome} energy"
            case Outcome.UNCHANGED:
                return f"no change larger than {rounded_up(100 * (self.bound or 0.0))} %"
            case Outcome.STORAGE_ONLY:
                return "storage saving only"
            case Outcome.INCONCLUSIVE:
                return "inconclusive"

    @property
    def change_text(self) -> str:
        """The change with its interval, such as ``"-12 % [-15, -9]"``."""
        return "unknown" if self.change is None or self.interval is None else change_text(self.change, self.interval)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        is_bounded = self.interval is not None and math.isfinite(self.interval[1])
        return {
            "contender": self.contender,
            "phase": self.phase,
            "batch": self.batch,
            "verdict": self.words,
            "outcome": self.outcome.value,
            "change": self.change,
            "interval": list(self.interval) if self.interval and is_bounded else None,
            "confidence": self.confidence,
            "p_value": self.p_value,
            "pairs": self.pairs,
            "provenance": self.provenance.value,
            "gap": self.gap or None,
        }


def verdicts_of(family: Sequence[Evidence]) -> Sequence[Verdict]:
    """Return the verdict of each comparison, corrected for all of them together."""
    levels = _levels([evidence.p_value for evidence in family])
    return [_verdict(evidence, level) for evidence, level in zip(family, levels, strict=True)]


def is_decided(look: Look, ratio: Ratio, family: int) -> bool:
    """Tell whether further pairs are needless: a verdict stands whatever the others of the family turn out to be.

    Args:
        look: which was just made.
        ratio: that was found at it.
        family: how many comparisons there are in all.
    """
    level = min(ALLOWED_ERROR, FAMILY_ERROR / family)
    if _spent(look, ratio) <= level and abs(ratio.change) > LEAST_CHANGE:
        return True
    return max(map(abs, ratio.interval(1 - level * look.share))) <= LEAST_CHANGE


def change_text(change: float, interval: Interval | None, unit: str = "%") -> str:
    """Return a change with its interval, such as ``"-12 % [-15, -9]"``.

    Args:
        change: as a part: -0.12.
        interval: of it; None where that is not known.
        unit: of a hundredth.
    """
    if interval is None:
        return f"{100 * change:+.1f} {unit}"
    if interval[1] > MOST_TOLD:
        return f"{100 * change:+.0f} {unit} [{100 * interval[0]:+.0f}, unbounded]"
    places = 0 if interval[1] - interval[0] >= 0.1 else 1
    low, high = (f"{100 * end:+.{places}f}" for end in interval)
    return f"{100 * change:+.{places}f} {unit} [{low}, {high}]"


def rounded_up(percent: float) -> str:
    """Return a percentage with two digits that is not smaller: ``"1.8"``, ``"0.05"``."""
    if percent <= 0:
        return "0"
    places = 1 - math.floor(math.log10(percent))
    return f"{math.ceil(percent * 10**places - 1e-9) / 10**places:.{max(0, places)}f}"


def _verdict(evidence: Evidence, level: float) -> Verdict:
    if not evidence.looked:
        return Verdict(
            contender=evidence.contender,
            phase=evidence.phase,
            batch=evidence.batch,
            outcome=Outcome.INCONCLUSIVE,
            change=None,
            interval=None,
            confidence=1 - level,
            p_value=1.0,
            pairs=0,
            provenance=evidence.provenance,
            gap=evidence.gap or "nothing was measured",
        )
    is_significant = evidence.p_value <= level
    look, ratio = evidence.deciding if is_significant else evidence.looked[-1]
    interval = ratio.interval(1 - level * look.share)
    bound = max(map(abs, interval))
    if is_significant and abs(ratio.change) > LEAST_CHANGE:
        outcome = Outcome.SAVES if ratio.change < 0 else Outcome.COSTS
    elif bound <= MOST_UNCHANGED:
        outcome = Outcome.STORAGE_ONLY if evidence.is_smaller else Outcome.UNCHANGED
    elif evidence.is_smaller and evidence.is_same_work and evidence.provenance is Provenance.ESTIMATED:
        outcome = Outcome.STORAGE_ONLY
    else:
        outcome = Outcome.INCONCLUSIVE
    return Verdict(
        contender=evidence.contender,
        phase=evidence.phase,
        batch=evidence.batch,
        outcome=outcome,
        change=ratio.change,
        interval=interval,
        confidence=1 - level,
        p_value=evidence.p_value,
        pairs=ratio.pairs,
        provenance=evidence.provenance,
        gap=evidence.gap,
    )


def _levels(p_values: Sequence[float]) -> Sequence[float]:
    """Return at which level Holm's procedure tests each of the p-values; those after the first failure at its level."""
    levels = [ALLOWED_ERROR] * len(p_values)
    has_failed, level = False, ALLOWED_ERROR
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if not has_failed:
            level = min(ALLOWED_ERROR, FAMILY_ERROR / (len(p_values) - rank))
            has_failed = p_values[index] > level
        levels[index] = level
    return levels


def _spent(look: Look, ratio: Ratio) -> float:
    return min(1.0, ratio.p_value / look.share)
