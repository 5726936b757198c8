"""A real model beside a copy of itself, over and over on this machine: how often a verdict sees what is not there.

Simulated contests (``verdict``) have the noise that they are given; here it is whatever the machine has, and each
comparison deploys both anew, so that what differs from one deployment to the next is in it too.
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from figure import Figure
from greenllm_kernel import Contender, compare
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.verdict import Outcome, Verdict
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.plugins import Plugins
from trained import trained

COMPARISONS, QUICK_COMPARISONS = 40, 8
WINDOW_S = 0.3
"""Of a trial, s: short, so that there can be many."""

MOST_WRONG = 5.0
"""Percent of the families of one comparison, three phases, in which any verdict is false."""


def figures(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Return how many comparisons have a false verdict, and whether the changes scatter as their intervals say."""
    model = trained(size="small").model
    session = Session(Configuration(), Plugins())
    try:
        families = [
            _family(model, options.seed + number, session)
            for number in range(QUICK_COMPARISONS if options.quick else COMPARISONS)
        ]
    finally:
        session.close(1.0)
    known = [family for family in families if any(verdict.interval for verdict in family)]
    wrong = [any(verdict.outcome in (Outcome.SAVES, Outcome.COSTS) for verdict in family) for family in known]
    found = [
        Figure(
            "a real model beside itself: comparisons with a false verdict",
            100 * sum(wrong) / len(wrong) if wrong else math.nan,
            "%",
            MOST_WRONG,
            f"{sum(wrong)} of {len(wrong)}, three phases each, both deployed anew each time; "
            f"{len(families) - len(known)} more could not be told",
        )
    ]
    for phase in dict.fromkeys(verdict.phase for family in families for verdict in family):
        found += _of_phase(phase, [verdict for family in families for verdict in family if verdict.phase == phase])
    return found


def _family(model: object, seed: int, session: Session) -> Sequence[Verdict]:
    again = Contender("again", copy.deepcopy(model))
    return compare(
        model, again, prompt_tokens=32, new_tokens=16, window_s=WINDOW_S, warm_up_s=0.3, session=session, seed=seed
    ).verdicts


def _of_phase(phase: str, verdicts: Sequence[Verdict]) -> list[Figure]:
    known = [(verdict, verdict.interval) for verdict in verdicts if verdict.change is not None and verdict.interval]
    name = f"  {phase}: 99 % intervals that hold no change"
    if len(known) < 2:
        return [Figure(name, math.nan, "%", note=f"{len(known)} of {len(verdicts)} could be told")]
    scatter = statistics.stdev(math.log1p(verdict.change or 0.0) for verdict, _ in known)
    half = statistics.median((math.log1p(high) - math.log1p(low)) / 2 for _, (low, high) in known)
    held = [low <= 0 <= high for _, (low, high) in known]
    return [
        Figure(
            name,
            100 * sum(held) / len(held),
            "%",
            note=f"{len(held)}; changes scatter by {100 * scatter:.2g} %; half an interval is {100 * half:.2g} % in "
            f"the median; {statistics.mean(verdict.pairs for verdict, _ in known):.1f} pairs in the mean",
        )
    ]
