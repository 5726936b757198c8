"""How busy the CPUs have been so far, and at which operating point: what the model of their power is a sum of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from greenllm_plugins.meters.operating_point import Clocks, CoreVoltage, dynamic_scale

TIME = "time"
"""Seconds that have passed."""

BUSY = "busy"
"""Seconds that CPUs were busy, added up over them."""

FIRST = "first"
"""Seconds that CPUs were busy, one at most at a time: what wakes a package costs once, not for each CPU."""

SLOWED = "busy_slowed"
"""Like ``BUSY``; time below the base frequency counts for the less dynamic power it takes, time above it in full:
there the power limit holds the whole to about TDP."""

AT_FREQUENCY = "busy_at_frequency"
"""Like ``BUSY``; time counts for the dynamic power at its frequency, above the base frequency too."""

AT_VOLTAGE = "busy_at_voltage"
"""Like ``BUSY``; time counts for F/F0 x V^2, V in volts."""

LOOK_S = 0.1
"""Frequency and voltage are looked at this often at most, and ``FIRST`` is told apart over spans of at least this, s:
CPU times come in steps of 10 ms."""

MOST_LOOKED_AT = 16
"""Of how many CPUs the frequency is asked at once; more would make a read slow."""

_BUSY_TIMES = ("user", "nice", "system", "irq", "softirq")

CpuTimes = Callable[..., Any]
"""``psutil.cpu_times``."""


class CpuActivity:
    """Counts the features since it was made. For one thread at a time.

    Args:
        clocks: of the CPUs; None: not told.
        voltage: of the cores; None: not told.
        cpu_times: as psutil gives them.
        clock: gives nanoseconds.
    """

    def __init__(
        self,
        clocks: Clocks | None,
        voltage: CoreVoltage | None,
        cpu_times: CpuTimes,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._clocks = clocks
        self._voltage = voltage if clocks is not None else None
        self._cpu_times = cpu_times
        self._clock = clock
        self._numbers = clocks.online() if clocks else []
        self._scales: dict[str, float] = {}
        if clocks is not None:
            self._scales = {SLOWED: 1.0, AT_FREQUENCY: 1.0}
            if self._voltage is not None:
                self._scales[AT_VOLTAGE] = 1.0
        self._totals = dict.fromkeys((TIME, BUSY, FIRST, *self._scales), 0.0)
        self._each_s: Sequence[float] = []
        self._looked_ns = self._read_ns = self._anchor_ns = clock()
        self._busy_s = self._anchor_busy_s = _busy_s(cpu_times())
        self._anchor_first_s = 0.0
        if clocks is not None:
            self._look()

    def now_ns(self) -> int:
        """Return the instant it is now, of its clock."""
        return self._clock()

    @property
    def names(self) -> frozenset[str]:
        """The features it counts."""
        return frozenset(self._totals)

    def read(self) -> tuple[int, Mapping[str, float]]:
        """Return the instant (of the clock, ns) and the features up to it.

        Raises:
            OSError: the CPU times cannot be read.
            RuntimeError: likewise.
        """
        now_ns = self._clock()
        busy_s = max(self._busy_s, _busy_s(self._cpu_times()))
        if self._clocks is not None and now_ns - self._looked_ns >= LOOK_S * 1e9:
            self._looked_ns = now_ns
            self._look()
        self._totals[TIME] += (now_ns - self._read_ns) / 1e9
        self._totals[BUSY] += busy_s - self._busy_s
        for name, scale in self._scales.items():
            self._totals[name] += scale * (busy_s - self._busy_s)
        self._read_ns, self._busy_s = now_ns, busy_s
        self._totals[FIRST] = self._count_first(now_ns, busy_s)
        return now_ns, dict(self._totals)

    def _count_first(self, now_ns: int, busy_s: float) -> float:
        span_s = (now_ns - self._anchor_ns) / 1e9
        first_s = self._anchor_first_s + min(span_s, busy_s - self._anchor_busy_s)
        if span_s >= LOOK_S:
            self._anchor_ns, self._anchor_busy_s, self._anchor_first_s = now_ns, busy_s, first_s
        return first_s

    def _look(self) -> None:
        """Take the mean scales over the CPUs, each by how busy it was since the last look."""
        assert self._clocks is not None
        each_s = [_busy_s(times) for times in self._cpu_times(percpu=True)]
        if len(each_s) != len(self._each_s):
            self._numbers = self._clocks.online()
            weights = [1.0] * len(each_s)
        else:
            weights = [max(0.0, now - then) for now, then in zip(each_s, self._each_s, strict=True)]
        self._each_s = each_s
        if len(self._numbers) != len(weights):
            weights = [1.0] * len(self._numbers)
        busy = [(number, weight) for number, weight in zip(self._numbers, weights, strict=True) if weight > 0.0]
        asked = busy[:: -(-len(busy) // MOST_LOOKED_AT)] if busy else []
        told = [(ratio, weight) for number, weight in asked if (ratio := self._clocks.ratio(number)) is not None]
        total = sum(weight for _, weight in told)
        if not told:
            return
        self._scales[SLOWED] = sum(weight * dynamic_scale(min(1.0, ratio)) for ratio, weight in told) / total
        self._scales[AT_FREQUENCY] = sum(weight * dynamic_scale(ratio) for ratio, weight in told) / total
        volts = self._voltage.volts() if self._voltage else None
        if volts is not None:
            self._scales[AT_VOLTAGE] = volts * volts * sum(weight * ratio for ratio, weight in told) / total


def _busy_s(times: Any) -> float:
    return float(sum(getattr(times, name, 0.0) for name in _BUSY_TIMES))
