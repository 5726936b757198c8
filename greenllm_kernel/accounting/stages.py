"""What each stage of the session drew in all, each instant of a stage counted once.

A stage has the time in which at least one window of it was open, whatever else was: a window inside another one of the
same stage adds nothing, and one inside a window of another stage counts in both. So each sum is right by itself, and
stages inside each other add up to more than the whole. ``totals.by_stage`` says the same of records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.span import Span
from greenllm_kernel.quantities import Energy

if TYPE_CHECKING:
    from greenllm_kernel.accounting.run import Run

MOST_STAGES = 10
"""Stages with a sum of their own; what comes after shares one."""

OTHER_STAGES = "…"
"""Name of that sum."""

LEAST_REST_S = 0.001
"""Time outside all stages is spoken of from this long on, s."""


@dataclass(frozen=True)
class StageSum:
    """One stage so far.

    Attributes:
        stage: its name; None: what lies in no stage.
        runs: how many windows, those inside another one of the stage not counted.
        duration_s: time in which one was open, s.
        energy: what was drawn in that time, J; None where nothing is known.
    """

    stage: str | None
    runs: int
    duration_s: float
    energy: Energy | None


class Stages:
    """The stages of a session, in the order in which they first began. Costs nothing until one is named.

    Args:
        make_span: makes one of the session's.
        whole: the span of all its runs.
    """

    def __init__(self, make_span: Callable[[], Span], whole: Span) -> None:
        self._make_span = make_span
        self._whole = whole
        self._lock = threading.Lock()
        self._named: dict[str, Span] = {}
        self._runs: dict[str | None, int] = {}
        self._any: Span | None = None
        """The time in which any stage was on."""

    def opened(self, run: Run) -> None:
        """A run has opened, or got its stage. Costs next to nothing; whoever attends to :attr:`spans` does the rest."""
        self._count(run, run.stage, 1)
        if run.stage is not None:
            for span in self._spans_of(run.stage):
                span.enter(run.opened_ns)

    def closed(self, run: Run, closed_ns: int) -> None:
        """A run has closed."""
        if run.stage is not None:
            for span in self._spans_of(run.stage):
                span.leave(closed_ns)

    def changed(self, run: Run, former: str | None) -> None:
        """A run that is open has another stage: it is taken for the new one's since its opening, as in its record."""
        self._count(run, former, -1)
        if former is not None:
            for span in self._spans_of(former):
                span.leave(run.opened_ns)
        self.opened(run)

    @property
    def spans(self) -> list[Span]:
        """What is to be attended to and settled as the session's own span is."""
        with self._lock:
            return [*self._named.values(), *([self._any] if self._any else [])]

    def sums(self) -> list[StageSum]:
        """Return each stage's sum so far, and last that of the time in no stage; nothing where no stage was named."""
        with self._lock:
            named, runs, staged = dict(self._named), dict(self._runs), self._any
        if staged is None:
            return []
        now_ns = time.monotonic_ns()
        sums = [StageSum(stage, runs[stage], *_drawn(span, now_ns)) for stage, span in named.items()]
        whole_s, whole = _drawn(self._whole, now_ns)
        staged_s, within = _drawn(staged, now_ns)
        if whole_s - staged_s >= LEAST_REST_S:
            sums.append(StageSum(None, runs.get(None, 0), whole_s - staged_s, _rest(whole, within)))
        return sums

    def _spans_of(self, stage: str) -> tuple[Span, Span]:
        with self._lock:
            key = self._key(stage)
            if self._any is None:
                self._any = self._make_span()
            if key not in self._named:
                self._named[key] = self._make_span()
            return self._named[key], self._any

    def _key(self, stage: str) -> str:
        return stage if stage in self._named or len(self._named) < MOST_STAGES else OTHER_STAGES

    def _count(self, run: Run, stage: str | None, change: int) -> None:
        with self._lock:
            key = None if stage is None else self._key(stage)
            around = run.parent
            while around is not None:
                if key is None or (around.stage is not None and self._key(around.stage) == key):
                    return
                around = around.parent
            self._runs[key] = self._runs.get(key, 0) + change


def _drawn(span: Span, now_ns: int) -> tuple[float, Energy | None]:
    drawn, duration_s, _ = span.drawn(now_ns)
    return duration_s, drawn.energy


def _rest(whole: Energy | None, within: Energy | None) -> Energy | None:
    """Return the energy outside the stages: what both were read by has its error in the difference alone."""
    if whole is None or within is None:
        return whole
    rest = whole - within
    # Not the net of something: energy that was drawn, which is never below zero.
    return replace(rest, value_j=max(0.0, rest.value_j), is_difference=False)
