"""What pairs of trials say of the ratio of two energies.

Each pair is a trial of either contender, one soon after the other. Of each its log-ratio is taken, ln(contender /
baseline): a sensor's gain is the same in both and cancels, noise that grows with the energy becomes even, and a
change reads in percent (the usual analysis of ratios in cross-over trials: Jones and Kenward, Design and Analysis of
Cross-Over Trials, 2014, chapter 2). The log-ratios are fitted by a straight line in the *lag*, by how much the
contender's trial came after the baseline's, and the line's value at no lag is the answer: a drift that is linear over
the time of the trials (a machine that warms up) makes a slope and nothing else. With orders that are balanced this
costs one degree of freedom.

Noise with a memory does no harm either, since it is drawn by lot which of two goes first: whatever one trial leaves
to the next then has either sign with equal chance, and does not add up (Fisher, The Design of Experiments, 1935;
Kempthorne, J. Am. Stat. Assoc. 50, 1955).

The random part of the uncertainty is what the pairs scatter about the line, and never less than what their windows'
own edges leave open. What repeating does not average away (:mod:`~greenllm_kernel.compression.comparison.drawn`) is
added in squares, and the degrees of freedom of both together are those of Welch and Satterthwaite (JCGM 100:2008,
G.4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenllm_kernel.accounting.repeatability import (
    MOST_DEGREES_OF_FREEDOM,
    student_t,
    within_student_t,
)
from greenllm_kernel.quantities import Interval

FEWEST_PAIRS = 4
"""A straight line through fewer leaves less than two degrees of freedom."""

LARGEST_LOG_RATIO = 700.0
"""The exponential of more overflows."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A trial of the baseline and one of a contender, side by side.

    Attributes:
        baseline_j: energy of one unit in the baseline's trial, J, above 0.
        contender_j: the same of the contender's, J, above 0.
        lag_s: from the middle of the baseline's trial to that of the contender's, s; below 0 where that came first.
        uncertainty: relative standard uncertainty of their ratio that comes from the two windows themselves.
    """

    baseline_j: float
    contender_j: float
    lag_s: float
    uncertainty: float = 0.0

    @property
    def log_ratio(self) -> float:
        """ln(contender / baseline)."""
        return math.log(self.contender_j / self.baseline_j)


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of a contender's energy to the baseline's.

    Attributes:
        log_ratio: its natural logarithm.
        random: standard uncertainty of that, from the trials.
        degrees_of_freedom: of ``random``; 0: nothing is known of it.
        systematic: standard uncertainty of ``log_ratio`` that more trials would not change.
        pairs: of trials that it rests on.
    """

    log_ratio: float
    random: float
    degrees_of_freedom: int
    systematic: float
    pairs: int

    @property
    def change(self) -> float:
        """By which part the contender's energy lies above the baseline's (-0.1: 10 % less)."""
        return _change(self.log_ratio)

    def interval(self, confidence: float) -> Interval:
        """Return the interval of the change at a confidence (0.99: 99 %); without limit where too little is known."""
        if not self.degrees_of_freedom:
            return -1.0, math.inf
        half_width = student_t(confidence, self._combined_degrees) * self._combined
        return math.expm1(self.log_ratio - half_width), _change(self.log_ratio + half_width)

    @property
    def p_value(self) -> float:
        """How often chance alone would give such a change, or a larger one, of either sign, if there were none."""
        if not self.degrees_of_freedom:
            return 1.0
        if self._combined == 0:
            return 0.0 if self.log_ratio else 1.0
        return 1.0 - within_student_t(abs(self.log_ratio) / self._combined, self._combined_degrees)

    def with_systematic(self, systematic: float) -> Ratio:
        """Return it with another systematic part."""
        return replace(self, systematic=systematic)

    @property
    def _combined(self) -> float:
        return math.hypot(self.random, self.systematic)

    @property
    def _combined_degrees(self) -> int:
        if self.random == 0:
            return MOST_DEGREES_OF_FREEDOM
        degrees = self.degrees_of_freedom * (self._combined / self.random) ** 4
        return int(min(degrees, MOST_DEGREES_OF_FREEDOM))


def _change(log_ratio: float) -> float:
    """Return the change that a log-ratio stands for; infinite where no float can hold it."""
    return math.expm1(log_ratio) if log_ratio < LARGEST_LOG_RATIO else math.inf


def ratio_of(pairs: Sequence[Pair], systematic: float = 0.0) -> Ratio:
    """Return what the pairs say of the ratio; formulas and sources stand above.

    Args:
        pairs: at least one, in the order in which they were made.
        systematic: standard uncertainty of the log-ratio that more trials would not change.
    """
    count = len(pairs)
    values = [pair.log_ratio for pair in pairs]
    lags = [pair.lag_s for pair in pairs]
    mean, mean_lag = math.fsum(values) / count, math.fsum(lags) / count
    lag_squares = math.fsum((lag - mean_lag) ** 2 for lag in lags)
    products = math.fsum((lag - mean_lag) * value for lag, value in zip(lags, values, strict=True))
    slope = products / lag_squares if lag_squares > 0 else 0.0
    log_ratio = mean - slope * mean_lag
    if count < FEWEST_PAIRS:
        return Ratio(log_ratio, math.inf, 0, systematic, count)
    degrees = count - 2 if lag_squares > 0 else count - 1
    residuals = [value - log_ratio - slope * lag for lag, value in zip(lags, values, strict=True)]
    variance = math.fsum(residual**2 for residual in residuals) / degrees
    random = math.sqrt(variance * (1 / count + (mean_lag**2 / lag_squares if lag_squares > 0 else 0.0)))
    of_windows = math.sqrt(math.fsum(pair.uncertainty**2 for pair in pairs)) / count
    return Ratio(log_ratio, max(random, of_windows), degrees, systematic, count)
