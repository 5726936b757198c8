"""The power limits in force of one meter's channels, asked for now and then: they may change at any time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from greenllm_kernel.metering.meter import LimitedMeter, Meter

EVERY_S = 10.0
"""How often a meter is asked, s: what changes a limit is a person or a scheduler of jobs."""


class Limits:
    """What the meter said when it was last asked. Written by the reader's thread, read by any.

    Args:
        meter: that is asked, where it knows limits at all.
        channel_ids: of its channels that are read.
    """

    def __init__(self, meter: Meter, channel_ids: Sequence[str]) -> None:
        self.fault: str | None = None
        """Why the meter could not tell when it was asked last."""
        self._meter = meter if isinstance(meter, LimitedMeter) else None
        self._channel_ids = list(channel_ids)
        self._power_w: Mapping[str, float] = {}
        self._due_ns = 0

    def power_w(self, channel_id: str) -> float | None:
        """Return a channel's limit, W; None where there is none, or none is known."""
        return self._power_w.get(channel_id)

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask."""
        return self._meter is not None and time.monotonic_ns() >= self._due_ns

    def ask(self) -> None:
        """Ask the meter; one that fails is said to, and asked again later."""
        if self._meter is None:
            return
        self._due_ns = time.monotonic_ns() + int(EVERY_S * 1e9)
        try:
            told = dict(self._meter.limits_w(self._channel_ids))
            self._power_w = {key: float(told[key]) for key in self._channel_ids if _is_limit(told.get(key))}
            self.fault = None
        except (Exception, SystemExit) as error:
            self._power_w = {}
            self.fault = f"its power limit cannot be told: {type(error).__name__}: {error}"


def _is_limit(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
