"""Figures carry their interval, and no more digits than are known."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenllm_kernel.accounting.notation import (
    GRAMS,
    JOULES,
    WATT_HOURS,
    basis_text,
    decimal_places,
    duration_text,
    energy_text,
    mass_text,
    per_unit_text,
    power_text,
    provenance_text,
    quantity_text,
    rounded_energy_text,
    share_text,
)
from greenllm_kernel.accounting.record import Unit
from greenllm_kernel.metering.idle.baseline import Basis, How
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, CarbonIntensity, Emissions, Energy, Provenance


def around(value: float, half_width: float) -> tuple[float, float]:
    return value - half_width, value + half_width


@pytest.mark.parametrize(
    ("value_j", "half_width_j", "text"),
    [
        (1234, 12, "1.234 ± 0.012 kJ"),
        (1234, 123, "1.23 ± 0.12 kJ"),
        (12.34, 0.34, "12.34 ± 0.34 J"),
        (12.34, 0.41, "12.3 ± 0.4 J"),
        (0.0123, 0.0041, "12 ± 4 mJ"),
        (3.1e6, 9.7e4, "3.10 ± 0.10 MJ"),
        (7.2e9, 5e8, "7.2 ± 0.5 GJ"),
        (683, 502, "700 ± 500 J"),
    ],
)
def test_digits_follow_the_interval_and_the_unit_follows_the_size(
    value_j: float, half_width_j: float, text: str
) -> None:
    assert quantity_text(value_j, around(value_j, half_width_j), JOULES) == text


@pytest.mark.parametrize(
    ("half_width", "places"),
    [
        (0.827, 1),
        (0.119, 2),
        (0.367, 1),
        (0.354, 2),
        (0.355, 1),
        (0.949, 1),
        (0.9501, 1),
        (0.00998, 3),
        (12.0, 0),
        (502, -2),
        (123, -1),
    ],
)
def test_rounding_is_the_particle_data_groups(half_width: float, places: int) -> None:
    assert decimal_places(half_width) == places


def joules(value: float, half_width: float) -> Energy:
    return Energy(value, random_j=half_width / COVERAGE_FACTOR_95, by_provenance_j={Provenance.MEASURED: value})


@pytest.mark.parametrize(
    ("gross", "idle_j", "text"),
    [
        (joules(5.03, 0.4), 5.02, "0.0 ± 0.4 J"),
        (joules(5.03, 0.4), 5.13, "-0.1 ± 0.4 J"),
        (joules(0.9, 0.4), 0.89, "0 ± 400 mJ"),
        (joules(5.03, 0.02), 4.53, "500 ± 20 mJ"),
        (joules(5030.0, 4.0), 5030.0, "0 ± 4 J"),
    ],
)
def test_a_net_that_its_interval_drowns_takes_its_unit_from_the_gross(gross: Energy, idle_j: float, text: str) -> None:
    assert energy_text(gross - joules(idle_j, 0.0), beside=gross) == text


def test_a_small_mass_has_a_unit_of_its_size() -> None:
    assert quantity_text(3e-9, (2e-9, 4e-9), GRAMS) == "3.0 ± 1.0 ng"


def test_a_count_of_zero_tells_nothing_per_unit() -> None:
    assert per_unit_text("token", Unit(0.0, joules(5, 1))) == "nothing can be told per token: the count is 0"


def test_an_interval_with_unequal_sides_is_written_out() -> None:
    assert quantity_text(1.2, (0.9, 2.1), JOULES) == "1.2 [0.9, 2.1] J"


def test_what_the_interval_drowns_is_an_upper_limit_and_never_zero() -> None:
    too_short_for_the_sensor = Energy(0.0, random_j=2.0, by_provenance_j={Provenance.MEASURED: 0.0})
    assert energy_text(too_short_for_the_sensor) == "< 3.9 J"


@pytest.mark.parametrize(
    ("net_j", "half_width_j", "text"),
    [
        (-3, 12, "-3 ± 12 J"),
        (-0.2, 12, "0 ± 12 J"),
        (0.2, 12, "0 ± 12 J"),
        (-1234, 123, "-1.23 ± 0.12 kJ"),
        (9, 9.5, "9 ± 10 J"),
    ],
)
def test_a_difference_may_lie_at_zero_or_below(net_j: float, half_width_j: float, text: str) -> None:
    assert quantity_text(net_j, around(net_j, half_width_j), JOULES) == text


def test_a_net_is_written_as_a_difference_and_its_gross_as_a_limit() -> None:
    gross = Energy(0.0, random_j=2.0, by_provenance_j={Provenance.MEASURED: 0.0})
    assert energy_text(gross) == "< 3.9 J"
    assert energy_text(gross - Energy(0.3)) == "0 ± 4 J"
    assert energy_text(gross - Energy(1.3)) == "-1 ± 4 J"


def test_an_energy_can_stand_without_its_interval_and_has_no_more_digits_for_it() -> None:
    assert rounded_energy_text(Energy(1234.0, random_j=63.0)) == "1.23 kJ"
    assert rounded_energy_text(Energy(0.0, random_j=2.0)) == "< 3.9 J"
    assert rounded_energy_text(None) == "unavailable"


@pytest.mark.parametrize(
    ("share_j", "gross_j", "random_j", "text"),
    [
        (852, 1200, 6, "850 J (71 %)"),
        (2100, 3000, 60, "2.1 kJ (70 %)"),
        (683, 1200, 400, "700 J (57 %)"),
        (3, 1200, 6, "3.0 J (< 1 %)"),
        (1200, 1200, 6, "1.2 kJ (> 99 %)"),
        (0.01, 0.1, 20, "10 %"),
        (0, 1200, 6, "< 1 %"),
        (0, 0, 6, "< 1 %"),
    ],
)
def test_a_share_has_two_digits_or_fewer_where_the_whole_has(
    share_j: float, gross_j: float, random_j: float, text: str
) -> None:
    assert share_text(share_j, Energy(gross_j, random_j=random_j)) == text


def test_a_baseline_is_named_with_its_time_and_where_it_was_another_day_the_day() -> None:
    taken = datetime(2026, 1, 31, 12, 34).astimezone()
    measured, learnt = Basis(How.MEASURED, taken, 9.8), Basis(How.LEARNT, taken, 4.0)
    assert basis_text(measured, taken) == "measured 12:34 (10 s)"
    assert basis_text(learnt, taken) == "learnt 12:34"
    assert basis_text(learnt, taken + timedelta(days=1)) == "learnt 2026-01-31 12:34"


def test_unknown_is_unavailable_and_not_zero() -> None:
    assert energy_text(None) == mass_text(None) == power_text(None) == "unavailable"
    assert power_text(math.nan) == "unavailable"
    assert per_unit_text("token", Unit(512, None)) == "unavailable"
    assert provenance_text(None) == "unavailable"


def test_energy_can_be_had_in_watt_hours() -> None:
    assert energy_text(Energy(3.6e6, random_j=3.6e4 / 1.959964), WATT_HOURS) == "1.000 ± 0.010 kWh"


def test_mass_power_and_units_have_their_own_units() -> None:
    emissions = Emissions(1.2, (0.9, 2.1), CarbonIntensity(480, (56, 713), "world", "a source", "2023"))
    assert mass_text(emissions) == "1.2 [0.9, 2.1] g"
    assert power_text(312.4) == "312 W"
    assert power_text(0.0) == "0 W"
    assert per_unit_text("token", Unit(100, Energy(5.0, random_j=0.15 / 1.959964))) == "50.0 ± 1.5 mJ/token"


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (0.00042, "0.42 ms"),
        (0.42, "420 ms"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3725, "1 h 02 min"),
        (None, "unavailable"),
    ],
)
def test_durations_read_as_one_says_them(duration_s: float | None, text: str) -> None:
    assert duration_text(duration_s) == text


def test_provenance_names_the_weakest_part_first_and_what_is_missing() -> None:
    energy = Energy(100.0, by_provenance_j={Provenance.MEASURED: 71.0, Provenance.ESTIMATED: 29.0})
    assert provenance_text(energy, ["dram"]) == "estimated (71 % measured), without dram"
    assert provenance_text(Energy(100.0, by_provenance_j={Provenance.MEASURED: 100.0})) == "measured"


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e6))
def test_every_interval_is_written_briefly(value_j: float, ratio: float) -> None:
    half_width_j = value_j * ratio
    text = quantity_text(value_j, (max(0.0, value_j - half_width_j), value_j + half_width_j), JOULES)
    assert text.startswith("< ") or "±" in text or "[" in text
    assert len(text) < 40
