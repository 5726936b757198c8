"""RAPL through performance events: on units laid out as Linux lays them out, and the system call itself."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, Kind, Meter, UnusableMeter
from greenllm_plugins.meters import perf_event, rapl_perf
from greenllm_plugins.meters.rapl import open_rapl
from greenllm_plugins.meters.rapl_meter import RaplMeter
from greenllm_plugins.meters.rapl_perf import greenllm_meters, open_rapl_perf
from ordinary_user import a_public_folder, an_ordinary_user
from standins import rapl
from standins.power_events import AMD_EVENTS, LAPTOP, SERVER, Unit, build
from standins.rapl import AMD, INTEL

SOFTWARE, CPU_CLOCK = 1, 0
"""A counting unit that every kernel has, and its event that counts nanoseconds (``linux/perf_event.h``)."""


def opened(unit: Unit, vendor: str = INTEL) -> RaplMeter:
    meter = open_rapl_perf(unit.root, vendor, unit.cpus, unit.open_counter)
    assert isinstance(meter, RaplMeter), meter
    return meter


def refused(unit: Unit) -> UnusableMeter:
    meter = open_rapl_perf(unit.root, INTEL, unit.cpus, unit.open_counter)
    assert isinstance(meter, UnusableMeter)
    return meter


def insides(meter: Meter) -> dict[str, str | None]:
    return {channel.id: channel.inside for channel in meter.channels()}


def test_its_channels_are_those_that_powercap_gives(tmp_path: Path) -> None:
    unit = build(tmp_path / "perf", {0: 0, 18: 1}, SERVER)
    powercap = open_rapl(rapl.build(tmp_path / "powercap", rapl.SERVER).root, INTEL)
    assert isinstance(powercap, RaplMeter)

    assert insides(opened(unit)) == insides(powercap)
    assert [(c.component, c.label) for c in opened(unit).channels()] == [
        (c.component, c.label) for c in powercap.channels()
    ]


def test_the_counter_never_wraps(tmp_path: Path) -> None:
    assert all(channel.wraps_at_j is None for channel in opened(build(tmp_path, {0: 0}, SERVER)).channels())


def test_dies_are_named_as_powercap_names_them(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: (0, 0), 24: (0, 1)}, SERVER)

    assert set(insides(opened(unit))) == {
        "cpu:package-0-die-0",
        "dram:package-0-die-0",
        "cpu:package-0-die-1",
        "dram:package-0-die-1",
    }


def test_the_dies_of_an_amd_package_show_one_counter_and_count_once(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: (0, 0), 8: (0, 1), 16: (1, 4)}, AMD_EVENTS)

    assert insides(opened(unit, AMD)) == {"cpu:package-0": None, "cpu:package-1": None}


def test_readings_are_joules_at_an_instant(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0}, SERVER)
    meter = opened(unit)
    unit.show_j("energy-pkg", 0, 12.5, 13.0)

    first, second = meter.read(["cpu:package-0"]) + meter.read(["cpu:package-0"])

    assert (first.kind, first.value, first.fault) == (Kind.COUNTER, pytest.approx(12.5), None)
    assert second.value == pytest.approx(13.0) and second.t_ns >= first.t_ns


def test_a_counter_above_32_bits_of_joules_is_read_whole(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0}, AMD_EVENTS)
    meter = opened(unit, AMD)
    unit.show_j("energy-pkg", 0, 3e9)

    assert meter.read(["cpu:package-0"])[0].value == pytest.approx(3e9)


@pytest.mark.parametrize(("board_j", "inside"), [(5.0, "platform:psys"), (0.5, None)], ids=["plausible", "not wired"])
def test_a_board_is_believed_only_if_it_shows_what_it_contains(
    tmp_path: Path, board_j: float, inside: str | None
) -> None:
    unit = build(tmp_path, {0: 0}, LAPTOP)
    unit.show_j("energy-psys", 0, 0.0, board_j)
    unit.show_j("energy-pkg", 0, 0.0, 4.0)

    found = insides(opened(unit))

    assert found["cpu:package-0"] == inside
    assert (found["cpu:package-0:core"], found["cpu:package-0:uncore"]) == ("cpu:package-0", "cpu:package-0")


def test_a_board_alone_that_stands_still_is_no_meter(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0}, ("energy-psys",))
    unit.show_j("energy-psys", 0, 7.0, 7.0)

    found = refused(unit)

    assert "stands still" in found.reason and "virtual machine" in found.remedy


def test_a_counter_whose_cpu_is_switched_off_gives_a_fault_and_leaves_the_others_alone(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0, 18: 1}, SERVER)
    meter = opened(unit)
    unit.switch_off("energy-pkg", 18)
    unit.show_j("energy-pkg", 0, 1.0)

    good, faulty = meter.read(["cpu:package-0", "cpu:package-1"])

    assert good.fault is None
    assert "energy-pkg on CPU 18" in (faulty.fault or "") and "no more" in (faulty.fault or "")


def test_a_kernel_that_forbids_it_is_told_with_the_way_to_allow_it(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0}, SERVER)
    unit.refusal = PermissionError(errno.EACCES, "Permission denied")

    found = refused(unit)

    assert "kernel.perf_event_paranoid" in found.reason
    assert "sysctl" in found.remedy and "CAP_PERFMON" in found.remedy and "CVE-2020-8694" in found.remedy


def test_another_refusal_is_told_in_its_own_words(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0}, SERVER)
    unit.refusal = OSError(errno.ENODEV, "No such device")

    found = refused(unit)

    assert "No such device" in found.reason and not found.remedy


def test_a_machine_without_the_unit_hears_of_it_only_when_it_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rapl_perf, "UNIT", tmp_path / "nothing")

    silent = greenllm_meters(Configuration())
    (asked,) = greenllm_meters(Configuration(use_meters=frozenset({"rapl_perf"})))

    assert silent == []
    assert isinstance(asked, UnusableMeter) and "there is no" in asked.reason


def drop(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def write(name: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).write_text(text, encoding="ascii")

    return change


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (drop("cpumask"), "cpumask is missing"),
        (write("cpumask", "zero\n"), "zero"),
        (write("type", "\n"), "invalid literal"),
        (write("events/energy-pkg", "umask=0x1\n"), "names no event"),
        (write("events/energy-pkg.unit", "Watts\n"), "not Joules"),
    ],
)
def test_a_unit_that_cannot_be_understood_is_not_read(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    unit = build(tmp_path, {0: 0}, SERVER)
    spoil(unit.root)

    assert reason in refused(unit).reason


def test_a_unit_without_energy_events_is_said(tmp_path: Path) -> None:
    assert "no energy events" in refused(build(tmp_path, {0: 0}, ())).reason


def test_without_a_scale_the_kernel_s_own_holds(tmp_path: Path) -> None:
    unit = build(tmp_path, {0: 0}, AMD_EVENTS)
    (unit.root / "events" / "energy-pkg.scale").unlink()
    meter = opened(unit, AMD)
    unit.show_j("energy-pkg", 0, 12.5)

    assert meter.read(["cpu:package-0"])[0].value == pytest.approx(12.5)


def test_it_stands_back_where_powercap_can_be_read(tmp_path: Path) -> None:
    unit = build(tmp_path / "perf", {0: 0}, SERVER)
    tree = rapl.build(tmp_path / "powercap", rapl.SERVER)
    meters = {"rapl": {"root": str(tree.root)}, "rapl_perf": {"root": str(unit.root)}}
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0

    (found,) = greenllm_meters(Configuration(meters=meters))

    assert isinstance(found, UnusableMeter) and "powercap is readable" in found.reason
    assert before == (len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0)


@pytest.mark.parametrize(
    "choice", [{"disable_plugins": frozenset({"rapl"})}, {"use_meters": frozenset({"rapl_perf"})}], ids=str
)
def test_it_does_not_stand_back_for_a_meter_that_is_switched_off(
    tmp_path: Path, choice: dict[str, frozenset[str]]
) -> None:
    unit = build(tmp_path / "perf", {0: 0}, ())
    tree = rapl.build(tmp_path / "powercap", rapl.SERVER)
    meters = {"rapl": {"root": str(tree.root)}, "rapl_perf": {"root": str(unit.root)}}

    (found,) = greenllm_meters(Configuration(meters=meters, **choice))  # type: ignore[arg-type]

    assert isinstance(found, UnusableMeter) and "powercap" not in found.reason


def test_it_does_not_stand_back_where_powercap_is_missing_or_for_root_alone(tmp_path: Path) -> None:
    with a_public_folder() as folder:
        unit = build(folder / "perf", {0: 0}, ())
        tree = rapl.build(folder / "powercap", rapl.SERVER)
        for zone in tree.zones.values():
            (zone / "energy_uj").chmod(0o400)
        roots = [str(tree.root), str(tmp_path / "nothing")]
        with an_ordinary_user():
            found = [
                greenllm_meters(Configuration(meters={"rapl": {"root": root}, "rapl_perf": {"root": str(unit.root)}}))
                for root in roots
            ]

    assert all("powercap" not in meter.reason for (meter,) in found if isinstance(meter, UnusableMeter))
    assert [len(meters) for meters in found] == [1, 1]


def test_a_root_that_is_no_path_is_refused() -> None:
    (found,) = greenllm_meters(Configuration(meters={"rapl_perf": {"root": 3}}))

    assert isinstance(found, UnusableMeter) and "root = 3" in found.reason


def test_it_says_that_nobody_has_tried_it_on_hardware(tmp_path: Path) -> None:
    meter = opened(build(tmp_path, {0: 0}, LAPTOP[2:3]))

    assert "not yet tried" in meter.remark
    assert [channel.component for channel in meter.channels()] == [Component.CPU]


@pytest.mark.skipif(sys.platform != "linux", reason="performance events are Linux's")
def test_the_system_call_opens_a_counter_that_runs() -> None:
    try:
        file = perf_event.open_counter(SOFTWARE, CPU_CLOCK, cpu=0)
    except OSError as error:
        pytest.skip(f"this kernel gives no system-wide counter: {error}")
    try:
        before = perf_event.count(file)
        time.sleep(0.05)
        after = perf_event.count(file)
    finally:
        os.close(file)

    assert 0.01e9 < after - before < 60e9


@pytest.mark.skipif(sys.platform != "linux", reason="performance events are Linux's")
def test_the_system_call_says_what_the_kernel_refuses() -> None:
    with pytest.raises(OSError, match=".") as caught:
        perf_event.open_counter(kind=0x7FFFFFFF, event=0, cpu=0)

    assert caught.value.errno in (errno.ENOENT, errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOSYS)
