"""Runs the sampler, its reader and its windows in simulated time: one process's measuring, without a thread.

The reader's own loop runs, and wherever it would wait, what else happens meanwhile is done: windows open and close,
are attended to a little later, and are looked at until they are settled.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from greenllm_kernel.accounting.session import PROGRESS_EVERY_S, SETTLE_EVERY_S
from greenllm_kernel.metering.meter import Meter
from greenllm_kernel.metering.reader import Reader
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.window import Draw, Window
from scenarios.loads import Span
from scenarios.simulated_time import SimulatedTime, instead_of_real


@dataclass(frozen=True)
class Measured:
    """What was found of one window, s after the start of the session: its draws, and when they were settled."""

    window_s: Span
    draws: Sequence[Draw]
    settled_s: float


class Driving:
    """One session in simulated time.

    Args:
        meter: the only one; reads ``time``.
        time: the simulated time.
        late_s: gives how much later than asked for a thread wakes, s.
        found_s: after how long the meter has been found, s.
        is_watched: whether readings are wanted also while no window is open.
        open_window: makes a window of a sampler and an instant, ns.
    """

    def __init__(
        self,
        meter: Meter,
        time: SimulatedTime,
        late_s: Callable[[], float] = lambda: 0.0,
        found_s: float = 0.0,
        is_watched: bool = False,
        open_window: Callable[[Sampler, int], Window] = Window,
    ) -> None:
        self.time = time
        self._meter = meter
        self._late_s = late_s
        self._found_s = found_s
        self._is_watched = is_watched
        self._open_window = open_window
        self._start_ns = time.now_ns
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._is_awake = False

    def measure(self, windows_s: Sequence[Span]) -> list[Measured]:
        """Open and close windows at these instants, and return what was found, in the same order."""
        measured: dict[int, Measured] = {}

        def take(number: int, window: Window) -> None:
            settled_s = (self.time.now_ns - self._start_ns) / 1e9
            measured[number] = Measured(windows_s[number], window.draws(), settled_s)

        self.run(windows_s, take)
        return [measured[number] for number in range(len(windows_s))]

    def run(self, windows_s: Sequence[Span], settled: Callable[[int, Window], None]) -> None:
        """Open and close windows at these instants, and hand each over once it is settled, with its number."""
        self._settled = settled
        with instead_of_real(self.time):
            self._sampler = Sampler(lambda: ())
            self._sampler._is_started = True
            self._reader = Reader(self._meter, self._meter.channels())
            self._reader._thread = threading.current_thread()
            self._reader._wake = self  # type: ignore[assignment]
            self._at(self._found_s, self._find)
            if self._is_watched:
                self._at(0.0, self._sampler.hold)
            for number, window_s in enumerate(windows_s):
                self._at(window_s[0], partial(self._open, number, window_s))
            self._left = len(windows_s)
            self._reader._run()

    # What the reader has for an event to wait on.

    def set(self) -> None:
        self._is_awake = True

    def clear(self) -> None:
        self._is_awake = False

    def is_set(self) -> bool:
        return self._is_awake

    def wait(self, timeout: float | None = None) -> bool:
        until_ns = None if timeout is None else self.time.now_ns + int(1e9 * (timeout + self._late_s()))
        while not self._is_awake:
            if not self._events or (until_ns is not None and self._events[0][0] > until_ns):
                if until_ns is None:
                    raise RuntimeError("the reader rests, and nothing will ever wake it")
                self.time.now_ns = max(self.time.now_ns, until_ns)
                return False
            self._happen()
        woken_ns = self.time.now_ns + int(1e9 * self._late_s())
        while self._events and self._events[0][0] <= woken_ns:
            self._happen()
        self.time.now_ns = max(self.time.now_ns, woken_ns)
        return True

    def _happen(self) -> None:
        t_ns, _, event = heapq.heappop(self._events)
        self.time.now_ns = max(self.time.now_ns, t_ns)
        event()

    def _at(self, t_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._start_ns + int(1e9 * t_s), next(self._numbers), event))

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        at_ns = self.time.now_ns + int(1e9 * (seconds + self._late_s()))
        heapq.heappush(self._events, (at_ns, next(self._numbers), event))

    # What happens.

    def _find(self) -> None:
        self._sampler._readers.append(self._reader)
        self._sampler._found.set()
        if self._sampler._holders:
            self._reader.begin()

    def _open(self, number: int, window_s: Span) -> None:
        window = self._open_window(self._sampler, self._start_ns + int(1e9 * window_s[0]))
        self._after(0.0, window.attend)
        self._after(PROGRESS_EVERY_S, partial(self._keep, window))
        self._at(window_s[1], partial(self._close, number, window, window_s))

    def _keep(self, window: Window) -> None:
        if window.is_open:
            window.keep_edge()
            self._after(PROGRESS_EVERY_S, partial(self._keep, window))

    def _close(self, number: int, window: Window, window_s: Span) -> None:
        window.shut(self._start_ns + int(1e9 * window_s[1]))
        self._after(0.0, partial(self._look, number, window))

    def _look(self, number: int, window: Window) -> None:
        """Attend to a closed window until it is settled; take what is known of it then."""
        window.attend()
        self._sampler.check(self.time.now_ns)
        if not window.is_settled():
            self._after(SETTLE_EVERY_S, partial(self._look, number, window))
            return
        self._settled(number, window)
        window.finish()
        self._left -= 1
        if self._left == 0:
            self._reader.close()
