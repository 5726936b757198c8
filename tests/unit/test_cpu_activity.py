"""What the estimate of the CPUs is a sum of: busy time at its operating point."""

from __future__ import annotations

import math
from collections import namedtuple
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.virtual import SimulatedClock
from greenllm_plugins.meters.cpu_activity import CpuActivity
from greenllm_plugins.meters.cpu_model import CpuModel, greenllm_meters
from greenllm_plugins.meters.cpu_rating import METHOD_UNCERTAINTY, DesignPower, rate
from greenllm_plugins.meters.operating_point import CURVE_HALF_WIDTH, Clocks, CoreVoltage, dynamic_scale
from standins.cpus import CpuTree

Times = namedtuple("Times", "user nice system irq softirq idle")

PENTIUM_M = {1.6: 1.484, 1.4: 1.420, 1.2: 1.276, 1.0: 1.164, 0.8: 1.036, 0.6: 0.956}
"""V by GHz (Intel, Enhanced SpeedStep for the Pentium M, 2004)."""

RK3399_BIG = {1.8: 1.200, 1.608: 1.100, 1.416: 1.025, 1.2: 0.950, 1.008: 0.875, 0.816: 0.825, 0.6: 0.800, 0.408: 0.800}
RK3399_LITTLE = {1.416: 1.125, 1.2: 1.000, 1.008: 0.925, 0.816: 0.850, 0.6: 0.800, 0.408: 0.800}
"""V by GHz (Linux, rk3399-opp.dtsi)."""


class Cpus:
    """CPUs whose load is set, as psutil shows them: in steps of 10 ms."""

    def __init__(self, count: int) -> None:
        self.clock = SimulatedClock()
        self._busy_s = [0.0] * count

    def run(self, seconds: float, *loads: float) -> None:
        self.clock.sleep(seconds)
        self._busy_s = [busy_s + seconds * load for busy_s, load in zip(self._busy_s, loads, strict=True)]

    def __call__(self, percpu: bool = False) -> object:
        each = [math.floor(busy_s * 100 + 1e-6) / 100 for busy_s in self._busy_s]
        return [shown(busy_s) for busy_s in each] if percpu else shown(sum(each))

    def activity(self, tree: CpuTree | None = None) -> CpuActivity:
        clocks = Clocks.find(tree.sysfs, "") if tree else None
        voltage = CoreVoltage.find(tree.sysfs) if tree else None
        return CpuActivity(clocks, voltage, self, self.clock)


def shown(busy_s: float) -> Times:
    return Times(busy_s / 2, 0.0, busy_s / 2, 0.0, 0.0, 1e6)


# Without frequency.


def test_where_no_frequency_is_told_time_and_busy_time_are_counted() -> None:
    cpus = Cpus(4)
    activity = cpus.activity()

    cpus.run(2.0, 1.0, 0.5, 0.0, 0.0)

    assert activity.read()[1] == pytest.approx({"time": 2.0, "busy": 3.0, "first": 2.0})


def test_the_first_cpu_s_worth_of_work_is_told_apart() -> None:
    cpus = Cpus(2)
    activity = cpus.activity()

    for loads in [(0.0, 0.0), (0.3, 0.2), (1.0, 0.0), (1.0, 1.0)]:
        cpus.run(1.0, *loads)
        activity.read()

    assert activity.read()[1]["first"] == pytest.approx(0.5 + 1.0 + 1.0)


@pytest.mark.parametrize("every_s", [0.001, 0.05, 0.5, 2.0])
def test_a_steady_load_counts_the_same_however_often_it_is_read(tmp_path: Path, every_s: float) -> None:
    cpus, tree = Cpus(2), CpuTree(tmp_path, 2)
    tree.set_khz(0, 1_000_000)
    activity = cpus.activity(tree)

    for _ in range(round(4.0 / every_s)):
        cpus.run(every_s, 1.0, 0.5)
        activity.read()

    features = activity.read()[1]
    slowed = 4.0 * dynamic_scale(0.5) + 2.0
    assert features["busy"] == pytest.approx(6.0, abs=0.02)
    assert features["first"] == pytest.approx(4.0, abs=0.02)
    # What of a CPU's 10 ms steps falls between two looks depends on them; over many it evens out.
    assert features["busy_slowed"] == pytest.approx(slowed, rel=0.03)


# With frequency.


def test_a_slow_cpu_s_work_counts_less_and_a_fast_one_s_no_more_than_the_power_limit_allows(tmp_path: Path) -> None:
    cpus, tree = Cpus(2), CpuTree(tmp_path, 2)
    tree.set_khz(0, 1_000_000)
    tree.set_khz(1, 3_000_000)
    activity = cpus.activity(tree)

    cpus.run(1.0, 1.0, 1.0)
    features = activity.read()[1]

    assert features["busy_slowed"] == pytest.approx(dynamic_scale(0.5) + 1.0)
    assert features["busy_at_frequency"] == pytest.approx(dynamic_scale(0.5) + dynamic_scale(1.5))
    assert dynamic_scale(0.5) < 0.3 < 1.5 < dynamic_scale(1.5)


def test_only_the_frequency_of_cpus_that_worked_counts(tmp_path: Path) -> None:
    cpus, tree = Cpus(2), CpuTree(tmp_path, 2)
    tree.set_khz(1, 400_000)
    activity = cpus.activity(tree)

    cpus.run(1.0, 1.0, 0.0)

    assert activity.read()[1]["busy_slowed"] == pytest.approx(1.0)


def test_voltage_that_can_be_read_takes_the_curve_s_place(tmp_path: Path) -> None:
    cpus, tree = Cpus(1), CpuTree(tmp_path, 1)
    shows = tree.add_voltage("SVI2_Core", 1100)
    tree.add_voltage("SVI2_SoC", 900)
    activity = cpus.activity(tree)
    tree.set_khz(0, 3_000_000)
    shows.write_text("1300\n")

    cpus.run(1.0, 1.0)

    assert activity.read()[1]["busy_at_voltage"] == pytest.approx(1.5 * 1.3**2)


@pytest.mark.parametrize("garbage", ["<unknown>", "", "0", "-5", "99999999999"])
def test_a_frequency_that_cannot_be_leaves_the_last_one(tmp_path: Path, garbage: str) -> None:
    cpus, tree = Cpus(1), CpuTree(tmp_path, 1)
    tree.set_khz(0, 1_000_000)
    activity = cpus.activity(tree)

    tree.set_khz(0, garbage)
    cpus.run(1.0, 1.0)

    assert activity.read()[1]["busy_slowed"] == pytest.approx(dynamic_scale(0.5))


def test_the_features_never_go_back_whatever_the_frequency_does(tmp_path: Path) -> None:
    cpus, tree = Cpus(2), CpuTree(tmp_path, 2)
    activity = cpus.activity(tree)
    before = activity.read()[1]

    for turn in range(200):
        tree.set_khz(turn % 2, 500_000 + 90_000 * (turn * 7 % 30))
        cpus.run(0.013, turn % 3 / 2, 1.0)
        after = activity.read()[1]
        assert all(after[name] >= before[name] for name in after)
        before = after


def test_a_cpu_taken_off_line_does_no_harm(tmp_path: Path) -> None:
    cpus, tree = Cpus(3), CpuTree(tmp_path, 3)
    activity = cpus.activity(tree)
    cpus.run(1.0, 1.0, 1.0, 1.0)
    activity.read()

    cpus._busy_s.pop()
    (tmp_path / "devices/system/cpu/online").write_text("0-1\n")
    for _ in range(20):
        cpus.run(1.0, 1.0, 1.0)

    assert activity.read()[1]["busy_slowed"] >= 3.0


# Where frequencies come from.


@pytest.mark.parametrize(
    ("files", "nominal_mhz", "model", "ratio"),
    [
        ({"base_frequency": "1600000", "cpuinfo_max_freq": "4000000"}, 3000, "Acme @ 2.50GHz", 2.0 / 1.6),
        ({"cpuinfo_max_freq": "4000000"}, 2500, "Acme @ 4.00GHz", 2.0 / 2.5),
        ({"cpuinfo_max_freq": "4000000"}, 0, "Intel(R) Core(TM) i7-7600U CPU @ 2.80GHz", 2.0 / 2.8),
        ({"cpuinfo_max_freq": "4000000"}, None, "AMD EPYC 7763 64-Core Processor", 0.5),
    ],
)
def test_the_base_frequency_is_the_surest_that_is_told(
    tmp_path: Path, files: dict[str, str], nominal_mhz: int | None, model: str, ratio: float
) -> None:
    tree = CpuTree(tmp_path, 1, files, nominal_mhz)

    clocks = Clocks.find(tree.sysfs, model)

    assert clocks is not None and clocks.ratio(0) == pytest.approx(ratio)


def test_without_a_base_frequency_or_any_at_all_there_are_no_clocks(tmp_path: Path) -> None:
    assert Clocks.find(tmp_path / "nowhere", "Acme @ 2.50GHz") is None
    assert Clocks.find(CpuTree(tmp_path, 2, {}).sysfs, "Acme") is None


@pytest.mark.parametrize(("label", "millivolts"), [("+3.3V", 3300), ("SVI2_SoC", 900), ("Vcore", 0), ("Vcore", 12000)])
def test_what_is_no_core_voltage_is_not_taken_for_one(tmp_path: Path, label: str, millivolts: int) -> None:
    tree = CpuTree(tmp_path, 1)
    tree.add_voltage(label, millivolts)

    assert CoreVoltage.find(tmp_path) is None


@pytest.mark.parametrize("table", [PENTIUM_M, RK3399_BIG, RK3399_LITTLE], ids=["pentium m", "rk3399 big", "little"])
def test_the_curve_of_voltage_is_as_near_to_published_ones_as_its_uncertainty_says(table: dict[float, float]) -> None:
    base = max(table)
    for frequency, volts in table.items():
        ratio = frequency / base
        published = ratio * (volts / table[base]) ** 2
        assert published / dynamic_scale(ratio) == pytest.approx(1.0, abs=CURVE_HALF_WIDTH)


# In the meter.


def test_the_meter_takes_the_frequency_in_and_widens_its_interval_for_the_curve(tmp_path: Path) -> None:
    tree = CpuTree(tmp_path, 2)
    power = DesignPower(100.0, False, "test")
    options = {"tdp_w": 100, "sysfs": str(tree.sysfs)}

    (meter,) = greenllm_meters(Configuration(meters={"cpu_model": options}))

    assert isinstance(meter, CpuModel)
    (channel,) = meter.channels()
    assert channel.label == "CPU, estimated (TDP 100 W as configured, with frequency)"
    assert channel.model_uncertainty == rate(power, 2, tells_frequency=True).uncertainty
    assert channel.model_uncertainty > rate(power, 2).uncertainty > METHOD_UNCERTAINTY


def test_half_the_frequency_takes_a_quarter_of_the_dynamic_power() -> None:
    rating = rate(DesignPower(100.0, False, "test"), 2, tells_frequency=True)

    assert rating.coefficients_w["busy_slowed"] * 2 * dynamic_scale(0.5) == pytest.approx(96.0 * 0.245)
