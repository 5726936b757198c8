"""Learns baselines by and by, in pauses: the machine is read for some seconds after the last window has settled."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from greenllm_kernel.metering.idle.baseline import How
from greenllm_kernel.metering.idle.stretch import SLOWEST_PERIODS, Finding, IdleStretch
from greenllm_kernel.metering.meter import Channel
from greenllm_kernel.metering.sampler import Sampler

PAUSE_S = 2.0
"""How long after the last window the first stretch begins, s: power and clocks have come to rest."""

STRETCH_S = 4.5
"""How long a learnt stretch is, s."""

EVERY_S = 300.0
"""No stretch begins sooner after one that was idle, s."""

AGAIN_S = (15.0, 60.0, 240.0)
"""After how long one that was disturbed is tried again, s; after the last, the next window is waited for."""


class IdleLearner:
    """Learns baselines while nothing is measured: one stretch after the last window, at most every ``EVERY_S``.

    Used from one thread, which waits for :meth:`due_in_s` and then calls :meth:`step`, unless something happens first.

    Args:
        sampler: whose meters are read.
        learnt: told what a stretch has found.
    """

    def __init__(self, sampler: Sampler, learnt: Callable[[Sequence[Finding]], None]) -> None:
        self._sampler = sampler
        self._learnt = learnt
        self._stretch: IdleStretch | None = None
        self._next_at: float | None = None
        self._fresh_until = -math.inf
        self._tries = 0

    def rest(self) -> None:
        """The last window has settled: begin soon."""
        self._tries = 0
        self._next_at = max(time.monotonic() + PAUSE_S, self._fresh_until)

    def due_in_s(self) -> float | None:
        """Return how soon :meth:`step` is to be called, s; None where there is nothing to do."""
        if self._stretch is not None:
            return max(0.0, STRETCH_S - self._stretch.elapsed_s)
        return None if self._next_at is None else max(0.0, self._next_at - time.monotonic())

    def step(self) -> None:
        """Begin a stretch, or end the one that was begun."""
        stretch, self._stretch, self._next_at = self._stretch, None, None
        if stretch is None:
            if self._sampler.has_found and self._sampler.readers:
                self._stretch = IdleStretch(self._sampler, How.LEARNT)
            return
        findings = stretch.end()
        if not any(_may_come(finding) for finding in findings):
            self._fresh_until = time.monotonic() + EVERY_S
        elif self._tries < len(AGAIN_S):
            self._next_at = time.monotonic() + AGAIN_S[self._tries]
            self._tries += 1
        self._learnt(findings)

    def interrupt(self) -> None:
        """Something runs: the stretch that was begun comes to nothing."""
        if self._stretch is not None:
            self._stretch.cancel()
            self._stretch = None


def _may_come(finding: Finding) -> bool:
    """Tell whether a baseline is missing that another stretch may find."""
    return finding.baseline is None and finding.can_be_learnt and is_quick(finding.channel)


def is_quick(channel: Channel) -> bool:
    """Tell whether a channel is refreshed often enough to be learnt in one stretch."""
    return channel.update_period_s * SLOWEST_PERIODS < STRETCH_S / 2
