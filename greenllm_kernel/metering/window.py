"""Two instants, and what each channel drew between them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from greenllm_kernel.metering.attribution.attribution import share_j
from greenllm_kernel.metering.attribution.use import UseAt
from greenllm_kernel.metering.containment import counted, gives_way, is_superseded
from greenllm_kernel.metering.idle.baseline import Baseline
from greenllm_kernel.metering.meter import Channel
from greenllm_kernel.metering.reader import Reader
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.suspension import NOTICED_S, asleep_s
from greenllm_kernel.metering.tracing.edge import Edge
from greenllm_kernel.metering.tracing.trace import Trace
from greenllm_kernel.quantities import Energy

SETTLE_TIMEOUT_S = 3.0
"""A window is settled this long after it closed at the latest, with whatever readings there are..."""

LONGEST_SETTLE_S = 90.0
"""... and where a sensor is slower than that, after two of its refreshes, but no later than this."""

LOOK_SPACING_S = 0.5
"""Of the time between two looks whether a window is settled, so much counts as waiting, s: a cell that holds the GIL in
C lets neither the sampler nor who looks do anything, and in a suspended machine nothing runs at all."""

NEAR_NS = 200_000_000
"""A window too short for a reading of its own shows the mean power of so long before and after it, ns."""

KEEP_EDGE_AFTER_S = 1.5
"""A window keeps its edges itself from this age on, s: traces forget..."""

KEEP_EDGE_AFTER_TICKS = 8
"""... and from this many refreshes on, which is when what comes later does not sharpen them any more."""

LONGEST_WITHOUT_EDGE_S = 10.0
"""An edge that does not settle is kept as it is after this long, s."""

KEEP_USE_AFTER_S = 4.0
"""The same for the use of devices up to its opening."""

MOST_KEPT_DRAWS = 64
"""Settled windows whose draws are kept: the latest ones."""


@dataclass(frozen=True)
class Draw:
    """What one channel drew in a window: its energy (None where unknown), coverage 0 to 1, and what went wrong.

    Beside it what it would have drawn idle, by which baseline, and this kernel's share, J (None where unknown).
    """

    channel: Channel
    meter: str
    energy: Energy | None
    coverage: float
    counted: bool
    fault: str | None
    idle: Energy | None = None
    baseline: Baseline | None = None
    share_j: float | None = None

    @property
    def channel_id(self) -> str:
        """Which channel."""
        return self.channel.id

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.channel.label


class Window:
    """Opens now. Windows nest and overlap freely; opening and closing only store an instant.

    Whoever keeps the window calls :meth:`attend` soon after both, from a thread that may take its time.

    Args:
        sampler: whose traces are asked.
        opened_ns: the opening instant, where it was before now.
    """

    def __init__(self, sampler: Sampler, opened_ns: int | None = None) -> None:
        self.opened_ns = time.monotonic_ns() if opened_ns is None else opened_ns
        self.closed_ns: int | None = None
        self._sampler = sampler
        self._opening: dict[str, Edge] = {}
        self._closing: dict[str, Edge] = {}
        self._opening_use: dict[str, UseAt] = {}
        self._cpu_before_s = sampler.cpu_s
        self._asleep_before_s = asleep_s()
        self._asleep_after_s: float | None = None
        self._is_held = False
        self._is_nudged = False
        self._looked_ns: int | None = None
        self._waited_ns = 0

    def shut(self, closed_ns: int | None = None) -> None:
        """Store the closing instant: now, where none is given; the second time has no effect."""
        if self.closed_ns is None:
            self.closed_ns = time.monotonic_ns() if closed_ns is None else closed_ns
            self._asleep_after_s = asleep_s()

    def attend(self) -> bool:
        """Have the sampler read from the opening on, and again right after the closing; tell whether one was new."""
        is_new = not self._is_held
        if is_new:
            self._is_held = True
            self._sampler.hold()
        if self.closed_ns is not None and not self._is_nudged:
            self._is_nudged = is_new = True
            self._sampler.nudge()
        return is_new

    def finish(self) -> None:
        """No longer need readings."""
        if self._is_held:
            self._is_held = False
            self._sampler.release()

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed yet."""
        return self.closed_ns is None

    @property
    def duration_s(self) -> float:
        """From the opening to the closing, or to now, s."""
        return ((self.closed_ns or time.monotonic_ns()) - self.opened_ns) / 1e9

    @property
    def asleep_s(self) -> float:
        """For how long the machine was suspended meanwhile, s: time that ``duration_s`` does not have."""
        after_s = asleep_s() if self._asleep_after_s is None else self._asleep_after_s
        slept_s = after_s - self._asleep_before_s
        return slept_s if slept_s > NOTICED_S else 0.0

    @property
    def sampler_cpu_s(self) -> float:
        """Processor time the sampler has used since the opening, s."""
        return self._sampler.cpu_s - self._cpu_before_s

    def is_settled(self) -> bool:
        """Whether later readings would not change what is known (or are no longer waited for)."""
        if self.closed_ns is None:
            return False
        if self._waited_s() > self._patience_s():
            return True
        if not self._sampler.has_found:
            return False
        self._keep_edges()
        return all(trace.is_settled(self.closed_ns) for trace in self._sampler.traces)

    def is_attributed(self) -> bool:
        """Whether it is known whose the use of the devices was (or no longer waited for): later than the energy is."""
        if self.closed_ns is None:
            return False
        channel_ids = [trace.channel.id for trace in self._sampler.traces]
        return self._sampler.attribution.is_settled(channel_ids, self.closed_ns)

    def _waited_s(self) -> float:
        """Return for how long readings have been waited for, s."""
        now_ns = time.monotonic_ns()
        if self._looked_ns is not None:
            self._waited_ns += min(now_ns - self._looked_ns, int(LOOK_SPACING_S * 1e9))
        self._looked_ns = now_ns
        return self._waited_ns / 1e9

    def _patience_s(self) -> float:
        """Return how long readings are waited for: two refreshes of the slowest sensor, within limits."""
        slowest_s = max((trace.refresh_s for trace in self._sampler.traces), default=0.0)
        return max(SETTLE_TIMEOUT_S, min(2 * slowest_s, LONGEST_SETTLE_S))

    def keep_edge(self) -> None:
        """Take the opening edges over from the traces once they will not change any more."""
        age_s = (time.monotonic_ns() - self.opened_ns) / 1e9
        if age_s >= KEEP_USE_AFTER_S:
            for trace in self._sampler.traces:
                use = self._use_at_opening(trace.channel)
                if use is not None:
                    self._opening_use[trace.channel.id] = use
        self._keep_edges()

    def _keep_edges(self) -> None:
        """Take the edges over that will not change any more: traces forget them in time."""
        now_ns = time.monotonic_ns()
        for trace in self._sampler.traces:
            wait_ns = max(KEEP_EDGE_AFTER_S, KEEP_EDGE_AFTER_TICKS * trace.refresh_s) * 1e9
            for at_ns, kept in ((self.opened_ns, self._opening), (self.closed_ns, self._closing)):
                if at_ns is None or trace.channel.id in kept or now_ns - at_ns < wait_ns:
                    continue
                if trace.is_settled(at_ns) or now_ns - at_ns > LONGEST_WITHOUT_EDGE_S * 1e9:
                    edge = trace.edge(at_ns) or (trace.first_edge(at_ns) if kept is self._opening else None)
                    if edge is not None:
                        kept[trace.channel.id] = edge

    def draws(self, until_ns: int | None = None) -> Sequence[Draw]:
        """Return what each channel drew so far, or in all; contained channels are marked as not counted.

        Args:
            until_ns: instead of up to now, while it is open.
        """
        closing_ns = self.closed_ns or until_ns or time.monotonic_ns()
        draws = [self._draw(reader, trace, closing_ns) for reader in self._sampler.readers for trace in reader.traces]
        return _counted_once(_without_needless_estimates(draws))

    def power(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        """Return by channel id the power over time: seconds since the opening, and W."""
        return {trace.channel.id: self._power(trace) for trace in self._sampler.traces}

    def _power(self, trace: Trace) -> Sequence[tuple[float, float]]:
        closing_ns = self.closed_ns or time.monotonic_ns()
        points = trace.history.between(self.opened_ns, closing_ns)
        if points:
            return [((t_ns - self.opened_ns) / 1e9, power_w) for t_ns, power_w in points]
        near = trace.history.between(self.opened_ns - NEAR_NS, closing_ns + NEAR_NS)
        if not near:
            return []
        power_w = sum(power_w for _, power_w in near) / len(near)
        return [(0.0, power_w), ((closing_ns - self.opened_ns) / 1e9, power_w)]

    def _draw(self, reader: Reader, trace: Trace, closing_ns: int) -> Draw:
        opening = self._opening.get(trace.channel.id) or trace.edge(self.opened_ns)
        late = None if opening else trace.first_edge(self.opened_ns)
        start = opening or late
        closing = self._closing.get(trace.channel.id) or trace.edge(closing_ns)
        fault = trace.fault
        if start is None or closing is None or closing.t_ns < start.t_ns:
            return Draw(trace.channel, reader.name, None, 0.0, True, fault or "no reading in this window")
        duration_ns = max(1, closing_ns - self.opened_ns)
        read_ns = closing.t_ns - start.t_ns - (closing.gap_ns - start.gap_ns)
        coverage = min(1.0, max(0.0, read_ns / duration_ns))
        if coverage > 0.99:
            fault = None
        elif fault is None:
            fault = f"readings for {100 * coverage:.0f} % of the time only"
        if self.asleep_s > 0:
            asleep = f"the machine was suspended for {self.asleep_s:.0f} s meanwhile; what it drew then is not in it"
            fault = f"{fault}; {asleep}" if fault else asleep
        energy = trace.energy(start, closing)
        if coverage == 0.0 and (duration_ns > 1e9 or energy.value_j == 0):
            return Draw(trace.channel, reader.name, None, 0.0, True, fault)
        baseline = self._sampler.baselines.of(trace.channel)
        idle = baseline.energy(trace.channel.id, energy, (closing.t_ns - start.t_ns) / 1e9) if baseline else None
        share_j = self._share_j(trace.channel, energy, idle, closing_ns)
        return Draw(trace.channel, reader.name, energy, coverage, True, fault, idle, baseline, share_j)

    def _share_j(self, channel: Channel, energy: Energy, idle: Energy | None, closing_ns: int) -> float | None:
        line = self._sampler.attribution.line(channel)
        if line is None:
            return None
        duration_s = (closing_ns - self.opened_ns) / 1e9
        use = line.between(self._use_at_opening(channel), line.at(closing_ns), duration_s)
        return share_j(energy.value_j, idle.value_j if idle else None, use) if use else None

    def _use_at_opening(self, channel: Channel) -> UseAt | None:
        kept = self._opening_use.get(channel.id)
        line = None if kept else self._sampler.attribution.line(channel)
        return line.at(self.opened_ns) if line else kept


class SettledDraws:
    """What settled windows drew, kept for a while: windows of the same two instants drew the same.

    A run, the span of its stage and that of the session often begin and end together. For one thread.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int | None], Sequence[Draw]] = {}

    def of(self, window: Window) -> Sequence[Draw]:
        """Return the draws of a window that is settled."""
        key = window.opened_ns, window.closed_ns
        draws = self._kept.get(key)
        if draws is None:
            draws = self._kept[key] = window.draws()
            if len(self._kept) > MOST_KEPT_DRAWS:
                del self._kept[next(iter(self._kept))]
        return draws


def _without_needless_estimates(draws: Sequence[Draw]) -> list[Draw]:
    """Leave out estimates of what a sensor, or a surer estimate, knows."""
    return [draw for draw in draws if not is_superseded(draw.channel, draw.meter, _known_beside(draw, draws))]


def _known_beside(estimate: Draw, draws: Sequence[Draw]) -> list[tuple[str, Channel]]:
    """Return the channels that have a figure, but for those that give way to this one's."""
    return [
        (draw.meter, draw.channel)
        for draw in draws
        if draw.energy is not None
        and not (
            estimate.channel.component in draw.channel.contains
            and gives_way(draw.channel, draw.coverage, estimate.coverage)
        )
    ]


def _counted_once(draws: Sequence[Draw]) -> list[Draw]:
    """Mark the draws whose energy another draw already contains."""
    coverage = {draw.channel.id: draw.coverage for draw in draws if draw.energy is not None}
    added = counted([draw.channel for draw in draws], coverage)
    return [replace(draw, counted=draw.channel.id in added) for draw in draws]
