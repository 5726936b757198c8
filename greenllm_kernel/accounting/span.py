"""What the session drew in all: the time in which anything was measured, each instant counted once."""

from __future__ import annotations

import threading
from collections import deque

from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.window import Window
from greenllm_kernel.quantities import Energy


class Span:
    """The union of all runs of a session: from the first that opens to the last that closes, again and again.

    Args:
        sampler: of the session.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._lock = threading.Lock()
        self._events: deque[tuple[int, int]] = deque()
        self._depth = 0
        self._window: Window | None = None
        self._closing: list[Window] = []
        self._energy: Energy | None = None
        self._duration_s = 0.0
        self._unavailable: set[str] = set()

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
            for window in [window for window in self._closing if window.is_settled()]:
                self._closing.remove(window)
                self._energy = _added(self._energy, self._drawn(window))
                self._unavailable |= _missing(window)
                self._duration_s += window.duration_s
                window.finish()

    def keep_edge(self) -> None:
        """See :meth:`Window.keep_edge`."""
        with self._lock:
            if self._window is not None:
                self._window.keep_edge()

    def total(self) -> tuple[Energy | None, float, list[str]]:
        """Return what was drawn so far, J, in how many seconds, and the ids of channels with readings missing."""
        with self._lock:
            self._catch_up()
            energy, duration_s, unavailable = self._energy, self._duration_s, set(self._unavailable)
            for window in (*self._closing, *([self._window] if self._window else ())):
                energy = _added(energy, self._drawn(window))
                duration_s += window.duration_s
                unavailable |= _missing(window)
        return energy, duration_s, sorted(unavailable)

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

    @staticmethod
    def _drawn(window: Window) -> Energy | None:
        return Energy.sum(draw.energy for draw in window.draws() if draw.counted and draw.energy is not None)


def _added(left: Energy | None, right: Energy | None) -> Energy | None:
    return left + right if left and right else left or right


def _missing(window: Window) -> set[str]:
    return {d.channel.id for d in window.draws() if d.counted and (d.energy is None or d.fault)}
