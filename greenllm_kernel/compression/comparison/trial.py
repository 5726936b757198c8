"""One trial of one contender: its work done over and over in a window long enough for the sensors, phase by phase.

The energy of a phase is taken in one of two ways. Where even the shortest phase of the work lasts as long as the
slowest sensor needs, each time's instants bound windows of their own. Where it does not, the first phase is repeated
alone in a second window, and what the whole work drew beyond that is the second phase's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from greenllm_kernel.accounting.energyit import (
    PERIODS_PER_REPEAT,
    SHORTEST_REPEAT_S,
    slowest_period_s,
    without_collector,
)
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.drawn import Drawn
from greenllm_kernel.compression.comparison.work import DECODE, PREFILL, Shot, Work
from greenllm_kernel.metering.window import Draw, Window

STAGE = "compare"
"""The stage of the records."""

EDGE_PERIODS = 2
"""Before and after its windows a contender works for so many update periods of the slowest sensor, at least once..."""

LONGEST_AROUND_S = 1.0
"""... and no longer than this for its sake, s."""

LONGEST_WINDOW_S = 30.0
"""No window is made longer than this for a slow sensor's sake, s; the intervals say what that leaves open."""

KEEP_EVERY_S = 1.0
"""How often the windows of single phases are looked after, s: traces forget after minutes."""


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """How a contender's trials are made, found out while it warms up.

    Attributes:
        times: that the work is done in the window of all of it.
        first_times: that its first phase is done in a window of that; 0: the windows of single phases tell it.
    """

    times: int
    first_times: int

    @classmethod
    def of(cls, shots: Sequence[Shot], session: Session, phases: Sequence[str], window_s: float | None) -> TrialPlan:
        """Return the plan for work that was done in these times.

        Args:
            shots: of the warm-up; the fastest counts, so that no window is too short.
            session: whose sensors decide.
            phases: of the work.
            window_s: how long a window lasts at least, s; None: as long as the sensors need.
        """
        period_s = slowest_period_s(session.sampler)
        wanted_s = window_s or min(max(SHORTEST_REPEAT_S, PERIODS_PER_REPEAT * period_s), LONGEST_WINDOW_S)
        whole_s = min(shot.ended_ns - shot.began_ns for shot in shots) / 1e9
        first_s = min(shot.tokens_ns[0] - shot.began_ns for shot in shots) / 1e9
        times = max(1, math.ceil(wanted_s / max(whole_s, 1e-6)))
        shortest_s = min(first_s, whole_s - first_s)
        if len(phases) == 1 or shortest_s >= PERIODS_PER_REPEAT * max(period_s, 1e-3):
            return cls(times, 0)
        return cls(times, max(1, math.ceil(wanted_s / max(first_s, 1e-6))))


@dataclass
class Trial:
    """What one trial found: windows that settle while the next ones run.

    Attributes:
        work: that was done.
        plan: how often.
        whole: the window of all of the work.
        first: the window of its first phase alone; None where single windows tell it.
        shots: each time that the work was done.
    """

    work: Work
    plan: TrialPlan
    whole: Run
    first: Run | None = None
    shots: list[Shot] = field(default_factory=list)
    _singles: dict[str, list[Window]] = field(default_factory=dict)
    _draws: dict[Window, Sequence[Draw]] = field(default_factory=dict)

    @classmethod
    def make(cls, work: Work, plan: TrialPlan, name: str, session: Session) -> Trial:
        """Do the work as planned. Before and after the windows some more of it is done.

        So caches and clocks are this contender's own, and so is the power beside the windows' edges: a sensor that
        ticks cannot tell when between two ticks another one's began.
        """
        around_s = min(EDGE_PERIODS * slowest_period_s(session.sampler), LONGEST_AROUND_S)
        _do_for(around_s, work)
        last = work.phases[-1]
        units = {work.unit: plan.times * work.counts[last]}
        with without_collector():
            with measure(f"{name}: {last}", stage=STAGE, units=units, session=session) as whole:
                trial = cls(work, plan, whole)
                trial._do(session)
            if plan.first_times:
                units = {work.unit: plan.first_times * work.counts[work.phases[0]]}
                with measure(f"{name}: {work.phases[0]}", stage=STAGE, units=units, session=session) as first:
                    for _ in range(plan.first_times):
                        work.begin()
                trial.first = first
            if around_s:
                _do_for(around_s, work)
        return trial

    def settle(self, timeout_s: float) -> None:
        """Wait until later readings would not sharpen it, or for so long, s, and take what is known."""
        self.whole.settle(timeout_s)
        if self.first is not None:
            self.first.settle(timeout_s)
        self.keep(is_last=True)

    def keep(self, is_last: bool = False) -> None:
        """Take what single windows drew that have settled; or of all of them, where nothing more is waited for."""
        for windows in self._singles.values():
            for window in windows:
                if window not in self._draws and (window.is_settled() or is_last):
                    self._draws[window] = window.draws()

    @cached_property
    def drawn(self) -> dict[str, Drawn]:
        """By phase, what one unit has drawn; to be asked once it has settled."""
        whole = Drawn.of(self.whole.record.channels, self.plan.times)
        last = self.work.phases[-1]
        found = {last: whole}
        if self.first is not None:
            first = Drawn.of(self.first.record.channels, self.plan.first_times)
            found |= {PREFILL: first, DECODE: whole - first}
        for phase, windows in self._singles.items():
            single = [Drawn.of(self._draws[window]) for window in windows]
            found[phase] = sum(single[1:], single[0]).scaled(1 / len(single))
        return {phase: drawn.scaled(1 / self.work.counts[phase]) for phase, drawn in found.items()}

    def seconds(self, phase: str) -> float:
        """Return how long one unit took, s."""
        count = self.work.counts[phase]
        if phase == PREFILL:
            took_ns = sum(shot.tokens_ns[0] - shot.began_ns for shot in self.shots)
        elif phase == DECODE:
            took_ns = sum(shot.ended_ns - shot.tokens_ns[0] for shot in self.shots)
        else:
            took_ns = sum(shot.ended_ns - shot.began_ns for shot in self.shots)
        return took_ns / 1e9 / len(self.shots) / count

    def middle_s(self, phase: str) -> float:
        """Return the middle of the window that tells of a phase, s of the monotonic clock."""
        run = self.first if self.first is not None and phase == PREFILL else self.whole
        return (run.opened_ns + (run.closed_ns or run.opened_ns)) / 2e9

    def _do(self, session: Session) -> None:
        looked_at = time.monotonic()
        for _ in range(self.plan.times):
            shot = self.work.do()
            self.shots.append(shot)
            if len(self.work.phases) > 1 and not self.plan.first_times:
                self._add_singles(shot, session)
            if time.monotonic() - looked_at > KEEP_EVERY_S:
                looked_at = time.monotonic()
                self.keep()

    def _add_singles(self, shot: Shot, session: Session) -> None:
        edges = {PREFILL: (shot.began_ns, shot.tokens_ns[0]), DECODE: (shot.tokens_ns[0], shot.ended_ns)}
        for phase, (opened_ns, closed_ns) in edges.items():
            window = Window(session.sampler, opened_ns)
            window.shut(closed_ns)
            self._singles.setdefault(phase, []).append(window)


def _do_for(seconds: float, work: Work) -> None:
    until = time.monotonic() + seconds
    work.do()
    while time.monotonic() < until:
        work.do()
