"""What power does around an instant, as the mean powers between a counter's ticks tell it.

A mean is a level where it is borne out, by the interval beside it or by a power reading; one that stands alone may be
an average of anything, and bounds nothing. What steps and slopes do not explain is roughness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from greenllm_kernel.metering.tracing.knot import Knot, mean_w

SAME_LEVEL = 0.05
"""Two means that differ by less than this part are of one level."""

LONG = 2.2
"""An interval this many times as long as those around it has ticks in it that nobody saw: the counter stood still."""

ROUGHNESS_OF_BENDS = 1.055
"""A third of the absolute second differences of normal noise lie below this many standard deviations: 0.4307 sqrt(6).
A third and not half, because one pulse bends four of them."""

ROUGHNESS_OF_READINGS = 1.3
"""The same for the distances of power readings from the mean of their tick, of which they see a part."""


class Course:
    """The mean powers around an interval between two knots, and what they say of the power inside it.

    Args:
        knots: some around the interval, in order of time.
        index: of the knot after it.
        seen: power readings that average over much less than a tick: instants, ns, and W.
        first_w: power that was read about when the first of the knots was: what there was before it, W.

    Attributes:
        mean_w, before_w, after_w: mean power in the interval, and in those beside it, W.
        low_w, high_w: what power inside is bounded by, W.
        excess_w: the part of the mean that may lie anywhere in the interval, W.
        is_step: whether the mean lies between two levels that are borne out: power steps from one to the other.
        rough_w: by how much means scatter that neither steps nor slopes explain, W.
    """

    def __init__(
        self,
        knots: Sequence[Knot],
        index: int,
        seen: Sequence[tuple[float, float]],
        first_w: float | None = None,
    ) -> None:
        self._knots = knots
        self._seen = seen
        self._means = [mean_w(left, right) for left, right in pairwise(knots)]
        self._at = index - 1
        self.mean_w = self._means[self._at]
        earlier_w = self.mean_w if first_w is None else first_w
        self.before_w = self._means[self._at - 1] if self._at > 0 else earlier_w
        self.after_w = self._means[self._at + 1] if self._at + 1 < len(self._means) else self.mean_w
        self.rough_w = self._roughness_w()
        inside_w = [power_w for t_ns, power_w in seen if knots[self._at].t_ns < t_ns <= knots[self._at + 1].t_ns]
        spans = sorted(right.t_ns - left.t_ns for left, right in pairwise(knots))
        self._is_long = is_long = knots[index].t_ns - knots[index - 1].t_ns > LONG * spans[len(spans) // 2]
        # In an interval of several ticks power may have gone anywhere that it goes nearby.
        levels = (self.before_w, self.mean_w, self.after_w, *(self._means if is_long else ()))
        self.low_w, self.high_w = min((*levels, *inside_w)), max((*levels, *inside_w))
        self.excess_w = 0.0
        self._open_bounds()
        self.is_step = (
            not is_long
            and min(self.before_w, self.after_w) < self.mean_w < max(self.before_w, self.after_w)
            and self._first < self._at < self._last
            and self._is_borne_out(self._first)
            and self._is_borne_out(self._last)
        )

    def _open_bounds(self) -> None:
        """Give up a bound that is no level, or that this interval itself sets."""
        highest = max(range(self._first, self._last + 1), key=lambda at: self._means[at])
        lowest = min(range(self._first, self._last + 1), key=lambda at: self._means[at])
        if not self._is_level(highest):
            self.excess_w = self.mean_w - self.low_w
            self.high_w = math.inf
        if not self._is_level(lowest):
            self.excess_w = max(self.excess_w, min(self.mean_w, self.high_w - self.mean_w))
            self.low_w = 0.0

    @property
    def _first(self) -> int:
        return max(0, self._at - 1)

    @property
    def _last(self) -> int:
        return min(len(self._means) - 1, self._at + 1)

    def _is_borne_out(self, at: int) -> bool:
        """Whether a mean beside the interval is that of the one further away too, or of a reading inside it."""
        mean, further = self._means[at], 2 * at - self._at
        beside = [self._means[further]] if 0 <= further < len(self._means) else []
        left, right = self._knots[at].t_ns, self._knots[at + 1].t_ns
        beside += [power_w for t_ns, power_w in self._seen if left < t_ns <= right]
        return any(abs(other - mean) <= SAME_LEVEL * mean + 2 * self.rough_w for other in beside)

    def _is_level(self, at: int) -> bool:
        """Whether a mean is borne out by one beside it, or by a reading inside its interval."""
        if at == self._at and self._is_long:
            return False
        mean = self._means[at]
        within = SAME_LEVEL * mean + 2 * self.rough_w
        beside = [self._means[other] for other in (at - 1, at + 1) if 0 <= other < len(self._means)]
        if len(beside) < 2 and at != self._at:
            return True
        left, right = self._knots[at].t_ns, self._knots[at + 1].t_ns
        beside += [power_w for t_ns, power_w in self._seen if left < t_ns <= right]
        return any(abs(other - mean) <= within for other in beside)

    def _roughness_w(self) -> float:
        """Return the standard deviation of mean powers that is neither steps nor slopes, W.

        From the second differences of neighbouring means, or from the distances between power readings and the mean
        of their tick.
        """
        means = self._means
        bends = [abs(means[at - 1] - 2 * means[at] + means[at + 1]) for at in range(1, len(means) - 1)]
        rough_w = _lower_third(bends) / ROUGHNESS_OF_BENDS
        apart = [
            abs(power_w - mean)
            for t_ns, power_w in self._seen
            for at, mean in enumerate(means)
            if self._knots[at].t_ns < t_ns <= self._knots[at + 1].t_ns
        ]
        return max(rough_w, _lower_third(apart) / ROUGHNESS_OF_READINGS)


def _lower_third(values: list[float]) -> float:
    return sorted(values)[(len(values) - 1) // 3] if values else 0.0
