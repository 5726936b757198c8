"""Follows the cells of one IPython shell: a run is opened when a cell begins and closed when it has ended."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from greenllm_kernel.accounting.budget import Budget
from greenllm_kernel.accounting.budget_watch import exceeded_text
from greenllm_kernel.accounting.measure import error_of_queued_work, status_of, wait_for_earlier_work
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.live_line import LiveLine
from greenllm_kernel.notebook.outcome import InterruptFirst, fail
from greenllm_kernel.plugins import described

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

LONGEST_NAME = 60
"""Characters of a cell's first line that serve as its name."""


@dataclass(frozen=True)
class CellOptions:
    """What ``%%energy`` was told about the cell it stands in.

    Attributes:
        name: of the records; None: the cell's first line.
        stage: preprocess, train, ...
        per: by unit, the expression that tells the count once the cell has ended.
        output: name of the variable that gets the window.
        is_quiet: whether nothing is displayed below the cell.
        budget: what the cell is to draw or emit at most; None: no matter.
        is_live: whether a line below the cell says what it has cost while it runs.
    """

    name: str | None = None
    stage: str | None = None
    per: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    is_quiet: bool = False
    budget: Budget | None = None
    is_live: bool = False


@dataclass
class Frame:
    """A cell that is running: IPython's description of it, its run where it is measured, its options, its line."""

    info: Any
    run: Run | None = None
    options: CellOptions | None = None
    interrupt: InterruptFirst | None = None
    live: LiveLine | None = None


class CellTracker:
    """Opens and closes the runs of a shell's cells.

    There is no global "current cell": cells of kernel subshells run in threads of their own, and a magic such as
    ``%%capture`` runs a cell inside a cell; each thread has its stack of frames.

    Args:
        shell: whose cells are followed.
        session: in which they are measured.
        show: displays a run below its cell once it has ended under ``%%energy``.
        follow: told, in the cell's thread, of a run of which something may have to be said while it goes on.
        live: starts the line of a run under ``%%energy --live``, where there is a place for one.
        complain: tells the user about something of ours that went wrong, without disturbing the cell.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        session: Callable[[], Session],
        show: Callable[[Run], None],
        follow: Callable[[Run], None],
        live: Callable[[Run], LiveLine | None],
        complain: Callable[[str], None],
    ) -> None:
        self.measures_every_cell = False
        self._shell = shell
        self._session = session
        self._show = show
        self._follow = follow
        self._live = live
        self._complain = complain
        self._local = threading.local()

    def register(self) -> None:
        """Follow the shell's cells from now on."""
        self._shell.events.register("pre_run_cell", self._pre_run_cell)
        self._shell.events.register("post_run_cell", self._post_run_cell)

    def unregister(self) -> None:
        """No longer follow them."""
        self._shell.events.unregister("pre_run_cell", self._pre_run_cell)
        self._shell.events.unregister("post_run_cell", self._post_run_cell)

    def measure_this_cell(self, options: CellOptions) -> None:
        """Measure the cell that is running in this thread, from now if it is not measured yet."""
        frames = self._frames
        if not frames:
            frames.append(Frame(info=None))
        frame = frames[0]
        frame.options = options
        if frame.run is None:
            frame.run = self._opened(frame.info)
        frame.run.name = options.name or frame.run.name
        frame.run.stage = options.stage or frame.run.stage
        if options.budget is not None:
            frame.run.budget = options.budget
            self._follow(frame.run)
        if options.is_live and frame.live is None:
            try:
                frame.live = self._live(frame.run)
            except Exception as error:
                self._complain(f"--live: no line can be shown: {described(error)}")

    @property
    def _frames(self) -> list[Frame]:
        if not hasattr(self._local, "frames"):
            self._local.frames = []
        frames: list[Frame] = self._local.frames
        return frames

    def _pre_run_cell(self, info: ExecutionInfo) -> None:
        try:
            frame = Frame(info)
            is_outermost = not self._frames
            self._frames.append(frame)
            if is_outermost and self.measures_every_cell and info.store_history:
                try:
                    frame.run = self._opened(info)
                except KeyboardInterrupt:
                    frame.interrupt = InterruptFirst(self._shell)
        except Exception as error:
            self._complain(f"this cell is not measured: {described(error)}")

    def _post_run_cell(self, result: ExecutionResult) -> None:
        try:
            frame = self._left(result)
            if frame is not None and frame.interrupt is not None:
                frame.interrupt.withdraw()  # where the cell never came to run
            if frame is not None and frame.run is not None:
                self._close(frame, frame.run, result)
        except Exception as error:
            self._complain(f"the measurement of this cell failed: {described(error)}")

    def _left(self, result: ExecutionResult) -> Frame | None:
        """Take the frame of a cell that has ended off the stack, and any that were left above it."""
        frames = self._frames
        for index, frame in enumerate(frames):
            if frame.info is result.info or frame.info is None:
                del frames[index:]
                return frame
        return None

    def _opened(self, info: ExecutionInfo | None) -> Run:
        source = (info.raw_cell if info is not None else None) or ""
        cell_id = info.cell_id if info is not None else None
        session = self._session()
        failed = wait_for_earlier_work(session)
        run = session.open(name_of(source), cell_id=cell_id or fallback_id(source), is_outermost=True)
        run.failed_before = failed
        return run

    def _close(self, frame: Frame, run: Run, result: ExecutionResult) -> None:
        error = result.error_before_exec or result.error_in_exec
        failure = error_of_queued_work(run, error)
        closed_ns = time.monotonic_ns()
        options = frame.options
        error = failure or error
        status = Status.OK if error is None else status_of(type(error))
        run.execution_count = result.execution_count
        run.close(status, self._counts(options.per) if options and error is None else None, closed_ns)
        if failure is not None:
            fail(self._shell, result, failure)
        if options is None:
            return
        if frame.live is not None:
            frame.live.end()
        if options.output:
            self._shell.user_ns[options.output] = run
        if not options.is_quiet:
            self._show(run)
        elif run.budget is not None and not run.session.budgets.has_said(run):
            record = run.record
            said = exceeded_text(record.gross, record.emissions, run.budget)
            if said is not None:
                self._complain(f"{run.name}: {said}")

    def _counts(self, per: Mapping[str, str]) -> dict[str, float]:
        counts = {}
        for unit, expression in per.items():
            try:
                count = float(eval(expression, self._shell.user_global_ns, self._shell.user_ns))
                if not (math.isfinite(count) and count >= 0):
                    raise ValueError(f"{count} is no count")
                counts[unit] = count
            except Exception as error:
                self._complain(f"--per {unit}={expression}: {described(error)}; this unit is left out")
        return counts


def name_of(source: str) -> str:
    """Return what a cell is called where the user gave no name: its first line that is not a magic's."""
    lines = [line.strip() for line in source.splitlines()]
    said = next((line for line in lines if line and not line.startswith(("%%", "#"))), "")
    said = said or next((line for line in lines if line), "cell")
    return said if len(said) <= LONGEST_NAME else said[: LONGEST_NAME - 1] + "…"


def fallback_id(source: str) -> str:
    """Return an id for a cell whose client sends none: the same source is the same cell."""
    return "source-" + hashlib.blake2s(source.encode("utf-8", "replace"), digest_size=8).hexdigest()
