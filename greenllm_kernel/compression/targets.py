"""Targets: what a recipe must reach, and whether a model did, as far as it was measured."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from greenllm_kernel.accounting.notation import BYTES, COUNTS, JOULES, SECONDS, WATT_HOURS, Units, quantity_text
from greenllm_kernel.compression.nearest import did_you_mean
from greenllm_kernel.errors import RecipeError
from greenllm_kernel.quantities import Interval

if TYPE_CHECKING:
    from greenllm_kernel.compression.comparison.comparison import Comparison

PARTS: Final[Units] = ((0.01, "%"),)
PLAIN: Final[Units] = ((1.0, ""),)


@dataclass(frozen=True)
class Figure:
    """A figure that can be a target.

    Attributes:
        label: what it is, in words.
        units: in which it is written; a plain number is in the one whose factor is 1.
        others: in which it may be given too.
        is_least: whether a target is what it must be at least; else at most.
        measured_by: what finds it out.
    """

    label: str
    units: Units
    others: Units = ()
    is_least: bool = False
    measured_by: str = "compress()"


COMPARING: Final = "a comparison"

FIGURES: Final[Mapping[str, Figure]] = {
    "parameters": Figure("parameters", COUNTS),
    "file_bytes": Figure("file of the weights", BYTES),
    "memory_bytes": Figure("memory of the weights", BYTES),
    "energy_j_per_token": Figure("energy of a new token", JOULES, WATT_HOURS, measured_by=COMPARING),
    "latency_s": Figure("99 % of new tokens within", SECONDS, measured_by=COMPARING),
    "first_token_s": Figure("time to the first token", SECONDS, measured_by=COMPARING),
    "bits_per_byte": Figure("bits per byte", PLAIN, measured_by=COMPARING),
    "bits_per_byte_change": Figure("more bits per byte", PARTS, measured_by=COMPARING),
    "accuracy": Figure("accuracy", PARTS, is_least=True, measured_by=COMPARING),
}
"""By the name that a target has in a recipe. ``bits_per_byte_change`` is relative to the baseline."""


@dataclass(frozen=True)
class Target:
    """A bound on a figure.

    Attributes:
        name: of the figure, one of :data:`FIGURES`.
        bound: which it must not pass, in the unit that has no prefix.
    """

    name: str
    bound: float

    def judged(
        self, figures: Mapping[str, float | None], intervals: Mapping[str, Interval | None] | None = None
    ) -> TargetOutcome:
        """Return whether it is reached by these figures.

        Args:
            figures: those that are missing or None were not measured.
            intervals: of them (95 %), where they have one: one with the bound inside leaves open what became of it.
        """
        value = figures.get(self.name)
        if value is None:
            return TargetOutcome(self, None, None)
        interval = (intervals or {}).get(self.name)
        reached = {self._is_within(one) for one in interval or (value,)}
        return TargetOutcome(self, value, reached.pop() if len(reached) == 1 else None, interval)

    def _is_within(self, value: float) -> bool:
        return value >= self.bound if FIGURES[self.name].is_least else value <= self.bound

    def __str__(self) -> str:
        figure = FIGURES[self.name]
        return f"{figure.label} {'at least' if figure.is_least else 'at most'} {_text(self.name, self.bound)}"


@dataclass(frozen=True)
class TargetOutcome:
    """What became of a target.

    Attributes:
        target: what was to be reached.
        value: of the figure; None where it was not measured.
        is_reached: None where that is not known: nothing was measured, or the interval holds the bound.
        interval: of the figure (95 %); None where it has none.
    """

    target: Target
    value: float | None
    is_reached: bool | None
    interval: Interval | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.target}: not measured; {FIGURES[self.target.name].measured_by} does"
        name = self.target.name
        told = _text(name, self.value)
        if self.interval is not None:
            told += f" [{', '.join(_text(name, end) for end in self.interval)}]"
        word = {True: "reached", False: "missed", None: "not sure"}[self.is_reached]
        return f"{self.target}: {word}, {told}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        interval = list(self.interval) if self.interval else None
        return {**asdict(self.target), "value": self.value, "interval": interval, "is_reached": self.is_reached}


def targets_of(wanted: Any, where: str, lines: Mapping[str, str] | None = None) -> tuple[Target, ...]:
    """Read targets.

    Args:
        wanted: a mapping of names to numbers, or to texts of a number and a unit: ``40 MB``, ``5 mJ``, ``1 %``.
        where: they stand.
        lines: where each stands.

    Raises:
        RecipeError: a name that is no figure, with the nearest one, or a bound that cannot be read.
    """
    if not isinstance(wanted, Mapping):
        raise RecipeError(f"{where}: targets are written as name: bound, such as file_bytes: 40 MB")
    found = []
    for name, bound in wanted.items():
        place = (lines or {}).get(str(name), where)
        if name not in FIGURES:
            raise RecipeError(f"{place}: there is no target {name!r}; {did_you_mean(str(name), FIGURES)}")
        found.append(Target(name, _number(bound, name, place)))
    return tuple(found)


def figures_of(comparison: Comparison, contender: str, batch: int | None = None) -> dict[str, float | None]:
    """Return the figures of a contender of a comparison, for targets.

    Args:
        comparison: that it was in.
        contender: its name.
        batch: at which it was measured; the first one where it is not said.
    """
    return {name: value for name, (value, _) in _measured(comparison, contender, batch).items()}


def intervals_of(comparison: Comparison, contender: str, batch: int | None = None) -> dict[str, Interval | None]:
    """Return the 95 % intervals of the same figures; None where they have none."""
    return {name: interval for name, (_, interval) in _measured(comparison, contender, batch).items()}


def _measured(
    comparison: Comparison, contender: str, batch: int | None
) -> dict[str, tuple[float | None, Interval | None]]:
    one = next(each for each in comparison.contenders if each.name == contender)
    cell = comparison.cell(contender, comparison.whole_phase, comparison.batches[0] if batch is None else batch)
    gross, text, right = cell.gross if cell else None, one.text, one.accuracy
    return {
        "parameters": (one.parameters, None),
        "file_bytes": (one.file_bytes, None),
        "memory_bytes": (one.memory_bytes, None),
        "energy_j_per_token": (gross.value_j, gross.interval_j) if gross else (None, None),
        "latency_s": (cell.latency_p99_s if cell else None, None),
        "first_token_s": (cell.first_token_s if cell else None, None),
        "bits_per_byte": (text.bits_per_byte, text.interval_bits) if text else (None, None),
        "bits_per_byte_change": comparison.text_change(one) or (None, None),
        "accuracy": (right.value, right.interval) if right else (None, None),
    }


def _number(bound: Any, name: str, where: str) -> float:
    units = {unit: factor for factor, unit in (*FIGURES[name].units, *FIGURES[name].others) if unit}
    given = re.fullmatch(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*(\S*)\s*", "" if isinstance(bound, bool) else str(bound))
    try:
        value, unit = (float(given[1]), given[2]) if given else (math.nan, "")
    except ValueError:
        value, unit = math.nan, ""
    if unit and unit not in units:
        raise RecipeError(f"{where}: {name}: there is no unit {unit!r}; {did_you_mean(unit, units)}")
    value *= units.get(unit, 1.0)
    least = -1.0 if name == "bits_per_byte_change" else 0.0
    if not least < value < math.inf:
        ways = f", or one with a unit ({', '.join(units)})" if units else ""
        raise RecipeError(f"{where}: {name}: {bound!r} is no bound; write a number{ways}")
    return value


def _text(name: str, value: float) -> str:
    units = FIGURES[name].units
    if units == PARTS:
        return f"{100 * value:.3g} %"
    return f"{value:.3g}" if units == PLAIN else quantity_text(value, None, units).strip()
