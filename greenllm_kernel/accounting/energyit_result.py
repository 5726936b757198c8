"""What ``%energyit`` gives: the energy of one loop with both its intervals, as an object that prints itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from greenllm_kernel.accounting.loop_energy import relative_half_width
from greenllm_kernel.accounting.notation import (
    JOULES,
    SECONDS,
    UNAVAILABLE,
    energy_text,
    half_width_text,
    mass_text,
    power_text,
    provenance_text,
    quantity_text,
    relative_text,
)
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, Emissions, Energy, Interval, Provenance


@dataclass(frozen=True)
class EnergyitResult:
    """What one loop of a statement costs.

    Attributes:
        loops: of the statement in each repeat.
        times_s: of one loop, by repeat, s.
        energies_j: of one loop, by repeat, J; empty where nothing could be read throughout.
        energy: of one loop, over all repeats; its random part is how far the repeats' mean may be off, and its other
            parts (the sensor's gain, a model's error) are those of one repeat: repeating does not average them away.
        net: of one loop, beyond what the idle machine would have drawn; None where that is not known.
        emissions: of one loop; None where they are not known.
        unavailable: labels of the channels that gave readings for part of the time, or not at all.
        precision: the relative half-width that was asked for; None where the number of repeats was.
        drift: by how much the later repeats lie above the earlier ones, as a part of the mean; None for no drift.
        status: ok, or interrupted, where fewer repeats were made than were needed.
    """

    loops: int
    times_s: tuple[float, ...]
    energies_j: tuple[float, ...]
    energy: Energy | None
    net: Energy | None = None
    emissions: Emissions | None = None
    unavailable: tuple[str, ...] = ()
    precision: float | None = None
    drift: float | None = None
    status: Status = Status.OK

    @property
    def repeats(self) -> int:
        """How many repeats were measured."""
        return len(self.times_s)

    @property
    def energy_j_per_loop(self) -> float | None:
        """Joules of one loop, or None where they are not known."""
        return self.energy.value_j if self.energy else None

    @property
    def interval_j(self) -> Interval | None:
        """95 % interval of one loop's energy with all parts, J: what is true."""
        return self.energy.interval_j if self.energy else None

    @property
    def repeatability_interval_j(self) -> Interval | None:
        """95 % interval of one loop's energy with the random part alone, J: what a comparison on one sensor uses.

        None where a single repeat does not tell it.
        """
        return self.energy.repeatability_interval_j if self.energy and self.repeats > 1 else None

    @property
    def relative_half_width(self) -> float | None:
        """Half of the repeatability interval as a part of the energy; None where it is not known."""
        return relative_half_width(self.energy) if self.energy is not None and self.repeats > 1 else None

    @property
    def is_precise(self) -> bool | None:
        """Whether the precision that was asked for was reached; None where none was asked for."""
        if self.precision is None:
            return None
        reached = self.relative_half_width
        return reached is not None and reached <= self.precision * (1 + 1e-9)

    @property
    def best_j(self) -> float | None:
        """The least energy of one loop among the repeats, J."""
        return min(self.energies_j, default=None)

    @property
    def worst_j(self) -> float | None:
        """The most energy of one loop among the repeats, J."""
        return max(self.energies_j, default=None)

    @property
    def time_s_per_loop(self) -> float:
        """Mean time of one loop, s."""
        return math.fsum(self.times_s) / self.repeats

    @property
    def power_w(self) -> float | None:
        """Mean power while the statement ran, W."""
        return self.energy.value_j / self.time_s_per_loop if self.energy and self.time_s_per_loop > 0 else None

    @property
    def provenance(self) -> Provenance:
        """How the energy was come by: the weakest of its parts."""
        return self.energy.provenance if self.energy else Provenance.UNAVAILABLE

    def __str__(self) -> str:
        return "\n  ".join([self._headline(), *self._notes()])

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(f"<{type(self).__name__}: {self}>")  # type: ignore[attr-defined]

    def _headline(self) -> str:
        made = f"{_plural(self.repeats, 'repeat')} of {_plural(self.loops, 'loop')}"
        time = f"{quantity_text(self.time_s_per_loop, None, SECONDS)} per loop"
        if self.energy is None:
            return f"energy {UNAVAILABLE}, {time} ({made})"
        narrow = half_width_text(COVERAGE_FACTOR_95 * self.energy.random_j, JOULES, self.energy.value_j)
        repeatability = f"repeatability {narrow}, " if self.repeats > 1 else ""
        parts = [
            f"{energy_text(self.energy)} per loop (95 %; {repeatability}{made})",
            time,
            power_text(self.power_w),
            provenance_text(self.energy, self.unavailable),
        ]
        return ", ".join(parts)

    def _notes(self) -> list[str]:
        notes = []
        if self.net is not None:
            notes.append(f"net of idle: {energy_text(self.net, beside=self.energy)} per loop")
        if self.emissions is not None:
            notes.append(f"{mass_text(self.emissions)} CO2e per loop ({self.emissions.intensity.place})")
        if self.status is Status.INTERRUPTED:
            notes.append(f"interrupted after {_plural(self.repeats, 'repeat')}")
        if self.energy is None:
            notes.append("no meter gave readings throughout: greenllm doctor tells why")
            return notes
        if self.repeats < 2:
            notes.append("a single repeat does not tell how far the next one would lie from it")
        elif self.is_precise is False and self.relative_half_width is not None and self.precision is not None:
            reached, asked = relative_text(self.relative_half_width), relative_text(self.precision)
            advice = "" if self.status is Status.INTERRUPTED else "; --max-time gives it more time"
            notes.append(f"not as narrow as asked: repeatability {reached}, not {asked}{advice}")
        if self.drift is not None:
            rose = f"{100 * abs(self.drift):.2g} % {'more' if self.drift > 0 else 'less'}"
            notes.append(f"drift: the later repeats took {rose} than the earlier ones; a longer warm-up may help")
        return notes


def _plural(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
