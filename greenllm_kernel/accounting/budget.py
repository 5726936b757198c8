"""Budgets: what a cell, a window or the session is to draw or emit at most, and how it stands to that.

A budget stops nothing. Whether it is kept is said as far as the 95 % interval of the figure lets one say it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from greenllm_kernel.errors import BudgetError
from greenllm_kernel.quantities import Emissions, Energy, Interval

HOW_TO_WRITE = "write a number and a unit, such as 5kJ, 2Wh, 0.1kWh or 20g (of CO2e)"

LONGEST_TEXT = 60
"""Characters of what cannot be used that are shown again."""

J_PER_UNIT: Final = {
    "J": 1.0,
    "kJ": 1e3,
    "MJ": 1e6,
    "GJ": 1e9,
    "mWh": 3.6,
    "Wh": 3.6e3,
    "kWh": 3.6e6,
    "MWh": 3.6e9,
}
"""Units of energy in joules (exact)."""

G_PER_UNIT: Final = {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6}
"""Units of a mass of CO2 equivalent in grams (exact)."""

_UNIT_OF = {unit.casefold(): unit for unit in (*J_PER_UNIT, *G_PER_UNIT) if not unit.startswith(("m", "M"))}
"""What is clear in any case; with m and M, milli and mega, it is not."""

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d]*?)\s*(CO2e|CO₂e)?\s*")


class Standing(StrEnum):
    """How an energy stands to a budget."""

    WITHIN = "within"
    """Its whole interval lies below."""
    PERHAPS = "perhaps exceeded"
    """The interval reaches above; the estimate lies below."""
    LIKELY = "exceeded by the estimate"
    """The estimate lies above, but not the whole interval."""
    EXCEEDED = "certainly exceeded"
    """The whole interval lies above."""
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Budget:
    """What is to be drawn, or emitted, at most.

    Attributes:
        most: in J, or in g of CO2 equivalent.
        is_of_emissions: whether it is the latter.
    """

    most: float
    is_of_emissions: bool = False

    @classmethod
    def of(cls, text: str) -> Budget:
        """Return the budget that ``"5kJ"``, ``"2 Wh"``, ``"0.1 kWh"`` or ``"20 g"`` is.

        Raises:
            BudgetError: it is no amount of energy or emissions above zero, and how to write one.
        """
        found = _NUMBER.fullmatch(text)
        said = text.strip()[:LONGEST_TEXT]
        if found is None:
            raise BudgetError(f"{said!r} is no amount of energy or emissions: {HOW_TO_WRITE}")
        number, unit, gas = float(found[1]), found[2], found[3]
        if not unit:
            raise BudgetError(f"{said} has no unit: {HOW_TO_WRITE}")
        units = G_PER_UNIT if gas else {**J_PER_UNIT, **G_PER_UNIT}
        unit = unit if unit in units else _UNIT_OF.get(unit.casefold(), unit)
        if unit not in units:
            kind = "emissions" if gas else "energy or emissions"
            raise BudgetError(f"{unit[:LONGEST_TEXT]!r} is no unit of {kind}; there are {', '.join(units)}")
        most = number * units[unit]
        if not (math.isfinite(most) and most > 0):
            raise BudgetError(f"{said}: a budget is a finite amount above 0")
        return cls(most, unit in G_PER_UNIT)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Budget | None:
        """Return the budget that :func:`budget_to_dict` described; None where there was none."""
        if data.get("budget_j") is not None:
            return cls(data["budget_j"])
        return cls(data["budget_gco2e"], True) if data.get("budget_gco2e") is not None else None

    def used(self, energy: Energy | None, emissions: Emissions | None) -> tuple[float, Interval] | None:
        """Return what of it is used, with its 95 % interval, in its own unit; None where that is not known."""
        if self.is_of_emissions:
            return (emissions.mass_gco2e, emissions.interval_gco2e) if emissions else None
        return (energy.value_j, energy.interval_j) if energy else None


def budget_to_dict(budget: Budget | None) -> dict[str, float | None]:
    """Return a budget as records and messages have it: one of the two is null, or both."""
    return {
        "budget_j": budget.most if budget and not budget.is_of_emissions else None,
        "budget_gco2e": budget.most if budget and budget.is_of_emissions else None,
    }


def standing(energy: Energy | None, emissions: Emissions | None, budget: Budget | None) -> Standing:
    """Return how what was drawn, J, and emitted stands to a budget."""
    used = budget.used(energy, emissions) if budget else None
    if used is None or budget is None:
        return Standing.UNKNOWN
    value, (low, high) = used
    if low > budget.most:
        return Standing.EXCEEDED
    if value > budget.most:
        return Standing.LIKELY
    return Standing.PERHAPS if high > budget.most else Standing.WITHIN
