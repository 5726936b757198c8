"""The fit of a sum of features to power, and its held-out error."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable

import pytest

from greenllm_kernel.errors import CalibrationError
from greenllm_kernel.metering.calibration.fit import Formula
from greenllm_kernel.metering.calibration.fitting import IDLE, Observation, fit, formula, held_out_errors

FEATURES = ("time", "first", "busy")
KINDS = ("integer", "floating point", "memory", "interpreter")

Law = Callable[[str, float], float]
"""Power, W, by kind of load and number of busy CPUs."""


def seen(law: Law, cpus: int = 16, kinds: tuple[str, ...] = KINDS) -> list[Observation]:
    def one(kind: str, busy: float) -> Observation:
        return Observation(kind, {"time": 1.0, "first": min(1.0, busy), "busy": busy}, law(kind, busy))

    loads = [one(kind, busy) for kind in kinds for busy in (1.0, cpus / 2, float(cpus))]
    return [one(IDLE, 0.02), *loads, one(IDLE, 0.01)]


def steady(kind: str, busy: float) -> float:
    return 12.0 + 20.0 * min(1.0, busy) + 5.0 * busy


def test_the_law_behind_the_power_is_found() -> None:
    assert fit(seen(steady), FEATURES) == pytest.approx({"time": 12.0, "first": 20.0, "busy": 5.0})
    assert max(map(abs, held_out_errors(seen(steady), FEATURES))) < 1e-9


def test_no_coefficient_is_below_zero() -> None:
    def saving(kind: str, busy: float) -> float:
        return 20.0 - 2.0 * min(1.0, busy) + 5.0 * busy

    found = fit(seen(saving), FEATURES)

    assert found["first"] == 0.0 and found["busy"] == pytest.approx(5.0, rel=0.05)


def test_features_that_cannot_be_told_apart_are_not_split_at_random() -> None:
    found = fit(seen(lambda kind, busy: 10.0 + 4.0 * busy, cpus=1), FEATURES)

    assert found["time"] == pytest.approx(10.0)
    assert sorted((found["first"], found["busy"])) == pytest.approx([0.0, 4.0])


def test_small_powers_are_fitted_as_well_as_large_ones() -> None:
    off = {"integer": 1.1, "memory": 0.9}
    found = fit(seen(lambda kind, busy: steady(kind, busy) * off.get(kind, 1.0)), FEATURES)

    assert found["time"] == pytest.approx(12.0, rel=0.02)


def test_the_held_out_error_is_what_sets_a_kind_of_load_apart() -> None:
    def heavy(kind: str, busy: float) -> float:
        return 12.0 + (20.0 * min(1.0, busy) + 5.0 * busy) * (1.5 if kind == "floating point" else 1.0)

    observations = seen(heavy)
    errors = held_out_errors(observations, FEATURES)

    of_heavy = [error for kept, error in zip(observations, errors, strict=True) if kept.kind == "floating point"]
    in_sample = fit(observations, FEATURES)
    # Foretold as if it were like the others: 112 W instead of 162 W.
    assert min(of_heavy) == pytest.approx(112 / 162 - 1)
    assert in_sample["busy"] > 5.0


def test_the_held_out_error_is_about_the_noise() -> None:
    noise = random.Random(5)
    rms = []
    for _ in range(40):
        observations = seen(lambda kind, busy: steady(kind, busy) * noise.gauss(1.0, 0.04))
        rms.append(formula(observations, FEATURES).held_out_rms)

    # A little more than the noise: the fits that foretell have some of it too.
    assert 0.04 < statistics.median(rms) < 0.07


def test_of_few_steps_the_quantile_is_the_largest_error() -> None:
    observations = seen(lambda kind, busy: steady(kind, busy) * (1.3 if kind == "memory" and busy == 8 else 1.0))
    errors = held_out_errors(observations, FEATURES)

    found = formula(observations, FEATURES)

    assert found.held_out_95 == max(map(abs, errors))
    assert found.kinds == 4


@pytest.mark.parametrize(
    ("rms", "quantile", "kinds", "half_width"),
    [(0.05, 0.06, 4, 0.05 * 3.182), (0.05, 0.4, 4, 0.4), (0.05, 0.06, 2, 0.05 * 12.706), (0.05, 0.06, 9, 0.05 * 2.571)],
)
def test_few_kinds_of_load_make_a_fit_less_sure(rms: float, quantile: float, kinds: int, half_width: float) -> None:
    assert Formula({"time": 1.0}, rms, quantile, kinds).uncertainty * 1.96 == pytest.approx(half_width, rel=1e-3)


def test_one_kind_of_load_says_nothing_of_others() -> None:
    with pytest.raises(CalibrationError, match="two kinds of load"):
        held_out_errors(seen(steady, kinds=("memory",)), FEATURES)


@pytest.mark.parametrize("power_w", [0.0, -3.0, float("nan"), float("inf")])
def test_a_power_that_cannot_be_is_not_fitted(power_w: float) -> None:
    observations = [*seen(steady), Observation("memory", {"time": 1.0, "first": 1.0, "busy": 1.0}, power_w)]

    with pytest.raises(CalibrationError, match="above 0 W"):
        fit(observations, FEATURES)
