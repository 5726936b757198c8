"""How something is to be repeated: how often, how long, and how narrowly its energy is to be known."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RepeatPlan:
    """How something is to be repeated.

    Attributes:
        loops: in each repeat; None: as many as the sensor needs.
        repeats: exactly so many; None: at least 7, and more until the precision is reached.
        precision: half-width of the 95 % repeatability interval as a part of the energy (0.05 is 5 %).
        max_time_s: no further repeat begins after so long, s, once there are 7.
        warm_up_s: how long it runs before the first repeat, s.
        cool_down_s: the pause between two repeats, s.
    """

    loops: int | None = None
    repeats: int | None = None
    precision: float = 0.05
    max_time_s: float = 60.0
    warm_up_s: float = 1.0
    cool_down_s: float = 0.0

    def __post_init__(self) -> None:
        for name, count in (("loops", self.loops), ("repeats", self.repeats)):
            if count is not None and count < 1:
                raise ValueError(f"{name} is {count}: expected 1 or more")
        if not 0 < self.precision < 1:
            raise ValueError(f"precision is {self.precision}: expected a part of the energy, such as 0.05 for 5 %")
        for name in ("max_time_s", "warm_up_s", "cool_down_s"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} is {seconds}: expected seconds, 0 or more")
