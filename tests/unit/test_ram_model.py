"""The estimate of main memory."""

from __future__ import annotations

import math

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, UnusableMeter
from greenllm_plugins.meters.ram_model import RamModel, greenllm_meters, memory_power_w


def made(**options: object) -> RamModel:
    (meter,) = greenllm_meters(Configuration(meters={"ram_model": options}))
    assert isinstance(meter, RamModel)
    return meter


def test_this_machine_s_memory_is_one_estimated_channel() -> None:
    (channel,) = made().channels()

    assert channel.component is Component.DRAM
    assert channel.is_estimate and "estimated" in channel.label and "GB" in channel.label


def test_the_interval_is_as_wide_as_the_figure() -> None:
    assert made().channels()[0].model_uncertainty * 1.96 == pytest.approx(1.0)


def test_power_grows_with_size_up_to_sixteen_modules() -> None:
    assert memory_power_w(16.0) == pytest.approx(5.96)
    assert memory_power_w(2048.0) == 80.0


def test_the_counter_grows_by_power_times_time() -> None:
    meter = made(power_w=7)

    first, last = (meter.read(["dram:model"])[0] for _ in range(2))

    assert last.value - first.value == pytest.approx(7.0 * (last.t_ns - first.t_ns) / 1e9)
    assert last.value > first.value >= 0.0


def test_the_user_s_own_figure_is_taken() -> None:
    assert "7 W as configured" in made(power_w=7).channels()[0].label


@pytest.mark.parametrize("power_w", ["much", -1, 0, math.inf, math.nan, [3], True])
def test_a_power_that_cannot_be_is_refused(power_w: object) -> None:
    (refused,) = greenllm_meters(Configuration(meters={"ram_model": {"power_w": power_w}}))

    assert isinstance(refused, UnusableMeter) and f"power_w = {power_w!r}" in refused.reason
