"""How long each phase may take and what it measures: in full on a card, in short for the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WHOLE_S = 465.0
"""Everything together stays below this, s: under 8 minutes."""


@dataclass(frozen=True)
class Plan:
    """One run's durations, all in seconds.

    Attributes:
        budgets_s: by phase, after how long it is given up.
        idle_s: how long the idle card is watched, without and with a CUDA context.
        characterize_s: how long the sensor is read, idle and under load.
        calls: raw calls of each kind that are timed.
        wave_periods_s: of the square waves.
        wave_s: how long each lasts.
        settle_s: left out at the beginning of each: averages over a second must have filled.
        coverage_period_s: of the square wave under the windows; no multiple of a refresh period.
        coverage_s: how long it lasts.
        windows: by length, s: how many are measured in it, at random instants.
        cost_windows: windows whose cost is taken, one way.
        cost_pause_s: between these.
        others: other tools beside ours.
        share_s: how long there is load while the driver is asked whose it is.
    """

    budgets_s: Mapping[str, float]
    idle_s: float = 12.0
    characterize_s: float = 6.0
    calls: int = 300
    wave_periods_s: tuple[float, ...] = (0.010, 0.020, 0.050, 0.073, 0.100, 0.200, 0.500)
    wave_s: float = 12.0
    settle_s: float = 2.0
    coverage_period_s: float = 0.731
    coverage_s: float = 150.0
    windows: Mapping[float, int] = field(default_factory=lambda: {0.05: 120, 0.2: 80, 1.0: 40, 5.0: 15})
    cost_windows: int = 30
    cost_pause_s: float = 0.25
    others: tuple[str, ...] = ("zeus", "codecarbon")
    share_s: float = 4.0


FULL = Plan({"idle": 40.0, "sensor": 55.0, "waves": 110.0, "coverage": 180.0, "overhead": 60.0, "share": 20.0})

SHORT = Plan(
    {"idle": 10.0, "sensor": 15.0, "waves": 20.0, "coverage": 30.0, "overhead": 20.0, "share": 10.0},
    idle_s=1.0,
    characterize_s=1.5,
    calls=30,
    wave_periods_s=(0.020, 0.513),  # the second no multiple of a refresh period: of such a wave no readings tell all
    wave_s=3.1,
    settle_s=1.3,
    coverage_period_s=0.331,
    coverage_s=10.0,
    windows={0.05: 16, 0.2: 10, 1.0: 5},
    cost_windows=8,
    cost_pause_s=0.05,
    others=(),
    share_s=1.0,
)
