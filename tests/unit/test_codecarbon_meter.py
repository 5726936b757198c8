"""CodeCarbon's own measurement as a cross-check: the real package, beside other meters and alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, Kind, UnusableMeter
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance
from greenllm_plugins.meters import codecarbon as plugin
from greenllm_plugins.meters import cpu_model
from sessions import Recorder

ALONE = Configuration(use_meters=frozenset({"codecarbon"}))
BESIDE = Configuration(meters={"codecarbon": {"enabled": True}})


@pytest.fixture(scope="module")
def meter() -> plugin.CodeCarbonMeter:
    (found,) = plugin.greenllm_meters(ALONE)
    assert isinstance(found, plugin.CodeCarbonMeter), found
    return found


def measured(config: Configuration, *others: Any, seconds: float = 0.6) -> Any:
    plugins = Plugins(found=[])
    for number, other in enumerate((plugin, *others)):
        plugins.register(other, f"plugin-{number}")
    session = Session(config, plugins)
    session.find_meters()
    run = session.open("cell")
    time.sleep(seconds)
    run.close()
    record = run.settle(5.0)
    session.close()
    return record


@pytest.mark.parametrize(
    "config",
    [Configuration(), Configuration(meters={"codecarbon": {"enabled": False}})],
    ids=["not named", "switched off"],
)
def test_it_measures_only_when_it_is_named(config: Configuration) -> None:
    assert plugin.greenllm_meters(config) == []


def test_a_setting_that_is_none_is_named() -> None:
    (refused,) = plugin.greenllm_meters(Configuration(meters={"codecarbon": {"enabled": "yes"}}))

    assert isinstance(refused, UnusableMeter) and "expected true or false" in refused.reason


def test_codecarbons_parts_are_cross_checks(meter: plugin.CodeCarbonMeter) -> None:
    channels = {channel.id: channel for channel in meter.channels()}

    assert {"cpu:codecarbon", "dram:codecarbon"} <= set(channels)
    assert all(channel.rank == 3 and channel.provides == {Kind.POWER} for channel in channels.values())
    assert channels["cpu:codecarbon"].component is Component.CPU
    assert all("by CodeCarbon" in channel.label for channel in channels.values())


def test_the_power_is_what_codecarbon_says(meter: plugin.CodeCarbonMeter) -> None:
    from codecarbon.external.ram import RAM

    (reading,) = meter.read(["dram:codecarbon"])

    assert reading.fault is None
    assert reading.value == pytest.approx(RAM().total_power().W)


def test_readings_close_together_repeat_the_last_one(meter: plugin.CodeCarbonMeter) -> None:
    (first,) = meter.read(["cpu:codecarbon"])
    (second,) = meter.read(["cpu:codecarbon"])

    assert second.value == first.value


def test_a_pause_is_not_spread_over_what_follows(
    meter: plugin.CodeCarbonMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = meter._parts["cpu:codecarbon"]
    part.since_ns -= 60_000_000_000
    spans: list[float] = []
    measure = part.hardware.measure_power_and_energy
    monkeypatch.setattr(
        part.hardware,
        "measure_power_and_energy",
        lambda last_duration: spans.append(last_duration) or measure(last_duration=last_duration),
    )

    (reading,) = meter.read(["cpu:codecarbon"])

    assert reading.fault is None
    assert len(spans) == 1 and spans[0] < 1.0


def test_what_codecarbon_raises_is_a_fault(meter: plugin.CodeCarbonMeter, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(last_duration: float) -> None:
        raise KeyError("energy")

    part = meter._parts["cpu:codecarbon"]
    monkeypatch.setattr(part.hardware, "measure_power_and_energy", broken)
    part.power_w = None

    (reading,) = meter.read(["cpu:codecarbon"])

    assert "CodeCarbon failed: KeyError" in (reading.fault or "")


def test_beside_sensors_it_is_shown_and_not_counted() -> None:
    sensors = Recorder(VirtualMeter([gpu(Constant(300.0), "gpu:a"), package(Constant(50.0))]))

    record = measured(BESIDE, sensors)

    counted = {channel.channel_id: channel.counted for channel in record.channels}
    assert counted["cpu:0"] and not counted["cpu:codecarbon"]
    by_id = {channel.channel_id: channel for channel in record.channels}
    assert by_id["cpu:codecarbon"].energy is not None
    # Nothing else knows the memory here, so CodeCarbon's figure for it is in the total.
    memory_j = by_id["dram:codecarbon"].energy.value_j
    assert record.gross.value_j == pytest.approx(350.0 * record.duration_s + memory_j, rel=0.1)


def test_beside_an_estimate_it_is_shown_and_not_counted() -> None:
    record = measured(BESIDE, cpu_model)

    counted = {channel.channel_id: channel.counted for channel in record.channels}
    assert counted["cpu:codecarbon"] is False
    assert any(counted[key] for key in counted if key.startswith("cpu:") and key != "cpu:codecarbon")


def test_alone_it_counts_and_is_an_estimate() -> None:
    record = measured(ALONE, cpu_model)

    assert {channel.meter for channel in record.channels} == {"codecarbon"}
    assert record.gross is not None
    assert record.gross.provenance in (Provenance.ESTIMATED, Provenance.DERIVED)
    low_j, high_j = record.gross.interval_j
    assert high_j - low_j > 0.3 * record.gross.value_j


LOOK = """
import json, logging, os, socket, sys
from greenllm_kernel.configuration import Configuration
from greenllm_plugins.meters import codecarbon as plugin

def refuse(*arguments, **named):
    raise AssertionError("the network was asked")

socket.socket.connect = refuse
(meter,) = plugin.greenllm_meters(Configuration(use_meters=frozenset({"codecarbon"})))
faults = [reading.fault for reading in meter.read([channel.id for channel in meter.channels()])]
logging.getLogger("codecarbon").warning("of the user's own")
print(json.dumps([type(meter).__name__, faults, "amdsmi" in sys.modules, os.listdir()]))
"""


def test_it_writes_no_file_asks_no_network_and_says_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(tmp_path)}

    finished = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60
    )

    assert finished.returncode == 0, finished.stderr
    (line,) = finished.stdout.splitlines()
    name, faults, has_amdsmi, files = json.loads(line)
    assert name == "CodeCarbonMeter" and set(faults) == {None}
    assert not has_amdsmi and files == []
    assert [line for line in finished.stderr.splitlines() if "of the user's own" not in line] == []
    assert "of the user's own" in finished.stderr


def test_importing_the_plugin_does_not_import_codecarbon() -> None:
    code = "import sys, greenllm_plugins.meters.codecarbon; assert 'codecarbon' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
