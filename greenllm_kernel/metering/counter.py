"""Turns the values of an energy counter into steps of energy: wraps, resets and absurd jumps are told apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

PLAUSIBLE_RATIO = 3.0
"""A wrap is believed where it implies at most this many times the highest power seen so far."""

FLOOR_W = 300.0
"""Until more was seen, a channel is believed to draw up to this (a CPU package or a GPU under load)."""

IMPLAUSIBLE_W = 1e5
"""No channel of one machine draws more: a rack is rated at about this (OCP ORv3 high power rack, 2024)."""


@dataclass(frozen=True, slots=True)
class Step:
    """The energy between two reads, J; a break is one whose energy had to be guessed."""

    joules: float
    variance_j2: float = 0.0
    is_break: bool = False


class Counter:
    """The memory needed to follow one counter.

    Args:
        wraps_at_j: the counter's span, J; None where it never wraps.
    """

    def __init__(self, wraps_at_j: float | None) -> None:
        self._wraps_at_j = wraps_at_j
        self._last_j: float | None = None
        self._highest_w = 0.0

    def forget(self) -> None:
        """Start anew at the next value: what passed meanwhile is nobody's."""
        self._last_j = None

    def step(self, value_j: float, seconds: float, rate_w: float) -> Step:
        """Return the energy since the last value.

        Args:
            value_j: what the counter shows, J.
            seconds: time since the last read, s.
            rate_w: the power before, W; what a reset is bridged with.
        """
        last_j, self._last_j = self._last_j, value_j
        if last_j is None:
            return Step(0.0)
        delta_j = value_j - last_j
        if delta_j < 0:
            step = self._wrapped(delta_j, seconds, rate_w) or _bridged(seconds, rate_w)
        elif delta_j > IMPLAUSIBLE_W * max(seconds, 0.1):
            step = _bridged(seconds, rate_w)
        else:
            step = self._maybe_lapped(delta_j, seconds, rate_w)
        if not step.is_break and seconds > 0.05:
            self._highest_w = max(self._highest_w, step.joules / seconds)
        return step

    def _wrapped(self, delta_j: float, seconds: float, rate_w: float) -> Step | None:
        if self._wraps_at_j is None or delta_j + self._wraps_at_j < 0:
            return None
        joules = delta_j + self._wraps_at_j
        limit_w = PLAUSIBLE_RATIO * max(self._highest_w, rate_w, FLOOR_W)
        if joules > limit_w * max(seconds, 0.1):
            return None
        return self._maybe_lapped(joules, seconds, rate_w)

    def _maybe_lapped(self, joules: float, seconds: float, rate_w: float) -> Step:
        """Add the whole turns a counter may have made unseen; say so where their number is not sure."""
        if self._wraps_at_j is None:
            return Step(joules)
        highest_j = PLAUSIBLE_RATIO * max(self._highest_w, rate_w, FLOOR_W) * seconds
        if joules + self._wraps_at_j > highest_j:
            return Step(joules)
        turns = max(0, round((rate_w * seconds - joules) / self._wraps_at_j))
        return Step(joules + turns * self._wraps_at_j, variance_j2=self._wraps_at_j**2 / 3, is_break=True)


def _bridged(seconds: float, rate_w: float) -> Step:
    """Guess the energy over a reset from the power before it: anything from none to twice that."""
    joules = rate_w * seconds
    return Step(joules, variance_j2=(joules / math.sqrt(3)) ** 2, is_break=True)
