"""A sum over runs of the ledger that are told one by one, in the order in which they began: the same as ``total``.

It keeps no run, so that sums over a hundred thousand of them take little memory, and can go on later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

from greenllm_kernel.accounting.ledger_run import Factors, LedgerRun, Power
from greenllm_kernel.accounting.overlap import CLOCK_STEP_S, Covered, part_after
from greenllm_kernel.accounting.totals import emissions_together
from greenllm_kernel.quantities import Energy, EnergySum, Interval, Provenance


@dataclass(frozen=True)
class PastSum:
    """What several runs came to; the attributes are as those of ``Totals``."""

    runs: int = 0
    duration_s: float = 0.0
    energy: Energy | None = None
    mass_gco2e: float | None = None
    interval_gco2e: Interval | None = None

    @property
    def provenance(self) -> Provenance:
        """The weakest provenance in the sum; ``UNAVAILABLE`` only where nothing is known."""
        return self.energy.provenance if self.energy else Provenance.UNAVAILABLE


NOTHING = PastSum()


class DrawnEnergy:
    """Energies by what their emissions were computed with, as those under one intensity share its error."""

    def __init__(self) -> None:
        self._sums: dict[Factors | None, EnergySum] = {}

    def add(self, run: LedgerRun) -> None:
        """Add the whole energy of a run."""
        factors = run.body.emissions
        total = self._sums.get(factors)
        if total is None:
            total = self._sums[factors] = EnergySum()
        run.add_to(total)

    def add_energy(self, factors: Factors | None, energy: Energy) -> None:
        """Add an energy."""
        self._sums.setdefault(factors, EnergySum()).add(energy)

    def add_all(self, other: DrawnEnergy) -> None:
        """Add all that another one has."""
        for factors, energy in other.energies():
            self.add_energy(factors, energy)

    def energies(self) -> list[tuple[Factors | None, Energy]]:
        """Return the sums, each with its factors; None: emissions are not known."""
        found = [(factors, total.energy) for factors, total in self._sums.items()]
        return [(factors, energy) for factors, energy in found if energy is not None]

    def copy(self) -> DrawnEnergy:
        """Return the same, to go on apart from this one."""
        copied = DrawnEnergy()
        copied.add_all(self)
        return copied


class RunningSum:
    """Adds runs up, each joule of a host once.

    Args:
        since_s: what was drawn before this instant (s since 1970) is left out, of a run across it too.
    """

    def __init__(self, since_s: float = -math.inf) -> None:
        self.drawn = DrawnEnergy()
        self._since_s = since_s
        self._covered = Covered()
        self._runs = 0

    def add(self, run: LedgerRun, power: Power) -> None:
        """Add a run, which began no earlier than those before it.

        Args:
            run: one that lies inside another run adds nothing.
            power: gives the power over time of a run of which only a part is to be added.

        Raises:
            ValueError: its record cannot be read.
        """
        if run.is_nested:
            return
        if run.begin_s < self._since_s and run.begin_s + run.duration_s <= self._since_s:
            return
        free_s = self.cover(run)
        if is_whole(run, free_s):
            self.drawn.add(run)
        else:
            self.add_part(run, free_s, power)

    def cover(self, run: LedgerRun) -> float:
        """Take in the time of one more run, but not its energy; return from when on no run before it has it, s."""
        self._runs += 1
        begin_s = run.begin_s if run.begin_s > self._since_s else self._since_s
        return self._covered.add(run.host, begin_s, run.begin_s + run.duration_s)

    def add_part(self, run: LedgerRun, free_s: float, power: Power) -> None:
        """Add what a run drew from an instant on. For the rest see :meth:`add`."""
        part = part_after(run.record(power), free_s)
        energy = part.of(part.record.gross)
        if energy is not None:
            self.drawn.add_energy(run.body.emissions, energy)

    def result(self, also: Iterable[DrawnEnergy] = ()) -> PastSum:
        """Return what the runs so far came to.

        Args:
            also: the energies of runs of which only the time was taken in.
        """
        drawn = self.drawn.copy()
        for other in also:
            drawn.add_all(other)
        known = drawn.energies()
        mass_gco2e, interval_gco2e = emissions_together(
            (factors.intensity, factors.pue, energy) for factors, energy in known if factors is not None
        )
        return PastSum(
            runs=self._runs,
            duration_s=self._covered.times[0],
            energy=Energy.sum(energy for _, energy in known),
            mass_gco2e=mass_gco2e,
            interval_gco2e=interval_gco2e,
        )

    def copy(self) -> RunningSum:
        """Return the same sum, to go on apart from this one."""
        copied = copy(self)
        copied.drawn, copied._covered = self.drawn.copy(), self._covered.copy()
        return copied


def is_whole(run: LedgerRun, free_s: float) -> bool:
    """Whether a run that counts from an instant on (s since 1970) counts whole, as far as can be told."""
    return free_s - run.begin_s <= CLOCK_STEP_S
