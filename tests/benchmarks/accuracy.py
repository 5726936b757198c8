"""How true windows of 5 s to 50 ms are on a simulated pair of GPUs in real time, beside what others say of them.

Both GPUs draw a square wave of 100 and 500 W, with periods of 1.87 and 2.63 s; their counters and powers are refreshed
every 100 ms, at other phases in each trial. The truth is known in closed form. Each GPU's figure in each window counts,
once settled; the sum of both, in which errors partly cancel, stands in the notes.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figure import Figure
from process import run_on
from scenarios import waves
from standins import nvml

PERIODS_S = (1.87, 2.63)

LATENCIES_S = (0.0, 0.0003)

TRIALS = 3
"""Processes for each latency and state of the cell, each with phases of its own."""

SIMULATED_TRIALS = 20

COUNTS: dict[str, Any] = {
    "outer": 6,
    "single": {"1": 16, "0.2": 12, "0.05": 15},
    "inner": {"1": 3, "0.2": 3, "0.05": 3},
}
"""Windows of one trial: of 5 s, alone, and within each of those of 5 s."""

QUICK_COUNTS: dict[str, Any] = {
    "outer": 2,
    "single": {"1": 4, "0.2": 4, "0.05": 4},
    "inner": {"1": 3, "0.2": 3, "0.05": 3},
}

ELSEWHERE_COUNTS = {"5": 4, "1": 12, "0.2": 12, "0.05": 12}

PROCESSES = 2
"""Trials at once: one with a busy cell beside one that sleeps."""


@dataclass(frozen=True)
class Case:
    """How long a call takes, s, and whether the cell keeps Python busy."""

    latency_s: float
    is_busy: bool

    def __str__(self) -> str:
        return f"{'busy' if self.is_busy else 'asleep'} {1e3 * self.latency_s:g} ms"


CASES = [Case(latency_s, is_busy) for latency_s in LATENCIES_S for is_busy in (True, False)]


@dataclass(frozen=True)
class Told:
    """What was said of one window: relative errors, half of the repeatability interval, and whether it held."""

    length_s: float
    error: float
    is_zero: bool
    half_width: float
    holds: bool
    about: str = ""
    """Where the window's edges lay on the wave and among the ticks, for a GPU alone."""


@dataclass(frozen=True)
class Limits:
    """Of windows of one length, %: of the error in the median and at a quantile of it, and of the interval."""

    length_s: float
    median: float | None
    quantile: float
    tail: float
    interval: float


LIMITS = [
    Limits(5.0, 0.1, 1.0, 0.6, 0.5),
    Limits(1.0, 0.5, 0.99, 2.0, 2.0),
    Limits(0.2, 2.0, 0.9, 6.0, 8.0),
    Limits(0.05, None, 0.9, 20.0, 30.0),
]


def figures(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Return errors and interval widths by length of the window: the worst of four cases; then what others say."""
    nvml.build(folder / "nvml")
    trials = 1 if options.quick else SIMULATED_TRIALS if options.simulated else TRIALS
    rng = random.Random(options.seed)
    jobs = [(case, rng.randrange(2**31)) for _ in range(trials) for case in CASES]
    counts = QUICK_COUNTS if options.quick else COUNTS
    others: list[tuple[str, float, float]] = []
    if options.simulated:
        with ProcessPoolExecutor(PROCESSES) as processes:
            ours = list(processes.map(_ours_simulated, *zip(*jobs, strict=True), [counts] * len(jobs)))
    else:
        with ThreadPoolExecutor(PROCESSES) as threads:
            ours = list(threads.map(lambda job: _ours(folder, *job, counts), jobs))
            for told in threads.map(lambda latency_s: _elsewhere(folder, latency_s, options.seed), LATENCIES_S):
                others += told
    pairs: dict[Case, list[Told]] = {case: [] for case in CASES}
    singles: dict[Case, list[Told]] = {case: [] for case in CASES}
    for (case, _), (of_pair, of_one) in zip(jobs, ours, strict=True):
        pairs[case] += of_pair
        singles[case] += of_one
    if options.worst:
        print(worst(singles, options.worst), file=sys.stderr)
    found: list[Figure] = []
    for limits in LIMITS:
        found += _ours_figures(limits, _of_length(pairs, limits), _of_length(singles, limits))
        found += _others_figures(limits.length_s, others)
    return found


def _machine(latency_s: float, seed: int) -> nvml.Machine:
    rng = random.Random(seed)
    return nvml.Machine(
        [
            nvml.Gpu(
                period_s=period_s,
                phase_s=rng.uniform(0.0, period_s),
                counter_phase_s=rng.uniform(0.0, 0.1),
                power_phase_s=rng.uniform(0.0, 0.1),
                latency_s=latency_s,
            )
            for period_s in PERIODS_S
        ]
    )


def _ours(folder: Path, case: Case, seed: int, counts: dict[str, Any]) -> tuple[list[Told], list[Told]]:
    """Return what was said of the pair in each window, and of each GPU alone."""
    machine = _machine(case.latency_s, seed)
    said = run_on(machine, "window_energy.py", folder, seed=seed, is_busy=case.is_busy, **counts)
    return _told_of_all(machine, said)


def _ours_simulated(case: Case, seed: int, counts: dict[str, Any]) -> tuple[list[Told], list[Told]]:
    """As :func:`_ours`, in simulated time."""
    said, machine = waves.measured(_machine(case.latency_s, seed), seed, case.is_busy, **counts)
    return _told_of_all(machine, said)


def _told_of_all(machine: nvml.Machine, windows: Sequence[dict[str, Any]]) -> tuple[list[Told], list[Told]]:
    pairs, singles = [], []
    for said in windows:
        span_ns, length_s = said["span_ns"], said["length_s"]
        numbers = {machine.channel_id(index): index for index in range(2)}
        truths_j = [machine.true_energy_j(numbers[channel_id], *span_ns) for channel_id in said["ids"]]
        about = ["", *(_about(machine, numbers[channel_id], span_ns) for channel_id in said["ids"])]
        told = [
            Told(
                length_s=length_s,
                error=abs(value_j - truth_j) / truth_j,
                is_zero=value_j <= 0,
                half_width=(interval_j[1] - value_j) / value_j if value_j > 0 else math.inf,
                holds=interval_j[0] <= truth_j <= interval_j[1],
                about=where,
            )
            for truth_j, value_j, interval_j, where in zip(
                [sum(truths_j), *truths_j], said["values_j"], said["intervals_j"], about, strict=True
            )
        ]
        pairs.append(told[0])
        singles += told[1:]
    return pairs, singles


def _about(machine: nvml.Machine, index: int, span_ns: Sequence[int]) -> str:
    gpu = machine.gpus[index]
    parts = []
    for name, t_ns in zip(("opened", "closed"), span_ns, strict=True):
        t_s = (t_ns - machine.epoch_ns) / 1e9
        since_steps_s = [math.remainder(t_s - gpu.phase_s - at * gpu.period_s, gpu.period_s) for at in (0.0, gpu.duty)]
        step_ms, tick_ms = 1e3 * min(since_steps_s, key=abs), 1e3 * ((t_s - gpu.counter_phase_s) % gpu.counter_period_s)
        parts.append(f"{name} at {t_s:.4f} s, {tick_ms:.1f} ms after a tick, {step_ms:+.1f} ms after a step")
    return f"GPU {index} {'; '.join(parts)}"


def worst(told: dict[Case, list[Told]], count: int) -> str:
    """Return of each length the windows that were off by most."""
    lines = []
    for limits in LIMITS:
        some = [(case, one) for case, told_of in told.items() for one in told_of if one.length_s == limits.length_s]
        for case, one in sorted(some, key=lambda pair: -pair[1].error)[:count]:
            held = "" if one.holds else " DID NOT HOLD"
            lines.append(
                f"{_length(one.length_s)}, {case}: off by {100 * one.error:.2g} %, "
                f"interval {100 * one.half_width:.2g} %{held}; {one.about}"
            )
    return "\n".join(lines)


def _elsewhere(folder: Path, latency_s: float, seed: int) -> list[tuple[str, float, float]]:
    """Return by whom, of which length, s, and by how much they were off, relatively."""
    machine = _machine(latency_s, seed)
    found = []
    for said in run_on(machine, "window_energy_elsewhere.py", folder, seed=seed, counts=ELSEWHERE_COUNTS):
        for index, value_j in said["values_j"].items():
            truth_j = machine.true_energy_j(int(index), *said["span_ns"])
            found.append((said["way"], said["length_s"], abs(value_j - truth_j) / truth_j))
    return found


def _of_length(told: dict[Case, list[Told]], limits: Limits) -> dict[Case, list[Told]]:
    return {case: [one for one in some if one.length_s == limits.length_s] for case, some in told.items()}


def _ours_figures(limits: Limits, pairs: dict[Case, list[Told]], singles: dict[Case, list[Told]]) -> list[Figure]:
    name = _length(limits.length_s)
    tail = "max" if limits.quantile == 1.0 else f"p{100 * limits.quantile:.0f}"
    every = [one for told in singles.values() for one in told]
    held = sum(one.holds for one in every)
    p90 = 100 * max(quantile([one.half_width for one in told], 0.9) for told in singles.values())

    def worst(what: str, of: Callable[[list[Told]], float], limit: float | None, more: str = "") -> Figure:
        values = {case: 100 * of(told) for case, told in singles.items()}
        both = 100 * max(of(told) for told in pairs.values())
        note = "; ".join(f"{case} {value:.2g}" for case, value in values.items())
        return Figure(f"{name}, {what}", max(values.values()), "%", limit, f"{note}; the sum of both {both:.2g}{more}")

    found = [
        worst("error, median", lambda told: statistics.median(one.error for one in told), limits.median),
        worst(f"error, {tail}", lambda told: quantile([one.error for one in told], limits.quantile), limits.tail),
        worst(
            "repeatability interval, median",
            lambda told: statistics.median(one.half_width for one in told),
            limits.interval,
            f"; p90 {p90:.2g}",
        ),
        Figure(f"{name}, intervals that held", 100 * held / len(every), "%", note=f"of {len(every)}"),
    ]
    if limits.median is None:
        found.append(Figure(f"{name}, said to be 0 J", sum(one.is_zero for one in every), "windows", 0))
    return found


def _others_figures(length_s: float, others: Sequence[tuple[str, float, float]]) -> list[Figure]:
    found = []
    for way in dict.fromkeys(way for way, _, _ in others):
        errors = [error for other, other_s, error in others if other == way and other_s == length_s]
        note = f"max {100 * max(errors):.3g} %, of {len(errors)}"
        found.append(Figure(f"  {way}: error, median", 100 * statistics.median(errors), "%", note=note))
    return found


def _length(length_s: float) -> str:
    return f"{length_s:g} s" if length_s >= 0.1 else f"{1e3 * length_s:g} ms"


def quantile(numbers: Sequence[float], share: float) -> float:
    """Return the smallest of the numbers that at least this share of them does not exceed."""
    return sorted(numbers)[max(0, math.ceil(share * len(numbers)) - 1)]
