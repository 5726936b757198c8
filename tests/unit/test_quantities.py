"""Energies add as the GUM says; emissions carry both uncertainties; unknown is not zero."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenllm_kernel.quantities import COVERAGE_FACTOR_95, CarbonIntensity, Emissions, Energy, Provenance

amounts = st.floats(0.0, 1e6)
energies = st.builds(
    lambda value, noise, gain: Energy(
        value, noise, scale_j={"gpu": gain}, by_provenance_j={Provenance.MEASURED: value}
    ),
    amounts,
    st.floats(0.0, 1e3),
    st.floats(0.0, 1e3),
)


@given(energies, energies, energies)
def test_addition_is_commutative_and_associative(a, b, c):
    left, right = (a + b) + c, c + (b + a)
    assert left.value_j == pytest.approx(right.value_j)
    assert left.standard_uncertainty_j == pytest.approx(right.standard_uncertainty_j)


def test_noise_adds_in_squares_and_one_sensors_gain_adds_linearly():
    one = Energy(100.0, random_j=3.0, scale_j={"gpu": 4.0})
    total = Energy.sum([one] * 9)
    assert total.random_j == pytest.approx(9.0)
    assert total.systematic_j == pytest.approx(36.0)


def test_the_gains_of_two_sensors_add_in_squares():
    total = Energy(100.0, scale_j={"gpu:0": 3.0}) + Energy(100.0, scale_j={"gpu:1": 4.0})
    assert total.systematic_j == pytest.approx(5.0)


def test_the_repeatability_interval_leaves_the_gain_out():
    energy = Energy(100.0, random_j=1.0, scale_j={"gpu": 10.0})
    low, high = energy.repeatability_interval_j
    assert high - low == pytest.approx(2 * COVERAGE_FACTOR_95)
    assert energy.interval_j[1] == pytest.approx(100.0 + COVERAGE_FACTOR_95 * math.hypot(1.0, 10.0))


def test_an_interval_of_energy_drawn_never_reaches_below_zero():
    assert Energy(1.0, random_j=10.0).interval_j[0] == 0.0


def test_a_total_is_as_good_as_its_weakest_part():
    total = Energy(1.0, by_provenance_j={Provenance.MEASURED: 1.0}) + Energy(
        2.0, by_provenance_j={Provenance.ESTIMATED: 2.0}
    )
    assert total.provenance is Provenance.ESTIMATED
    assert total.by_provenance_j == {Provenance.MEASURED: 1.0, Provenance.ESTIMATED: 2.0}


def test_the_sum_of_nothing_is_unknown():
    assert Energy.sum([]) is None
    assert Provenance.weakest([]) is Provenance.UNAVAILABLE


def test_emissions_of_a_kilowatt_hour_are_the_intensity_times_the_pue():
    intensity = CarbonIntensity(400.0, (300.0, 600.0), "XX", "a test", "2025")
    emissions = Emissions.of(Energy(3.6e6), intensity, pue=1.5)
    assert emissions.mass_gco2e == pytest.approx(600.0)
    assert emissions.interval_gco2e == pytest.approx((450.0, 900.0))


def test_both_uncertainties_reach_the_emissions():
    intensity = CarbonIntensity(400.0, (400.0 - 30.0, 400.0 + 30.0), "XX", "a test", "2025")
    energy = Energy(3.6e6, random_j=0.1 * 3.6e6 / COVERAGE_FACTOR_95)
    assert Emissions.of(energy, intensity).interval_gco2e[1] == pytest.approx(400.0 + math.hypot(40.0, 30.0))
