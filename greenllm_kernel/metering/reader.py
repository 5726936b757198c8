"""The thread that reads one meter: a meter that raises, hangs or is slow delays and disturbs only itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from greenllm_kernel.metering.meter import Channel, Component, Meter, Reading
from greenllm_kernel.metering.schedule import Schedule
from greenllm_kernel.metering.trace import Trace

HANG_S = 2.0
"""A read that has not returned after this long counts as hung."""

RETRY_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses after the first, second, ... read in a row that raised, s."""

CPU_SHARE = 0.005
"""The share of a core one meter's reading should stay below; above it, it reads less often."""

JUDGE_EVERY_S = 1.0
"""How often the share is looked at, s."""

MOST_STRIDE = 16.0
"""Reads are never spaced further apart than this many times the usual."""

SHORTEST_PAUSE_S = 0.0005
"""A reader always yields at least this long, s."""


class Reader:
    """Reads one meter into the traces of its channels.

    Args:
        meter: whose ``read()`` is called on a thread of this reader's own.
        channels: those of its channels that are to be read.
    """

    def __init__(self, meter: Meter, channels: Sequence[Channel]) -> None:
        self.name = meter.name
        self.traces = [Trace(channel) for channel in channels]
        self.cpu_s = 0.0
        self.fault: str | None = None
        self._meter = meter
        self._by_id = {trace.channel.id: trace for trace in self.traces}
        self._schedules = {trace.channel.id: Schedule(trace) for trace in self.traces}
        self._wake = threading.Event()
        self._is_wanted = False
        self._is_closed = False
        self._has_rested = False
        self._reading_since: int | None = None
        self._failures = 0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stride = 1.0
        self._judged_ns = time.monotonic_ns()
        self._judged_cpu_s = 0.0

    def begin(self) -> None:
        """Read now, and go on until :meth:`rest`."""
        if self._is_closed:
            return
        self._is_wanted = True
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=f"greenllm-{self.name}", daemon=True)
                    self._thread.start()
        self._wake.set()

    def rest(self) -> None:
        """Stop reading until :meth:`begin`."""
        self._is_wanted = False
        self._wake.set()

    @property
    def is_resting(self) -> bool:
        """Whether it does not read at present."""
        return not self._is_wanted

    def is_superseded_by(self, sensed: set[Component]) -> bool:
        """Tell whether it only estimates what sensors tell."""
        return bool(self.traces) and all(
            trace.channel.is_estimate and trace.channel.component in sensed for trace in self.traces
        )

    def close(self) -> None:
        """Stop for good and give the meter back (its own thread does)."""
        self._is_closed = True
        self._is_wanted = False
        self._wake.set()
        if self._thread is None:
            self._give_back()

    def check(self, now_ns: int) -> None:
        """Mark the channels unavailable where a read hangs."""
        since = self._reading_since
        if since is not None and now_ns - since > HANG_S * 1e9:
            self._lose(f"{self.name} has not answered for {(now_ns - since) / 1e9:.0f} s", since)

    def _run(self) -> None:
        try:
            while not self._is_closed:
                if not self._is_wanted:
                    self._pause()
                elif self._wake.is_set():
                    self._begin()
                self._read_due()
        finally:
            self._give_back()

    def _give_back(self) -> None:
        try:
            self._meter.close()
        except (Exception, SystemExit) as error:
            self.fault = f"{self.name} could not be closed: {type(error).__name__}: {error}"

    def _pause(self) -> None:
        self._has_rested = True
        while not self._is_wanted and not self._is_closed:
            self._wake.wait()
            if not self._is_wanted:
                self._wake.clear()

    def _begin(self) -> None:
        self._wake.clear()
        if self._has_rested:
            self._has_rested = False
            for trace in self.traces:
                trace.rest()
        now_ns = time.monotonic_ns()
        for schedule in self._schedules.values():
            schedule.begin(now_ns)

    def _read_due(self) -> None:
        if not self._is_wanted or self._is_closed:
            return
        now_ns = time.monotonic_ns()
        next_ns = min((schedule.due_ns for schedule in self._schedules.values()), default=now_ns + 10**9)
        if next_ns <= now_ns:
            self._read([key for key, schedule in self._schedules.items() if schedule.joins(now_ns)])
            next_ns = min(schedule.due_ns for schedule in self._schedules.values())
        after_ns = time.monotonic_ns()
        self._account(after_ns)
        self._wake.wait(max(SHORTEST_PAUSE_S, (next_ns - after_ns) / 1e9))

    def _read(self, due: list[str]) -> None:
        self._reading_since = started_ns = time.monotonic_ns()
        try:
            self._take(self._meter.read(due), due)
            self._failures = 0
        except (Exception, SystemExit) as error:
            self._failures += 1
            self._lose(f"{self.name} failed: {type(error).__name__}: {error}", started_ns)
            self._wait_after_failure()
        finally:
            self._reading_since = None

    def _take(self, readings: object, due: list[str]) -> None:
        good: dict[str, int] = {}
        faults: list[str] = []
        for reading in readings if isinstance(readings, (list, tuple)) else ():
            trace = self._by_id.get(getattr(reading, "channel_id", ""))
            if trace is None or not isinstance(reading, Reading):
                continue
            trace.add(reading)
            good[reading.channel_id] = max(reading.t_ns, good.get(reading.channel_id, 0))
            if trace.fault:
                faults.append(f"{trace.channel.label}: {trace.fault}")
        now_ns = time.monotonic_ns()
        for key in due:
            if key not in good:
                self._by_id[key].lose(f"{self.name} gave no reading", now_ns)
                faults.append(f"{self._by_id[key].channel.label}: {self.name} gave no reading")
            self._schedules[key].was_read(good.get(key, now_ns))
        self.fault = "; ".join(faults) or None

    def _lose(self, reason: str, since_ns: int) -> None:
        self.fault = reason
        for trace in self.traces:
            trace.lose(reason, since_ns)

    def _wait_after_failure(self) -> None:
        pause_s = RETRY_S[min(self._failures, len(RETRY_S)) - 1]
        for schedule in self._schedules.values():
            schedule.postpone(time.monotonic_ns() + int(pause_s * 1e9))

    def _account(self, now_ns: int) -> None:
        """Add up what this thread costs, and read less often where that is too much."""
        self.cpu_s = time.thread_time()
        elapsed_s = (now_ns - self._judged_ns) / 1e9
        if elapsed_s < JUDGE_EVERY_S:
            return
        share = (self.cpu_s - self._judged_cpu_s) / elapsed_s
        self._judged_ns, self._judged_cpu_s = now_ns, self.cpu_s
        change = min(2.0, max(0.5, share / CPU_SHARE))
        self._stride = min(MOST_STRIDE, max(1.0, self._stride * change))
        for schedule in self._schedules.values():
            schedule.stride = self._stride
