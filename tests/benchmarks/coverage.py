"""How often the 95 % intervals hold the truth: random scenarios in simulated time, of every kind that is known.

The scenarios (tests/scenarios) know nothing of how energy is estimated: true power in closed form, a sensor model of
their own. What runs over them is the sampler's own loop, with its traces and windows. One window drawn from each
scenario counts, so that what is counted is independent; the others are printed beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from figure import Figure
from scenarios.kinds import KINDS
from scenarios.outcomes import FAR, LENGTHS_S, Outcome, Summary, least_share, outcomes

SCENARIOS = 10_500

QUICK_SCENARIOS = 1_050

LEAST_SHARE = 0.94
"""The part of the intervals that has to hold the truth."""

PROCESSES = 2


def figures(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Return the share of intervals that hold the truth, over all scenarios and by kind, %."""
    told = run(options)
    official = [one for one in told if one.is_official]
    print(table(told), file=sys.stderr)
    if options.index is not None:
        print(every_window(told, options.seed), file=sys.stderr)
    if options.worst:
        print(worst(told, options.worst, options.seed), file=sys.stderr)
    every = Summary.of(official)
    found = [
        Figure(
            "intervals that hold the truth",
            100 * every.share,
            "%",
            least=100 * LEAST_SHARE,
            note=f"{len(official)} scenarios, {every.unavailable} unavailable; of the repeatability intervals "
            f"{100 * every.repeatable_share:.1f} %; of all {len(told)} windows {100 * Summary.of(told).share:.1f} %",
        )
    ]
    far = sum(one.is_far_off for one in told)
    found.append(
        Figure(
            "values far off, of all windows",
            100 * far / len(told),
            "%",
            note=f"{far} of {len(told)} by more than {FAR} half-widths of the repeatability interval",
        )
    )
    ran = {one.kind for one in told}
    for kind in (kind for kind in KINDS if kind in ran):
        said = Summary.of([one for one in official if one.kind == kind])
        found.append(
            Figure(
                f"  {kind}",
                100 * said.share,
                "%",
                least=100 * least_share(said.windows, LEAST_SHARE),
                note=f"{said.windows} windows, half-width {100 * said.half_width:.2g} % in the median, "
                f"of the repeatability {100 * said.repeatability_half_width:.2g} %; {said.unavailable} unavailable",
            )
        )
    return found


def run(options: argparse.Namespace) -> list[Outcome]:
    """Run the chosen scenarios on two processes."""
    kinds = [kind for kind in KINDS if not options.kind or any(part in kind for part in options.kind)]
    if not kinds:
        raise SystemExit(f"no kind is called {options.kind}; the kinds are {', '.join(KINDS)}")
    wanted = options.scenarios or (QUICK_SCENARIOS if options.quick else SCENARIOS)
    each = max(1, wanted // len(kinds))
    indices = [options.index] if options.index is not None else range(each)
    jobs = [(kind, index) for index in indices for kind in kinds]
    if len(jobs) < 100:
        return _share(jobs, options.seed)
    shares = [jobs[start::64] for start in range(64)]
    with ProcessPoolExecutor(min(PROCESSES, os.cpu_count() or 1)) as pool:
        return [one for told in pool.map(_share, shares, [options.seed] * len(shares)) for one in told]


def _share(jobs: Sequence[tuple[str, int]], seed: int) -> list[Outcome]:
    told: list[Outcome] = []
    for kind, index in jobs:
        try:
            told += outcomes(kind, index, seed)
        except Exception as error:
            raise RuntimeError(f"the scenario --kind {kind} --index {index} --seed {seed} failed: {error!r}") from error
    return told


def table(told: Sequence[Outcome]) -> str:
    """Return, by kind and by length of the window, how well the intervals held, as lines of text."""
    lines = [
        f"{'':22}{'n':>7}{'none':>6}{'part':>6}{'holds':>8}{'repeat':>8}{'| all':>8}{'holds':>8}{'repeat':>8}"
        f"{'| half':>9}{'repeat':>9}{'error':>9}{'p90':>9}"
    ]
    groups = {kind: [one for one in told if one.kind == kind] for kind in KINDS}
    shorter_s = 0.0
    for longest_s in LENGTHS_S:
        some = [one for one in told if shorter_s < one.length_s <= longest_s]
        groups[f"to {longest_s:g} s"], shorter_s = some, longest_s
    groups["all"] = list(told)
    for name, some in groups.items():
        if not some:
            continue
        one, every = Summary.of([one for one in some if one.is_official]), Summary.of(some)
        lines.append(
            f"{name:22}{one.windows:7}{one.unavailable:6}{one.partial:6}{one.share:8.1%}{one.repeatable_share:8.1%}"
            f"{every.windows:8}{every.share:8.1%}{every.repeatable_share:8.1%}{every.half_width:9.2%}"
            f"{every.repeatability_half_width:9.2%}{every.error:9.2%}{every.error_p90:9.2%}"
        )
    return "\n".join(lines)


def worst(told: Sequence[Outcome], count: int, seed: int) -> str:
    """Return the windows whose intervals missed the truth by most, with what it takes to see each again."""
    missed = sorted((one for one in told if one.value_j is not None and not one.is_repeatable), key=lambda o: -o.miss)
    return "\n".join(_line(one, seed) for one in missed[:count])


def _line(one: Outcome, seed: int) -> str:
    value_j = "none" if one.value_j is None else f"{one.value_j:.5g}"
    return (
        f"--kind {one.kind} --index {one.index} --seed {seed} window {one.number}{'*' if one.is_official else ' '} "
        f"{one.opened_s:.4f}+{one.length_s:.4f} s: truth {one.truth_j:.5g} J, sensed {one.sensed_j:.5g}, "
        f"said {value_j} in [{one.interval_j[0]:.5g}, {one.interval_j[1]:.5g}], repeatability "
        f"[{one.repeatability_j[0]:.5g}, {one.repeatability_j[1]:.5g}], {one.miss:.1f} half-widths off; "
        f"coverage {one.coverage:.2f}, settled after {one.settled_after_s:.2f} s{'; ' + one.fault if one.fault else ''}"
    )


def every_window(told: Sequence[Outcome], seed: int) -> str:
    """Return a line for each window, in order."""
    return "\n".join(_line(one, seed) for one in told)
