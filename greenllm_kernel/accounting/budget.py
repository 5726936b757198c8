"""Budgets: what a cell, a window or the session is to draw at most, and how what was drawn stands to it.

A budget stops nothing. Whether it is kept is said as far as the 95 % interval of the energy lets one say it.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.notation import JOULES, energy_text, percent_text, quantity_text
from greenllm_kernel.errors import BudgetError
from greenllm_kernel.quantities import Energy

if TYPE_CHECKING:
    from greenllm_kernel.accounting.record import Record
    from greenllm_kernel.accounting.run import Run
    from greenllm_kernel.accounting.session import Session

LOOK_EVERY_S = 0.5
"""How often what is drawn is compared with budgets, s."""

HOW_TO_WRITE = "write a number and a unit, such as 5kJ, 2Wh or 0.1kWh"

LONGEST_TEXT = 60
"""Characters of what cannot be used that are shown again."""

J_PER_UNIT = {
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

_UNIT_OF = {unit.casefold(): unit for unit in J_PER_UNIT if not unit.startswith(("m", "M"))}
"""What is clear in any case; with m and M, milli and mega, it is not."""

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d]*)\s*")


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


def energy_budget_j(text: str) -> float:
    """Return the joules that ``"5kJ"``, ``"2 Wh"`` or ``"0.1 kWh"`` are.

    Raises:
        BudgetError: it is no amount of energy above zero, and how to write one.
    """
    found = _NUMBER.fullmatch(text)
    said = text.strip()[:LONGEST_TEXT]
    if found is None:
        raise BudgetError(f"{said!r} is no amount of energy: {HOW_TO_WRITE}")
    number, unit = float(found[1]), found[2]
    if not unit:
        raise BudgetError(f"{said} has no unit: {HOW_TO_WRITE}")
    unit = unit if unit in J_PER_UNIT else _UNIT_OF.get(unit.casefold(), unit)
    if unit not in J_PER_UNIT:
        raise BudgetError(f"{unit[:LONGEST_TEXT]!r} is no unit of energy; there are {', '.join(J_PER_UNIT)}")
    energy_j = number * J_PER_UNIT[unit]
    if not (math.isfinite(energy_j) and energy_j > 0):
        raise BudgetError(f"{said}: a budget is a finite amount above 0")
    return energy_j


def standing(energy: Energy | None, budget_j: float | None) -> Standing:
    """Return how an energy stands to a budget of ``budget_j``, J."""
    if energy is None or budget_j is None:
        return Standing.UNKNOWN
    low_j, high_j = energy.interval_j
    if low_j > budget_j:
        return Standing.EXCEEDED
    if energy.value_j > budget_j:
        return Standing.LIKELY
    return Standing.PERHAPS if high_j > budget_j else Standing.WITHIN


def budget_text(energy: Energy | None, budget_j: float, is_whole: bool = True) -> str:
    """Return how an energy stands to its budget, such as ``"budget 5.00 kJ certainly exceeded: 108 % of it"``.

    Args:
        energy: that was drawn, J; None where it is not known.
        budget_j: what was to be drawn at most, J.
        is_whole: whether nothing is missing from the energy; something that is may make it more, never less.
    """
    found = standing(energy, budget_j)
    budget = f"budget {amount_text(budget_j)}"
    if energy is None:
        return f"{budget}: not known whether it is kept, as no energy is known"
    part = percent_of(energy.value_j / budget_j)
    if found is Standing.WITHIN:
        return f"within its {budget}{'' if is_whole else ', as far as is known'}: {part} of it"
    low, high = (percent_of(edge_j / budget_j) for edge_j in energy.interval_j)
    certainty = "" if found is Standing.EXCEEDED else f", 95 %: {low} to {high}"
    return f"{budget} {found}: {part} of it{certainty}"


def exceeded_text(energy: Energy | None, budget_j: float | None) -> str | None:
    """Return what is to be said of a budget that is certainly exceeded; None while it is not."""
    if budget_j is None or standing(energy, budget_j) is not Standing.EXCEEDED:
        return None
    return f"{budget_text(energy, budget_j)}, {energy_text(energy)}"


def amount_text(energy_j: float) -> str:
    """Return an amount that has no uncertainty, such as ``"5.00 kJ"``."""
    return quantity_text(energy_j, None, JOULES)


def percent_of(part: float) -> str:
    """Return a part of a budget (1), which may be more than all of it, such as ``"108 %"``."""
    return percent_text(part) if part < 0.99 else f"{100 * part:.0f} %" if part < 1e4 else f"{part:.3g} times"


def session_budget_text(session: Session) -> str:
    """Return in one line how this session stands to its budget, or that it has none."""
    if session.budget_j is None:
        return "This session has no budget. %energy budget 5kJ sets one."
    energy, _, missing = session.span.total()
    if energy is None and not session.records:
        return f"This session: budget {amount_text(session.budget_j)}; nothing measured yet."
    drawn = f"drawn so far {energy_text(energy)}"
    return f"This session: {budget_text(energy, session.budget_j, not missing)}; {drawn}."


def say_on_stderr(run: Run | None, sentence: str) -> None:
    """Say something about a run, or about the session."""
    print(f"GreenLLM: {sentence}", file=sys.stderr)


class BudgetWatch:
    """Says once of each budget that it is certainly exceeded, while that happens. Used from one thread.

    Args:
        session: whose open runs are looked at.

    Attributes:
        say: told the run (None: it is the session's budget) and a sentence for the user.
    """

    def __init__(self, session: Session) -> None:
        self.say: Callable[[Run | None, str], None] = say_on_stderr
        self._session = session
        self._said_of: set[str] = set()
        self._said_session_j: float | None = None
        self._looked_at = -math.inf

    def has_said(self, run: Run) -> bool:
        """Whether it was said of a run, which has not been forgotten yet."""
        return run.run_id in self._said_of

    def look(self) -> None:
        """Compare now, if that was not done just before."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        for run in self._session.open_runs:
            said = exceeded_text(run.record.gross, run.budget_j) if run.budget_j and not self.has_said(run) else None
            if said is not None:
                self._said_of.add(run.run_id)
                self.say(run, f"{run.name}: {said} so far; it goes on")
        self.look_at_session()

    def look_at_session(self) -> None:
        """Compare what the session drew with its budget."""
        budget_j = self._session.budget_j
        if budget_j is None or budget_j == self._said_session_j:
            return
        said = exceeded_text(self._session.span.total()[0], budget_j)
        if said is not None:
            self._said_session_j = budget_j
            self.say(None, f"this session: {said} so far")

    def settled(self, run: Run, record: Record) -> None:
        """A run is over: say of a window outside cells what was not seen before; below a cell stands its record."""
        said = exceeded_text(record.gross, record.budget_j)
        if said is not None and record.cell_id is None and not self.has_said(run):
            self.say(run, f"{record.name}: {said}")
        self._said_of.discard(run.run_id)
