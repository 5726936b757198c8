"""Energy, carbon intensity and emissions: a value, its uncertainty in parts, and its provenance.

Uncertainty follows the GUM (JCGM 100:2008): standard uncertainties combine in squares where they are
independent and linearly where they come from one cause; intervals are expanded to 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

J_PER_KWH = 3.6e6
"""Joules in a kilowatt-hour (exact)."""

COVERAGE_FACTOR_95 = 1.959964
"""Expands a standard uncertainty to a 95 % interval of a normal distribution (JCGM 100:2008, table G.1)."""

Interval = tuple[float, float]

K = TypeVar("K")


class Provenance(StrEnum):
    """How a figure was come by, best first."""

    MEASURED = "measured"
    """Read from an energy counter."""
    DERIVED = "derived"
    """Integrated from power readings."""
    ESTIMATED = "estimated"
    """Computed by a model."""
    UNAVAILABLE = "unavailable"
    """Not known at all; never the same as zero."""

    @classmethod
    def weakest(cls, provenances: Iterable[Provenance]) -> Provenance:
        """Return the least trustworthy of ``provenances`` (``UNAVAILABLE`` where there are none)."""
        order = list(cls)
        return max(provenances, key=order.index, default=cls.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Energy:
    """An amount of energy in joules, with standard uncertainties kept apart by how they add.

    Attributes:
        value_j: best estimate, J.
        random_j: standard uncertainty from edges, noise and gaps, J; adds in squares.
        scale_j: by sensor, the standard uncertainty from its gain, J; adds linearly on one sensor.
        baseline_j: by sensor, the standard uncertainty from the idle baseline, J; adds linearly on one sensor.
        model_j: by model, the standard uncertainty of an estimate, J; adds linearly on one model.
        by_provenance_j: the value split by provenance, J.
        is_difference: whether it is one energy less another (net), which may lie below zero; its parts that add
            linearly then have the sign in which they act on it.
    """

    value_j: float
    random_j: float = 0.0
    scale_j: Mapping[str, float] = field(default_factory=dict)
    baseline_j: Mapping[str, float] = field(default_factory=dict)
    model_j: Mapping[str, float] = field(default_factory=dict)
    by_provenance_j: Mapping[Provenance, float] = field(default_factory=dict)
    is_difference: bool = False

    @property
    def provenance(self) -> Provenance:
        """The weakest provenance that contributes."""
        return Provenance.weakest(self.by_provenance_j)

    @property
    def systematic_j(self) -> float:
        """Standard uncertainty of everything that repeating does not average away, J."""
        parts = (*self.scale_j.values(), *self.baseline_j.values(), *self.model_j.values())
        return math.sqrt(sum(part * part for part in parts))

    @property
    def standard_uncertainty_j(self) -> float:
        """Combined standard uncertainty of all parts, J."""
        return math.hypot(self.random_j, self.systematic_j)

    @property
    def interval_j(self) -> Interval:
        """95 % interval with all parts, J: what is true. Energy drawn is never below zero, a difference may be."""
        return self._expanded(self.standard_uncertainty_j)

    @property
    def repeatability_interval_j(self) -> Interval:
        """95 % interval with the random part alone, J: what a comparison on one sensor uses."""
        return self._expanded(self.random_j)

    def __add__(self, other: Energy) -> Energy:
        return Energy(
            value_j=self.value_j + other.value_j,
            random_j=math.hypot(self.random_j, other.random_j),
            scale_j=_added(self.scale_j, other.scale_j),
            baseline_j=_added(self.baseline_j, other.baseline_j),
            model_j=_added(self.model_j, other.model_j),
            by_provenance_j=_added(self.by_provenance_j, other.by_provenance_j),
            is_difference=self.is_difference or other.is_difference,
        )

    def __sub__(self, other: Energy) -> Energy:
        """Return the difference: random parts add in squares, parts of one cause subtract (JCGM 100:2008, 5.2.2).

        So the gain of a sensor that read both acts on the difference alone.
        """
        return replace(self + other.scaled(-1.0), is_difference=True)

    def scaled(self, factor: float) -> Energy:
        """Return this many times the energy: every part of its uncertainty grows with it."""

        def times(parts: Mapping[K, float]) -> dict[K, float]:
            return {key: part * factor for key, part in parts.items()}

        return Energy(
            value_j=self.value_j * factor,
            random_j=self.random_j * abs(factor),
            scale_j=times(self.scale_j),
            baseline_j=times(self.baseline_j),
            model_j=times(self.model_j),
            by_provenance_j=times(self.by_provenance_j),
            is_difference=self.is_difference,
        )

    @staticmethod
    def sum(energies: Iterable[Energy]) -> Energy | None:
        """Return the sum of ``energies``, or nothing where there are none: unknown is not zero."""
        total = EnergySum()
        for energy in energies:
            total.add(energy)
        return total.energy

    def _expanded(self, standard_uncertainty_j: float) -> Interval:
        half_width_j = COVERAGE_FACTOR_95 * standard_uncertainty_j
        low_j = self.value_j - half_width_j
        return (low_j if self.is_difference else max(0.0, low_j), self.value_j + half_width_j)


class EnergySum:
    """Adds energies up one by one, as ``+`` does, without making an energy of each intermediate sum."""

    def __init__(self) -> None:
        self._count = 0
        self._value_j = 0.0
        self._random_j2 = 0.0
        self._scale_j: dict[str, float] = {}
        self._baseline_j: dict[str, float] = {}
        self._model_j: dict[str, float] = {}
        self._split_j: dict[Provenance, float] = {}
        self._is_difference = False
        self._readings: dict[tuple[str, Provenance], list[float]] = {}

    def add(self, energy: Energy) -> None:
        """Add an energy."""
        self._count += 1
        self._value_j += energy.value_j
        self._random_j2 += energy.random_j * energy.random_j
        _add_to(self._scale_j, energy.scale_j)
        _add_to(self._baseline_j, energy.baseline_j)
        _add_to(self._model_j, energy.model_j)
        _add_to(self._split_j, energy.by_provenance_j)
        self._is_difference = self._is_difference or energy.is_difference

    def add_reading(
        self,
        sensor: str,
        provenance: Provenance,
        value_j: float,
        random_j: float,
        scale_j: float,
        model_j: float,
        measured_j: float,
        derived_j: float,
        estimated_j: float,
    ) -> None:
        """Add what one sensor or model told, as bare figures: ten times as fast as making an energy of it first.

        Args:
            sensor: which; its gain and its model are its own.
            provenance: the weakest that contributes.
            value_j: best estimate, J.
            random_j: standard uncertainty from edges, noise and gaps, J.
            scale_j: that from its gain, J.
            model_j: that of an estimate, J.
            measured_j: the part of the value that is measured, J; the two after it likewise.
            derived_j: that is derived, J.
            estimated_j: that is estimated, J.
        """
        sums = self._readings.get((sensor, provenance))
        if sums is None:
            sums = self._readings[sensor, provenance] = [0.0] * 7
        sums[0] += value_j
        sums[1] += random_j * random_j
        sums[2] += scale_j
        sums[3] += model_j
        sums[4] += measured_j
        sums[5] += derived_j
        sums[6] += estimated_j

    @property
    def energy(self) -> Energy | None:
        """The sum; None where nothing was added."""
        for (sensor, provenance), sums in self._readings.items():
            self.add(_of_readings(sensor, provenance, *sums))
        self._readings.clear()
        if self._count == 0:
            return None
        return Energy(
            value_j=self._value_j,
            random_j=math.sqrt(self._random_j2),
            scale_j=dict(self._scale_j),
            baseline_j=dict(self._baseline_j),
            model_j=dict(self._model_j),
            by_provenance_j=dict(self._split_j),
            is_difference=self._is_difference,
        )

    def copy(self) -> EnergySum:
        """Return a sum of the same that goes on apart from this one."""
        copied = EnergySum()
        if (energy := self.energy) is not None:
            copied.add(energy)
            copied._count = self._count
        return copied


@dataclass(frozen=True, slots=True)
class CarbonIntensity:
    """What a kilowatt-hour costs the climate at a place.

    Attributes:
        value_gco2e_per_kwh: best estimate.
        interval_gco2e_per_kwh: 95 % interval.
        place: ISO 3166-1 alpha-2 code, optionally with a region (``"US-CA"``), or ``"world"``.
        source: who published the figure.
        vintage: the year or period it describes.
    """

    value_gco2e_per_kwh: float
    interval_gco2e_per_kwh: Interval
    place: str
    source: str
    vintage: str


@dataclass(frozen=True, slots=True)
class Emissions:
    """Greenhouse gases of an energy, in grams of CO2 equivalent, with a 95 % interval."""

    mass_gco2e: float
    interval_gco2e: Interval
    intensity: CarbonIntensity
    pue: float = 1.0

    @classmethod
    def of(cls, energy: Energy, intensity: CarbonIntensity, pue: float = 1.0) -> Emissions:
        """Return the emissions of ``energy`` at ``intensity``.

        The half-widths of both factors, each on its own side, combine in squares (JCGM 100:2008, 5.1.2).

        Args:
            energy: what was drawn by the machine, J.
            intensity: of the electricity that was drawn.
            pue: power usage effectiveness of the building, 1 or more (ISO/IEC 30134-2).
        """
        kwh = energy.value_j / J_PER_KWH
        mass = kwh * pue * intensity.value_gco2e_per_kwh

        def side(index: int) -> float:
            from_energy = (energy.interval_j[index] / J_PER_KWH - kwh) * intensity.value_gco2e_per_kwh
            from_intensity = kwh * (intensity.interval_gco2e_per_kwh[index] - intensity.value_gco2e_per_kwh)
            return pue * math.hypot(from_energy, from_intensity)

        return cls(mass, (max(0.0, mass - side(0)), mass + side(1)), intensity, pue)


def _of_readings(
    sensor: str,
    provenance: Provenance,
    value_j: float,
    random_j2: float,
    scale_j: float,
    model_j: float,
    measured_j: float,
    derived_j: float,
    estimated_j: float,
) -> Energy:
    split_j = zip(Provenance, (measured_j, derived_j, estimated_j), strict=False)
    return Energy(
        value_j=value_j,
        random_j=math.sqrt(random_j2),
        scale_j={sensor: scale_j} if scale_j else {},
        model_j={sensor: model_j} if model_j else {},
        by_provenance_j={kind: part_j for kind, part_j in split_j if part_j or kind is provenance},
    )


def _add_to(total: dict[K, float], parts: Mapping[K, float]) -> None:
    for key, part in parts.items():
        total[key] = total.get(key, 0.0) + part


def _added(left: Mapping[K, float], right: Mapping[K, float]) -> dict[K, float]:
    return {key: left.get(key, 0.0) + right.get(key, 0.0) for key in {**left, **right}}
