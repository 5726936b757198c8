"""How narrowly the mean of a few repeats is known, when enough of them were made, and whether they drift.

The half-width of the 95 % interval of the mean of n repeats is t x s / sqrt(n_eff):

- s is their standard deviation, and t a quantile of Student's distribution with n - 1 degrees of freedom;
- n_eff = n (1 - r) / (1 + r) repeats without memory say as much as n with a correlation r of each with the next (Law,
  Simulation Modeling and Analysis, 4.4). The r of few repeats comes out too low by about (1 + 4 r) / n (Kendall,
  Biometrika 41, 1954): that is put right first. A negative r is taken as 0: two repeats share the edge between them, so
  what one has too much the other has too little, and this should not pass for knowledge;
- t is the 97.5 % quantile of both sides together and not the 95 % one: half of the 5 % is kept for what the formula
  does not know (repeats are skewed, r is uncertain, and stopping at a narrow interval favours those that came out so).

Stopping early is paid for in two more ways. One looks only after 7, 11, 17, 26, 39, ... repeats. And an interval that
was narrow enough at a later look than the first is given the width that was asked for (Chow and Robbins, Annals of
Mathematical Statistics 36, 1965): it is the lucky ones that end a search. With these the interval holds the true mean
in 95 to 98 % of simulated searches (normal, log-normal and gamma-distributed repeats up to a skewness of 1.75, and
correlations up to 0.3), and in 91 % or more with a correlation of 0.5 or exponentially distributed ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

FEWEST_REPEATS = 7
"""As many as %timeit makes; the first look comes after them."""

LOOK_GROWTH = 1.5
"""Each further look comes after so many times the repeats."""

QUANTILE = 0.975
"""What Student's distribution is asked for (both sides): see the module."""

MOST_CORRELATION = 0.7
"""A correlation above this cannot be told from a drift with so few repeats."""

FEWEST_FOR_CORRELATION = 5
"""Its correction divides by n - 4."""

MOST_DEGREES_OF_FREEDOM = 400
"""Above it the quantile changes by less than 0.4 % (to the wide side)."""

DRIFT_QUANTILE = 0.99
"""A drift is named where the halves differ by more than chance does in 99 % of series without one."""

LEAST_DRIFT = 0.01
"""A drift below 1 % of the mean is not worth naming."""


@dataclass(frozen=True, slots=True)
class Repeatability:
    """What repeats say of their mean.

    Attributes:
        mean: in the unit of the repeats.
        half_width: of the 95 % interval of the mean, same unit; infinite for a single repeat.
    """

    mean: float
    half_width: float


def repeatability(values: Sequence[float]) -> Repeatability:
    """Return the mean of repeats with its 95 % interval; formulas and sources stand above.

    Args:
        values: one for each repeat, in the order in which they were made; at least one.
    """
    count = len(values)
    mean = math.fsum(values) / count
    if count == 1:
        return Repeatability(mean, math.inf)
    deviations = [value - mean for value in values]
    squares = math.fsum(deviation**2 for deviation in deviations)
    correlation = _correlation(deviations, squares)
    effective = count * (1 - correlation) / (1 + correlation)
    uncertainty = math.sqrt(squares / (count - 1) / effective)
    return Repeatability(mean, student_t(QUANTILE, count - 1) * uncertainty)


def next_look(count: int) -> int:
    """Return after how many repeats one looks again, having looked after ``count``."""
    return max(FEWEST_REPEATS, math.ceil(count * LOOK_GROWTH))


def stopped(found: Repeatability, precision: float) -> Repeatability:
    """Return what may be said where a search has ended at a later look than the first.

    Args:
        found: at that look.
        precision: the relative half-width that was asked for.
    """
    return Repeatability(found.mean, max(found.half_width, precision * abs(found.mean)))


def drift(values: Sequence[float]) -> float | None:
    """Return by how much the later half lies above the earlier one, as a part of the mean, or None for no drift.

    The halves are compared by Student's test; the middle one of an odd number is left out.
    """
    half = len(values) // 2
    mean = math.fsum(values) / len(values)
    if half < 3 or mean == 0:
        return None
    early, late = values[:half], values[-half:]
    difference = math.fsum(late) / half - math.fsum(early) / half
    squares = _squares(early) + _squares(late)
    least = student_t(DRIFT_QUANTILE, 2 * half - 2) * math.sqrt(squares / (2 * half - 2) * 2 / half)
    is_drift = abs(difference) > max(least, LEAST_DRIFT * abs(mean))
    return difference / mean if is_drift else None


def student_t(probability: float, degrees_of_freedom: int) -> float:
    """Return t such that a Student variable lies between -t and t with this probability.

    The distribution is the finite sum of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.

    Args:
        probability: above 0 and below 1.
        degrees_of_freedom: 1 or more.
    """
    degrees = min(degrees_of_freedom, MOST_DEGREES_OF_FREEDOM)
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, degrees) < probability else (low, middle)
    return math.tan(low) * math.sqrt(degrees)


def within_student_t(t: float, degrees_of_freedom: int) -> float:
    """Return the probability with which a Student variable lies between -t and t: :func:`student_t` the other way.

    Args:
        t: 0 or more.
        degrees_of_freedom: 1 or more.
    """
    degrees = min(degrees_of_freedom, MOST_DEGREES_OF_FREEDOM)
    return min(1.0, _inside(math.atan(t / math.sqrt(degrees)), degrees))


def _inside(angle: float, degrees: int) -> float:
    """Return the probability of lying within t = sqrt(degrees) tan(angle)."""
    cosine2 = math.cos(angle) ** 2
    is_odd = degrees % 2
    term = math.sin(angle) * (math.cos(angle) if is_odd else 1.0)
    total = 0.0
    for index in range(1 + is_odd, degrees, 2):
        total += term
        term *= cosine2 * index / (index + 1)
    return 2 / math.pi * (angle + total) if is_odd else total


def _correlation(deviations: Sequence[float], squares: float) -> float:
    """Return the correlation of each with the next, put right for few repeats, 0 to the most."""
    count = len(deviations)
    if count < FEWEST_FOR_CORRELATION or squares == 0:
        return 0.0
    products = math.fsum(left * right for left, right in pairwise(deviations))
    raw = products / squares
    return min(max((count * raw + 1) / (count - 4), 0.0), MOST_CORRELATION)


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)
