"""A sum over runs of the ledger that are told one by one, in the order in which they began: the same as ``total``.

It keeps no run, so that sums over a hundred thousand of them take little memory, and can go on later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from greenllm_kernel.accounting.ledger_run import Factors, LedgerRun, Power
from greenllm_kernel.accounting.overlap import CLOCK_STEP_S, Covered, length_s, part_within
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


class RunningSum:
    """Adds runs up, each joule of a host once.

    Args:
        since_s: what was drawn before this instant (s since 1970) is left out, of a run across it too.
    """

    def __init__(self, since_s: float = -math.inf) -> None:
        self._since_s = since_s
        self._covered = Covered()
        self._drawn: dict[Factors | None, EnergySum] = {}
        self._runs = 0

    def add(self, run: LedgerRun, power: Power) -> None:
        """Add a run, which began no earlier than those before it.

        Args:
            run: one that lies inside another run adds nothing.
            power: gives the power over time of a run of which only a part is to be added.

        Raises:
            ValueError: its record cannot be read.
        """
        begin_s, end_s = run.span
        if run.is_nested or (begin_s < self._since_s and end_s <= self._since_s):
            return
        free = self._covered.add(run.host, (max(begin_s, self._since_s), end_s))
        self._runs += 1
        total = self._drawn.get(run.body.emissions)
        if total is None:
            total = self._drawn[run.body.emissions] = EnergySum()
        if run.duration_s - length_s(free) <= CLOCK_STEP_S:
            run.add_to(total)
            return
        part = part_within(run.record(power), free)
        energy = part.of(part.record.gross)
        if energy is not None:
            total.add(energy)

    @property
    def result(self) -> PastSum:
        """What the runs so far came to."""
        known = [(factors, total.energy) for factors, total in self._drawn.items()]
        mass_gco2e, interval_gco2e = emissions_together(
            (factors.intensity, factors.pue, energy)
            for factors, energy in known
            if factors is not None and energy is not None
        )
        return PastSum(
            runs=self._runs,
            duration_s=self._covered.times[0],
            energy=Energy.sum(energy for _, energy in known if energy is not None),
            mass_gco2e=mass_gco2e,
            interval_gco2e=interval_gco2e,
        )

    def copy(self) -> RunningSum:
        """Return the same sum, to go on apart from this one."""
        copied = RunningSum(self._since_s)
        copied._covered = self._covered.copy()
        copied._drawn = {factors: total.copy() for factors, total in self._drawn.items()}
        copied._runs = self._runs
        return copied
