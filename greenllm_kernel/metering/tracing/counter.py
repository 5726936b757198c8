"""Turns the values of an energy counter into steps of energy: wraps, resets, slips and absurd jumps are told apart.

A value that no power explains breaks the course of the counter: the energy since the last good value is guessed by the
power before, and what comes next is counted from the strange value on. Where the counter soon returns to its course
(one read had given nonsense), what was guessed is taken back for what the counter says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from greenllm_kernel.metering.tracing.plausible import unseen_j

PLAUSIBLE_RATIO = 3.0
"""A step is believed where it implies at most this many times the highest power seen so far."""

PEAK_RATIO = 1.5
"""Until more was seen, a step is believed that implies this many times what the channel is likely to draw for long."""

LIKELY_W = 300.0
"""Where nobody says more, a channel is believed to draw up to this until more was seen."""

ABSURD_W = 1e5
"""Where nobody says less, no channel draws more: a rack is rated at about this (OCP ORv3 high power rack, 2024)."""

LEAST_SPAN_S = 0.1
"""The energy of a step came in at least this time, s: counters are refreshed about so often where nobody says."""

SLIP_S = 0.01
"""A counter made of several (the dies of a package) may go back by the energy of this time at ``likely_w``."""

RETURN_S = 2.0
"""For so long after a break a counter may return to its course."""


@dataclass(frozen=True, slots=True)
class Step:
    """The energy between two reads.

    Attributes:
        joules: the energy, J.
        variance_j2: what is not known of it, J^2.
        is_break: whether any of it had to be guessed.
        guessed_j: how much of it, J; below zero where guesses of earlier steps were taken back.
        is_return: whether the counter is back on its course after a break.
    """

    joules: float
    variance_j2: float = 0.0
    is_break: bool = False
    guessed_j: float = 0.0
    is_return: bool = False


@dataclass(slots=True)
class _Course:
    """Where the counter was before it broke, for how long that has been, and what was counted since."""

    last_j: float
    seconds: float
    counted_j: float = 0.0
    guessed_j: float = 0.0


class Counter:
    """The memory needed to follow one counter.

    Args:
        wraps_at_j: the counter's span, J; None where it never wraps.
        period_s: how often it is refreshed, s.
        likely_w: what the channel is believed to draw at most until more was seen, W.
        absurd_w: what it never draws, W.
    """

    def __init__(
        self, wraps_at_j: float | None, period_s: float = 0.0, likely_w: float = LIKELY_W, absurd_w: float = ABSURD_W
    ) -> None:
        self.highest_w = 0.0
        """The highest power that two steps in a row have shown, W."""
        self._wraps_at_j = wraps_at_j
        self._period_s = period_s
        self._likely_w = likely_w
        self._absurd_w = absurd_w
        self._last_j: float | None = None
        self._still_s = 0.0
        self._previous_w = 0.0
        self._broken: _Course | None = None
        self._unsure_j = 0.0
        self._is_doubted = False

    def forget(self) -> None:
        """Start anew at the next value: what passed meanwhile is nobody's."""
        self._last_j = self._broken = None
        self._still_s = 0.0
        self._is_doubted = False

    def doubt(self) -> None:
        """Do not believe the next step: the machine was suspended, and what the counter did meanwhile is not known."""
        self._is_doubted = self._last_j is not None
        self._broken = None

    def step(self, value_j: float, seconds: float, rate_w: float) -> Step:
        """Return the energy since the last value.

        Args:
            value_j: what the counter shows, J.
            seconds: time since the last read, s.
            rate_w: the power before, W; what a break is bridged with.
        """
        last_j = self._last_j
        if last_j is None:
            self._last_j = value_j
            return Step(0.0)
        elapsed_s = self._still_s + seconds
        if value_j == last_j and not self._is_doubted:
            self._still_s = elapsed_s
            self._age(seconds)
            return Step(0.0)
        limit_w = max(PLAUSIBLE_RATIO * max(self.highest_w, self._previous_w), PEAK_RATIO * self._likely_w)
        span_s = max(elapsed_s + self._period_s, LEAST_SPAN_S)
        if not self._is_doubted and value_j < last_j and self._is_slip(last_j - value_j, value_j, limit_w * span_s):
            self._still_s = elapsed_s
            self._age(seconds)
            return Step(0.0)
        self._age(seconds)
        step = None
        if not self._is_doubted:
            # What has begun at 0 since cannot be back so soon where it was far from 0.
            is_far = self._broken is not None and self._broken.last_j > limit_w * RETURN_S
            step = self._returned(value_j, limit_w) if is_far else None
            step = step or self._believed(value_j, last_j, elapsed_s, limit_w, span_s, rate_w)
            step = step or self._returned(value_j, limit_w)
        if step is None:
            step = self._guessed(value_j, value_j - last_j, elapsed_s, span_s, rate_w, limit_w)
            if self._broken is None and not self._is_doubted:
                self._broken = _Course(last_j, seconds)
        if self._broken is not None:
            self._broken.counted_j += step.joules
            self._broken.guessed_j += step.guessed_j
        self._last_j = value_j
        self._still_s = 0.0
        self._is_doubted = False
        if not step.is_break:
            self._unsure_j = 0.0
        self._learn(0.0 if step.is_break or step.is_return else step.joules / span_s)
        return step

    def _believed(
        self, value_j: float, last_j: float, elapsed_s: float, limit_w: float, span_s: float, rate_w: float
    ) -> Step | None:
        """Return the step where some power explains it."""
        joules = value_j - last_j
        if joules < 0 and self._wraps_at_j is not None:
            joules += self._wraps_at_j
        if 0 <= joules <= min(limit_w, self._absurd_w) * span_s:
            return self._maybe_lapped(joules, elapsed_s, rate_w, limit_w)
        return None

    def _maybe_lapped(self, joules: float, seconds: float, rate_w: float, limit_w: float) -> Step:
        """Add the whole turns a counter may have made unseen; say so where their number is not sure."""
        if self._wraps_at_j is None:
            return Step(joules)
        most_turns = math.floor(max(0.0, limit_w * seconds - joules) / self._wraps_at_j)
        if most_turns == 0:
            return Step(joules)
        turns = min(most_turns, max(0, round((rate_w * seconds - joules) / self._wraps_at_j)))
        joules += turns * self._wraps_at_j
        unsure_j = max(turns, most_turns - turns) * self._wraps_at_j
        return Step(joules, variance_j2=unsure_j**2 / 3, is_break=True, guessed_j=joules)

    def _returned(self, value_j: float, limit_w: float) -> Step | None:
        """Return the step back to the course that was left at the last break, where this is one."""
        course = self._broken
        if course is None:
            return None
        since_j = value_j - course.last_j
        if not 0 <= since_j <= limit_w * max(course.seconds + self._period_s, LEAST_SPAN_S):
            return None
        self._broken = None
        return Step(max(0.0, since_j - course.counted_j), guessed_j=-course.guessed_j, is_return=True)

    def _guessed(
        self, value_j: float, delta_j: float, seconds: float, span_s: float, rate_w: float, limit_w: float
    ) -> Step:
        """Guess the energy by the power before; it may be off by all of that, and by what the counter claims."""
        is_unknown = rate_w == 0 == self.highest_w
        rate_w = min(rate_w, max(self.highest_w, self._likely_w))
        joules = (self._likely_w / 2 if is_unknown else rate_w) * seconds
        unsure_j = joules if is_unknown else unseen_j(rate_w, seconds, max(self.highest_w, self._likely_w))
        if delta_j < 0 and not self._is_doubted and value_j <= limit_w * span_s:
            joules = max(joules, value_j)  # it has begun at 0 since, and this much it has counted
        elif 0 < delta_j <= self._absurd_w * span_s and not self._is_doubted:
            joules = delta_j / 2 if is_unknown else joules  # nothing speaks for the one or the other
            unsure_j = max(unsure_j, delta_j - joules)
        # Guesses in a row have one cause: what is unsure of them adds up, and not in squares.
        before_j, self._unsure_j = self._unsure_j, self._unsure_j + unsure_j
        variance_j2 = (self._unsure_j**2 - before_j**2) / 3
        return Step(joules, variance_j2=variance_j2, is_break=True, guessed_j=joules)

    def _is_slip(self, back_j: float, value_j: float, plausible_j: float) -> bool:
        """Whether the counter went back by so little, and so far from 0, that it has neither wrapped nor been reset."""
        return back_j <= SLIP_S * self._likely_w and value_j > plausible_j

    def _age(self, seconds: float) -> None:
        if self._broken is not None:
            self._broken.seconds += seconds
            if self._broken.seconds > RETURN_S:
                self._broken = None

    def _learn(self, power_w: float) -> None:
        self.highest_w = max(self.highest_w, min(power_w, self._previous_w))
        self._previous_w = power_w
