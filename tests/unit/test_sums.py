"""Sums of windows and channels agree to the last digit: nothing counts twice, and nothing is lost."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from driven import gpu, package
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.idle.stretch import IdleStretch
from greenllm_kernel.metering.profiles import Sine, Square
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.metering.window import Window
from greenllm_kernel.quantities import Energy

EXACT = 1e-9


def host() -> VirtualMeter:
    """Return a machine: psys contains its package, which contains its cores; beside them memory and a GPU."""
    return VirtualMeter(
        [
            package(Sine(150.0, 40.0, 0.7), "psys"),
            package(Sine(80.0, 30.0, 0.7), "cpu:0", inside="psys"),
            package(Sine(30.0, 20.0, 0.7), "core:0", inside="cpu:0"),
            gpu(Square(100.0, 500.0, 0.53), "gpu:0"),
        ]
    )


@pytest.fixture
def read(start):
    """A sampler that has read for a while, and instants in that time, ns."""
    session, _ = start(host())
    session.find_meters()
    stretch = IdleStretch(session.sampler, How.MEASURED)
    began_ns = time.monotonic_ns() + 300_000_000
    time.sleep(2.2)
    for finding in stretch.end():
        session.sampler.baselines.add(finding.channel, Baseline(60.0, 2.0, datetime.now(UTC), 2.0, How.MEASURED))
    return session.sampler, [began_ns + int(part * 1.5e9) for part in (0.0, 0.217, 0.5, 0.731, 1.0)]


def drawn(sampler, opened_ns, closed_ns):
    window = Window(sampler, opened_ns)
    window.shut(closed_ns)
    return {draw.channel.id: draw for draw in window.draws()}


def test_windows_side_by_side_make_the_window_around_them(read):
    sampler, instants = read
    around = drawn(sampler, instants[0], instants[-1])
    beside = [drawn(sampler, *pair) for pair in pairwise(instants)]
    for key, whole in around.items():
        assert sum(draws[key].energy.value_j for draws in beside) == pytest.approx(whole.energy.value_j, rel=EXACT)
        assert sum(draws[key].idle.value_j for draws in beside) == pytest.approx(whole.idle.value_j, rel=EXACT)
        net = Energy.sum(draws[key].energy - draws[key].idle for draws in beside)
        assert net.value_j == pytest.approx((whole.energy - whole.idle).value_j, rel=EXACT)
        assert net.scale_j == pytest.approx((whole.energy - whole.idle).scale_j, rel=1e-6, abs=1e-9)
        assert net.baseline_j == pytest.approx((whole.energy - whole.idle).baseline_j, rel=1e-6)


def test_windows_that_overlap_have_their_common_part_once_in_what_they_cover(read):
    sampler, (first, second, third, fourth, _) = read
    left, right = drawn(sampler, first, third), drawn(sampler, second, fourth)
    common, union = drawn(sampler, second, third), drawn(sampler, first, fourth)
    for key, whole in union.items():
        added_j = left[key].energy.value_j + right[key].energy.value_j - common[key].energy.value_j
        assert added_j == pytest.approx(whole.energy.value_j, rel=EXACT)


def test_what_contains_another_counts_and_what_it_contains_does_not(read):
    sampler, instants = read
    draws = drawn(sampler, instants[0], instants[-1])
    assert {key for key, draw in draws.items() if draw.counted} == {"psys", "gpu:0"}
