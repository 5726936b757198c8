"""RAPL on trees laid out as real kernels lay them out."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, Kind, Meter, UnusableMeter
from greenllm_plugins.meters.rapl import greenllm_meters, open_rapl
from greenllm_plugins.meters.rapl_meter import RaplMeter
from greenllm_plugins.meters.rapl_parts import cpu_vendor
from ordinary_user import a_public_folder, an_ordinary_user
from standins.rapl import (
    AMD,
    AMD_SPAN_UJ,
    DIES,
    EPYC,
    INTEL,
    LAPTOP,
    NAPLES,
    SERVER,
    SPAN_UJ,
    TWO_EPYCS,
    Tree,
    build,
)

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")


@pytest.fixture
def folder() -> Iterator[Path]:
    with a_public_folder() as folder:
        yield folder


def opened(tree: Tree, vendor: str = INTEL) -> RaplMeter:
    meter = open_rapl(tree.root, vendor)
    assert isinstance(meter, RaplMeter)
    return meter


def insides(meter: Meter) -> dict[str, str | None]:
    return {channel.id: channel.inside for channel in meter.channels()}


def joules(meter: Meter) -> dict[str, float]:
    ids = [channel.id for channel in meter.channels()]
    return {reading.channel_id: reading.value for reading in meter.read(ids)}


def test_two_packages_have_dram_beside_them(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, SERVER))

    assert insides(meter) == {
        "cpu:package-0": None,
        "dram:package-0": None,
        "cpu:package-1": None,
        "dram:package-1": None,
    }
    assert [channel.component for channel in meter.channels()] == [Component.CPU, Component.DRAM] * 2
    assert [channel.label for channel in meter.channels()][:2] == ["CPU package 0", "DRAM of CPU package 0"]


def test_the_board_contains_the_package_and_the_package_its_parts(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, LAPTOP))

    assert insides(meter) == {
        "cpu:package-0": "platform:psys",
        "cpu:package-0:core": "cpu:package-0",
        "cpu:package-0:uncore": "cpu:package-0",
        "platform:psys": None,
    }


def test_dram_is_inside_the_board_where_there_is_one(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, {**LAPTOP, "intel-rapl:0:2": "dram"}))

    assert insides(meter)["dram:package-0"] == "platform:psys"


def test_a_package_shown_twice_counts_once_and_its_registers_are_read(tmp_path: Path) -> None:
    tree = build(tmp_path, LAPTOP)
    tree.set_j("intel-rapl:0", 5.0)
    tree.set_j("intel-rapl-mmio:0", 7.0)

    assert joules(opened(tree))["cpu:package-0"] == pytest.approx(5.0)


def test_where_registers_cannot_be_read_memory_is(tmp_path: Path) -> None:
    tree = build(tmp_path, LAPTOP)
    (tree.zones["intel-rapl:0"] / "energy_uj").unlink()
    tree.set_j("intel-rapl-mmio:0", 7.0)

    assert joules(opened(tree))["cpu:package-0"] == pytest.approx(7.0)


def test_the_dies_of_an_intel_package_add_up(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, DIES))

    assert set(insides(meter)) == {
        "cpu:package-0-die-0",
        "dram:package-0-die-0",
        "cpu:package-0-die-1",
        "dram:package-0-die-1",
    }
    assert meter.channels()[2].label == "CPU package 0 die 1"


def test_the_dies_of_an_amd_package_show_one_counter_and_count_once(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, {"intel-rapl:0": "package-0-die-0", "intel-rapl:1": "package-0-die-1"}), AMD)

    assert insides(meter) == {"cpu:package-0": None}


def test_amd_has_a_package_and_one_core_of_it(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, EPYC), AMD)

    assert insides(meter) == {"cpu:package-0": None, "cpu:package-0:core": "cpu:package-0"}
    assert meter.channels()[1].label == "CPU package 0, one core"


def test_two_amd_packages_add_up(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, TWO_EPYCS, span_uj=AMD_SPAN_UJ), AMD)

    assert insides(meter) == {
        "cpu:package-0": None,
        "cpu:package-0:core": "cpu:package-0",
        "cpu:package-1": None,
        "cpu:package-1:core": "cpu:package-1",
    }
    assert meter.channels()[2].wraps_at_j == pytest.approx(65532.6, rel=1e-6)


def test_eight_dies_of_two_amd_packages_count_once_a_package(tmp_path: Path) -> None:
    assert insides(opened(build(tmp_path, NAPLES), AMD)) == {"cpu:package-0": None, "cpu:package-1": None}


def test_amd_models_its_counter_and_is_less_sure(tmp_path: Path) -> None:
    tree = build(tmp_path, EPYC)

    amd, intel = opened(tree, AMD), opened(tree, INTEL)

    assert amd.channels()[0].gain_uncertainty > intel.channels()[0].gain_uncertainty > 0


def test_readings_are_joules_at_an_instant(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    tree.set_j("intel-rapl:0", 12.5)

    (reading,) = meter.read(["cpu:package-0"])

    assert reading.kind is Kind.COUNTER and reading.fault is None
    assert reading.value == pytest.approx(12.5)
    assert meter.read(["cpu:package-0"])[0].t_ns > reading.t_ns


def test_a_counter_that_wraps_is_followed_through_its_open_file(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    span_j = SPAN_UJ * 1e-6
    assert meter.channels()[0].wraps_at_j == pytest.approx(span_j)
    tree.set_j("intel-rapl:0", span_j - 1.0)
    before = joules(meter)["cpu:package-0"]
    tree.set_j("intel-rapl:0", 2.0)

    assert (joules(meter)["cpu:package-0"] - before) % span_j == pytest.approx(3.0)


@pytest.mark.parametrize("span_uj", [None, 0])
def test_without_a_range_no_wrap_is_claimed(tmp_path: Path, span_uj: int | None) -> None:
    assert opened(build(tmp_path, SERVER, span_uj=span_uj)).channels()[0].wraps_at_j is None


def test_counters_that_only_root_may_read_say_how_to_open_them(folder: Path) -> None:
    tree = build(folder, SERVER)
    for zone in tree.zones.values():
        (zone / "energy_uj").chmod(0o400)

    with an_ordinary_user():
        found = open_rapl(tree.root, INTEL)

    assert isinstance(found, UnusableMeter)
    assert "only root may read it" in found.reason
    assert "udev" in found.remedy and "CVE-2020-8694" in found.remedy and f"chmod a+r {tree.root}" in found.remedy


def test_one_counter_that_cannot_be_read_leaves_the_others_alone(folder: Path) -> None:
    tree = build(folder, SERVER)
    (tree.zones["intel-rapl:0:0"] / "energy_uj").chmod(0o400)

    with an_ordinary_user():
        meter = opened(tree)
        readings = {reading.channel_id: reading for reading in meter.read(list(insides(meter)))}

    assert "only root may read it" in (readings["dram:package-0"].fault or "")
    assert math.isnan(readings["dram:package-0"].value)
    assert [key for key, reading in readings.items() if reading.fault] == ["dram:package-0"]


def test_a_folder_that_may_not_be_looked_into_is_said(folder: Path) -> None:
    tree = build(folder, SERVER)
    tree.root.chmod(0o700)

    with an_ordinary_user():
        found = open_rapl(tree.root, INTEL)

    assert isinstance(found, UnusableMeter) and "only root may read it" in found.reason


@pytest.mark.parametrize("text", ["", "n/a\n", "\x00\x01", "12 34\n", "0x10\n"])
def test_a_counter_that_shows_no_number_gives_a_fault(tmp_path: Path, text: str) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    (tree.zones["intel-rapl:0"] / "energy_uj").write_text(text, encoding="ascii")

    faulty, good = meter.read(["cpu:package-0", "cpu:package-1"])

    assert "not a number" in (faulty.fault or "") and good.fault is None


def test_a_counter_above_its_own_range_gives_a_fault(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    tree.set_j("intel-rapl:0", 2 * SPAN_UJ * 1e-6)

    faulty, good = meter.read(["cpu:package-0", "cpu:package-1"])

    assert "more than its range" in (faulty.fault or "") and math.isnan(faulty.value) and good.fault is None


@pytest.mark.parametrize("span_uj", ["n/a", "-1", "1.5", ""])
def test_a_range_that_is_no_number_counts_as_none(tmp_path: Path, span_uj: str) -> None:
    tree = build(tmp_path, SERVER)
    (tree.zones["intel-rapl:0"] / "max_energy_range_uj").write_text(f"{span_uj}\n", encoding="ascii")

    assert opened(tree).channels()[0].wraps_at_j is None


def kill_open_files(zone: Path) -> None:
    """Let what this process has open of a zone fail, as it does when the kernel's driver is unloaded."""
    with subprocess.Popen(["sleep", "60"]) as child:
        gone = os.open(f"/proc/{child.pid}/stat", os.O_RDONLY)
        child.kill()
    for entry in Path("/proc/self/fd").iterdir():
        if entry.exists() and entry.samefile(zone / "energy_uj"):
            os.dup2(gone, int(entry.name))
    os.close(gone)


@needs_proc
def test_a_zone_that_comes_back_after_its_driver_was_unloaded_is_read_again(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    kill_open_files(tree.zones["intel-rapl:0"])
    (tree.zones["intel-rapl:0"] / "energy_uj").rename(tmp_path / "unloaded")
    (away,) = meter.read(["cpu:package-0"])
    (tmp_path / "unloaded").rename(tree.zones["intel-rapl:0"] / "energy_uj")
    tree.set_j("intel-rapl:0", 7.0)
    (back,) = meter.read(["cpu:package-0"])

    assert "No such file" in (away.fault or "")
    assert back.fault is None and back.value == pytest.approx(7.0)


@needs_proc
def test_a_dead_file_is_opened_anew_without_losing_a_reading(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    kill_open_files(tree.zones["intel-rapl:0"])

    assert [reading.fault for reading in meter.read(["cpu:package-0", "cpu:package-1"])] == [None, None]


@needs_proc
def test_a_zone_that_comes_back_as_another_part_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    meter = opened(tree)
    kill_open_files(tree.zones["intel-rapl:0"])
    (tree.zones["intel-rapl:0"] / "name").write_text("package-1\n", encoding="ascii")

    (reading,) = meter.read(["cpu:package-0"])

    assert "has become package-1" in (reading.fault or "")


def test_a_counter_that_is_opened_to_the_user_meanwhile_is_read_from_then_on(folder: Path) -> None:
    tree = build(folder, SERVER)
    counter = tree.zones["intel-rapl:0:0"] / "energy_uj"
    counter.chmod(0o400)

    with an_ordinary_user():
        meter = opened(tree)
        (before,) = meter.read(["dram:package-0"])
    counter.chmod(0o444)
    with an_ordinary_user():
        (after,) = meter.read(["dram:package-0"])

    assert "only root" in (before.fault or "") and after.fault is None


def test_it_says_that_nobody_has_tried_it_on_hardware(tmp_path: Path) -> None:
    assert "not yet tried" in opened(build(tmp_path, SERVER)).remark


def test_a_counter_that_fails_as_a_device_does_gives_a_fault(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    (tree.zones["intel-rapl:1"] / "energy_uj").unlink()
    (tree.zones["intel-rapl:1"] / "energy_uj").mkdir()

    meter = opened(tree)

    assert [r.fault is None for r in meter.read(["cpu:package-0", "cpu:package-1"])] == [True, False]


def test_a_machine_without_powercap_is_told_what_to_expect(tmp_path: Path) -> None:
    found = open_rapl(tmp_path / "nothing", INTEL)

    assert isinstance(found, UnusableMeter) and "there is no" in found.reason and "estimated" in found.remedy


def test_powercap_without_rapl_names_the_module_to_load(tmp_path: Path) -> None:
    (tmp_path / "dtpm").mkdir()

    found = open_rapl(tmp_path, INTEL)

    assert isinstance(found, UnusableMeter) and "intel_rapl_msr" in found.remedy


def test_the_configuration_names_another_folder(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)

    (meter,) = greenllm_meters(Configuration(meters={"rapl": {"root": str(tree.root)}}))
    (refused,) = greenllm_meters(Configuration(meters={"rapl": {"root": 3}}))

    assert isinstance(meter, RaplMeter) and meter.name == "rapl"
    assert isinstance(refused, UnusableMeter) and "root = 3" in refused.reason


@pytest.mark.parametrize(
    ("power_w", "inside"),
    [
        ({"intel-rapl:0": 20.0, "intel-rapl:1": 30.0}, {"cpu:package-0": "platform:psys"}),
        ({"intel-rapl:0": 20.0, "intel-rapl:1": 3.0}, {"cpu:package-0": None}),
        ({"intel-rapl:0": 20.0}, {"cpu:package-0": None}),
    ],
    ids=["plausible", "shows less than its package", "stands still"],
)
def test_a_board_is_believed_only_if_it_shows_what_it_contains(
    tmp_path: Path, power_w: Mapping[str, float], inside: dict[str, str | None]
) -> None:
    tree = build(tmp_path, {"intel-rapl:0": "package-0", "intel-rapl:1": "psys"})

    with tree.drawing(power_w):
        found = insides(opened(tree))

    assert found["cpu:package-0"] == inside["cpu:package-0"]
    assert ("platform:psys" in found) == (inside["cpu:package-0"] is not None)


def test_a_board_alone_is_believed_where_it_moves(tmp_path: Path) -> None:
    tree = build(tmp_path, {"intel-rapl:1": "psys"})

    with tree.drawing({"intel-rapl:1": 30.0}):
        assert insides(opened(tree)) == {"platform:psys": None}


def test_a_board_alone_that_stands_still_is_no_meter(tmp_path: Path) -> None:
    refused = open_rapl(build(tmp_path, {"intel-rapl:1": "psys"}).root, INTEL)

    assert isinstance(refused, UnusableMeter)
    assert "stands still" in refused.reason and "virtual machine" in refused.remedy


def test_a_board_that_cannot_be_read_contains_nothing(tmp_path: Path) -> None:
    tree = build(tmp_path, LAPTOP)
    (tree.zones["intel-rapl:1"] / "energy_uj").unlink()

    assert insides(opened(tree))["cpu:package-0"] is None
    assert "platform:psys" not in insides(opened(tree))


TWO_BOARDS = {
    "intel-rapl:0": "package-0",
    "intel-rapl:1": "psys",
    "intel-rapl:2": "package-1",
    "intel-rapl:3": "psys-1",
}


@pytest.mark.parametrize(
    ("boards_w", "around"),
    [
        ((60.0, 0.0), ("platform:psys", "platform:psys")),
        ((30.0, 40.0), ("platform:psys", "platform:psys-1")),
        ((25.0, 0.0), ("platform:psys", None)),
    ],
    ids=["one for all", "one each", "one for its own"],
)
def test_with_two_packages_each_counts_once(
    tmp_path: Path, boards_w: tuple[float, float], around: tuple[str | None, str | None]
) -> None:
    tree = build(tmp_path, TWO_BOARDS)
    power_w = {"intel-rapl:0": 20.0, "intel-rapl:2": 20.0, "intel-rapl:1": boards_w[0], "intel-rapl:3": boards_w[1]}

    with tree.drawing({zone: zone_w for zone, zone_w in power_w.items() if zone_w}):
        found = insides(opened(tree))

    assert (found["cpu:package-0"], found["cpu:package-1"]) == around


def test_closing_gives_every_file_back(tmp_path: Path) -> None:
    tree = build(tmp_path, LAPTOP)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0

    opened(tree).close()

    assert before == (len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0)


def test_the_vendor_is_read_from_cpuinfo(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n")

    assert cpu_vendor(tmp_path / "cpuinfo") == AMD
    assert cpu_vendor(tmp_path / "none") == ""
