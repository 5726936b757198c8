"""An estimate of what the CPUs draw, for machines where no sensor can be read.

Power is taken to grow in a straight line with load. So the energy since the start needs only the time and the
CPU time that have passed, and it is the same however often it is read. (A bent line would not do: CPU times
come in steps of 10 ms, and the mean of a curve depends on the span one takes the load over.)
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.processor import Processor, find_processor, find_tdp_w

NAME = "cpu_model"
CHANNEL_ID = "cpu:model"

IDLE_SHARE = 0.16
"""Power at rest over TDP: with ``BUSY_SHARE``, the straight line that comes nearest to Teads' curve, which was
measured on cloud servers (0.12, 0.32, 0.75 and 1.02 of TDP at 0, 10, 50 and 100 % load; Davy 2021)."""

BUSY_SHARE = 1.12
"""Power at full load over TDP (see ``IDLE_SHARE``)."""

THREAD_TDP_W = 4.0
"""TDP of a hardware thread of a processor that is not in the table, W (CodeCarbon 3, ``DEFAULT_POWER_PER_CORE``)."""

METHOD_UNCERTAINTY = 0.40 / 1.96
"""Relative standard uncertainty of such tools: errors of up to 40 % (Fischer 2025, arXiv:2509.22092)."""

SHAPE_UNCERTAINTY = 0.25 / math.sqrt(3.0)
"""Relative standard uncertainty of the straight line: it is within 25 % of the curve's four points."""

THREAD_TDP_UNCERTAINTY = 0.65 / math.sqrt(3.0)
"""Relative standard uncertainty of the TDP of a thread: from 1.4 W (EPYC 9754) to 5.9 W (Xeon E-2288G)."""

UPDATE_PERIOD_S = 0.01
"""How often CPU times are counted, s (``USER_HZ`` of Linux)."""

_BUSY_TIMES = ("user", "nice", "system", "irq", "softirq")


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Return the estimate; ``[meters.cpu_model] tdp_w`` names the TDP of all this machine's CPUs together."""
    tdp_w = config.meters.get(NAME, {}).get("tdp_w")
    if tdp_w is not None and (type(tdp_w) not in (int, float) or not 0.0 < tdp_w < math.inf):
        return [UnusableMeter(NAME, f"tdp_w = {tdp_w!r}: expected watts", "Correct [meters.cpu_model].")]
    try:
        import psutil
    except ImportError as error:
        return [UnusableMeter(NAME, f"psutil cannot be imported: {error}", "pip install psutil")]
    threads = psutil.cpu_count() or os.cpu_count() or 1
    return [CpuModel(rate(find_processor(), threads, tdp_w), threads)]


@dataclass(frozen=True, slots=True)
class Rating:
    """What the model takes the CPUs of this machine to draw when busy.

    Attributes:
        tdp_w: thermal design power of the CPUs this machine has, or of its part of them, W.
        uncertainty: relative standard uncertainty of the energy.
        basis: where the TDP comes from, in words.
    """

    tdp_w: float
    uncertainty: float
    basis: str


def rate(processor: Processor, threads: int, tdp_w: float | None = None) -> Rating:
    """Return the rating of ``threads`` hardware threads of ``processor``.

    Args:
        processor: what the machine says of its processor.
        threads: that the operating system has.
        tdp_w: given by the user for all of them, W; None: from CodeCarbon's table.
    """
    known = math.hypot(METHOD_UNCERTAINTY, SHAPE_UNCERTAINTY)
    if tdp_w is not None:
        return Rating(float(tdp_w), known, f"TDP {tdp_w:g} W as configured")
    guess_w = THREAD_TDP_W * threads
    guessed = math.hypot(known, THREAD_TDP_UNCERTAINTY)
    of_one_w = find_tdp_w(processor.model)
    if of_one_w is None:
        return Rating(guess_w, guessed, f"unknown processor, {THREAD_TDP_W:g} W a thread")
    if not processor.is_virtual:
        packages = processor.packages
        return Rating(of_one_w * packages, known, f"TDP {of_one_w:g} W" + (f" x {packages}" if packages > 1 else ""))
    if processor.threads_of_chip is not None:
        share = min(1.0, threads / processor.threads_of_chip)
        return Rating(of_one_w * share, known, f"{share:.0%} of TDP {of_one_w:g} W: a virtual machine's part")
    basis = f"virtual machine on a part of TDP {of_one_w:g} W, {THREAD_TDP_W:g} W a thread"
    return Rating(min(of_one_w * processor.packages, guess_w), guessed, basis)


class CpuModel:
    """Counts the modelled joules of all the CPUs since it was made.

    Args:
        rating: of the CPUs.
        threads: that the operating system has.
    """

    name = NAME

    def __init__(self, rating: Rating, threads: int) -> None:
        import psutil

        self._cpu_times = psutil.cpu_times
        self._idle_w = IDLE_SHARE * rating.tdp_w
        self._busy_w = (BUSY_SHARE - IDLE_SHARE) * rating.tdp_w / threads
        self._channel = Channel(
            id=CHANNEL_ID,
            component=Component.CPU,
            label=f"CPU, estimated ({rating.basis})",
            provides=frozenset({Kind.COUNTER}),
            update_period_s=UPDATE_PERIOD_S,
            model_uncertainty=rating.uncertainty,
        )
        self._start_ns = time.monotonic_ns()
        self._start_busy_s = self._busy_s = self._count_busy_s()

    def channels(self) -> Sequence[Channel]:
        """Return the one channel: all CPUs of this machine."""
        return [self._channel]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Return the modelled joules since the start."""
        t_ns = time.monotonic_ns()
        try:
            self._busy_s = max(self._busy_s, self._count_busy_s())
        except (OSError, RuntimeError) as error:
            fault = f"the CPU times cannot be read: {error}"
            return [Reading(channel_id, Kind.COUNTER, math.nan, t_ns, fault) for channel_id in channel_ids]
        energy_j = self._idle_w * (t_ns - self._start_ns) / 1e9 + self._busy_w * (self._busy_s - self._start_busy_s)
        return [Reading(channel_id, Kind.COUNTER, energy_j, t_ns) for channel_id in channel_ids]

    def close(self) -> None:
        """End; nothing is held."""

    def _count_busy_s(self) -> float:
        times = self._cpu_times()
        return float(sum(getattr(times, name, 0.0) for name in _BUSY_TIMES))
