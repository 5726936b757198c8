"""Apple silicon through a stand-in of ``zeus-apple-silicon`` with its names, arguments and errors."""

from __future__ import annotations

import importlib
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, Kind, Meter, UnusableMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance
from greenllm_plugins.meters import apple as plugin
from greenllm_plugins.meters import cpu_model, ram_model

PACKAGE = "zeus_apple_silicon"

M4 = {"cpu_total_mj": 8.0, "gpu_mj": 4.0, "dram_mj": 1.5, "ane_mj": 0.0, "performance_cluster_mj": 6.0}


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Mac with Apple's chip, and the package on the path."""
    importlib.import_module("psutil")  # of this platform, for the estimates
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "standins" / "apple")
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    import zeus_apple_silicon

    zeus_apple_silicon.Chip.set(M4)
    yield zeus_apple_silicon.Chip
    monkeypatch.delitem(sys.modules, PACKAGE)


def found() -> Meter | UnusableMeter:
    (meter,) = plugin.greenllm_meters(Configuration())
    return meter


def opened() -> plugin.AppleMeter:
    meter = found()
    assert isinstance(meter, plugin.AppleMeter), meter
    return meter


def session_with(*modules: ModuleType) -> Session:
    plugins = Plugins(found=[])
    for module in modules:
        plugins.register(module, module.__name__)
    return Session(Configuration(), plugins)


def test_each_part_of_the_chip_that_adds_up_is_a_channel(mac: Any) -> None:
    channels = {channel.id: channel for channel in opened().channels()}

    assert {key: channel.component for key, channel in channels.items()} == {
        "cpu:apple": Component.CPU,
        "gpu:apple": Component.GPU,
        "dram:apple": Component.DRAM,
        "accelerator:apple": Component.ACCELERATOR,
    }
    assert opened().remark == "not tried on real hardware yet"


def test_apples_figures_are_estimates(mac: Any) -> None:
    assert all(channel.is_estimate for channel in opened().channels())
    assert {channel.model_uncertainty for channel in opened().channels()} == {0.30 / 1.96}


def test_a_part_that_this_chip_does_not_count_is_no_channel(mac: Any) -> None:
    mac.set({"cpu_total_mj": 8.0, "gpu_mj": 4.0})

    assert [channel.id for channel in opened().channels()] == ["cpu:apple", "gpu:apple"]


def test_the_counters_are_in_joules(mac: Any) -> None:
    meter = opened()
    (first,) = meter.read(["cpu:apple"])
    time.sleep(0.1)
    (second,) = meter.read(["cpu:apple"])

    assert second.value - first.value == pytest.approx(8.0 * (second.t_ns - first.t_ns) / 1e9, abs=0.01)


def test_a_counter_that_vanishes_gives_a_fault_and_leaves_the_others_alone(mac: Any) -> None:
    meter = opened()
    mac.set({key: power_w for key, power_w in M4.items() if key != "dram_mj"})

    readings = {reading.channel_id: reading for reading in meter.read(["cpu:apple", "dram:apple"])}

    assert readings["cpu:apple"].fault is None
    assert "no longer" in (readings["dram:apple"].fault or "")


def test_a_library_that_fails_gives_faults(mac: Any) -> None:
    meter = opened()
    mac.set(M4, ValueError("Unsupported or invalid energy unit provided: hartree"))

    (reading,) = meter.read(["cpu:apple"])

    assert "hartree" in (reading.fault or "")


def test_without_a_subscription_the_meter_is_unusable(mac: Any) -> None:
    mac.set(M4, RuntimeError("Failed to create IOReport subscription."))

    refused = found()

    assert isinstance(refused, UnusableMeter) and "IOReport subscription" in refused.reason


def test_a_chip_without_counters_is_unusable(mac: Any) -> None:
    mac.set({})

    refused = found()

    assert isinstance(refused, UnusableMeter) and "no energy counter" in refused.reason


def test_a_mac_without_the_package_hears_how_to_get_it(mac: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)

    missing = found()

    assert isinstance(missing, UnusableMeter) and missing.remedy == "pip install zeus-apple-silicon"


def test_other_machines_hear_nothing_unless_they_name_the_meter() -> None:
    assert plugin.greenllm_meters(Configuration()) == []
    (asked,) = plugin.greenllm_meters(Configuration(use_meters=frozenset({"apple"})))
    assert isinstance(asked, UnusableMeter) and "not a Mac" in asked.reason


def test_a_neural_engine_at_rest_draws_nothing_and_is_no_fault(mac: Any) -> None:
    session = session_with(plugin)
    session.find_meters()
    run = session.open("cell")
    time.sleep(1.6)  # longer than a counter may stand still and be believed
    run.close()
    record = run.settle(5.0)
    session.close()

    by_id = {channel.channel_id: channel for channel in record.channels}
    resting = by_id["accelerator:apple"]
    assert resting.fault is None and resting.energy is not None
    assert resting.energy.value_j == 0.0
    assert record.unavailable == []
    assert record.gross is not None and record.gross.provenance is Provenance.ESTIMATED
    assert record.gross.value_j == pytest.approx(13.5 * record.duration_s, rel=0.15)


def test_apples_figures_take_the_place_of_rougher_estimates(mac: Any) -> None:
    session = session_with(plugin, cpu_model, ram_model)
    session.find_meters()
    run = session.open("cell")
    time.sleep(0.6)
    run.close()
    record = run.settle(5.0)
    session.close()

    assert session.sampler.names == {"apple", "cpu_model", "ram_model"}
    assert session.sampler.unusable == []
    assert {channel.meter for channel in record.channels} == {"apple"}


def test_the_counters_that_only_apple_has_do_not_hide_other_estimates(mac: Any) -> None:
    mac.set({"gpu_mj": 4.0})
    session = session_with(plugin, ram_model)
    session.find_meters()
    run = session.open("cell")
    time.sleep(0.4)
    run.close()
    record = run.settle(5.0)
    session.close()

    assert {channel.channel_id: channel.counted for channel in record.channels} == {
        "gpu:apple": True,
        "dram:model": True,
    }


def test_kinds_follow_what_may_rest(mac: Any) -> None:
    kinds = {channel.id: channel.provides for channel in opened().channels()}

    assert kinds["cpu:apple"] == kinds["dram:apple"] == {Kind.COUNTER}
    assert kinds["gpu:apple"] == kinds["accelerator:apple"] == {Kind.COUNTER, Kind.POWER}
