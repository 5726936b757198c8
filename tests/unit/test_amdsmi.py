"""AMD GPUs through the real ``amdsmi`` package over a compiled stand-in of ROCm's library."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Component, Kind, Meter, UnusableMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance
from greenllm_plugins.meters import amdsmi as plugin
from greenllm_plugins.meters import rocm as rocm_library
from standins import amdsmi as standin
from standins.amdsmi import Gpu, Machine, uuid_of

pytestmark = pytest.mark.skipif(find_spec("amdsmi") is None, reason="the package amdsmi is not installed")

UNKNOWN = 0xFFFF


@pytest.fixture(scope="module")
def rocm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with standin.loaded(tmp_path_factory.mktemp("rocm")) as machine:
        yield machine


@pytest.fixture
def machine(rocm: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A host with AMD's library, and no choice of GPUs."""
    for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    assert rocm.open_count == 0
    yield rocm
    assert rocm.open_count == 0, "the library was not given back"


def found() -> Meter | UnusableMeter:
    (meter,) = plugin.greenllm_meters(Configuration())
    return meter


def opened() -> plugin.AmdSmiMeter:
    meter = found()
    assert isinstance(meter, plugin.AmdSmiMeter), meter
    return meter


def values(meter: Meter) -> dict[tuple[str, Kind], float | str]:
    ids = [channel.id for channel in meter.channels()]
    return {(r.channel_id, r.kind): r.fault or r.value for r in meter.read(ids)}


# What is found.


def test_each_gpu_is_a_channel_with_energy_and_power(machine: Machine) -> None:
    machine.set([Gpu(), Gpu(name="AMD Instinct MI210")])

    meter = opened()
    channels = meter.channels()
    meter.close()

    assert [channel.id for channel in channels] == [f"gpu:{uuid_of(0)}", f"gpu:{uuid_of(1)}"]
    assert [channel.label for channel in channels] == ["AMD Instinct MI300X #0", "AMD Instinct MI210 #1"]
    assert all(channel.component is Component.GPU and channel.provides == frozenset(Kind) for channel in channels)
    assert channels[0].gain_uncertainty == pytest.approx(0.10 / math.sqrt(3))
    assert meter.remark == "not tried on real hardware yet"


@pytest.mark.parametrize(
    ("current_w", "average_w", "power_w"),
    [(717, UNKNOWN, 717.0), (UNKNOWN, 94, 94.0), (2**32 - 1, 94, 94.0), (0, UNKNOWN, 0.0)],
    ids=["MI300", "MI200", "MI200 in ROCm 7.1", "at rest"],
)
def test_power_is_what_this_kind_of_card_knows(
    machine: Machine, current_w: int, average_w: int, power_w: float
) -> None:
    machine.set([Gpu(current_w=current_w, average_w=average_w)])

    meter = opened()
    read = values(meter)
    meter.close()

    assert read[f"gpu:{uuid_of(0)}", Kind.POWER] == power_w


def test_the_power_cap_is_told_where_the_card_has_one(machine: Machine) -> None:
    machine.set([Gpu(cap_w=750), Gpu(cap_w=None)])
    meter = opened()
    limits_w = meter.limits_w([channel.id for channel in meter.channels()])
    meter.close()

    assert limits_w == {f"gpu:{uuid_of(0)}": 750.0}


def test_the_counter_is_in_joules(machine: Machine) -> None:
    machine.set([Gpu(power_w=1000.0)])
    key = (f"gpu:{uuid_of(0)}", Kind.COUNTER)
    meter = opened()

    first, began = values(meter)[key], time.monotonic()
    time.sleep(0.2)
    second, ended = values(meter)[key], time.monotonic()
    meter.close()

    assert isinstance(first, float) and isinstance(second, float)
    assert second - first == pytest.approx(1000.0 * (ended - began), abs=20.0)


def test_a_card_without_counter_gives_power_alone(machine: Machine) -> None:
    machine.set([Gpu(name="AMD Radeon RX 7900 XTX", energy_status=standin.NOT_SUPPORTED)])

    meter = opened()
    (channel,) = meter.channels()
    meter.close()

    assert channel.provides == {Kind.POWER} and channel.label == "AMD Radeon RX 7900 XTX"


def test_a_card_that_knows_nothing_says_so_and_leaves_the_other_alone(machine: Machine) -> None:
    blind = Gpu(current_w=UNKNOWN, energy_status=standin.NO_PERMISSION)
    machine.set([Gpu(), blind])

    meter = opened()
    read = values(meter)
    meter.close()

    assert read[f"gpu:{uuid_of(0)}", Kind.POWER] == 300.0
    assert read[f"gpu:{uuid_of(1)}", Kind.POWER] == "AMD SMI gives no figure for this GPU"


def test_a_gpu_that_fails_later_gives_faults_and_leaves_the_other_alone(machine: Machine) -> None:
    machine.set([Gpu(), Gpu()])
    meter = opened()

    machine.set([Gpu(), Gpu(power_status=standin.IO, energy_status=standin.IO)])
    read = values(meter)
    meter.close()

    assert isinstance(read[f"gpu:{uuid_of(0)}", Kind.COUNTER], float)
    for kind in Kind:
        assert "AMDSMI_STATUS_IO - I/O Error" in str(read[f"gpu:{uuid_of(1)}", kind])


# Cards that are several GPUs.


def test_the_second_die_of_a_card_is_in_the_first(machine: Machine) -> None:
    die = "AMD Instinct MI250X"
    machine.set([Gpu(name=die), Gpu(name=die, current_w=0, power_w=0.0)] * 2)

    meter = opened()
    channels = meter.channels()
    meter.close()

    assert [channel.id for channel in channels] == [f"gpu:{uuid_of(0)}", f"gpu:{uuid_of(2)}"]
    assert all("whole card" in channel.label for channel in channels)


def test_the_partitions_of_a_card_are_counted_once(machine: Machine) -> None:
    machine.set([Gpu(bdf=(0, 5, 0, function)) for function in range(4)] + [Gpu(bdf=(0, 6, 0, 0))])

    meter = opened()
    channels = meter.channels()
    meter.close()

    assert [channel.id for channel in channels] == [f"gpu:{uuid_of(0)}", f"gpu:{uuid_of(4)}"]
    assert ["whole card" in channel.label for channel in channels] == [True, False]


# Whose GPUs.


@pytest.mark.parametrize(
    ("environment", "seen"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ROCR_VISIBLE_DEVICES": "2,0"}, [0, 2]),
        ({"HIP_VISIBLE_DEVICES": "1"}, [1]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [1]),
        ({"HIP_VISIBLE_DEVICES": "3", "CUDA_VISIBLE_DEVICES": "1"}, [3]),
        ({"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"}, [3]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-000000000000ab01"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-000000000000AB01, 3"}, [1, 3]),
        ({"HIP_VISIBLE_DEVICES": "0,9,1"}, [0]),
    ],
    ids=str,
)
def test_the_visible_gpus_are_measured(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], seen: Sequence[int]
) -> None:
    machine.set([Gpu()] * 4)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    meter = opened()
    ids = [channel.id for channel in meter.channels()]
    meter.close()

    assert ids == [f"gpu:{uuid_of(number)}" for number in seen]


def test_a_visible_partition_or_die_is_measured_by_its_card(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.set([Gpu(name="AMD Instinct MI250")] * 4)
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "3")

    meter = opened()
    ids = [channel.id for channel in meter.channels()]
    meter.close()

    assert ids == [f"gpu:{uuid_of(2)}"]


@pytest.mark.parametrize("choice", ["", "-1", "nonsense"])
def test_where_every_gpu_is_hidden_the_variables_are_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    machine.set([Gpu()])
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", choice)

    hidden = found()

    assert isinstance(hidden, UnusableMeter) and "HIP_VISIBLE_DEVICES hides every GPU" in hidden.reason


# Who else has the library open.


def test_hwmon_s_look_and_a_second_meter_leave_the_first_one_the_library(machine: Machine) -> None:
    machine.set([Gpu()])
    meter = opened()

    assert rocm_library.shows_gpus()
    opened().close()
    after = values(meter)
    meter.close()

    assert after[f"gpu:{uuid_of(0)}", Kind.POWER] == 300.0


@pytest.mark.parametrize("forbidden", [{"init_status": standin.NO_PERMISSION}, {}], ids=["may not be opened", "blind"])
def test_a_library_that_cannot_be_opened_or_is_blind_shows_no_gpu(machine: Machine, forbidden: dict[str, int]) -> None:
    machine.set([], **forbidden)

    assert not rocm_library.shows_gpus()


# What can be missing.


def test_a_driver_that_is_not_loaded_is_named_with_the_remedy(machine: Machine) -> None:
    machine.set([], init_status=standin.DRIVER_NOT_LOADED)

    refused = found()

    assert isinstance(refused, UnusableMeter)
    assert "could not be started" in refused.reason and "DRIVER_NOT_LOADED" in refused.reason
    assert "modprobe amdgpu" in refused.remedy


def test_a_library_without_gpus_is_unusable(machine: Machine) -> None:
    machine.set([])

    nothing = found()

    assert isinstance(nothing, UnusableMeter) and "shows no GPU" in nothing.reason


def test_gpus_without_any_sensor_are_unusable(machine: Machine) -> None:
    machine.set([Gpu(current_w=UNKNOWN, energy_status=standin.NOT_SUPPORTED)])

    nothing = found()

    assert isinstance(nothing, UnusableMeter) and "no figure" in nothing.reason


@pytest.fixture
def no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with the package and without ROCm, as pip leaves it."""
    monkeypatch.setenv("ROCM_PATH", str(tmp_path))
    monkeypatch.setattr(rocm_library, "LIBRARY", "libamd_smi_that_is_nowhere.so")
    monkeypatch.setattr(plugin, "DRIVER", tmp_path / "amdgpu")


@pytest.mark.usefixtures("no_library")
def test_a_host_without_amd_gpus_hears_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin.greenllm_meters(Configuration()) == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("no_library")
def test_a_host_with_amds_driver_hears_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "amdgpu").mkdir()

    missing = found()

    assert isinstance(missing, UnusableMeter) and "is not found" in missing.reason
    assert "amd-smi-lib" in missing.remedy


@pytest.mark.usefixtures("no_library")
def test_whoever_names_the_meter_hears_what_is_missing() -> None:
    (missing,) = plugin.greenllm_meters(Configuration(use_meters=frozenset({"amdsmi"})))

    assert isinstance(missing, UnusableMeter)


def test_importing_the_plugin_does_not_import_the_package() -> None:
    code = "import sys, greenllm_plugins.meters.amdsmi; assert 'amdsmi' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


# All together.


def test_a_window_is_measured_by_the_counter(machine: Machine) -> None:
    machine.set([Gpu(power_w=400.0, current_w=400)])
    plugins = Plugins(found=[])
    plugins.register(plugin, "amdsmi")
    session = Session(Configuration(use_meters=frozenset({"amdsmi"})), plugins)

    session.find_meters()
    run = session.open("cell")
    time.sleep(0.5)
    run.close()
    record = run.settle(5.0)
    session.close()

    assert record.gross is not None and record.gross.provenance is Provenance.MEASURED
    low_j, high_j = record.gross.repeatability_interval_j
    assert low_j <= 400.0 * record.duration_s * 1.001 and 400.0 * record.duration_s * 0.999 <= high_j
    assert high_j - low_j < 0.2 * record.gross.value_j
    deadline = time.monotonic() + 5.0
    while machine.open_count and time.monotonic() < deadline:  # its own thread gives the meter back
        time.sleep(0.01)
