"""After how much use a contender has paid back the energy that compressing and deploying it took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from greenllm_kernel.compression.comparison.cell import Cell
from greenllm_kernel.compression.comparison.verdict import Outcome, Verdict
from greenllm_kernel.quantities import Energy


@dataclass(frozen=True)
class BreakEven:
    """After how much use a contender has paid back what making it took.

    Attributes:
        contender: its name.
        batch: sequences side by side.
        unit: what is counted.
        costs: what is to be paid back, in words: compressing, once for all; deploying, each time that it is started.
        count: of units; None where it does not save energy.
        interval: from when on at the earliest, to when at the latest (None: perhaps never).
    """

    contender: str
    batch: int
    unit: str
    costs: tuple[str, ...]
    count: float | None
    interval: tuple[float, float | None] | None

    @classmethod
    def of(cls, costs: Mapping[str, Energy], baseline: Cell, verdict: Verdict) -> BreakEven | None:
        """Return it for one contender at one batch; None where nothing is to be paid back or that is not known.

        Args:
            costs: by what it was for, J.
            baseline: what the baseline drew.
            verdict: on the contender, in the same phase at the same batch.
        """
        cost = Energy.sum(costs.values())
        if baseline.gross is None or cost is None:
            return None
        count, interval = _paid_back(cost, baseline.gross, verdict)
        return cls(verdict.contender, verdict.batch, baseline.unit, tuple(costs), count, interval)


def _paid_back(
    cost: Energy, baseline: Energy, verdict: Verdict
) -> tuple[float | None, tuple[float, float | None] | None]:
    """Return after how many units a cost is paid back, with the ends that both intervals together allow.

    The saving of a unit is the change of the ratio times what the baseline draws. The ends take the one end of each
    interval with the other end of the other: the result holds at least as often as the weaker of them.
    """
    if verdict.change is None or verdict.interval is None or verdict.outcome is not Outcome.SAVES:
        return None, None
    saving_j = -verdict.change * baseline.value_j
    low_j = -verdict.interval[1] * baseline.interval_j[0]
    high_j = -verdict.interval[0] * baseline.interval_j[1]
    earliest = cost.interval_j[0] / high_j if high_j > 0 else math.inf
    return cost.value_j / saving_j, (earliest, cost.interval_j[1] / low_j if low_j > 0 else None)
