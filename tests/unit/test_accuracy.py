"""On a pair of cards whose power goes to and fro, windows of 5 s to 50 ms are as true as promised, in simulated time.

The long form, in real time and beside other tools, is ``python tests/benchmarks accuracy``.
"""

from __future__ import annotations

import math
import random
import statistics

import pytest

from scenarios import waves
from standins import nvml

TRIALS = 5

LIMITS = {
    5.0: (0.1, 1.0, 0.6, 0.5),
    1.0: (0.5, 0.99, 2.0, 2.0),
    0.2: (2.0, 0.9, 6.0, 8.0),
    0.05: (20.0, 0.9, 20.0, 30.0),
}
"""By length, s: error in the median, %, a quantile and the error there, %, half of the interval in the median, %."""


def windows_of(is_busy: bool, latency_s: float):
    """Yield of each window and card: the length, s, the truth, the value and the interval, J."""
    rng = random.Random(7)
    for trial in range(TRIALS):
        gpus = [
            nvml.Gpu(
                period_s=period_s,
                phase_s=rng.uniform(0.0, period_s),
                counter_phase_s=rng.uniform(0.0, 0.1),
                power_phase_s=rng.uniform(0.0, 0.1),
                latency_s=latency_s,
            )
            for period_s in (1.87, 2.63)
        ]
        said, machine = waves.measured(
            nvml.Machine(gpus), trial, is_busy, 6, {"1": 16, "0.2": 12, "0.05": 15}, {"1": 3, "0.2": 3, "0.05": 3}
        )
        for one in said:
            for index in range(2):
                truth_j = machine.true_energy_j(index, *one["span_ns"])
                yield one["length_s"], truth_j, one["values_j"][1 + index], one["intervals_j"][1 + index]


@pytest.fixture(scope="module", params=[(True, 0.0), (True, 0.0003), (False, 0.0), (False, 0.0003)])
def windows(request):
    return list(windows_of(*request.param))


@pytest.mark.parametrize("length_s", LIMITS)
def test_errors_and_intervals_are_as_small_as_promised(windows, length_s):
    median, share, tail, half = LIMITS[length_s]
    some = [(truth_j, value_j, interval_j) for length, truth_j, value_j, interval_j in windows if length == length_s]
    errors = sorted(100 * abs(value_j - truth_j) / truth_j for truth_j, value_j, _ in some)
    assert statistics.median(errors) <= median
    assert errors[math.ceil(share * len(errors)) - 1] <= tail
    assert statistics.median(100 * (interval_j[1] - value_j) / value_j for _, value_j, interval_j in some) <= half


def test_no_window_is_said_to_have_drawn_nothing_and_the_intervals_hold(windows):
    assert all(value_j > 0 for _, _, value_j, _ in windows)
    held = sum(interval_j[0] <= truth_j <= interval_j[1] for _, truth_j, _, interval_j in windows)
    assert held / len(windows) >= 0.94
