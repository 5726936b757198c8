"""How figures are written for people: value, 95 % interval and unit, with no more digits than are known.

The digits follow the rounding rule of the Particle Data Group (Review of Particle Physics, introduction, 5.3):
of the half-width's first three digits, 100 to 354 keep two digits, 355 to 949 keep one, and 950 to 999 become
1000 and keep two. The value is rounded to the same place. Where an interval has unequal sides its two ends are written
out, and a value of one digit gets another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from greenllm_kernel.accounting.readings import Reading
from greenllm_kernel.accounting.record import Unit
from greenllm_kernel.metering.idle.baseline import Baseline, Basis, How
from greenllm_kernel.quantities import Emissions, Energy, Interval, Provenance

UNAVAILABLE: Final = "unavailable"

Units = Sequence[tuple[float, str]]
"""Factors and symbols of a quantity's units, smallest first."""

JOULES: Final[Units] = ((1e-6, "µJ"), (1e-3, "mJ"), (1.0, "J"), (1e3, "kJ"), (1e6, "MJ"), (1e9, "GJ"))
WATT_HOURS: Final[Units] = ((3.6e-3, "µWh"), (3.6, "mWh"), (3.6e3, "Wh"), (3.6e6, "kWh"), (3.6e9, "MWh"))
"""In joules (exact)."""
GRAMS: Final[Units] = ((1e-9, "ng"), (1e-6, "µg"), (1e-3, "mg"), (1.0, "g"), (1e3, "kg"), (1e6, "t"))
WATTS: Final[Units] = ((1e-3, "mW"), (1.0, "W"), (1e3, "kW"), (1e6, "MW"))
COUNTS: Final[Units] = ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"))
BYTES: Final[Units] = ((1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"))
SECONDS: Final[Units] = ((1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))

DIGITS_WITHOUT_INTERVAL: Final = 3
"""Significant digits of a figure that comes without an interval."""

DIGITS_OF_A_SHARE: Final = 2
"""Significant digits of this kernel's part, which comes without an interval of its own."""

HOW_TO_KNOW: Final = "%energy idle measures it while nothing else runs"
"""What helps where an idle power is not known."""

OF_PART: Final = "of what could be told"
"""What a share is a part of where it is not known of the whole."""

NEGLIGIBLE: Final = 1e-9
"""Half-width, as a part of the value, below which an interval is an accident of arithmetic."""

LEAST_SHOWN: Final = 0.1
"""Half-width, in the unit that stands beside, below which a unit of its own reads better."""

PROVENANCE_MEANING: Final = {
    Provenance.MEASURED: "read from an energy counter",
    Provenance.DERIVED: "integrated from power readings",
    Provenance.ESTIMATED: "computed by a model, because no sensor could be read",
    Provenance.UNAVAILABLE: "not known; it is missing from the total and is not zero",
}


def energy_text(energy: Energy | None, units: Units = JOULES, beside: Energy | None = None) -> str:
    """Return an energy with its 95 % interval, such as ``"1.234 ± 0.012 kJ"``.

    Args:
        energy: J; None where nothing is known.
        units: :data:`JOULES` or :data:`WATT_HOURS`.
        beside: what it is a part of, and is read beside: a value that its interval drowns has no size of its own,
            and takes its unit from there: ``"0.0 ± 0.4 J"`` beside ``"5.03 J"``.
    """
    if energy is None:
        return UNAVAILABLE
    return quantity_text(energy.value_j, energy.interval_j, _units_beside(energy, units, beside))


def rounded_energy_text(energy: Energy | None) -> str:
    """Return an energy with the digits that its interval supports, the interval left out: ``"1.23 kJ"``."""
    return _without_spread(energy.value_j, energy.interval_j, JOULES) if energy else UNAVAILABLE


def share_text(share_j: float, gross: Energy, is_whole: bool = True) -> str:
    """Return this kernel's part of an energy, such as ``"0.85 kJ (71 %)"``.

    It has two digits, or fewer where the whole has fewer; the percentage alone where the interval drowns it.

    Args:
        share_j: the part, J.
        gross: what it is a part of.
        is_whole: whether that is all there is; otherwise it reads ``"0.85 kJ (71 % of what could be told)"``.
    """
    part = share_j / gross.value_j if gross.value_j > 0 else 0.0
    percent = share_percent_text(part, is_whole)
    if not part > 0:
        return percent
    factor, symbol = _unit_for(share_j, JOULES)
    value = share_j / factor
    places = DIGITS_OF_A_SHARE - 1 - math.floor(math.log10(value))
    low_j, high_j = gross.interval_j
    half_width_j = part * (high_j - low_j) / 2
    if half_width_j > share_j * NEGLIGIBLE:
        places = min(places, decimal_places(half_width_j / factor))
    if round(value, places) <= 0:
        return percent
    return f"{_rounded(value, places)} {symbol} ({percent})"


def share_percent_text(part: float, is_whole: bool) -> str:
    """Return this kernel's part of a whole (1), such as ``"71 %"``, or of what is known of a whole."""
    return percent_text(part) if is_whole else f"{percent_text(part)} {OF_PART}"


def list_text(labels: Iterable[str]) -> str:
    """Return labels in a row, such as ``"Memory, estimated (25 GB); NVIDIA H200"``: there are commas within them."""
    return "; ".join(labels)


def partly_text(partial: Iterable[Reading]) -> str:
    """Return which channels were read for part of the time, such as ``"GPU 0 (97 % of the time)"``."""
    return list_text(f"{reading.label} ({percent_text(reading.coverage)} of the time)" for reading in partial)


def basis_text(basis: Basis | Baseline, beside: datetime) -> str:
    """Return how and when idle power was come by, such as ``"measured 12:34 (10 s)"`` or ``"learnt 12:30"``.

    Args:
        basis: what is told of.
        beside: when what stands beside it was; the day is named where it was another one. Both in local time.
    """
    taken_at, day = basis.taken_at.astimezone(), beside.astimezone().date()
    when = f"{taken_at:%H:%M}" if taken_at.date() == day else f"{taken_at:%Y-%m-%d %H:%M}"
    seconds = f" ({basis.duration_s:.0f} s)" if basis.how is How.MEASURED else ""
    return f"{basis.how.value} {when}{seconds}"


def mass_text(emissions: Emissions | None) -> str:
    """Return a mass of CO2 equivalent with its 95 % interval, such as ``"1.2 [0.9, 2.1] g"``."""
    return quantity_text(emissions.mass_gco2e, emissions.interval_gco2e, GRAMS) if emissions else UNAVAILABLE


def power_text(power_w: float | None, interval_w: Interval | None = None) -> str:
    """Return a power, such as ``"312 W"``, with its interval where one is given."""
    return quantity_text(power_w, interval_w, WATTS)


def half_width_text(half_width: float, units: Units, value: float) -> str:
    """Return half of an interval in the unit in which its value is written, such as ``"± 0.02 J"``."""
    factor, symbol = _unit_for(max(abs(value), half_width), units)
    if not half_width > abs(value) * NEGLIGIBLE:
        return f"± 0 {symbol}"
    return f"± {_rounded(half_width / factor, decimal_places(half_width / factor))} {symbol}"


def relative_text(half_width: float) -> str:
    """Return half of an interval as a part of its value, such as ``"± 4.1 %"``."""
    if not math.isfinite(half_width):
        return "± unknown"
    return f"± {100 * half_width:.0f} %" if half_width >= 0.0995 else f"± {100 * half_width:.2g} %"


def per_unit_text(name: str, unit: Unit) -> str:
    """Return the energy of one unit, such as ``"52 ± 3 mJ/token"``."""
    if unit.energy is not None and unit.count == 0:
        return f"nothing can be told per {name}: the count is 0"
    text = quantity_text(unit.energy_j_per_unit, unit.interval_j_per_unit, JOULES)
    return text if text == UNAVAILABLE else f"{text}/{name}"


def duration_text(duration_s: float | None) -> str:
    """Return a duration, such as ``"0.42 s"``, ``"12.3 s"``, ``"3 min 05 s"`` or ``"1 h 02 min"``."""
    if duration_s is None or not math.isfinite(duration_s):
        return UNAVAILABLE
    if duration_s < 59.95:
        if duration_s < 0.9995:
            return f"{duration_s * 1e3:.3g} ms"
        return f"{duration_s:.2f} s" if duration_s < 9.995 else f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(round(duration_s / 60), 60)
    return f"{hours} h {minutes:02d} min"


def provenance_text(energy: Energy | None, unavailable: Sequence[str] = ()) -> str:
    """Return a total's provenance in a few words, such as ``"estimated (71 % measured), without dram"``.

    Args:
        energy: the total; its weakest provenance comes first, then the share of the better ones.
        unavailable: labels of the channels that are missing from it.
    """
    if energy is None:
        return UNAVAILABLE
    weakest = energy.provenance
    total_j = sum(energy.by_provenance_j.values())
    shares = [
        f"{percent_text(part_j / total_j)} {provenance.value}"
        for provenance in Provenance
        if provenance is not weakest and total_j > 0 and (part_j := energy.by_provenance_j.get(provenance, 0.0)) > 0
    ]
    text = f"{weakest.value} ({', '.join(shares)})" if shares else weakest.value
    return f"{text}, without {list_text(unavailable)}" if unavailable else text


def quantity_text(value: float | None, interval: Interval | None, units: Units) -> str:
    """Return a value with its interval in the unit that suits its size.

    Symmetric intervals read ``"12.3 ± 0.4 J"``, others ``"1.2 [0.9, 2.1] g"``. A value that its interval drowns (it
    would be rounded to 0, and the interval ends at 0) is given as the upper limit: ``"< 4.0 J"``. A difference, whose
    interval reaches below 0, may be written as 0 or less: ``"-3 ± 12 J"``.

    Args:
        value: in the unit whose factor is 1; None or not finite where nothing is known.
        interval: 95 %, in the same unit.
        units: what to choose from.
    """
    return " ".join(piece for piece in _pieces(value, interval, units) if piece)


def _without_spread(value: float, interval: Interval | None, units: Units) -> str:
    text, _, symbol = _pieces(value, interval, units)
    return f"{text} {symbol}"


def _pieces(value: float | None, interval: Interval | None, units: Units) -> tuple[str, str, str]:
    """Return value, spread and unit."""
    if value is None or not math.isfinite(value):
        return UNAVAILABLE, "", ""
    low, high = interval if interval is not None else (value, value)
    half_width = (high - low) / 2
    if not (math.isfinite(half_width) and half_width > abs(value) * NEGLIGIBLE):
        factor, symbol = _unit_for(abs(value), units)
        return _significant(value / factor), "", symbol
    factor, symbol = _unit_for(max(abs(value), half_width), units)
    value, low, high, half_width = value / factor, low / factor, high / factor, half_width / factor
    places = decimal_places(half_width)
    if low == 0 <= value and round(value, places) == 0:
        return f"< {_rounded(high, places)}", "", symbol
    below, above = _rounded(value - low, places), _rounded(high - value, places)
    if below == above:
        return _rounded(value, places), f"± {above}", symbol
    if abs(round(value, places)) < 10.0 ** (1 - places):
        places += 1
    return _rounded(value, places), f"[{_rounded(low, places)}, {_rounded(high, places)}]", symbol


def percent_text(part: float) -> str:
    """Return a part of a whole (1), such as ``"71 %"``, ``"< 1 %"`` or ``"> 99 %"``."""
    if part < 0.01:
        return "< 1 %"
    return "> 99 %" if part > 0.99 else f"{part * 100:.0f} %"


def decimal_places(half_width: float) -> int:
    """Return to how many decimals a figure with this half-width (above 0) is rounded; below 0: to tens and so on."""
    exponent = math.floor(math.log10(half_width))
    leading = round(half_width / 10.0 ** (exponent - 2))
    digits = 1 if 355 <= leading < 950 else 2
    if leading >= 950:
        exponent += 1
    return digits - 1 - exponent


def _units_beside(energy: Energy, units: Units, beside: Energy | None) -> Units:
    """Return the one unit of what stands beside, for a value that its interval drowns, where that shows in it."""
    if beside is None:
        return units
    half_width_j = (energy.interval_j[1] - energy.interval_j[0]) / 2
    unit = _unit_for(abs(beside.value_j), units)
    return [unit] if half_width_j >= max(abs(energy.value_j), unit[0] * LEAST_SHOWN) else units


def _unit_for(size: float, units: Units) -> tuple[float, str]:
    if size == 0:
        return min(units, key=lambda unit: abs(math.log10(unit[0])))
    fitting = [unit for unit in units if size >= unit[0] * 0.9995]
    return fitting[-1] if fitting else units[0]


def _rounded(value: float, places: int) -> str:
    return f"{round(value, places) + 0.0:.{max(0, places)}f}"


def _significant(value: float) -> str:
    if value == 0:
        return "0"
    places = max(0, DIGITS_WITHOUT_INTERVAL - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"
