"""The repeats of one statement: a window for each, settled while the next ones run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from greenllm_kernel.accounting.run import innermost
from greenllm_kernel.metering.queued_work import told, wait_for_queued_work
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.window import SETTLE_TIMEOUT_S, Draw, Window

KEEP_EVERY_S = 1.0
"""How often windows are looked after while a repeat runs, s: traces forget after minutes."""

SETTLE_EVERY_S = 0.02
"""How often windows are looked at where one waits for them to settle, s."""

Body = Callable[[int, Callable[[], None]], None]
"""What is repeated: prepares itself, marks, runs so many loops, and marks again."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One repeat: how many loops, how long they took together, s, and what each channel drew meanwhile."""

    loops: int
    duration_s: float
    draws: Sequence[Draw]


class Repeats:
    """Measures repeats of a body. While it is entered the sampler reads, so that ticks are known by the first repeat.

    They are windows and not runs: dozens of records of a second each would tell nobody anything.

    Args:
        sampler: whose traces are asked.
        waits_for_gpu: whether a repeat is over only when the work it has queued on accelerators is done.
    """

    def __init__(self, sampler: Sampler, waits_for_gpu: bool = True) -> None:
        self._sampler = sampler
        self._waits_for_gpu = waits_for_gpu
        self._lock = threading.Lock()
        self._open: Window | None = None
        self._closed: list[tuple[int, Window]] = []
        self._settled: dict[Window, Sequence[Draw]] = {}
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        self._sampler.hold()
        threading.Thread(target=self._keep, name="greenllm-repeats", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        with self._lock:
            self._look(is_last=True)
            if self._open is not None:
                self._open.finish()
                self._open = None
        self._sampler.release()

    def __len__(self) -> int:
        return len(self._closed)

    def rehearse(self, body: Body, loops: int) -> float:
        """Run some loops without measuring them, and return how long they took, s."""
        instants: list[float] = []

        def mark() -> None:
            self._wait_for_gpu()
            instants.append(time.perf_counter())

        body(loops, mark)
        return instants[1] - instants[0]

    def make(self, body: Body, loops: int) -> float:
        """Measure one repeat and return how long it took, s. One that is left by an exception does not count."""
        try:
            body(loops, self._mark)
        except BaseException:
            with self._lock:
                if self._open is not None:
                    self._open.finish()
                    self._open = None
            raise
        with self._lock:
            assert self._open is not None and not self._open.is_open, "the body did not mark its loops twice"
            window, self._open = self._open, None
            self._closed.append((loops, window))
        return window.duration_s

    def drop(self) -> None:
        """Forget all repeats so far."""
        with self._lock:
            for _, window in self._closed:
                window.finish()
            self._closed.clear()
            self._settled.clear()

    def settle(self, timeout_s: float = SETTLE_TIMEOUT_S) -> None:
        """Wait until later readings would not sharpen any repeat, or for so long, s."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._look()
                is_settled = len(self._settled) == len(self._closed)
            if is_settled or time.monotonic() > deadline:
                return
            time.sleep(SETTLE_EVERY_S)

    def made(self) -> list[Repeat]:
        """Return all repeats with what is known of them now."""
        with self._lock:
            return [
                Repeat(loops, window.duration_s, self._settled.get(window) or window.draws())
                for loops, window in self._closed
            ]

    def _mark(self) -> None:
        window = self._open
        self._wait_for_gpu()
        if window is None:
            window = Window(self._sampler)
            self._open = window
        else:
            window.shut()
        window.attend()

    def _wait_for_gpu(self) -> None:
        """Wait for what is queued, and raise an error in it, unless it is older than the run that this is part of."""
        failures = wait_for_queued_work() if self._waits_for_gpu else {}
        around = innermost.get()
        older = around.failed_before if around is not None else frozenset()
        if failures := {at: error for at, error in failures.items() if at not in older}:
            raise told(failures)

    def _keep(self) -> None:
        while not self._is_over.wait(KEEP_EVERY_S):
            with self._lock:
                self._look()

    def _look(self, is_last: bool = False) -> None:
        """Take the draws of windows that have settled, and keep the opening edge of the one that is open."""
        self._sampler.check(time.monotonic_ns())
        if self._open is not None:
            self._open.keep_edge()
        for _, window in self._closed:
            if window not in self._settled and (is_last or window.is_settled()):
                self._settled[window] = window.draws()
                window.finish()
