"""The verdict over simulated contests, few of each sort: ``python tests/benchmarks verdict`` makes thousands."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from greenllm_kernel.compression.comparison.verdict import Outcome
from scenarios.contests import KINDS, Contest, by_trial

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        specification = importlib.util.spec_from_file_location("benchmark_verdict", BENCHMARKS / "verdict.py")
        module = importlib.util.module_from_spec(specification)
        patch.setitem(sys.modules, specification.name, module)
        specification.loader.exec_module(module)
    return module


def test_the_same_contest_comes_again_by_its_seed() -> None:
    contest = Contest((1.0, 0.9), (1.0, 1.0), by_trial)

    assert contest.run([(0, 1)] * 4, 3) == contest.run([(0, 1)] * 4, 3) != contest.run([(0, 1)] * 4, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_disturbance_is_as_large_as_it_is_said(kind) -> None:
    contest = Contest((1.0,), (1.0,), kind, noise=0.05)
    spreads = []
    for seed in range(40):
        energies = [trial[0][0].energy.value_j for trial in contest.run([(0,)] * 24, seed)]
        mean = sum(energies) / 24
        spreads.append(sum((energy / mean - 1) ** 2 for energy in energies) / 23)

    assert 0.03 < (sum(spreads) / 40) ** 0.5 < 0.075


def test_alike_models_are_rarely_told_apart_whether_one_stops_early_or_not(benchmark) -> None:
    told = [benchmark._alike(1, index) for index in range(40)]

    for at in (0, 1):
        assert sum(verdict[at].outcome in benchmark.WRONG for verdict in told) <= 2


def test_families_of_alike_models_rarely_have_a_false_verdict(benchmark) -> None:
    families = [benchmark._family(1, index) for index in range(24)]

    assert all(len(family) == 8 for pair in families for family in pair)
    assert sum(any(verdict.outcome in benchmark.WRONG for verdict in family) for family, _ in families) <= 3


def test_a_saving_of_a_tenth_is_found_with_twelve_pairs_or_fewer(benchmark) -> None:
    told = [benchmark._changed(-0.1, by_trial, 1, index)[0] for index in range(60)]

    assert sum(verdict.outcome is Outcome.SAVES for verdict in told) >= 50
    assert min(verdict.pairs for verdict in told) < 12 and max(verdict.pairs for verdict in told) <= 12


def test_no_change_and_too_much_noise_are_told_apart(benchmark) -> None:
    quiet, loud = ([benchmark._alike_with(noise, 1, index)[0] for index in range(24)] for noise in (0.004, 0.15))

    assert sum(verdict.outcome is Outcome.UNCHANGED for verdict in quiet) >= 21
    assert sum(verdict.outcome is Outcome.INCONCLUSIVE for verdict in loud) >= 19
