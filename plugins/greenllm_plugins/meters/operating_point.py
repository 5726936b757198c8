"""At which frequency and voltage the CPUs run, where Linux says so: what dynamic power depends on besides load."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

SYSFS = Path("/sys")

LEAST_VOLTAGE_SHARE = 0.65
"""A core's lowest voltage over that at its base frequency (see ``VOLTAGE_SLOPE``)."""

VOLTAGE_SLOPE = 0.6
"""By how much of itself a core's voltage falls with frequency: V/V0 = 0.4 + 0.6 F/F0, but at least 0.65. Near the
tables of a Pentium M (1.484 V at 1.6 GHz, 0.956 V at 0.6 GHz; Intel, Enhanced SpeedStep, 2004) and of an RK3399's cores
(1.200 V at 1.8 GHz, 0.800 V at 0.6 GHz; Linux, rk3399-opp.dtsi): their V^2 is within 20 % of the curve's."""

CURVE_HALF_WIDTH = 0.20
"""Relative half-width of what that curve gets wrong in dynamic power."""

LEAST_KHZ, MOST_KHZ = 5e4, 1e7
"""Frequencies outside of these are taken as not told, kHz."""

LEAST_V, MOST_V = 0.2, 2.0
"""Core voltages outside of these are taken as not told, V."""

CORE_LABELS = frozenset({"vcore", "cpu vcore", "svi2_core", "cpu core voltage", "vddcr_cpu"})
"""What drivers call a core's voltage: zenpower ``SVI2_Core``, asus-ec-sensors ``CPU Core Voltage``."""

_CLOCK_IN_NAME = re.compile(r"@\s*(\d+(?:\.\d+)?)\s*GHz", re.I)


def dynamic_scale(ratio: float) -> float:
    """Return dynamic power at ``ratio`` of the base frequency, over that at the base frequency.

    P = C V^2 f (Linux, devicetree binding ``dynamic-power-coefficient``), with the voltage on the curve above.
    """
    voltage_share = max(LEAST_VOLTAGE_SHARE, 1.0 - VOLTAGE_SLOPE * (1.0 - ratio))
    return ratio * voltage_share * voltage_share


class Clocks:
    """Tells the CPUs' frequencies.

    Args:
        cpus: folder of the CPUs, such as ``/sys/devices/system/cpu``.
        model: the processor's name; older Intel ones have their base frequency in it.
    """

    def __init__(self, cpus: Path, model: str) -> None:
        self._cpus = cpus
        named = _CLOCK_IN_NAME.search(model)
        self._named_khz = float(named[1]) * 1e6 if named else None
        self._base_khz: dict[int, float | None] = {}

    @classmethod
    def find(cls, sysfs: Path, model: str) -> Clocks | None:
        """Return the clocks, or None where the system does not tell them (as most virtual machines)."""
        clocks = cls(sysfs / "devices" / "system" / "cpu", model)
        return clocks if any(clocks.ratio(cpu) is not None for cpu in clocks.online()[:4]) else None

    def online(self) -> list[int]:
        """Return the numbers of the CPUs that are on line, in order."""
        text = _text(self._cpus / "online")
        numbers: list[int] = []
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
            numbers.extend(range(int(first), int(last or first) + 1))
        return numbers

    def ratio(self, cpu: int) -> float | None:
        """Return a CPU's frequency over its base frequency, or None where one of them is not told."""
        khz = _plausible_khz(_number(self._cpus / f"cpu{cpu}" / "cpufreq" / "scaling_cur_freq"))
        if cpu not in self._base_khz:
            self._base_khz[cpu] = self._find_base_khz(cpu)
        base_khz = self._base_khz[cpu]
        return khz / base_khz if khz and base_khz else None

    def _find_base_khz(self, cpu: int) -> float | None:
        """Look for it: the frequency TDP is given for, else the highest."""
        folder = self._cpus / f"cpu{cpu}"
        nominal_mhz = _number(folder / "acpi_cppc" / "nominal_freq")
        candidates = (
            _number(folder / "cpufreq" / "base_frequency"),
            nominal_mhz * 1e3 if nominal_mhz else None,
            self._named_khz,
            _number(folder / "cpufreq" / "cpuinfo_max_freq"),
        )
        return next((khz for khz in map(_plausible_khz, candidates) if khz), None)


class CoreVoltage:
    """Tells the cores' voltage.

    Args:
        inputs: files in millivolts, one for each sensor.
    """

    def __init__(self, inputs: Sequence[Path]) -> None:
        self._inputs = inputs

    @classmethod
    def find(cls, sysfs: Path) -> CoreVoltage | None:
        """Return the sensors whose label says core voltage, or None where there is none (as nearly everywhere)."""
        labels = sorted((sysfs / "class" / "hwmon").glob("hwmon*/in*_label"))
        inputs = [
            label.with_name(label.name.replace("_label", "_input"))
            for label in labels
            if _text(label).lower() in CORE_LABELS
        ]
        voltage = cls(inputs)
        return voltage if voltage.volts() is not None else None

    def volts(self) -> float | None:
        """Return the mean over the sensors, V, or None where none tells it now."""
        shown = [(_number(file) or 0.0) / 1e3 for file in self._inputs]
        plausible = [volts for volts in shown if LEAST_V <= volts <= MOST_V]
        return sum(plausible) / len(plausible) if plausible else None


def _plausible_khz(khz: float | None) -> float | None:
    return khz if khz is not None and LEAST_KHZ <= khz <= MOST_KHZ else None


def _number(file: Path) -> float | None:
    try:
        return float(_text(file))
    except ValueError:
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
