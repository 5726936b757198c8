"""In which order trials are made, after how many pairs one looks, and what each look may decide.

A *round* is a trial of each contender. Rounds come in twos, one in an order that is drawn by lot, the other in the
reverse of it (A B C ... C B A): so every contender lies before and after every other equally often, and at the same
distances, and a linear drift cancels. All rounds up to a look are shuffled, so that noise with a memory cannot follow
the pattern.

One looks a few times only, and each look may spend a fixed share of the error that is allowed, the last one nearly
all of it: the union bound of what all may spend is the whole, whatever their dependence, so stopping at any of them
keeps the error (stopping by extreme results only: Haybittle, Br. J. Radiol. 44, 1971; Peto et al., Br. J. Cancer 34,
1976). The interval that belongs to a look is a *repeated confidence interval* (Jennison and Turnbull, Controlled
Clinical Trials 5, 1984): all of them together hold with the stated confidence, and so does the one at which one
stops.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from greenllm_kernel.compression.comparison.ratio import FEWEST_PAIRS

MOST_PAIRS = 12
"""Pairs made where nothing is decided earlier."""

FIRST_LOOK = 0.5
"""The first look comes after this part of the pairs; then one after every two."""

EARLY_SHARE = 0.05
"""What each look but the last may spend of the error that is allowed."""


@dataclass(frozen=True, slots=True)
class Look:
    """A point at which one may stop.

    Attributes:
        pairs: made until then.
        share: of the allowed error that this look may spend.
    """

    pairs: int
    share: float


def looks(pairs: int = MOST_PAIRS) -> Sequence[Look]:
    """Return the looks of a comparison of at most so many pairs, an even number of 4 or more.

    Raises:
        ValueError: another number.
    """
    if not isinstance(pairs, int) or pairs < FEWEST_PAIRS or pairs % 2:
        raise ValueError(
            f"pairs is {pairs!r}: expected an even number of {FEWEST_PAIRS} or more, so that drift cancels"
        )
    first = max(FEWEST_PAIRS, 2 * round(FIRST_LOOK * pairs / 2 + 0.25))
    step = 2 * max(1, round((pairs - first) / 6))
    counts = [*range(first, pairs, step), pairs]
    return [Look(count, EARLY_SHARE) for count in counts[:-1]] + [Look(pairs, 1 - EARLY_SHARE * (len(counts) - 1))]


def carry_out(
    names: Sequence[str],
    looked: Sequence[Look],
    seed: int,
    make: Callable[[str, int], bool],
    undecided: Callable[[Collection[str], Look], Collection[str]],
) -> None:
    """Make trials, round by round, until there is nothing left to decide.

    Args:
        names: of the contenders, the baseline first.
        looked: the looks, as :func:`looks` returns them.
        seed: of the lot.
        make: makes a trial of a contender in a round, from 1; false: it has failed, and its trials end.
        undecided: looks at contenders, and returns those of which more trials are wanted.
    """
    baseline, *others = names
    left: Collection[str] = others
    due = {look.pairs: look for look in looked}
    for made, order in enumerate(rounds(len(names), looked, seed), 1):
        for name in (names[index] for index in order):
            if (name == baseline or name in left) and not make(name, made):
                left = [other for other in left if other != name]
        if made in due:
            left = undecided(left, due[made])
        if not left:
            return


def rounds(contenders: int, looked: Sequence[Look], seed: int) -> Sequence[Sequence[int]]:
    """Return in which order the contenders' trials are made, round by round.

    Args:
        contenders: how many, the baseline among them; they are numbered from 0.
        looked: the looks, as :func:`looks` returns them.
        seed: of the lot.
    """
    lot = random.Random(seed)
    made: list[list[int]] = []
    for look in looked:
        block: list[list[int]] = []
        for _ in range((look.pairs - len(made)) // 2):
            order = lot.sample(range(contenders), contenders)
            block += [order, order[::-1]]
        lot.shuffle(block)
        made += block
    return made
