"""The thread that reads one meter: a meter that raises, hangs or is slow delays and disturbs only itself."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from greenllm_kernel.metering.admission import checked
from greenllm_kernel.metering.attribution.attribution import LOOK_EVERY_S, PATIENCE_S, Attribution
from greenllm_kernel.metering.containment import is_superseded
from greenllm_kernel.metering.limits import Limits
from greenllm_kernel.metering.meter import AttributingMeter, Channel, Meter, PowerMeter, Reading, Usage
from greenllm_kernel.metering.schedule import READ_PERIOD_S, Schedule
from greenllm_kernel.metering.suspension import NOTICED_S, asleep_s
from greenllm_kernel.metering.tracing.trace import Trace

HANG_S = 2.0
"""A read that has not returned after this long counts as hung."""

RETRY_S = (0.5, 1.0, 2.0, 5.0)
"""Pauses after the first, second, ... read in a row that raised, s."""

LEARN_AT_ONCE = 2
"""Channels whose ticks are learnt at a time: in a busy interpreter each read takes milliseconds, and a round of many
would leave brackets as wide as a tick."""

CPU_SHARE = 0.004
"""The share of a core one meter's reading should stay below; above it, it reads less often."""

MOST_SAVED_S = 0.03
"""Time that reading has not used it may use later, up to this, s: learning ticks costs more than following them."""

JUDGE_EVERY_S = 1.0
"""How often the share is looked at, s."""

MOST_STRIDE = 32.0
"""Reads are never spaced further apart than this many times the usual."""

POWER_SHARE = 0.001
"""The share of a core that reading power alone may cost, between the other reads."""

CHEAP = 0.25
"""Power alone is read where that costs no more than this part of reading everything, for one channel."""

TRIED_AGAIN_S = 60.0
"""How soon it is tried anew whether that is so, s."""

USE_SOON_S = 0.25
"""How often, after a window opened or closed, a meter is asked whose use it was, s: its figures come late."""

USE_SHARE = 0.001
"""The share of a core that asking whose use it was may cost, but soon after a window opened or closed."""

USE_SLACK_NS = 250_000_000
"""How long asking whose use it was waits for a read that is due anyway, ns."""

SHORTEST_PAUSE_S = 0.0005
"""A reader always yields at least this long, s."""

LONGEST_PAUSE_S = 60.0
"""It looks again after this at the latest, s."""


class Reader:
    """Reads one meter into the traces of its channels.

    Args:
        meter: whose ``read()`` is called on a thread of this reader's own.
        channels: those of its channels that are to be read.
        attribution: told whose use the devices were, where the meter knows.
    """

    def __init__(self, meter: Meter, channels: Sequence[Channel], attribution: Attribution | None = None) -> None:
        self.name = meter.name
        self.traces = [Trace(channel) for channel in channels]
        self.cpu_s = 0.0
        self.fault: str | None = None
        self._meter = meter
        self.limits = Limits(meter, [channel.id for channel in channels])
        # A protocol is looked for once: asking each time would cost more than the reading.
        self._attributing = meter if isinstance(meter, AttributingMeter) else None
        self._power_meter = meter if isinstance(meter, PowerMeter) else None
        self._attribution = attribution if self._attributing else None
        self._use_due_ns = self._use_soon_until_ns = 0
        self._power_due_ns = 0
        self._read_cost_s = 0.0
        self._by_id = {trace.channel.id: trace for trace in self.traces}
        self._schedules = {trace.channel.id: Schedule(trace) for trace in self.traces}
        self._wake = threading.Event()
        self._is_wanted = False
        self._is_closed = False
        self._has_rested = False
        self._reading_since: int | None = None
        self._failures = 0
        self._asleep_s: float | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stride = 1.0
        self._judged_ns = time.monotonic_ns()
        self._judged_cpu_s = 0.0
        self._saved_s = MOST_SAVED_S

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

    def is_superseded_by(self, known: Sequence[tuple[str, Channel]]) -> bool:
        """Tell whether it only estimates what sensors, or surer estimates, tell."""
        return bool(self.traces) and all(is_superseded(trace.channel, self.name, known) for trace in self.traces)

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
                try:
                    self._read_due()
                except Exception as error:
                    self._lose(f"reading {self.name} failed: {type(error).__name__}: {error}", time.monotonic_ns())
                    self._wake.wait(RETRY_S[-1])
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
            self._asleep_s = None
            for trace in self.traces:
                trace.rest()
        now_ns = time.monotonic_ns()
        self._use_due_ns, self._use_soon_until_ns = now_ns, now_ns + int(PATIENCE_S * 1e9)
        learn_from_ns, learning = now_ns, 0
        for schedule in self._schedules.values():
            schedule.begin(now_ns, learn_from_ns)
            if schedule.is_learning(now_ns):
                learning += 1
                learn_from_ns += schedule.burst_ns if learning % LEARN_AT_ONCE == 0 else 0

    def _read_due(self) -> None:
        if not self._is_wanted or self._is_closed:
            return
        now_ns = time.monotonic_ns()
        next_ns = min((schedule.due_ns for schedule in self._schedules.values()), default=now_ns + 10**9)
        if next_ns <= now_ns:
            self._read([key for key, schedule in self._schedules.items() if schedule.joins(now_ns)])
            next_ns = min(schedule.due_ns for schedule in self._schedules.values())
        self._read_power()
        self._ask_whose_use()
        self._ask_limits()
        after_ns = time.monotonic_ns()
        self._account(after_ns)
        next_ns = min(next_ns, self._power_due_ns if self._reads_power else next_ns)
        next_ns = min(next_ns, self._use_due_ns + USE_SLACK_NS if self._attribution else next_ns)
        self._wake.wait(min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, (next_ns - after_ns) / 1e9)))

    @property
    def _reads_power(self) -> bool:
        """Whether power is read between the other reads: they cost too much to be made often."""
        return self._power_meter is not None and self._stride > 1.0 and self._failures == 0

    def _read_power(self) -> None:
        """Read power alone where nothing else has been read for a while."""
        started_ns = time.monotonic_ns()
        if started_ns < self._power_due_ns or not self._reads_power or self._power_meter is None:
            return
        began_s = time.thread_time()
        self._reading_since = started_ns
        try:
            readings = self._power_meter.read_power(list(self._by_id))
            is_cheap = (time.thread_time() - began_s) / len(self._by_id) <= CHEAP * self._read_cost_s
            self._add(readings, started_ns)
        except (Exception, SystemExit) as error:
            is_cheap = False
            self.fault = f"{self.name} failed: {type(error).__name__}: {error}"
        finally:
            self._reading_since = None
        spacing_s = max(READ_PERIOD_S, (time.thread_time() - began_s) / POWER_SHARE) if is_cheap else TRIED_AGAIN_S
        self._power_due_ns = started_ns + int(spacing_s * 1e9)

    def _read(self, due: list[str]) -> None:
        asleep_before_s = asleep_s()
        self._reading_since = started_ns = time.monotonic_ns()
        began_s = time.thread_time()
        try:
            readings = self._meter.read(due)
            self._read_cost_s = (time.thread_time() - began_s) / len(due)
            self._doubt_after_suspension(asleep_before_s)
            self._take(readings, due, started_ns)
            self._failures = 0
        except (Exception, SystemExit) as error:
            self._failures += 1
            self._lose(f"{self.name} failed: {type(error).__name__}: {error}", started_ns)
            self._wait_after_failure()
        finally:
            self._reading_since = None

    def _doubt_after_suspension(self, asleep_before_s: float) -> None:
        """Have the traces doubt what counters say of a time in which the machine was suspended."""
        known_s, self._asleep_s = self._asleep_s, asleep_before_s
        if known_s is not None and asleep_s() - known_s > NOTICED_S:
            for trace in self.traces:
                trace.doubt()

    def _take(self, readings: object, due: list[str], started_ns: int) -> None:
        now_ns = time.monotonic_ns()
        read, faults = self._add(readings, started_ns)
        for key in due:
            if key not in read:
                self._by_id[key].lose(f"{self.name} gave no reading", now_ns)
                faults[f"{self._by_id[key].channel.label}: {self.name} gave no reading"] = None
            self._schedules[key].was_read(read.get(key, now_ns))
        if len(due) == len(self._by_id):
            self._power_due_ns = max(self._power_due_ns, started_ns + int(READ_PERIOD_S * 1e9))
        self.fault = "; ".join(faults) or None

    def _add(self, readings: object, started_ns: int) -> tuple[dict[str, int], dict[str, None]]:
        """Give the traces what was read; return by channel when it was, and what is wrong with any of it."""
        now_ns = time.monotonic_ns()
        read: dict[str, int] = {}
        faults: dict[str, None] = {}
        for reading in readings if isinstance(readings, (list, tuple)) else ():
            trace = self._by_id.get(reading.channel_id) if _names_a_channel(reading) else None
            if trace is None:
                faults[f"{self.name} gave readings of what is none of its channels"] = None
                continue
            reading = checked(reading, trace.channel, started_ns, now_ns)
            fault = trace.add(reading)
            read[reading.channel_id] = max(reading.t_ns, read.get(reading.channel_id, started_ns))
            if fault:
                faults[f"{trace.channel.label}: {fault}"] = None
        return read, faults

    def _ask_whose_use(self) -> None:
        """Now and then have the meter say whose the use of its devices is."""
        now_ns = time.monotonic_ns()
        if self._attribution is None or self._attributing is None or now_ns < self._use_due_ns:
            return
        began_s = time.thread_time()
        self._reading_since = now_ns
        try:
            usages = self._attributing.usage(list(self._by_id), self._attribution.process_ids)
        except (Exception, SystemExit) as error:
            fault = f"{self.name} failed to tell whose use it is: {type(error).__name__}: {error}"
            usages = [Usage(key, math.nan, math.nan, now_ns, fault) for key in self._by_id]
        finally:
            self._reading_since = None
        rarely_s = max(LOOK_EVERY_S, (time.thread_time() - began_s) / USE_SHARE)
        self._use_due_ns = now_ns + int((USE_SOON_S if now_ns < self._use_soon_until_ns else rarely_s) * 1e9)
        given = usages if isinstance(usages, (list, tuple)) else ()
        self._attribution.take(usage for usage in given if isinstance(usage, Usage) and usage.channel_id in self._by_id)

    def _ask_limits(self) -> None:
        if self.limits.is_due:
            self._reading_since = time.monotonic_ns()
            self.limits.ask()
            self._reading_since = None

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
        spent_s = self.cpu_s - self._judged_cpu_s
        self._judged_ns, self._judged_cpu_s = now_ns, self.cpu_s
        self._saved_s = min(MOST_SAVED_S, self._saved_s + CPU_SHARE * elapsed_s - spent_s)
        change = min(2.0, max(0.5, spent_s / elapsed_s / CPU_SHARE)) if self._saved_s < 0 else 0.5
        self._saved_s = max(0.0, self._saved_s)
        self._stride = min(MOST_STRIDE, max(1.0, self._stride * change))
        for schedule in self._schedules.values():
            schedule.stride = self._stride


def _names_a_channel(reading: object) -> bool:
    return isinstance(reading, Reading) and isinstance(reading.channel_id, str)
