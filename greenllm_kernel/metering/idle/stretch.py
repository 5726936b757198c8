"""Takes baselines: reads for a stretch in which nothing runs, and judges whether it was idle.

A stretch is cut into ``PIECES``; its mean power P is the baseline, and the standard uncertainty has these parts, added
in squares (JCGM 100:2008, 5.1.2):

- the standard deviation of the pieces' means over the root of their number, and that of the energy itself;
- ``DRIFT_UNCERTAINTY`` x P for how far idle power wanders with temperature and clocks until the baseline is used;
- for what CPUs feed: load that was left makes P too large by up to ``LOAD_SLOPE`` x busy share x P (rectangular).

A stretch is idle where the host's CPUs were nearly so (this kernel's own processes are among those counted), and, for
a whole machine, where power was steady. A GPU is idle where its meter says that no process used it, and its power was
steady; where no meter says how much it was used, nothing is learnt of it, since a job may keep it busy and the CPUs
not. 0 W is no idle power of a GPU: it is what a sensor shows that fails, or a card without power. Where a GPU
drew clearly less before, the lowest steady level seen is learnt instead: with a CUDA context it draws 26 to 66 W more
than without, however little it does (arXiv:2605.23918), and that is somebody's doing. On demand, what is there is
measured.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from greenllm_kernel.metering.attribution.attribution import OWN_DEVICES
from greenllm_kernel.metering.attribution.use import UseLine
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Channel, Component
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.tracing.edge import Edge
from greenllm_kernel.metering.tracing.history import CAPACITY
from greenllm_kernel.metering.tracing.trace import Trace

PIECES = 8
"""Parts of a stretch that are compared with one another."""

HEAD_S = 0.5
"""At the beginning of a stretch, counters' ticks are learnt and averages still hold what was before, s."""

SLOWEST_PERIODS = 8
"""A stretch has at least so many refreshes of a channel."""

DRIFT_UNCERTAINTY = 0.05
"""Relative standard uncertainty of an idle power until it is used: our reading of idle GPUs and packages, whose power
moves by some per cent with temperature in one state of their clocks."""

LOAD_SLOPE = 6.0
"""How many times their idle power CPUs add at full load: 0.96 over 0.16 of their design power (Davy 2021, as the
straight line that comes nearest to his curve for cloud servers)."""

LEARN_LOAD = 0.05
"""The busy share of the host's CPUs up to which a pause is idle."""

MEASURE_LOAD = 0.10
"""The same for a stretch on demand."""

STEADY = 0.10
"""Standard deviation of the pieces of a steady stretch, over their mean, at most."""

USED = 0.01
"""The part of a stretch for which processes may have used a device that is idle."""

TOLD_SHARE = 1 / 3
"""The part of a stretch of which it must be told whether a device was used: NVML tells it 1.2 s later or more."""

LESS_BEFORE = 0.8
"""A level below this part of the present one means that something runs now."""

STEADY_RUN_S = 2.0
"""A level that was seen for so long counts as a steady one, s."""

UNTOLD = "whether anything used it meanwhile is not known"
"""What is said of a device of which no meter tells how much it was used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a stretch says of one channel.

    Attributes:
        channel: which.
        baseline: None where there is none.
        note: why there is none, or what one should know of it.
        can_be_learnt: whether another stretch may tell more.
    """

    channel: Channel
    baseline: Baseline | None
    note: str = ""
    can_be_learnt: bool = True


class IdleStretch:
    """Reads from now on until :meth:`end` or :meth:`cancel`.

    Args:
        sampler: whose meters are read.
        how: learnt, or measured on demand.
    """

    def __init__(self, sampler: Sampler, how: How) -> None:
        self._sampler = sampler
        self._how = how
        self._is_over = False
        sampler.hold()
        sampler.attribution.look()
        self._opened_ns = time.monotonic_ns()

    @property
    def elapsed_s(self) -> float:
        """Time since the beginning, s."""
        return (time.monotonic_ns() - self._opened_ns) / 1e9

    def cancel(self) -> None:
        """Stop reading; nothing comes of it."""
        if not self._is_over:
            self._is_over = True
            self._sampler.release()

    def end(self) -> list[Finding]:
        """Stop reading and return what was found of each channel."""
        self._sampler.attribution.look()
        closed_ns = time.monotonic_ns()
        try:
            load = self._load(closed_ns)
            return [self._finding(trace, closed_ns, load) for trace in self._sampler.traces]
        finally:
            self.cancel()

    def _load(self, closed_ns: int) -> float | None:
        """Return the busy share of the host's CPUs, 0 to 1, or None where it is not known."""
        cpu = self._sampler.attribution.cpu
        return cpu.busy_share(self._opened_ns, closed_ns)

    def _finding(self, trace: Trace, closed_ns: int, load: float | None) -> Finding:
        channel = trace.channel
        # The latest reading of a sensor is up to a refresh old, and older where reads are costly: what lies after it
        # would be a guess.
        latest_ns = closed_ns - int(2 * channel.update_period_s * 1e9)
        start_ns = self._opened_ns + int(max(HEAD_S, 2 * channel.update_period_s) * 1e9)
        known_ns = trace.known_until_ns
        end_ns = int(known_ns) if start_ns < known_ns < latest_ns else latest_ns
        span_s = (end_ns - start_ns) / 1e9
        if span_s < SLOWEST_PERIODS * channel.update_period_s or span_s <= HEAD_S:
            late_s = (latest_ns - end_ns) / 1e9
            needed_s = math.ceil((SLOWEST_PERIODS + 5) * channel.update_period_s + 2 * HEAD_S + late_s)
            return Finding(channel, None, f"it is refreshed every {channel.update_period_s:g} s: take {needed_s} s")
        level = _level(trace, start_ns, end_ns)
        if isinstance(level, str):
            return Finding(channel, None, level)
        line = self._sampler.attribution.line(channel) if channel.component in OWN_DEVICES else None
        used = _busy_share(line, start_ns, end_ns) if line else None
        is_untold = channel.component in OWN_DEVICES and used is None
        if is_untold and self._how is How.LEARNT:
            is_for_good = line is None or line.fault is not None
            return Finding(channel, None, UNTOLD, can_be_learnt=not is_for_good)
        reason = self._disturbed(channel, level, used, load)
        if reason:
            return Finding(channel, None, reason)
        lower = _lowest_steady(trace) if channel.component in OWN_DEVICES else None
        notes = [UNTOLD] if is_untold else []
        if lower is not None and lower.power_w < LESS_BEFORE * level.power_w:
            notes.append(f"it drew {lower.power_w:.0f} W before, and {level.power_w:.0f} W now")
            level = lower if self._how is How.LEARNT else level
        return Finding(channel, self._baseline(channel, level, load), "; ".join(notes))

    def _disturbed(self, channel: Channel, level: _Level, used: float | None, load: float | None) -> str | None:
        """Return why a stretch was not idle for a channel, or None where it was.

        Args:
            channel: which.
            level: its power.
            used: for which part of the time its device was used; None where that is not known, or it has none.
            load: the busy share of the host's CPUs; None where that is not known.
        """
        if channel.component is Component.GPU and level.power_w <= 0:
            return "it shows 0 W, which is no idle power of a GPU"
        if used is not None and used > USED:
            return f"processes used it for {100 * used:.0f} % of the time"
        if used is None:
            most = LEARN_LOAD if self._how is How.LEARNT else MEASURE_LOAD
            if load is None:
                return "it is not known whether the CPUs were idle"
            if load > most:
                return f"the CPUs were {100 * load:.0f} % busy; {100 * most:.0f} % is the most for an idle machine"
        if channel.component in (*OWN_DEVICES, Component.PLATFORM) and level.spread_w > STEADY * level.power_w:
            return f"its power was not steady ({level.power_w:.3g} W, standard deviation {level.spread_w:.2g} W)"
        return None

    def _baseline(self, channel: Channel, level: _Level, load: float | None) -> Baseline:
        left = 0.0 if channel.component in OWN_DEVICES else LOAD_SLOPE * (load or 0.0) / math.sqrt(3)
        uncertainty_w = math.hypot(level.noise_w, DRIFT_UNCERTAINTY * level.power_w, left * level.power_w)
        return Baseline(level.power_w, uncertainty_w, datetime.now(UTC), level.duration_s, self._how)


@dataclass(frozen=True, slots=True)
class _Level:
    """A mean power, its standard uncertainty from noise, the standard deviation of its pieces, W, and how long, s."""

    power_w: float
    noise_w: float
    spread_w: float
    duration_s: float


def _busy_share(line: UseLine, start_ns: int, end_ns: int) -> float | None:
    """Return for which part of a stretch a device was busy, 0 to 1, or None where that is not known of enough of it.

    What drivers tell of it comes late; that power was steady to the end stands for the rest.
    """
    told_ns = min(end_ns, line.told_until_ns)
    if told_ns - start_ns < TOLD_SHARE * (end_ns - start_ns):
        return None
    return line.busy_share(start_ns, int(told_ns))


def _level(trace: Trace, start_ns: int, end_ns: int) -> _Level | str:
    """Return the power of a stretch, or why it is not known."""
    instants = [start_ns + (end_ns - start_ns) * number // PIECES for number in range(PIECES + 1)]
    edges: list[Edge] = []
    for t_ns in instants:
        edge = trace.edge(t_ns)
        if edge is None or trace.fault is not None:
            return trace.fault or "it gave no readings"
        edges.append(edge)
    duration_s = (end_ns - start_ns) / 1e9
    if edges[-1].gap_ns - edges[0].gap_ns > 0.01 * (end_ns - start_ns):
        return "it gave readings for a part of the time only"
    energy = trace.energy(edges[0], edges[-1])
    powers_w = [(b.joules - a.joules) / ((b.t_ns - a.t_ns) / 1e9) for a, b in pairwise(edges)]
    spread_w = statistics.stdev(powers_w)
    noise_w = math.hypot(spread_w / math.sqrt(PIECES), energy.random_j / duration_s)
    return _Level(energy.value_j / duration_s, noise_w, spread_w, duration_s)


def _lowest_steady(trace: Trace) -> _Level | None:
    """Return the lowest power at which a channel has stayed for ``STEADY_RUN_S``, in all that is remembered of it.

    A run with 0 W in it is none: that is a sensor that fails, or a device without power.
    """
    points = trace.history.between(-math.inf, math.inf, CAPACITY)
    lowest: _Level | None = None
    first = 0
    for last, (t_ns, _) in enumerate(points):
        while first + 1 < last and t_ns - points[first + 1][0] >= STEADY_RUN_S * 1e9:
            first += 1
        run_s = (t_ns - points[first][0]) / 1e9
        if not STEADY_RUN_S <= run_s <= 2 * STEADY_RUN_S:
            continue
        powers_w = [power_w for _, power_w in points[first : last + 1]]
        mean_w = statistics.fmean(powers_w)
        if len(powers_w) < PIECES or (lowest is not None and mean_w >= lowest.power_w):
            continue
        spread_w = statistics.stdev(powers_w)
        if min(powers_w) > 0 and spread_w <= STEADY * mean_w:
            lowest = _Level(mean_w, spread_w / math.sqrt(len(powers_w)), spread_w, run_s)
    return lowest
