"""What a channel draws while nothing runs: the idle power that net energy is counted from.

The idle energy of a window is the baseline's power times its duration. It has these parts of uncertainty:

- *scale*: the sensor's gain acts on gross and idle alike, so on net it acts as gain x net;
- *baseline*: noise of the stretch in which the power was taken, what load was left, and drift since then
  (see ``stretch.py``): the same in every window until another baseline is taken;
- where a model estimates the channel, its error at rest, which is not its error under load: it stands in the baseline
  part too, and does not cancel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from greenllm_kernel.quantities import Energy


class How(StrEnum):
    """How a baseline was come by, best first."""

    MEASURED = "measured"
    """On demand, by ``%energy idle``."""
    LEARNT = "learnt"
    """In a pause in which nothing ran."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The idle power of one channel.

    Attributes:
        power_w: as the sensor shows it, W.
        uncertainty_w: standard uncertainty from noise, load that was left, and drift, W; without the sensor's gain
            and without a model's error, which go with the readings.
        taken_at: wall clock, UTC, for labels and for its age.
        duration_s: of the stretch, s.
        how: measured or learnt.
    """

    power_w: float
    uncertainty_w: float
    taken_at: datetime
    duration_s: float
    how: How

    def energy(self, channel_id: str, gross: Energy, duration_s: float) -> Energy:
        """Return what the idle channel would have drawn.

        Args:
            channel_id: whose baseline it is.
            gross: what it did draw, J; tells the sensor's relative gain, the model's relative error, and provenance.
            duration_s: of the time that ``gross`` is about, s.
        """
        value_j = self.power_w * duration_s
        relative = value_j / gross.value_j if gross.value_j > 0 else 0.0
        model_j = relative * math.hypot(*gross.model_j.values())
        return Energy(
            value_j=value_j,
            scale_j={key: part_j * relative for key, part_j in gross.scale_j.items()},
            baseline_j={channel_id: math.hypot(self.uncertainty_w * duration_s, model_j)},
            by_provenance_j={key: part_j * relative for key, part_j in gross.by_provenance_j.items()},
        )


@dataclass(frozen=True, slots=True)
class Basis:
    """What the net of several channels rests on: the oldest of their baselines.

    Attributes:
        how: ``learnt`` where one of them was.
        taken_at: of the oldest.
        duration_s: of the same one's stretch, s; of the shortest where several are as old.
    """

    how: How
    taken_at: datetime
    duration_s: float

    @classmethod
    def of(cls, baselines: Iterable[Baseline | Basis]) -> Basis | None:
        """Return what ``baselines`` come to, or nothing where there are none."""
        known = list(baselines)
        if not known:
            return None
        order = list(How)
        oldest = min(known, key=lambda baseline: (baseline.taken_at, baseline.duration_s))
        return cls(
            how=max((baseline.how for baseline in known), key=order.index),
            taken_at=oldest.taken_at,
            duration_s=oldest.duration_s,
        )


def age_s(baseline: Baseline) -> float:
    """Return how long ago the baseline was taken by the wall clock, s; 0 where the clock was set back since."""
    return max(0.0, (datetime.now(UTC) - baseline.taken_at).total_seconds())
