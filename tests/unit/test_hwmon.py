"""hwmon, on trees laid out as real boards and drivers lay them out."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.containment import counted
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading, UnusableMeter
from greenllm_plugins.meters import hwmon, rocm
from greenllm_plugins.meters.hwmon import HwmonMeter, greenllm_meters, open_hwmon
from ordinary_user import a_public_folder, an_ordinary_user
from standins.hwmon import (
    AGX_ORIN,
    ARC_I915,
    ARC_XE,
    DESKTOP,
    EPYC_ENERGY,
    GRACE,
    GRACE_HOPPER,
    ORIN_NX,
    RADEON,
    THOR,
    Chip,
    acpi,
    build,
    rails,
)

NVIDIA = Channel("gpu:GPU-1", Component.GPU, "as NVML has it", frozenset({Kind.COUNTER}))


def opened(folder: Path, chips: Sequence[Chip], **options: Mapping[str, Component]) -> HwmonMeter:
    meter = open_hwmon(build(folder, chips).root, **options)
    assert isinstance(meter, HwmonMeter), meter
    return meter


def refused(folder: Path, chips: Sequence[Chip], **options: Mapping[str, Component]) -> UnusableMeter:
    found = open_hwmon(build(folder, chips).root, **options)
    assert isinstance(found, UnusableMeter)
    return found


def readings(meter: HwmonMeter) -> dict[str, Reading]:
    return {reading.channel_id: reading for reading in meter.read([channel.id for channel in meter.channels()])}


def values(meter: HwmonMeter) -> dict[str, float]:
    return {key: reading.value for key, reading in readings(meter).items()}


def channel(meter: HwmonMeter, channel_id: str) -> Channel:
    return next(channel for channel in meter.channels() if channel.id == channel_id)


def counted_w(meter: HwmonMeter, *others: Channel) -> float:
    """What a total adds up of this meter's sensors, where other meters' channels are known too."""
    channels = [*others, *meter.channels()]
    added = counted(channels, {channel.id: 1.0 for channel in channels})
    return sum(watts for key, watts in values(meter).items() if key in added)


def counts(meter: HwmonMeter, other: Channel) -> bool:
    """Whether another meter's channel is added beside this meter's."""
    channels = [other, *meter.channels()]
    return other.id in counted(channels, {channel.id: 1.0 for channel in channels})


# Jetson.


def test_a_jetson_module_s_input_contains_its_rails(tmp_path: Path) -> None:
    meter = opened(tmp_path, ORIN_NX)

    assert values(meter) == {
        "platform:vdd_in": pytest.approx(10.0),
        "platform:vdd_cpu_gpu_cv": pytest.approx(4.0),
        "platform:vdd_soc": pytest.approx(2.0),
    }
    assert counted_w(meter) == pytest.approx(10.0)
    assert not counts(meter, NVIDIA)


def test_the_rails_of_an_agx_orin_add_up_but_for_the_memory_inside_the_5_v(tmp_path: Path) -> None:
    meter = opened(tmp_path, AGX_ORIN)

    assert {c.id: c.component for c in meter.channels()} == {
        "gpu:vdd_gpu_soc": Component.GPU,
        "cpu:vdd_cpu_cv": Component.CPU,
        "platform:vin_sys_5v0": Component.PLATFORM,
        "dram:vddq_vdd2_1v8ao": Component.DRAM,
    }
    assert counted_w(meter) == pytest.approx(6.0 + 3.0 + 5.0)
    assert not counts(meter, NVIDIA)


def test_thor_s_input_contains_all_its_rails(tmp_path: Path) -> None:
    meter = opened(tmp_path, THOR)

    assert values(meter)["platform:vin"] == pytest.approx(23.0)
    assert counted_w(meter, NVIDIA) == pytest.approx(23.0)


def test_a_gated_rail_s_offset_below_zero_is_no_power(tmp_path: Path) -> None:
    assert values(opened(tmp_path, THOR))["gpu:vdd_gpu"] == 0.0


def test_a_rail_far_below_zero_is_passed_on_for_the_trace_to_refuse(tmp_path: Path) -> None:
    meter = opened(tmp_path, [rails("1-0040", ("VDD_IN", 5000, -2000))])

    assert values(meter)["platform:vdd_in"] == pytest.approx(-10.0)


def test_a_rail_s_refresh_is_what_its_chip_says(tmp_path: Path) -> None:
    rail = channel(opened(tmp_path, ORIN_NX), "platform:vdd_in")

    assert (rail.update_period_s, rail.averaging_window_s) == (0.007, 0.007)


def test_an_ina238_on_another_board_is_left_out(tmp_path: Path) -> None:
    assert "ina238:power1 (nothing says what it measures)" in refused(tmp_path, THOR[1:]).reason


def test_a_rail_nobody_knows_is_left_out_and_said(tmp_path: Path) -> None:
    meter = opened(tmp_path, [rails("1-0040", ("VDD_IN", 5000, 2000), ("VDD_CAMERA", 5000, 100))])

    assert [c.id for c in meter.channels()] == ["platform:vdd_in"]
    assert "ina3221:in2 (VDD_CAMERA, nothing says what this rail feeds)" in meter.remark


# Grace and other power meters of ACPI's.


@pytest.mark.parametrize("is_old", [True, False], ids=["files beside the device", "files in hwmon's folder"])
def test_a_grace_hopper_module_contains_its_processor_and_its_card(tmp_path: Path, is_old: bool) -> None:
    chips = [Chip(c.name, c.device, c.files, c.bus, is_old) for c in GRACE_HOPPER]

    meter = opened(tmp_path, chips)

    assert {c.id: c.inside for c in meter.channels()} == {
        "platform:module-0": None,
        "cpu:grace-0": "platform:module-0",
        "cpu:grace-0:cpu": "cpu:grace-0",
        "cpu:grace-0:sysio": "cpu:grace-0",
    }
    assert counted_w(meter, NVIDIA) == pytest.approx(400.0)
    assert not counts(meter, NVIDIA)


def test_the_sockets_of_a_grace_without_a_card_add_up_and_have_their_memory(tmp_path: Path) -> None:
    meter = opened(tmp_path, GRACE)

    assert counted_w(meter) == pytest.approx(180.0)
    assert channel(meter, "cpu:grace-1").contains == {Component.DRAM}
    assert counts(meter, NVIDIA)


def test_without_the_socket_s_sum_its_rails_add_up(tmp_path: Path) -> None:
    assert counted_w(opened(tmp_path, [GRACE[1], GRACE[2]])) == pytest.approx(180.0)


def test_power_averages_over_the_interval_the_firmware_gives(tmp_path: Path) -> None:
    module = channel(opened(tmp_path, GRACE_HOPPER), "platform:module-0")

    assert (module.update_period_s, module.averaging_window_s) == (0.05, 0.05)


WHOLE = Chip("power_meter", "ACPI000D:00", acpi(0, "", 250_000_000).files, "LNX", True, ["LNXSYBUS:00"])


def test_a_power_meter_whose_firmware_names_the_whole_machine_contains_everything(tmp_path: Path) -> None:
    meter = opened(tmp_path, [WHOLE])

    assert channel(meter, "platform:ACPI000D:00").contains == frozenset(Component)
    assert values(meter) == {"platform:ACPI000D:00": pytest.approx(250.0)}


@pytest.mark.parametrize("measures", [[], ["LNXCPU:00"], ["LNXSYBUS:00", "LNXCPU:00"]])
def test_a_power_meter_of_something_else_is_left_out(tmp_path: Path, measures: list[str]) -> None:
    chip = Chip("power_meter", "ACPI000D:00", WHOLE.files, "LNX", True, measures)

    assert "does not say that it measures the whole machine" in refused(tmp_path, [chip]).reason


def test_a_power_meter_of_a_battery_is_left_out(tmp_path: Path) -> None:
    chip = Chip("power_meter", "ACPI000D:00", {**WHOLE.files, "power1_is_battery": 1}, "LNX", True, WHOLE.measures)

    assert "it measures a battery" in refused(tmp_path, [chip]).reason


@pytest.mark.parametrize(
    ("promise", "half_width"), [("100.0%", 0.05), ("98.500%", 0.05), ("90.0%", 0.10), ("0.0%", 0.20), ("1", 0.20)]
)
def test_a_firmware_s_promise_is_never_taken_for_better_than_5_percent(
    tmp_path: Path, promise: str, half_width: float
) -> None:
    chip = Chip("power_meter", "ACPI000D:00", {**WHOLE.files, "power1_accuracy": promise}, "LNX", True, WHOLE.measures)

    (found,) = opened(tmp_path, [chip]).channels()

    assert found.gain_uncertainty == pytest.approx(half_width / math.sqrt(3))


# Graphics cards.


def test_an_arc_s_card_contains_its_package(tmp_path: Path) -> None:
    meter = opened(tmp_path, ARC_XE)

    card, package = meter.channels()
    assert (card.id, package.id, package.inside) == ("gpu:0000:03:00.0", "gpu:0000:03:00.0:package", card.id)
    assert values(meter) == {card.id: pytest.approx(50.0), package.id: pytest.approx(40.0)}
    assert {reading.kind for reading in readings(meter).values()} == {Kind.COUNTER}
    assert card.wraps_at_j is None


def test_an_arc_that_has_only_its_package_counts_that_and_says_what_is_missing(tmp_path: Path) -> None:
    chip = Chip("xe", "0000:03:00.0", {"energy2_input": 40_000_000}, "pci")

    (package,) = opened(tmp_path, [chip]).channels()

    assert package.inside is None and "without its memory" in package.label


def test_a_tile_is_inside_its_card(tmp_path: Path) -> None:
    node = build(tmp_path, ARC_I915)
    device = tmp_path / "devices" / "pci" / "0000:03:00.0"
    tile = device / "hwmon" / "hwmon1"
    tile.mkdir()
    (tile / "device").symlink_to(device, target_is_directory=True)
    (tile / "name").write_text("i915_gt0\n")
    (tile / "energy1_input").write_text("30000000\n")
    (node.root / "hwmon1").symlink_to(tile, target_is_directory=True)

    meter = open_hwmon(node.root)

    assert isinstance(meter, HwmonMeter)
    assert {c.id: c.inside for c in meter.channels()} == {
        "gpu:0000:03:00.0": None,
        "gpu:0000:03:00.0:gt0": "gpu:0000:03:00.0",
    }


def test_a_radeon_is_read_and_the_graphics_inside_a_processor_is_not(tmp_path: Path) -> None:
    meter = opened(tmp_path, RADEON)

    assert values(meter) == {"gpu:0000:0b:00.0": pytest.approx(35.0)}
    assert "part of the CPU package" in meter.remark


AMDSMI = """
class AmdSmiException(Exception): pass
def amdsmi_init(): {init}
def amdsmi_shut_down(): pass
def amdsmi_get_processor_handles(): return {gpus}
"""


def install_amdsmi(folder: Path, monkeypatch: pytest.MonkeyPatch, init: str = "pass", gpus: str = "[1]") -> None:
    """Install a package that can be opened as ``init`` says, beside its library."""
    (folder / "amdsmi.py").write_text(AMDSMI.format(init=init, gpus=gpus))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "amdsmi", sys)  # so that what is imported instead is taken out again
    monkeypatch.delitem(sys.modules, "amdsmi")
    monkeypatch.setattr(rocm, "has_library", lambda: True)


def test_a_radeon_is_left_to_amd_smi_where_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_amdsmi(tmp_path, monkeypatch)
    root = str(build(tmp_path, RADEON).root)

    (found,) = greenllm_meters(Configuration(meters={"hwmon": {"root": root}}))
    (alone,) = greenllm_meters(Configuration(meters={"hwmon": {"root": root}}, disable_plugins=frozenset({"amdsmi"})))

    assert isinstance(found, UnusableMeter) and "amdsmi reads this card" in found.reason
    assert isinstance(alone, HwmonMeter)


@pytest.mark.parametrize(
    ("init", "gpus"), [('raise AmdSmiException("NO_PERM")', "[1]"), ("pass", "[]")], ids=["forbidden", "blind"]
)
def test_a_radeon_is_not_left_to_an_amd_smi_that_cannot_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, init: str, gpus: str
) -> None:
    install_amdsmi(tmp_path, monkeypatch, init, gpus)

    (found,) = greenllm_meters(Configuration(meters={"hwmon": {"root": str(build(tmp_path, RADEON).root)}}))

    assert isinstance(found, HwmonMeter)


def test_a_radeon_is_not_left_to_a_package_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_amdsmi(tmp_path, monkeypatch)
    monkeypatch.setattr(rocm, "has_library", lambda: False)

    (found,) = greenllm_meters(Configuration(meters={"hwmon": {"root": str(build(tmp_path, RADEON).root)}}))

    assert isinstance(found, HwmonMeter)


def test_amd_s_energy_driver_has_the_channels_that_rapl_has(tmp_path: Path) -> None:
    meter = opened(tmp_path, EPYC_ENERGY)

    assert values(meter) == {"cpu:package-0": pytest.approx(7.0), "cpu:package-1": pytest.approx(8.0)}


# What is left out, and what the user says of it.


def test_sensors_of_which_nothing_is_known_are_not_measured_and_are_named(tmp_path: Path) -> None:
    found = refused(tmp_path, DESKTOP)

    assert "corsairpsu:power1 (power total, nothing says what it measures)" in found.reason
    assert "[meters.hwmon.sensors]" in found.remedy
    assert "BAT0" not in found.reason


def test_what_the_user_says_of_a_sensor_holds(tmp_path: Path) -> None:
    tree = build(tmp_path, DESKTOP)
    options = {"root": str(tree.root), "sensors": {"corsairpsu:power1": "platform"}}

    (meter,) = greenllm_meters(Configuration(meters={"hwmon": options}))

    assert isinstance(meter, HwmonMeter)
    (found,) = meter.channels()
    assert (found.component, found.contains) == (Component.PLATFORM, frozenset(Component))
    assert list(values(meter).values()) == [pytest.approx(120.0)]


def test_a_sensor_the_user_names_that_is_not_there_is_said(tmp_path: Path) -> None:
    meter = opened(tmp_path, ORIN_NX, chosen={"corsairpsu:power1": Component.PLATFORM})

    assert "corsairpsu:power1 (it is not there)" in meter.remark


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sensors": {"corsairpsu:power1": "wall"}}, "'wall' is not a valid Component"),
        ({"sensors": "corsairpsu:power1"}, "expected a table"),
        ({"root": 3}, "root = 3"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(options: Mapping[str, object], reason: str) -> None:
    (found,) = greenllm_meters(Configuration(meters={"hwmon": options}))  # type: ignore[dict-item]

    assert isinstance(found, UnusableMeter) and reason in found.reason and "Correct" in found.remedy


def test_of_two_sensors_of_one_part_one_is_read(tmp_path: Path) -> None:
    meter = opened(tmp_path, [rails("1-0040", ("VDD_IN", 5000, 2000)), rails("1-0041", ("VDD_IN", 5000, 1000))])

    assert values(meter) == {"platform:vdd_in": pytest.approx(10.0)}
    assert "there are two of it" in meter.remark


# Faults.


@pytest.mark.parametrize("text", ["", "n/a", "\x00"])
def test_a_sensor_that_shows_no_number_gives_a_fault_and_leaves_the_others_alone(tmp_path: Path, text: str) -> None:
    tree = build(tmp_path, ORIN_NX)
    meter = open_hwmon(tree.root)
    assert isinstance(meter, HwmonMeter)
    tree.write("1-0040", "curr2_input", text)

    found = readings(meter)

    assert "not a number" in (found["platform:vdd_cpu_gpu_cv"].fault or "")
    assert [key for key, reading in found.items() if reading.fault] == ["platform:vdd_cpu_gpu_cv"]


def test_a_chip_that_comes_back_under_another_number_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hwmon, "LOOK_AGAIN_S", 0.0)
    meter = opened(tmp_path, ARC_XE)
    shutil.rmtree(tmp_path / "class")
    shutil.rmtree(tmp_path / "devices")
    gone = readings(meter)
    build(tmp_path, ARC_XE, first=7)
    readings(meter)
    back = readings(meter)

    assert all("No such file" in (reading.fault or "") for reading in gone.values())
    assert {key: reading.value for key, reading in back.items()} == {
        "gpu:0000:03:00.0": pytest.approx(50.0),
        "gpu:0000:03:00.0:package": pytest.approx(40.0),
    }


def test_what_only_root_may_read_is_left_out_with_the_way_to_open_it() -> None:
    with a_public_folder() as folder:
        tree = build(folder, EPYC_ENERGY)
        for counter in tree.folders["amd_energy.0"].glob("energy*_input"):
            counter.chmod(0o400)
        with an_ordinary_user():
            found = open_hwmon(tree.root)

    assert isinstance(found, UnusableMeter)
    assert "only root may read it" in found.reason and "chmod a+r" in found.remedy


@pytest.mark.parametrize("chips", [None, [], DESKTOP[:2]], ids=["no hwmon", "no chip", "no power"])
def test_a_machine_without_such_sensors_hears_of_it_only_when_it_asks(
    tmp_path: Path, chips: Sequence[Chip] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hwmon, "ROOT", tmp_path / "nothing" if chips is None else build(tmp_path, chips).root)

    silent = greenllm_meters(Configuration())
    (asked,) = greenllm_meters(Configuration(use_meters=frozenset({"hwmon"})))

    assert silent == []
    assert isinstance(asked, UnusableMeter) and "no sensor of power or energy" in asked.reason


def test_it_says_that_nobody_has_tried_it_on_hardware(tmp_path: Path) -> None:
    assert opened(tmp_path, ORIN_NX).remark == "not yet tried on real hardware"
