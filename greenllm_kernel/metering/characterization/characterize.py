"""What a sensor is really like, found by reading it often for a few seconds: ``greenllm doctor`` and ``tests/gpu``.

The meter must not be read by anyone else meanwhile; a sampler has meters of its own.
"""

from __future__ import annotations

import math
import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from greenllm_kernel.metering.characterization.agreement import Agreement, agreement
from greenllm_kernel.metering.characterization.refresh import Refresh, Sample, quantile, refresh, refreshed
from greenllm_kernel.metering.meter import AttributingMeter, Channel, Component, Kind, Meter, Reading

SECONDS = 3.0
"""How long a channel is read, s: thirty refreshes of an NVIDIA card."""

PERIODS = 8
"""A slow channel is read for so many of its declared periods."""

MOST_SECONDS = 8.0
"""No channel is read for longer, s."""

READS_IN_A_PERIOD = 50
"""Reads in one declared period: so finely its refreshes are seen."""

SHORTEST_SPACING_S, LONGEST_SPACING_S = 0.0001, 0.02
"""Reads of one channel are spaced at least and at most so far apart, s."""

PATIENCE_S = 5.0
"""How much longer than planned a meter may take before it is given up, s."""

NOISE_SPAN_S = 0.1
"""Noise of a channel that has only a counter is that of its mean power over this span, s (or two periods)."""

BUSY_SHARE = 0.10
"""A device or the processors busy for more than this part of the time are not idle."""

UNSTEADY_SHARE = 0.15
"""A power whose standard deviation is a larger part of its mean is not that of an idle part."""


@dataclass(frozen=True, slots=True)
class Characteristics:
    """What one channel was like.

    Attributes:
        channel: as the meter describes it.
        seconds: how long it was read, s.
        reads: how often it was asked.
        latency_s: median time of one read of this channel alone, s; None where there was none.
        latency_p95_s: 95th percentile, s.
        counter: refresh period of the counter; None where it has none.
        power: refresh period of power; None where it has none.
        agreement: the counter against integrated power; None where they cannot be compared.
        mean_power_w: mean power, W; None where unknown.
        noise_w: standard deviation of power, W; None where unknown.
        noise_span_s: what the powers were averaged over whose deviation that is, s; None: not published.
        is_idle: whether the part was idle meanwhile; None where that cannot be told.
        smallest_step_j: smallest step of the counter, J; None where it did not move.
        smallest_step_w: smallest difference between two powers, W; None where power did not change.
        setbacks: how often the counter went back for another reason than a wrap.
        faults: reads that gave a fault.
        fault: the last one, in words; None where there was none.
    """

    channel: Channel
    seconds: float
    reads: int
    latency_s: float | None = None
    latency_p95_s: float | None = None
    counter: Refresh | None = None
    power: Refresh | None = None
    agreement: Agreement | None = None
    mean_power_w: float | None = None
    noise_w: float | None = None
    noise_span_s: float | None = None
    is_idle: bool | None = None
    smallest_step_j: float | None = None
    smallest_step_w: float | None = None
    setbacks: int = 0
    faults: int = 0
    fault: str | None = None


@dataclass
class _Polled:
    """What polling one channel has given so far."""

    channel: Channel
    spacing_s: float
    until_ns: int
    due_ns: int = 0
    reads: int = 0
    faults: int = 0
    setbacks: int = 0
    fault: str | None = None
    latencies_s: list[float] = field(default_factory=list)
    counts: list[Sample] = field(default_factory=list)
    powers: list[Sample] = field(default_factory=list)
    last_j: float | None = None

    def take(self, readings: Sequence[Reading], taken_s: float) -> None:
        self.reads += 1
        self.latencies_s.append(taken_s)
        for reading in readings:
            if reading.channel_id != self.channel.id:
                continue
            if reading.fault is not None or not math.isfinite(reading.value):
                self.faults += 1
                self.fault = reading.fault or f"it read {reading.value}"
            elif reading.kind is Kind.POWER:
                self.powers.append((reading.t_ns, reading.value))
            else:
                self._count(reading)

    def _count(self, reading: Reading) -> None:
        """Follow the counter over its wraps; after it went back for another reason, only what follows is kept."""
        last_j, self.last_j = self.last_j, reading.value
        if last_j is None:
            self.counts.append((reading.t_ns, 0.0))
            return
        step_j = reading.value - last_j
        if step_j < 0 and self.channel.wraps_at_j is not None and step_j + self.channel.wraps_at_j >= 0:
            step_j += self.channel.wraps_at_j
        if step_j < 0:
            self.setbacks += 1
            self.counts.clear()
            step_j = 0.0
        self.counts.append((reading.t_ns, (self.counts[-1][1] if self.counts else 0.0) + step_j))


class Polling:
    """Reads channels of one meter as often as is needed to know them, on a thread of its own.

    Args:
        meter: which nobody else reads meanwhile; it is not closed.
        channels: of that meter.
        seconds: how long each is read, s; slow ones longer.
    """

    def __init__(self, meter: Meter, channels: Sequence[Channel], seconds: float = SECONDS) -> None:
        self.meter = meter
        self.fault: str | None = None
        """Why the meter gave nothing (more), in a sentence."""
        self._began_ns = time.monotonic_ns()
        self._polled = [_polled(channel, self._began_ns, seconds) for channel in channels]
        self._lasts_s = max((polled.until_ns - self._began_ns) / 1e9 for polled in self._polled) if channels else 0.0
        self._busy: dict[str, float] = {}
        self._cpu_busy: float | None = None
        self._is_given_up = False
        self._thread = threading.Thread(target=self._poll, name=f"greenllm-characterize-{meter.name}", daemon=True)
        self._thread.start()

    def wait(self) -> bool:
        """Wait to the end; return False where the meter hangs, which :attr:`fault` then says."""
        left_s = self._lasts_s + PATIENCE_S - (time.monotonic_ns() - self._began_ns) / 1e9
        self._thread.join(max(0.0, left_s))
        if self._thread.is_alive():
            self._is_given_up = True
            self.fault = f"{self.meter.name} did not answer for {PATIENCE_S:.0f} s and was given up"
        return not self._is_given_up

    def results(self) -> list[Characteristics]:
        """Return what is known of each channel, in the order given; after :meth:`wait`."""
        return [self._result(polled) for polled in self._polled]

    def _poll(self) -> None:
        try:
            before = self._usage()
            cpu_before = _cpu_times_s()
            while (polled := self._next()) is not None and not self._is_given_up:
                time.sleep(max(0.0, (polled.due_ns - time.monotonic_ns()) / 1e9))
                asked_ns = time.monotonic_ns()
                readings = self.meter.read([polled.channel.id])
                taken_s = (time.monotonic_ns() - asked_ns) / 1e9
                if not self._is_given_up:
                    polled.take(readings, taken_s)
                polled.due_ns = max(asked_ns + int(polled.spacing_s * 1e9), time.monotonic_ns())
            self._cpu_busy = _busy_share(cpu_before, _cpu_times_s())
            after = self._usage()
            self._busy = {
                key: (after[key][1] - busy_s) / max(1e-9, (after[key][0] - t_ns) / 1e9)
                for key, (t_ns, busy_s) in before.items()
                if key in after and after[key][0] > t_ns
            }
        except Exception as error:
            self.fault = f"{self.meter.name} failed: {type(error).__name__}: {error}"

    def _next(self) -> _Polled | None:
        """Return the channel to be read next, or None where all have been read long enough."""
        now_ns = time.monotonic_ns()
        going = [polled for polled in self._polled if polled.until_ns > now_ns]
        return min(going, key=lambda polled: polled.due_ns, default=None)

    def _usage(self) -> dict[str, tuple[int, float]]:
        """Return by channel until when and how long its device was busy, s, where the meter can tell."""
        if not isinstance(self.meter, AttributingMeter):
            return {}
        try:
            found = self.meter.usage([polled.channel.id for polled in self._polled], [os.getpid()])
            return {usage.channel_id: (usage.t_ns, usage.all_s) for usage in found if math.isfinite(usage.all_s)}
        except Exception:  # idle or not is then unknown, which the result says
            return {}

    def _result(self, polled: _Polled) -> Characteristics:
        channel = polled.channel
        counts, powers = list(polled.counts), list(polled.powers)
        counter = refresh(counts) if Kind.COUNTER in channel.provides else None
        power = refresh(powers) if Kind.POWER in channel.provides else None
        noise = _noise(channel, counts, powers, counter)
        mean_w = _mean_w(counts, powers)
        return Characteristics(
            channel=channel,
            seconds=_span_s(counts or powers),
            reads=polled.reads,
            latency_s=statistics.median(polled.latencies_s) if polled.latencies_s else None,
            latency_p95_s=quantile(polled.latencies_s, 0.95) if polled.latencies_s else None,
            counter=counter,
            power=power,
            agreement=agreement(
                counts,
                powers,
                _period_s(counter, channel.update_period_s),
                _period_s(power, channel.update_period_s),
                channel.averaging_window_s,
            ),
            mean_power_w=mean_w,
            noise_w=noise[0] if noise else None,
            noise_span_s=noise[1] if noise else None,
            is_idle=self._is_idle(channel, noise[0] if noise else None, mean_w),
            smallest_step_j=_smallest([later[1] - sooner[1] for sooner, later in pairwise(counts)]),
            smallest_step_w=_smallest([b - a for a, b in pairwise(sorted({power_w for _, power_w in powers}))]),
            setbacks=polled.setbacks,
            faults=polled.faults,
            fault=polled.fault,
        )

    def _is_idle(self, channel: Channel, noise_w: float | None, mean_w: float | None) -> bool | None:
        if noise_w is not None and mean_w and noise_w > UNSTEADY_SHARE * mean_w:
            return False
        share = self._busy.get(channel.id) if channel.component is Component.GPU else self._cpu_busy
        return None if share is None else share <= BUSY_SHARE


def characterize(meter: Meter, seconds: float = SECONDS) -> list[Characteristics]:
    """Return what the channels of ``meter`` are like; it takes ``seconds``, and somewhat longer for slow channels."""
    polling = Polling(meter, list(meter.channels()), seconds)
    polling.wait()
    return polling.results()


def _polled(channel: Channel, began_ns: int, seconds: float) -> _Polled:
    period_s = channel.update_period_s
    spacing_s = period_s / READS_IN_A_PERIOD if period_s > 0 else LONGEST_SPACING_S / 20
    lasts_s = max(seconds, min(PERIODS * period_s, MOST_SECONDS))
    return _Polled(
        channel=channel,
        spacing_s=min(LONGEST_SPACING_S, max(SHORTEST_SPACING_S, spacing_s)),
        until_ns=began_ns + int(lasts_s * 1e9),
    )


def _period_s(found: Refresh | None, declared_s: float) -> float:
    if found is None:
        return declared_s
    if found.period_s is not None:
        return found.period_s
    return 0.0 if found.at_most_s is not None else declared_s


def _mean_w(counts: Sequence[Sample], powers: Sequence[Sample]) -> float | None:
    ticks = refreshed(counts)
    if len(ticks) > 1:
        # From one refresh to another: what the counter has not shown yet at the last read is not missing then.
        return (ticks[-1][1] - ticks[0][1]) / _span_s(ticks)
    return statistics.fmean(power_w for _, power_w in powers) if powers else None


def _noise(
    channel: Channel, counts: Sequence[Sample], powers: Sequence[Sample], counter: Refresh | None
) -> tuple[float, float | None] | None:
    """Return the standard deviation of power, W, and over what it was averaged, s."""
    if len(powers) > 1:
        return statistics.pstdev(power_w for _, power_w in powers), channel.averaging_window_s
    span_s = max(NOISE_SPAN_S, 2 * _period_s(counter, channel.update_period_s))
    means_w: list[float] = []
    start_ns, start_j = counts[0] if counts else (0.0, 0.0)
    for t_ns, joules in counts:
        if t_ns - start_ns >= span_s * 1e9:
            means_w.append((joules - start_j) / (t_ns - start_ns) * 1e9)
            start_ns, start_j = t_ns, joules
    has_moved = any(mean_w > 0 for mean_w in means_w)
    return (statistics.pstdev(means_w), span_s) if has_moved and len(means_w) > 3 else None


def _smallest(steps: Sequence[float]) -> float | None:
    return min((step for step in steps if step > 0), default=None)


def _span_s(samples: Sequence[Sample]) -> float:
    return (samples[-1][0] - samples[0][0]) / 1e9 if samples else 0.0


_IDLE_TIMES = ("idle", "iowait")


def _cpu_times_s() -> tuple[float, float, float] | None:
    """Return all time of all processors, their idle time, and the time this process has used, s."""
    try:
        import psutil
    except ImportError:
        return None
    times = psutil.cpu_times()._asdict()
    # Guests' time is in the user's already (proc(5)).
    whole_s = sum(seconds for name, seconds in times.items() if not name.startswith("guest"))
    return whole_s, sum(times.get(name, 0.0) for name in _IDLE_TIMES), time.process_time()


def _busy_share(before: tuple[float, float, float] | None, after: tuple[float, float, float] | None) -> float | None:
    """Return which part of the processors' time others than this process have used, or None where unknown."""
    if before is None or after is None or after[0] <= before[0]:
        return None
    whole_s, idle_s, own_s = (later - sooner for sooner, later in zip(before, after, strict=True))
    return max(0.0, (whole_s - idle_s - own_s) / whole_s)
