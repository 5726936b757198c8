"""NVIDIA GPUs: the real nvidia-ml-py on a library of known power, in a process of its own."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Channel, Component, Kind, PowerMeter, Reading, UnusableMeter
from greenllm_plugins.meters.nvml import greenllm_meters
from nvml_driver import Driver, started
from standins import nvml
from standins.nvml import Gpu, Machine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in is a Linux library")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    running = started(nvml.build(tmp_path_factory.mktemp("nvml")))
    yield running
    running.pool.shutdown(cancel_futures=True)


# What runs in the driver's process.


def found() -> list[Channel] | UnusableMeter:
    (meter,) = greenllm_meters(Configuration())
    if isinstance(meter, UnusableMeter):
        return meter
    channels = list(meter.channels())
    meter.close()
    return channels


def readings(count: int = 1, spacing_s: float = 0.0) -> list[Reading]:
    (meter,) = greenllm_meters(Configuration())
    assert not isinstance(meter, UnusableMeter)
    ids = [channel.id for channel in meter.channels()]
    taken: list[Reading] = []
    for _ in range(count):
        taken.extend(meter.read(ids))
        time.sleep(spacing_s)
    meter.close()
    return taken


def readings_of_power(path: str = "", machine: Machine | None = None) -> list[Reading]:
    """Read power alone, after the stand-in has become ``machine`` where one is given."""
    (meter,) = greenllm_meters(Configuration())
    assert isinstance(meter, PowerMeter)
    ids = [channel.id for channel in meter.channels()]
    if machine is not None:
        machine.write(Path(path))
        time.sleep(0.06)
    taken = list(meter.read_power(ids))
    meter.close()
    return taken


def readings_around(path: str, machine: Machine) -> tuple[list[Reading], list[Reading]]:
    """Read, let the stand-in become ``machine``, and read again with the same meter."""
    (meter,) = greenllm_meters(Configuration())
    assert not isinstance(meter, UnusableMeter)
    ids = [channel.id for channel in meter.channels()]
    before = list(meter.read(ids))
    machine.write(Path(path))
    time.sleep(0.06)
    after = list(meter.read(ids))
    meter.close()
    return before, after


def limits_around(path: str, machine: Machine) -> tuple[dict[str, float], dict[str, float]]:
    """Ask for limits, let the stand-in become ``machine``, and ask the same meter again."""
    (meter,) = greenllm_meters(Configuration())
    assert not isinstance(meter, UnusableMeter)
    ids = [channel.id for channel in meter.channels()]
    before = dict(meter.limits_w(ids))
    machine.write(Path(path))
    time.sleep(0.06)
    after = dict(meter.limits_w(ids))
    meter.close()
    return before, after


def twice() -> int:
    """Look for meters twice in one process, as a restarted session does."""
    return sum(not isinstance(found(), UnusableMeter) for _ in range(2))


# The truth.

RESOLUTION_J = 1e-3


def shown_j(machine: Machine, t_ns: float) -> float:
    """Return what the first GPU's counter shows for an instant, rounded down as it does."""
    gpu = machine.gpus[0]
    return math.floor((gpu.counter_offset_j + gpu.energy_j((t_ns - machine.epoch_ns) / 1e9)) * 1e3 - 1e-6) / 1e3


def tick_before(machine: Machine, t_ns: int) -> float:
    """Return the instant of the first GPU's last tick."""
    gpu = machine.gpus[0]
    t_s = (t_ns - machine.epoch_ns) / 1e9
    ticks = math.floor((t_s - gpu.counter_phase_s) / gpu.counter_period_s)
    return machine.epoch_ns + (gpu.counter_phase_s + ticks * gpu.counter_period_s) * 1e9


# Statements.


def test_each_gpu_is_a_channel_with_energy_and_power(driver: Driver) -> None:
    machine = Machine([Gpu(), Gpu(period_s=2.63)])

    channels = driver.on(machine, found)

    assert isinstance(channels, list)
    assert [channel.id for channel in channels] == [machine.channel_id(0), machine.channel_id(1)]
    assert [channel.label for channel in channels] == ["NVIDIA H200 #0", "NVIDIA H200 #1"]
    assert channels[0].component is Component.GPU
    assert channels[0].provides == {Kind.COUNTER, Kind.POWER}
    assert channels[0].wraps_at_j is None


def test_one_gpu_needs_no_number(driver: Driver) -> None:
    channels = driver.on(Machine(), found)

    assert isinstance(channels, list) and channels[0].label == "NVIDIA H200"


def test_the_gain_is_uncertain_within_five_percent(driver: Driver) -> None:
    channels = driver.on(Machine(), found)

    assert isinstance(channels, list) and channels[0].gain_uncertainty == pytest.approx(0.05 / math.sqrt(3))


def test_the_counter_tells_the_true_energy(driver: Driver) -> None:
    machine = Machine([Gpu(counter_period_s=0.0)])

    counts = [r for r in driver.on(machine, readings, 200, 0.001) if r.kind is Kind.COUNTER]

    for reading, later in pairwise(counts):
        assert shown_j(machine, reading.t_ns) <= reading.value <= shown_j(machine, later.t_ns) + RESOLUTION_J


def test_the_counter_stands_still_between_its_ticks(driver: Driver) -> None:
    machine = Machine([Gpu(counter_period_s=0.1, counter_phase_s=0.03)])

    counts = [r for r in driver.on(machine, readings, 60, 0.005) if r.kind is Kind.COUNTER]

    assert len({r.value for r in counts}) < len(counts) / 4
    for reading, later in pairwise(counts):
        least_j, most_j = (shown_j(machine, tick_before(machine, r.t_ns)) for r in (reading, later))
        assert least_j <= reading.value <= most_j + RESOLUTION_J


def test_power_is_that_of_the_sensor_in_watts(driver: Driver) -> None:
    machine = Machine([Gpu(low_w=300.0, high_w=300.0, gain=1.02)])

    powers = [r.value for r in driver.on(machine, readings) if r.kind is Kind.POWER]

    assert powers == [pytest.approx(306.0, abs=2e-3)]


def test_an_instant_is_taken_just_before_the_call(driver: Driver) -> None:
    machine = Machine([Gpu(latency_s=0.02, counter_period_s=0.0)] * 2)

    first, second = (r for r in driver.on(machine, readings) if r.kind is Kind.COUNTER)

    assert second.t_ns - first.t_ns >= 20_000_000
    middle_ns = first.t_ns + 10_000_000
    assert shown_j(machine, middle_ns) <= first.value <= shown_j(machine, second.t_ns) + RESOLUTION_J


def test_one_call_gives_energy_and_power(driver: Driver) -> None:
    latency_s = 0.05

    taken = driver.on(Machine([Gpu(latency_s=latency_s)]), readings, 4)

    instants = sorted({r.t_ns for r in taken})
    assert len(instants) == 4
    assert (instants[-1] - instants[0]) / 3e9 < 1.8 * latency_s


@pytest.mark.parametrize(
    ("gpu", "window_s"),
    [
        (Gpu(), 0.025),
        (Gpu(architecture=nvml.AMPERE, major=8, minor=0), 0.025),
        (Gpu(architecture=nvml.AMPERE, major=8, minor=6), None),
        (Gpu(architecture=nvml.AMPERE, major=8, minor=6, has_fields=False), 1.0),
        (Gpu(has_fields=False), 1.0),
        (Gpu(architecture=nvml.PASCAL, major=6, has_counter=False), None),
    ],
    ids=["Hopper", "A100", "Ampere", "Ampere, old driver", "Hopper, old driver", "Pascal"],
)
def test_the_averaging_window_is_the_published_one_or_unknown(driver: Driver, gpu: Gpu, window_s: float | None) -> None:
    channels = driver.on(Machine([gpu]), found)

    assert isinstance(channels, list) and channels[0].averaging_window_s == window_s


def test_power_is_to_be_had_without_the_counter_where_there_is_one(driver: Driver) -> None:
    old = Gpu(architecture=nvml.PASCAL, major=6, has_counter=False)
    machine = Machine([Gpu(low_w=300.0, high_w=300.0), Gpu(low_w=200.0, high_w=200.0, has_fields=False), old])

    taken = driver.on(machine, readings_of_power)

    assert [(reading.channel_id, reading.kind) for reading in taken] == [
        (machine.channel_id(0), Kind.POWER),
        (machine.channel_id(1), Kind.POWER),
    ]
    assert [reading.value for reading in taken] == [pytest.approx(300.0, abs=2e-3), pytest.approx(200.0, abs=2e-3)]


def test_power_alone_that_fails_says_nothing_of_the_counter(driver: Driver) -> None:
    machine = Machine([Gpu()])
    now_s = (time.monotonic_ns() - machine.epoch_ns) / 1e9

    taken = driver.on(machine, readings_of_power, str(driver.control), replace(machine, gpus=[Gpu(lost_at_s=now_s)]))

    assert [reading.kind for reading in taken] == [Kind.POWER]
    assert "lost this GPU" in (taken[0].fault or "")


def test_a_card_older_than_volta_gives_power_alone(driver: Driver) -> None:
    machine = Machine([Gpu(architecture=nvml.PASCAL, major=6, minor=1, has_counter=False, has_fields=False)])

    channels, taken = driver.on(machine, found), driver.on(machine, readings)

    assert isinstance(channels, list) and channels[0].provides == {Kind.POWER}
    assert [(r.kind, r.fault) for r in taken] == [(Kind.POWER, None)]


def test_an_old_driver_without_fields_still_gives_both(driver: Driver) -> None:
    taken = driver.on(Machine([Gpu(has_fields=False)]), readings)

    assert {r.kind for r in taken} == {Kind.COUNTER, Kind.POWER}
    assert all(r.fault is None for r in taken)


def test_mig_is_said_in_the_label(driver: Driver) -> None:
    channels = driver.on(Machine([Gpu(mig=True)]), found)

    assert isinstance(channels, list) and channels[0].label == "NVIDIA H200 (whole card, shared by MIG)"


def test_a_lost_gpu_gives_faults_and_leaves_the_other_alone(driver: Driver) -> None:
    machine = Machine([Gpu(), Gpu()])
    now_s = (time.monotonic_ns() - machine.epoch_ns) / 1e9
    lost = replace(machine, gpus=[Gpu(), Gpu(lost_at_s=now_s)])

    before, after = driver.on(machine, readings_around, str(driver.control), lost)

    assert all(r.fault is None for r in before)
    by_gpu = {index: [r for r in after if r.channel_id == machine.channel_id(index)] for index in (0, 1)}
    assert all(r.fault is None for r in by_gpu[0])
    assert {r.kind for r in by_gpu[1]} == {Kind.COUNTER, Kind.POWER}
    assert all("lost this GPU" in (r.fault or "") and math.isnan(r.value) for r in by_gpu[1])


def test_the_limit_that_the_driver_enforces_is_told_also_when_it_changes(driver: Driver) -> None:
    machine = Machine([Gpu(limit_w=700.0), Gpu(limit_w=0.0)])
    capped = replace(machine, gpus=[Gpu(limit_w=400.0), Gpu(limit_w=0.0)])

    before, after = driver.on(machine, limits_around, str(driver.control), capped)

    assert before == {machine.channel_id(0): 700.0}
    assert after == {machine.channel_id(0): 400.0}


def test_a_call_that_hangs_delays_and_then_answers(driver: Driver) -> None:
    taken = driver.on(Machine([Gpu(hang_s=0.3)]), readings)

    assert all(r.fault is None for r in taken)


def test_a_gpu_that_this_user_may_not_use_says_so(driver: Driver) -> None:
    taken = driver.on(Machine([Gpu(), Gpu(permitted=False)]), readings)

    faults = {r.channel_id: r.fault for r in taken}
    assert faults["gpu:1"] == "this user may not read this GPU"
    assert sum(fault is None for fault in faults.values()) == 1


def test_a_gpu_without_any_sensor_is_unusable(driver: Driver) -> None:
    nothing = driver.on(Machine([Gpu(name="Orin (nvgpu)", has_counter=False, has_power=False)]), found)

    assert isinstance(nothing, UnusableMeter) and "Orin (nvgpu)" in nothing.reason
    assert "neither energy nor power" in nothing.reason


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (nvml.DRIVER_NOT_LOADED, "the driver is not loaded", "modprobe nvidia"),
        (nvml.NO_PERMISSION, "may not talk to the NVIDIA driver", "/dev/nvidia"),
        (nvml.VERSION_MISMATCH, "different versions", "Restart the machine"),
        (999, "could not be started: Unknown Error", "nvidia-smi"),
    ],
)
def test_a_driver_that_does_not_start_says_why_and_what_to_do(
    driver: Driver, error: int, reason: str, remedy: str
) -> None:
    refused = driver.on(Machine(init_error=error), found)

    assert isinstance(refused, UnusableMeter) and reason in refused.reason and remedy in refused.remedy


def test_a_driver_without_gpus_is_unusable(driver: Driver) -> None:
    refused = driver.on(Machine([]), found)

    assert isinstance(refused, UnusableMeter) and "shows no GPU" in refused.reason


def test_meters_can_be_looked_for_again_after_closing(driver: Driver) -> None:
    assert driver.on(Machine(), twice) == 2


def test_without_nvidias_library_the_reason_is_the_missing_driver(tmp_path: Path) -> None:
    (tmp_path / nvml.LIBRARY).write_text("not a library")
    running = started(tmp_path)

    refused = running.on(Machine(), found)
    running.pool.shutdown()

    assert isinstance(refused, UnusableMeter) and "no NVIDIA driver" in refused.reason
    assert "install its driver" in refused.remedy


def test_importing_the_plugin_neither_imports_the_binding_nor_loads_the_driver() -> None:
    code = (
        "import sys, greenllm_plugins.meters.nvml\n"
        "assert 'pynvml' not in sys.modules\n"
        "assert 'libnvidia-ml' not in open('/proc/self/maps').read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
