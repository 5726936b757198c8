"""Windows of one host that overlap: every instant counts once, however they lie."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenllm_kernel.accounting.totals import total
from made_records import measured, record

POWER_W = 40.0

seconds = st.integers(0, 60_000).map(lambda thousandths: thousandths / 1000)
windows = st.lists(st.tuples(seconds, st.integers(5, 60_000).map(lambda n: n / 1000)), min_size=1, max_size=8)


def flat(begin_s, duration_s, series=True, **more):
    """Return a record at constant power, with or without its series."""
    points = {"gpu:0": [(0.0, POWER_W), (duration_s, POWER_W)]} if series else {}
    return record(measured(POWER_W * duration_s), begin_s=begin_s, duration_s=duration_s, series=points, **more)


def covered_s(spans):
    end_s, covered = -math.inf, 0.0
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, end_s))
        end_s = max(end_s, end)
    return covered


@given(windows, st.booleans())
def test_at_constant_power_a_sum_is_power_times_the_time_covered(spans, series):
    totals = total([flat(begin, duration, series) for begin, duration in spans])
    truth_j = POWER_W * covered_s([(begin, begin + duration) for begin, duration in spans])
    # Overlaps of a millisecond and less are not told from the rounding of the wall clock.
    assert totals.energy.value_j == pytest.approx(truth_j, rel=1e-9, abs=POWER_W * 1.1e-3 * len(spans))


def test_two_kernels_on_one_host_are_counted_once_to_the_last_digit():
    one, two = flat(0.0, 10.0, session_id="a"), flat(6.0, 10.0, session_id="b")
    assert total([one, two]).energy.value_j == pytest.approx(POWER_W * 16, abs=1e-9 * POWER_W * 16)
    assert total([two, one]).energy.value_j == pytest.approx(POWER_W * 16, abs=1e-9 * POWER_W * 16)


def test_two_hosts_are_counted_each():
    assert total([flat(0, 10, host="a"), flat(0, 10, host="b")]).energy.value_j == 2 * POWER_W * 10


def test_the_power_series_tells_what_was_drawn_in_the_common_time():
    """The second draws all of its energy while the first is open too."""
    early = [(0.0, 100.0), (3.99, 100.0), (4.01, 0.0), (10.0, 0.0)]
    two = record(measured(400.0), begin_s=6, duration_s=10, series={"gpu:0": early}, session_id="b")
    energy = total([flat(0.0, 10.0), two]).energy
    assert energy.value_j == pytest.approx(400.0, abs=1.0)


def test_without_a_series_the_interval_says_how_little_is_known():
    one, two = (record(measured(400.0, random_j=1.0), begin_s=6 * n, duration_s=10) for n in range(2))
    energy = total([one, two]).energy
    assert energy.value_j == pytest.approx(400.0 + 240.0)
    assert energy.random_j == pytest.approx(math.hypot(1.0, 0.6, 400 * math.sqrt(0.6 * 0.4 / 3)))


def test_a_window_wholly_inside_another_adds_nothing_and_no_doubt():
    energy = total([flat(0, 10), flat(2, 5, series=False), flat(8, 10)]).energy
    assert energy.value_j == pytest.approx(POWER_W * 18)
    assert energy.random_j < 1e-6


def test_emissions_are_those_of_the_energy_counted_once():
    totals = total([flat(0, 10), flat(5, 10)])
    assert totals.mass_gco2e == pytest.approx(totals.energy.value_j / 3.6e6 * 56.0)
