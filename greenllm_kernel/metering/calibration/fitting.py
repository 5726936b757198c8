"""Fits a sum of features to measured power, and tells how well it foretells loads it has not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from greenllm_kernel.errors import CalibrationError
from greenllm_kernel.metering.calibration.fit import Formula

IDLE = "idle"
"""The kind of load that is none."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one step of a load programme showed.

    Attributes:
        kind: of load, such as ``"integer"``.
        rates: by feature, its rate.
        power_w: mean power meanwhile, W.
    """

    kind: str
    rates: Mapping[str, float]
    power_w: float


def fit(observations: Sequence[Observation], features: Sequence[str]) -> dict[str, float]:
    """Return the coefficients, none below 0, with the least sum of squared *relative* errors.

    Of a few features every subset is solved without the bound and the best solution within it taken, which is the
    bounded one (Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23).

    Args:
        observations: power above 0 each.
        features: the names of those to use.

    Raises:
        CalibrationError: no coefficients fit: fewer observations than features, or power that is not above 0.
    """
    import numpy as np

    if len(observations) < len(features) or not all(0.0 < seen.power_w < math.inf for seen in observations):
        raise CalibrationError(f"{len(observations)} steps cannot be fitted; every one must show a power above 0 W")
    scaled = np.array([[seen.rates[name] / seen.power_w for name in features] for seen in observations])
    ones = np.ones(len(observations))
    best: dict[str, float] = {}
    least = math.inf
    for size in range(1, len(features) + 1):
        for chosen in combinations(range(len(features)), size):
            part = scaled[:, chosen]
            solution, _, rank, _ = np.linalg.lstsq(part, ones, rcond=None)
            misfit = float(np.sum((part @ solution - ones) ** 2))
            # Fewer features win where more do not fit noticeably better: two that go together have no solution of one.
            if rank == size and solution.min() >= 0.0 and misfit < least * (1.0 - 1e-9):
                least = misfit
                best = dict.fromkeys(features, 0.0)
                best.update({features[index]: float(value) for index, value in zip(chosen, solution, strict=True)})
    if not best:
        raise CalibrationError("no coefficients of 0 or more fit what the sensor showed")
    return best


def power_w(coefficients_w: Mapping[str, float], rates: Mapping[str, float]) -> float:
    """Return the power a fitted sum foretells, W."""
    return sum(coefficient * rates[name] for name, coefficient in coefficients_w.items())


def held_out_errors(observations: Sequence[Observation], features: Sequence[str]) -> list[float]:
    """Return each observation's relative error (foretold / measured - 1) by a fit that had not seen its like.

    A step under load is foretold by a fit to all other *kinds* of load; an idle one by a fit to all other steps.

    Raises:
        CalibrationError: no coefficients fit, or there are fewer than two kinds of load.
    """
    if len({seen.kind for seen in observations} - {IDLE}) < 2:
        raise CalibrationError("a held-out error needs two kinds of load or more")
    errors: list[float] = []
    for seen in observations:
        others = [
            other for other in observations if other is not seen and (seen.kind == IDLE or other.kind != seen.kind)
        ]
        errors.append(power_w(fit(others, features), seen.rates) / seen.power_w - 1.0)
    return errors


def formula(observations: Sequence[Observation], features: Sequence[str]) -> Formula:
    """Return the fit to all observations with its held-out error.

    Raises:
        CalibrationError: as :func:`fit` and :func:`held_out_errors`.
    """
    errors = [abs(error) for error in held_out_errors(observations, features)]
    rms = math.sqrt(sum(error * error for error in errors) / len(errors))
    # Of fewer than twenty the 95 % quantile is the largest.
    quantile = sorted(errors)[math.ceil(0.95 * len(errors)) - 1]
    kinds = {seen.kind for seen in observations} - {IDLE}
    return Formula(fit(observations, features), rms, quantile, len(kinds))
