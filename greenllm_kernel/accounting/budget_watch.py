"""Says how what was drawn and emitted stands to budgets, and once of each, while it happens, that it is exceeded."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.budget import Budget, Standing, standing
from greenllm_kernel.accounting.notation import GRAMS, JOULES, energy_text, mass_text, percent_text, quantity_text
from greenllm_kernel.quantities import Emissions, Energy

if TYPE_CHECKING:
    from greenllm_kernel.accounting.record import Record
    from greenllm_kernel.accounting.run import Run
    from greenllm_kernel.accounting.session import Session

LOOK_EVERY_S = 0.5
"""How often what is drawn is compared with budgets, s."""


def budget_text(energy: Energy | None, emissions: Emissions | None, budget: Budget, is_whole: bool = True) -> str:
    """Return how what was used stands to its budget, such as ``"budget 5.00 kJ certainly exceeded: 108 % of it"``.

    Args:
        energy: that was drawn, J; None where it is not known.
        emissions: of that energy; None where they are not known.
        budget: what was to be drawn or emitted at most.
        is_whole: whether nothing is missing from the energy; something that is may make it more, never less.
    """
    found = standing(energy, emissions, budget)
    used = budget.used(energy, emissions)
    if used is None:
        what = "emissions are" if budget.is_of_emissions else "energy is"
        return f"budget {amount_text(budget)}: not known whether it is kept, as no {what} known"
    value, interval = used
    part = percent_of(value / budget.most)
    if found is Standing.WITHIN:
        return f"within its budget {amount_text(budget)}{'' if is_whole else ', as far as is known'}: {part} of it"
    low, high = (percent_of(edge / budget.most) for edge in interval)
    certainty = "" if found is Standing.EXCEEDED else f", 95 %: {low} to {high}"
    return f"budget {amount_text(budget)} {found}: {part} of it{certainty}"


def exceeded_text(energy: Energy | None, emissions: Emissions | None, budget: Budget | None) -> str | None:
    """Return what is to be said of a budget that is certainly exceeded; None while it is not."""
    if budget is None or standing(energy, emissions, budget) is not Standing.EXCEEDED:
        return None
    return f"{budget_text(energy, emissions, budget)}, {_used_text(energy, emissions, budget)}"


def amount_text(budget: Budget) -> str:
    """Return a budget's amount, which has no uncertainty, such as ``"5.00 kJ"`` or ``"20.0 g CO2e"``."""
    text = quantity_text(budget.most, None, GRAMS if budget.is_of_emissions else JOULES)
    return f"{text} CO2e" if budget.is_of_emissions else text


def percent_of(part: float) -> str:
    """Return a part of a budget (1), which may be more than all of it, such as ``"108 %"``."""
    return percent_text(part) if part < 0.99 else f"{100 * part:.0f} %" if part < 1e4 else f"{part:.3g} times"


def _used_text(energy: Energy | None, emissions: Emissions | None, budget: Budget) -> str:
    return f"{mass_text(emissions)} CO2e" if budget.is_of_emissions else energy_text(energy)


def session_budget_text(session: Session) -> str:
    """Return in one line how this session stands to its budget, or that it has none."""
    budget = session.budget
    if budget is None:
        return "This session has no budget. %energy budget 5kJ sets one, or 20g of CO2e."
    energy, _, missing = session.span.total()
    if energy is None and not session.records:
        return f"This session: budget {amount_text(budget)}; nothing measured yet."
    emissions = session.emissions_of(energy)
    verb = "emitted" if budget.is_of_emissions else "drawn"
    used = f"{verb} so far {_used_text(energy, emissions, budget)}"
    return f"This session: {budget_text(energy, emissions, budget, not missing)}; {used}."


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
        self._said_session: Budget | None = None
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
            if run.budget is None or self.has_said(run):
                continue
            record = run.record
            said = exceeded_text(record.gross, record.emissions, run.budget)
            if said is not None:
                self._said_of.add(run.run_id)
                self.say(run, f"{run.name}: {said} so far; it goes on")
        self.look_at_session()

    def look_at_session(self) -> None:
        """Compare what the session drew with its budget."""
        budget = self._session.budget
        if budget is None or budget == self._said_session:
            return
        energy, _, _ = self._session.span.total()
        said = exceeded_text(energy, self._session.emissions_of(energy), budget)
        if said is not None:
            self._said_session = budget
            self.say(None, f"this session: {said} so far")

    def settled(self, run: Run, record: Record) -> None:
        """A run is over: say of a window outside cells what was not seen before; below a cell stands its record."""
        said = exceeded_text(record.gross, record.emissions, record.budget)
        if said is not None and record.cell_id is None and not self.has_said(run):
            self.say(run, f"{record.name}: {said}")
        self._said_of.discard(run.run_id)
