"""How often the verdict of a comparison is wrong, and how often it finds what is there, in thousands of contests.

The contests (tests/scenarios/contests.py) know nothing of the estimator. Those of A against A go through the sampler's
own schedule and traces over a virtual meter with ticks; the others take the energies from one without. Looks, stopping
and the correction are those of every comparison: only trials and their energies are simulated.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from figure import Figure
from greenllm_kernel.compression.comparison.drawn import Drawn
from greenllm_kernel.compression.comparison.looking import Looking
from greenllm_kernel.compression.comparison.plan import Look, carry_out, looks, rounds
from greenllm_kernel.compression.comparison.verdict import Outcome, Verdict, verdicts_of
from scenarios.contests import KINDS, Contest, Noise, Told, by_trial

COMPARISONS = 2_000
FAMILIES = 1_000
SAVINGS = 2_000
PROCESSES = 2

PHASE_NAMES = ("first", "second")

MODELS, PHASES, BATCHES = 2, len(PHASE_NAMES), 2
"""Of a family of eight."""

STOPPING, WHOLE = looks(12), [Look(12, 1.0)]
"""Plans: with looks at which one may stop, and with one at the end alone."""

T = TypeVar("T")

WRONG = (Outcome.SAVES, Outcome.COSTS)


@dataclass(frozen=True)
class Tried:
    """A trial of which a contest told: a window for each phase."""

    told: Sequence[Told]

    @cached_property
    def drawn(self) -> dict[str, Drawn]:
        return {phase: Drawn({"gpu:0": told.energy}, {}) for phase, told in zip(PHASE_NAMES, self.told, strict=False)}

    def middle_s(self, phase: str) -> float:
        return self.told[PHASE_NAMES.index(phase)].middle_s


def figures(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Return error rates and power, %, with stopping early and without."""
    part = 10 if options.quick else 1
    seed = options.seed
    alike = _over(_alike, COMPARISONS // part, seed)
    families = _over(_family, FAMILIES // part, seed)
    savings = _over(partial(_changed, -0.1, by_trial), SAVINGS // part, seed)
    by_kind = _over(_saving_by_kind, SAVINGS // part, seed)
    quiet = _over(partial(_alike_with, 0.004), SAVINGS // 2 // part, seed)
    loud = _over(partial(_alike_with, 0.15), SAVINGS // 2 // part, seed)
    small = _over(_small_change, SAVINGS // part, seed)
    if options.worst:
        print(_wrong_families(families), file=sys.stderr)
    found = []
    for at, how in ((0, ""), (1, ", all 12 pairs always")):
        wrong = [verdict[at].outcome in WRONG for verdict in alike]
        kinds = Counter(KINDS[n % len(KINDS)].__name__ for n, is_wrong in enumerate(wrong) if is_wrong)
        said = Counter(verdict[at].outcome.value for verdict in alike)
        note = f"{len(alike)} comparisons: {_told(said)}"
        found.append(Figure(f"A against A, saves or costs{how}", _share(wrong), "%", 2.0, note))
        note = f"{len(families)} families of {MODELS * PHASES * BATCHES}"
        is_any = [any(verdict.outcome in WRONG for verdict in family[at]) for family in families]
        found.append(Figure(f"families with a false verdict{how}", _share(is_any), "%", 5.0, note))
        finds = [verdict[at].outcome is Outcome.SAVES for verdict in savings]
        pairs = sum(verdict[at].pairs for verdict in savings) / len(savings)
        note = f"{len(savings)} comparisons, another noise in each trial; {pairs:.1f} pairs in the mean"
        found.append(Figure(f"a saving of 10 % at 5 % noise is found{how}", _share(finds), "%", least=90.0, note=note))
        if at == 0:
            for number, kind in enumerate(KINDS):
                mine = [verdict[0] for n, verdict in enumerate(by_kind) if n % len(KINDS) == number]
                note = f"{_share(v.outcome is Outcome.SAVES for v in mine):.0f} % of savings of 10 % found"
                count = sum(n % len(KINDS) == number for n in range(len(alike)))
                found.append(
                    Figure(f"  wrong with {kind.__name__}", 100 * kinds[kind.__name__] / count, "%", note=note)
                )
    unchanged = [verdict[0].outcome is Outcome.UNCHANGED for verdict in quiet]
    found.append(
        Figure(
            "A against A at 0.4 % noise: no change larger than X %",
            _share(unchanged),
            "%",
            least=90.0,
            note=_bounds(quiet),
        )
    )
    unclear = [verdict[0].outcome is Outcome.INCONCLUSIVE for verdict in loud]
    found.append(Figure("A against A at 15 % noise: inconclusive", _share(unclear), "%", least=90.0))
    claims = [(verdict[0], truth) for verdict, truth in small if verdict[0].outcome is Outcome.UNCHANGED]
    held = [abs(truth) <= (verdict.bound or 0.0) for verdict, truth in claims]
    note = f"{len(claims)} such verdicts on {len(small)} true changes up to 6 %, noise of 0.4 to 4 %"
    found.append(Figure("no change larger than X % is true", _share(held), "%", least=99.0, note=note))
    signs = [(verdict[0].change or 0.0) * truth > 0 for verdict, truth in small if verdict[0].outcome in WRONG]
    found.append(
        Figure("saves and costs have the right sign", _share(signs), "%", least=99.0, note=f"{len(signs)} verdicts")
    )
    return found


def _wrong_families(families: Sequence[tuple[Sequence[Verdict], Sequence[Verdict]]]) -> str:
    """Return by the kinds of noise of its two batches how many of the families have a false verdict."""
    wrong: Counter[str] = Counter()
    for index, (family, _) in enumerate(families):
        for number, verdict in enumerate(family):
            batch = number // (MODELS * PHASES)
            if verdict.outcome in WRONG:
                wrong[KINDS[(index + 3 * batch) % len(KINDS)].__name__] += 1
    return f"false verdicts in families: {_told(wrong)}"


def _alike(seed: int, index: int) -> tuple[Verdict, Verdict]:
    """Compare A with A over a sensor with ticks, in noise of every kind."""
    contest = Contest((1.0, 1.0), (1.0, 1.0), KINDS[index % len(KINDS)], is_read=True)
    return _both(contest, f"alike {seed} {index}")


def _alike_with(noise: float, seed: int, index: int) -> tuple[Verdict, Verdict]:
    contest = Contest((1.0, 1.0), (1.0, 1.0), KINDS[index % len(KINDS)], noise)
    return _both(contest, f"alike with {noise} {seed} {index}")


def _changed(change: float, kind: Noise, seed: int, index: int) -> tuple[Verdict, Verdict]:
    """Compare where one draws more or less, by its power, its time, or both."""
    by_power = (index % 3) / 2
    ratio = 1 + change
    contest = Contest((1.0, ratio**by_power), (1.0, ratio ** (1 - by_power)), kind)
    return _both(contest, f"changed {change} {kind.__name__} {seed} {index}")


def _saving_by_kind(seed: int, index: int) -> tuple[Verdict, Verdict]:
    return _changed(-0.1, KINDS[index % len(KINDS)], seed, index)


def _small_change(seed: int, index: int) -> tuple[tuple[Verdict, Verdict], float]:
    change = 0.06 * (index % 41 - 20) / 20
    noise = 0.004 * 10 ** ((index % 7) / 6)
    contest = Contest((1.0, 1 + change), (1.0, 1.0), KINDS[index % len(KINDS)], noise)
    return _both(contest, f"small {seed} {index}"), change


def _both(contest: Contest, name: str) -> tuple[Verdict, Verdict]:
    stopping, whole = _verdicts([contest], [name])
    return stopping[0], whole[0]


def _family(seed: int, index: int) -> tuple[Sequence[Verdict], Sequence[Verdict]]:
    """Compare models that are all alike, in two phases at two batches; each batch has its own trials."""
    alike = (1.0,) * (MODELS + 1)
    contests = [
        Contest(alike, alike, KINDS[(index + 3 * batch) % len(KINDS)], windows=PHASES) for batch in range(BATCHES)
    ]
    return _verdicts(contests, [f"family {seed} {index} {batch}" for batch in range(BATCHES)])


def _verdicts(contests: Sequence[Contest], seeds: Sequence[str]) -> tuple[Sequence[Verdict], Sequence[Verdict]]:
    """Hold contests of the same models, one for each batch, and return what is said with stopping and without."""
    lots = [random.Random(seed).getrandbits(32) for seed in seeds]
    made = [
        contest.run(rounds(len(contest.powers), STOPPING, lot), seed)
        for contest, lot, seed in zip(contests, lots, seeds, strict=True)
    ]
    trials = [[{str(one): Tried(each[one]) for one in sorted(each)} for each in of_batch] for of_batch in made]
    stopping, whole = (_seen(trials, contests[0].windows, planned, lots) for planned in (STOPPING, WHOLE))
    return stopping, whole


def _seen(
    trials: Sequence[Sequence[dict[str, Tried]]], phases: int, planned: Sequence[Look], lots: Sequence[int]
) -> Sequence[Verdict]:
    """Look at trials, by batch, round and contender, as planned, and return what is said of those that were wanted."""
    names = list(trials[0][0])
    taken: dict[tuple[str, int], dict[int, Tried]] = {}
    looking = Looking(taken, names[0], dict.fromkeys(names[1:], True), PHASE_NAMES[:phases], range(len(trials)))
    for batch, (of_batch, lot) in enumerate(zip(trials, lots, strict=True)):
        carry_out(names, planned, lot, partial(_take, taken, of_batch, batch), partial(_undecided, looking, batch))
    return verdicts_of(looking.family())


def _take(
    taken: dict[tuple[str, int], dict[int, Tried]],
    trials: Sequence[dict[str, Tried]],
    batch: int,
    name: str,
    round_number: int,
) -> bool:
    taken.setdefault((name, batch), {})[round_number] = trials[round_number - 1][name]
    return True


def _undecided(looking: Looking, batch: int, names: Collection[str], look: Look) -> Collection[str]:
    return [name for name in names if not looking.look(name, batch, look)]


def _over(one: Callable[[int, int], T], count: int, seed: int) -> list[T]:
    indices = range(count)
    with ProcessPoolExecutor(min(PROCESSES, os.cpu_count() or 1)) as pool:
        return list(pool.map(partial(one, seed), indices, chunksize=25))


def _share(those: object) -> float:
    some = list(those)  # type: ignore[call-overload]
    return 100 * sum(some) / len(some)


def _told(said: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in said.most_common())


def _bounds(verdicts: Sequence[tuple[Verdict, Verdict]]) -> str:
    bounds = sorted(verdict[0].bound or 0.0 for verdict in verdicts)
    pairs = sum(verdict[0].pairs for verdict in verdicts) / len(verdicts)
    return f"X is {100 * bounds[len(bounds) // 2]:.2g} % in the median; {pairs:.1f} pairs in the mean"
