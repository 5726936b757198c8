"""Laptop batteries, on trees laid out as Linux lays them out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, Kind, Reading, UnusableMeter
from greenllm_plugins.meters import battery
from greenllm_plugins.meters.battery import BatteryMeter, greenllm_meters, open_battery
from standins.power_supply import BY_CURRENT, BY_POWER, TWO, Supplies, Tree, build


def opened(tree: Tree) -> BatteryMeter:
    meter = open_battery(tree.root)
    assert isinstance(meter, BatteryMeter), meter
    return meter


def reading(meter: BatteryMeter) -> Reading:
    (found,) = meter.read([channel.id for channel in meter.channels()])
    return found


@pytest.mark.parametrize(
    ("supplies", "power_w"), [(BY_POWER, 12.5), (BY_CURRENT, 15.0), (TWO, 12.5)], ids=["power", "current", "two"]
)
def test_while_it_discharges_it_tells_what_the_machine_draws(
    tmp_path: Path, supplies: Supplies, power_w: float
) -> None:
    found = reading(opened(build(tmp_path, supplies)))

    assert (found.kind, found.fault) == (Kind.POWER, None)
    assert found.value == pytest.approx(power_w)


def test_its_one_channel_is_the_whole_machine_and_contains_every_part(tmp_path: Path) -> None:
    (channel,) = opened(build(tmp_path, TWO)).channels()

    assert channel.component is Component.PLATFORM
    assert channel.contains == frozenset(Component)
    assert channel.rank == 2
    assert channel.label == "Machine, from its battery (BAT0 and BAT1)"


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown", ""])
def test_while_it_does_not_discharge_it_says_why_it_tells_nothing(tmp_path: Path, status: str) -> None:
    tree = build(tmp_path, BY_POWER)
    meter = opened(tree)
    tree.write("BAT0", "status", status)

    found = reading(meter)

    assert math.isnan(found.value) and "alone" in (found.fault or "") and (status or "missing") in (found.fault or "")


def test_a_weak_adapter_beside_a_discharging_battery_is_no_blind_spot(tmp_path: Path) -> None:
    tree = build(tmp_path, BY_POWER)
    tree.write("AC", "online", 1)

    assert "AC feeds the machine too" in (reading(opened(tree)).fault or "")


def test_one_battery_that_charges_the_other_tells_nothing(tmp_path: Path) -> None:
    tree = build(tmp_path, TWO)
    tree.write("BAT1", "status", "Charging")

    assert "'Charging'" in (reading(opened(tree)).fault or "")


def test_it_tells_again_once_the_adapter_is_pulled(tmp_path: Path) -> None:
    tree = build(tmp_path, BY_POWER)
    meter = opened(tree)
    tree.write("BAT0", "status", "Charging")
    before = reading(meter)
    tree.write("BAT0", "status", "Discharging")

    assert before.fault is not None and reading(meter).value == pytest.approx(12.5)


@pytest.mark.parametrize("power_uw", [-12_500_000, 12_500_000])
def test_the_sign_of_what_flows_out_does_not_matter(tmp_path: Path, power_uw: int) -> None:
    tree = build(tmp_path, BY_POWER)
    tree.write("BAT0", "power_now", power_uw)

    assert reading(opened(tree)).value == pytest.approx(12.5)


def test_zero_watts_from_the_only_source_are_not_believed(tmp_path: Path) -> None:
    tree = build(tmp_path, BY_POWER)
    tree.write("BAT0", "power_now", 0)

    found = reading(opened(tree))

    assert math.isnan(found.value) and "0 W" in (found.fault or "")


@pytest.mark.parametrize("text", ["", "n/a", "\x00"])
def test_a_figure_that_is_no_number_gives_a_fault(tmp_path: Path, text: str) -> None:
    tree = build(tmp_path, BY_POWER)
    meter = opened(tree)
    tree.write("BAT0", "power_now", text)

    assert "cannot be read" in (reading(meter).fault or "")


def test_a_battery_that_is_taken_out_gives_a_fault(tmp_path: Path) -> None:
    tree = build(tmp_path, BY_POWER)
    meter = opened(tree)
    (tree.root / "BAT0" / "status").unlink()

    assert "cannot be read" in (reading(meter).fault or "")


@pytest.mark.parametrize(
    "supplies",
    [
        {},
        {"AC": BY_POWER["AC"]},
        {"BAT0": {**BY_POWER["BAT0"], "present": 0}},
        {"hidpp_battery_0": TWO["hidpp_battery_0"]},
    ],
    ids=["desktop", "mains only", "empty bay", "a mouse's"],
)
def test_a_machine_without_a_battery_hears_of_it_only_when_it_asks(
    tmp_path: Path, supplies: Supplies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(battery, "ROOT", build(tmp_path, supplies).root)

    silent = greenllm_meters(Configuration())
    (asked,) = greenllm_meters(Configuration(use_meters=frozenset({"battery"})))

    assert silent == []
    assert isinstance(asked, UnusableMeter) and "no battery of this machine" in asked.reason


def test_a_battery_that_only_knows_how_full_it_is_is_no_meter(tmp_path: Path) -> None:
    found = open_battery(build(tmp_path, {"BAT0": {"type": "Battery", "status": "Discharging", "capacity": 80}}).root)

    assert isinstance(found, UnusableMeter) and "BAT0 shows no power" in found.reason


def test_the_configuration_names_another_folder(tmp_path: Path) -> None:
    tree = build(tmp_path, BY_POWER)

    (meter,) = greenllm_meters(Configuration(meters={"battery": {"root": str(tree.root)}}))
    (missing,) = greenllm_meters(Configuration(meters={"battery": {"root": str(tmp_path / "nothing")}}))
    (refused,) = greenllm_meters(Configuration(meters={"battery": {"root": 3}}))

    assert isinstance(meter, BatteryMeter) and "not yet tried" in meter.remark
    assert isinstance(missing, UnusableMeter) and "there is no battery" in missing.reason
    assert isinstance(refused, UnusableMeter) and "root = 3" in refused.reason
