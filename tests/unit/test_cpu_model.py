"""The estimate of the CPUs, and the table it rests on."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.calibration.fit import HostKind
from greenllm_kernel.metering.meter import Component, Kind, UnusableMeter
from greenllm_plugins.meters.cpu_activity import CpuActivity
from greenllm_plugins.meters.cpu_model import CpuModel, greenllm_meters
from greenllm_plugins.meters.cpu_rating import BUSY_SHARE, IDLE_SHARE, DesignPower, Rating, design_power, rate
from greenllm_plugins.meters.processor import Processor, find_processor, find_tdp_w, read_cpuinfo

TEADS = {0.0: 0.12, 0.1: 0.32, 0.5: 0.75, 1.0: 1.02}
"""Power over TDP by load, as measured (Davy 2021)."""


def cpuinfo(model: str, packages: int = 1, siblings: int = 8, cores: int = 4, flags: str = "fpu sse2") -> str:
    one = (
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: {model}\nphysical id\t: {package}\n"
        "siblings\t: {siblings}\ncpu cores\t: {cores}\nflags\t\t: {flags}\n"
    )
    values = {"model": model, "siblings": siblings, "cores": cores, "flags": flags}
    return "\n".join(one.format(package=package, **values) for package in range(packages) for _ in range(2))


def made(**options: object) -> CpuModel:
    """Return the meter as the plugin makes it, on a machine that tells no frequency."""
    (meter,) = greenllm_meters(Configuration(meters={"cpu_model": {"sysfs": "/nowhere", **options}}))
    assert isinstance(meter, CpuModel)
    return meter


def drawing(tdp_w: float) -> CpuModel:
    """Return a meter of this machine's CPUs, taken to have this TDP together, without frequency and fits."""
    threads = os.cpu_count() or 1
    rating = rate(DesignPower(tdp_w, False, "test"), threads)
    return CpuModel(rating, CpuActivity(None, None, psutil.cpu_times), HostKind("test", "", 1, threads, False))


@pytest.fixture(autouse=True)
def no_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the fits of whoever runs the tests out of them."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_PATH", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))


# The meter.


def test_this_machine_s_cpus_are_one_estimated_channel() -> None:
    (channel,) = made().channels()

    assert channel.component is Component.CPU
    assert channel.is_estimate and channel.label.startswith("CPU, estimated (")


def test_the_interval_is_forty_percent_or_wider() -> None:
    assert made().channels()[0].model_uncertainty * 1.96 >= 0.4
    assert made(tdp_w=100).channels()[0].model_uncertainty * 1.96 == pytest.approx(0.49, abs=0.01)


def test_the_straight_line_stays_within_a_quarter_of_the_measured_curve() -> None:
    for load, measured in TEADS.items():
        line = IDLE_SHARE + (BUSY_SHARE - IDLE_SHARE) * load
        assert measured / line == pytest.approx(1.0, abs=0.255)


def test_the_rating_is_that_line() -> None:
    rating = rate(DesignPower(200.0, False, "test"), threads=8)

    assert rating == Rating({"time": 32.0, "busy": pytest.approx(24.0)}, rating.uncertainty, "test")


def test_an_idle_machine_draws_its_share_and_a_busy_one_more() -> None:
    threads = os.cpu_count() or 1
    meter = drawing(100.0 * threads)

    def watts(work_s: float) -> tuple[float, float]:
        """Return the power shown and this thread's load, while it is busy for ``work_s`` of CPU time."""
        started = meter.read(["cpu:model"])[0]
        until_s = time.thread_time() + work_s
        while time.thread_time() < until_s:
            pass
        if not work_s:
            time.sleep(0.2)
        ended = meter.read(["cpu:model"])[0]
        elapsed_s = (ended.t_ns - started.t_ns) / 1e9
        return (ended.value - started.value) / elapsed_s, work_s / elapsed_s

    idle_w, _ = watts(0.0)
    busy_w, load = watts(0.4)

    assert idle_w >= IDLE_SHARE * 100.0 * threads - 1e-6
    assert busy_w >= IDLE_SHARE * 100.0 * threads + (BUSY_SHARE - IDLE_SHARE) * 100.0 * load * 0.9
    assert busy_w <= BUSY_SHARE * 100.0 * threads * 1.1


def test_the_energy_is_the_same_however_often_it_is_read() -> None:
    often, seldom = (drawing(65.0) for _ in range(2))
    first = often.read(["cpu:model"])[0].value, seldom.read(["cpu:model"])[0].value
    for _ in range(50):
        often.read(["cpu:model"])
        time.sleep(0.002)

    last = often.read(["cpu:model"])[0].value, seldom.read(["cpu:model"])[0].value

    assert last[0] - first[0] == pytest.approx(last[1] - first[1], abs=65.0 * 0.03)


def test_the_counter_never_goes_back() -> None:
    meter = made()

    values = [meter.read(["cpu:model"])[0] for _ in range(300)]

    assert all(reading.kind is Kind.COUNTER and reading.fault is None for reading in values)
    assert [reading.value for reading in values] == sorted(reading.value for reading in values)


@pytest.mark.parametrize("tdp_w", ["hot", -1, 0, math.inf, math.nan, True])
def test_a_tdp_that_cannot_be_is_refused(tdp_w: object) -> None:
    (refused,) = greenllm_meters(Configuration(meters={"cpu_model": {"tdp_w": tdp_w}}))

    assert isinstance(refused, UnusableMeter) and f"tdp_w = {tdp_w!r}" in refused.reason


def test_a_sysfs_that_is_no_path_is_refused() -> None:
    (refused,) = greenllm_meters(Configuration(meters={"cpu_model": {"sysfs": 5}}))

    assert isinstance(refused, UnusableMeter) and "sysfs = 5" in refused.reason


def test_neither_codecarbon_nor_pandas_is_imported() -> None:
    code = (
        "import sys\n"
        "from greenllm_kernel.configuration import Configuration\n"
        "from greenllm_plugins.meters import cpu_model, ram_model\n"
        "assert 'psutil' not in sys.modules\n"
        "for plugin in (cpu_model, ram_model):\n"
        "    plugin.greenllm_meters(Configuration())\n"
        "from greenllm_plugins.meters.processor import find_tdp_w\n"
        "assert find_tdp_w('AMD EPYC 7763 64-Core Processor') == 280.0\n"
        "assert not {'codecarbon', 'pandas', 'numpy'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


# The power.


def test_a_known_processor_has_its_tdp_a_package() -> None:
    power = design_power(Processor("Intel(R) Xeon(R) Platinum 8380 CPU @ 2.30GHz", packages=2), threads=160)

    assert power.tdp_w == 540.0
    assert power.basis == "TDP 270 W x 2"


def test_a_virtual_machine_has_its_part_of_the_chip_where_that_can_be_told() -> None:
    chip = Processor("AMD EPYC 7763 64-Core Processor", is_virtual=True, threads_of_chip=128)

    power = design_power(chip, threads=32)

    assert power.tdp_w == pytest.approx(70.0)
    assert "25% of TDP 280 W" in power.basis


def test_a_virtual_machine_on_an_unknown_part_is_less_sure_and_says_so() -> None:
    known = design_power(Processor("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz"), threads=96)
    guessed = design_power(Processor("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", is_virtual=True), threads=4)

    assert guessed.tdp_w == 16.0
    assert "virtual machine on a part of TDP 240 W" in guessed.basis
    assert guessed.is_guessed and not known.is_guessed
    assert rate(guessed, 4).uncertainty > rate(known, 4).uncertainty


def test_a_virtual_machine_never_has_more_than_the_chip() -> None:
    chip = Processor("Intel(R) Core(TM) i7-7600U CPU @ 2.80GHz", is_virtual=True)

    assert design_power(chip, threads=64).tdp_w == 15.0


def test_an_unknown_processor_is_taken_by_its_threads_and_says_so() -> None:
    power = design_power(Processor("AMD EPYC"), threads=2)

    assert power.tdp_w == 8.0
    assert power.basis == "unknown processor, 4 W a thread"


def test_the_user_s_own_figure_is_taken() -> None:
    power = design_power(Processor("AMD EPYC"), threads=2, tdp_w=55)

    assert power == DesignPower(55.0, False, "TDP 55 W as configured")


# The processor.


def test_this_machine_s_processor_is_found() -> None:
    assert find_processor().packages >= 1


@pytest.mark.parametrize(
    ("model", "tdp_w"),
    [
        ("Intel(R) Core(TM) i7-7600U CPU @ 2.80GHz", 15.0),
        ("11th Gen Intel(R) Core(TM) i5-1135G7 @ 2.40GHz", 28.0),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", 145.0),
        ("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz", 240.0),
        ("AMD EPYC 7763 64-Core Processor", 280.0),
        ("AMD Ryzen 7 5800H with Radeon Graphics", 45.0),
        ("AMD Ryzen 9 5950X 16-Core Processor", 105.0),
        ("Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz", 65.0),
        ("Apple M2 Pro", 35.0),
    ],
)
def test_codecarbon_s_table_knows_processors_by_the_names_they_give_themselves(model: str, tdp_w: float) -> None:
    assert find_tdp_w(model) == tdp_w


@pytest.mark.parametrize(
    "model",
    [
        "",
        "AMD EPYC",
        "Intel(R) Xeon(R) CPU @ 2.20GHz",
        "4334",
        "Intel(R) Xeon(R) CPU E5-2643 v9 @ 3.30GHz",
        "QEMU Virtual CPU",
    ],
)
def test_no_processor_is_taken_for_another(model: str) -> None:
    assert find_tdp_w(model) is None


@pytest.mark.parametrize(
    "text", ["Name,TDP\nAcme One,29.32.9\n", "Name,TDP\nAcme One,0.0\n", "Name,TDP\nAcme One,\n", "\xff\x00", ""]
)
def test_a_table_that_cannot_be_used_knows_nothing(tmp_path: Path, text: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(text.encode("latin-1"))

    assert find_tdp_w("Acme One", table) is None
    assert find_tdp_w("Acme One", tmp_path / "none.csv") is None


def test_cpuinfo_tells_packages_and_virtual_machines() -> None:
    bare = read_cpuinfo(cpuinfo("Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz", packages=2))
    virtual = read_cpuinfo(cpuinfo("AMD EPYC 7763 64-Core Processor", flags="fpu hypervisor"))

    assert (bare.packages, bare.is_virtual, bare.threads_of_chip) == (2, False, None)
    assert (virtual.packages, virtual.is_virtual, virtual.threads_of_chip) == (1, True, 128)


def test_without_two_threads_a_core_a_chip_has_as_many_threads_as_cores() -> None:
    assert read_cpuinfo(cpuinfo("AMD EPYC 7763 64-Core Processor", siblings=4, cores=4)).threads_of_chip == 64


def test_an_arm_cpuinfo_has_no_model_and_still_works() -> None:
    found = read_cpuinfo("processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\n")

    assert found == Processor("")
    assert design_power(found, threads=4).tdp_w == 16.0
