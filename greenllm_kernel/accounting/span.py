"""What the session drew in all: the time in which anything was measured, each instant counted once."""

from __future__ import annotations

import threading
import time
from collections import deque

from greenllm_kernel.accounting.drawn import Drawn
from greenllm_kernel.accounting.readings import Readings
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.window import SettledDraws, Window
from greenllm_kernel.quantities import Energy


class Span:
    """The union of all runs of a session: from the first that opens to the last that closes, again and again.

    Args:
        sampler: of the session.
        settled: what its settled windows drew.
    """

    def __init__(self, sampler: Sampler, settled: SettledDraws) -> None:
        self._sampler = sampler
        self._settled = settled
        self._lock = threading.Lock()
        self._events: deque[tuple[int, int]] = deque()
        self._depth = 0
        self._window: Window | None = None
        self._closing: list[Window] = []
        self._drawn = Drawn()
        self._duration_s = 0.0
        self._readings = Readings()

    def enter(self, opened_ns: int) -> None:
        """A run has opened. Costs next to nothing; :meth:`attend` does the rest."""
        self._events.append((opened_ns, 1))

    def leave(self, closed_ns: int) -> None:
        """A run has closed."""
        self._events.append((closed_ns, -1))

    def attend(self) -> None:
        """Take in which runs have opened and closed."""
        with self._lock:
            self._catch_up()

    def settle(self) -> None:
        """Add the windows that later readings will not change any more."""
        with self._lock:
            self._catch_up()
            for window in [w for w in self._closing if w.is_settled() and w.is_attributed()]:
                self._closing.remove(window)
                draws = self._settled.of(window)
                self._drawn += Drawn.of_channels(draws)
                self._readings += Readings.of_channels(draws, window.duration_s)
                self._duration_s += window.duration_s
                window.finish()

    @property
    def is_settled(self) -> bool:
        """Whether nothing has closed that later readings could still change."""
        return not self._closing

    def keep_edge(self) -> None:
        """See :meth:`Window.keep_edge`."""
        with self._lock:
            if self._window is not None:
                self._window.keep_edge()

    def total(self) -> tuple[Energy | None, float, list[str]]:
        """Return what was drawn so far, J, in how many seconds, and the ids of the channels that it lacks."""
        drawn, duration_s, readings = self.drawn()
        return drawn.energy, duration_s, sorted(reading.channel_id for reading in readings.missing)

    def drawn(self, now_ns: int | None = None) -> tuple[Drawn, float, Readings]:
        """Return the same with idle, net and this kernel's share, and how far each channel was read.

        Args:
            now_ns: up to when, where sums of several spans are to be of one instant.
        """
        with self._lock:
            self._catch_up()
            drawn, duration_s, readings = self._drawn, self._duration_s, self._readings
            for window in (*self._closing, *([self._window] if self._window else ())):
                closing_ns = window.closed_ns or now_ns or time.monotonic_ns()
                draws, window_s = window.draws(closing_ns), max(0.0, (closing_ns - window.opened_ns) / 1e9)
                drawn += Drawn.of_channels(draws)
                duration_s += window_s
                readings += Readings.of_channels(draws, window_s)
        return drawn, duration_s, readings

    def _catch_up(self) -> None:
        while self._events:
            t_ns, change = self._events.popleft()
            self._depth += change
            if self._window is None:
                self._window = Window(self._sampler, t_ns)
                self._window.attend()
            elif self._depth == 0:
                self._window.shut(t_ns)
                self._window.attend()
                self._closing.append(self._window)
                self._window = None
