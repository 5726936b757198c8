"""What the sensors of known chips measure, and what of it contains what."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenllm_kernel.metering.meter import Channel, Component
from greenllm_plugins.meters.hwmon_tree import Sensor

EVERYTHING = frozenset(Component)

MODULE = frozenset({Component.CPU, Component.GPU, Component.DRAM})
"""What a computer on a module has on it."""

FAST_S = 0.001
"""Refresh of counters that are RAPL's registers, or built like them, s."""

USUAL_PERIOD_S = 1.0
"""How often many drivers ask their chip at most, s; taken where nothing is said."""

_RECTANGULAR = math.sqrt(3.0)

WIDE_GAIN = 0.10 / _RECTANGULAR
"""Relative standard uncertainty where nobody publishes one: within 10 %, taken wide."""

ACPI_GAIN = 0.05
"""Half-width of the relative gain error of a firmware's power meter that promises to be better than that."""

UNKNOWN_ACPI_GAIN = 0.20
"""The same where the firmware promises nothing that can be."""

INA3221_GAIN = math.hypot(0.0025, 0.0025, 0.01, 0.04) / _RECTANGULAR
"""Of voltage and current 0.25 % (TI, SBOS576), of the shunt 1 % (usual), and 80 uV of offset: 4 % of 1 A at 2 mOhm."""

INA238_GAIN = math.hypot(0.007, 0.01) / _RECTANGULAR
"""Of power 0.7 % (TI, SLYS025), of the shunt 1 % (usual)."""


UNTOLD = "nothing says what it measures"


@dataclass(frozen=True, slots=True)
class Known:
    """What one sensor measures: the fields of a channel that its files do not tell."""

    id: str
    component: Component
    label: str
    gain: float
    inside: str | None = None
    contains: frozenset[Component] = frozenset()
    period_s: float = USUAL_PERIOD_S
    window_s: float | None = None

    def channel(self, sensor: Sensor) -> Channel:
        """Return the channel of a sensor that measures this."""
        return Channel(
            id=self.id,
            component=self.component,
            label=self.label,
            provides=frozenset({sensor.kind}),
            update_period_s=self.period_s,
            averaging_window_s=self.window_s,
            gain_uncertainty=self.gain,
            inside=self.inside,
            contains=self.contains,
        )


def known(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    """Return what a sensor measures, or why it is left out (empty: that needs no word).

    Args:
        sensor: one of ``all_sensors``.
        all_sensors: of the machine: what lies around a part depends on what else is there.
    """
    describe = _BY_CHIP.get(sensor.chip.partition("_gt")[0])
    if describe is not None:
        return describe(sensor, all_sensors)
    if any(folder.resolve().parent.name == "power_supply" for folder in sensor.folders):
        return ""  # a battery's, which has a meter of its own
    return UNTOLD


# Boards with NVIDIA's Tegra (Jetson). What the rails feed: NVIDIA, Jetson Linux Developer Guide, "Power monitor".

_RAILS = {
    "VDD_IN": (Component.PLATFORM, "Jetson module (VDD_IN)", None, MODULE),
    "VDD_CPU_GPU_CV": (Component.PLATFORM, "CPU, GPU and vision cores (VDD_CPU_GPU_CV)", "VDD_IN", frozenset()),
    "VDD_SOC": (Component.PLATFORM, "SoC (VDD_SOC)", "VDD_IN", frozenset()),
    "VDD_GPU_SOC": (Component.GPU, "GPU and SoC (VDD_GPU_SOC)", None, frozenset({Component.GPU})),
    "VDD_CPU_CV": (Component.CPU, "CPU and vision cores (VDD_CPU_CV)", None, frozenset()),
    "VIN_SYS_5V0": (Component.PLATFORM, "Board, 5 V (VIN_SYS_5V0)", None, frozenset()),
    "VDDQ_VDD2_1V8AO": (Component.DRAM, "DRAM (VDDQ_VDD2_1V8AO)", "VIN_SYS_5V0", frozenset()),
    "VDD_GPU": (Component.GPU, "GPU (VDD_GPU)", None, frozenset({Component.GPU})),
    "VDD_CPU_SOC_MSS": (Component.CPU, "CPU, SoC and memory system (VDD_CPU_SOC_MSS)", None, frozenset()),
    "GPU": (Component.GPU, "GPU", None, frozenset({Component.GPU})),
    "CPU": (Component.CPU, "CPU", None, frozenset()),
    "SOC": (Component.PLATFORM, "SoC", None, frozenset()),
    "CV": (Component.PLATFORM, "Vision cores (CV)", None, frozenset()),
    "VDDRQ": (Component.DRAM, "DRAM (VDDRQ)", None, frozenset()),
    "SYS5V": (Component.PLATFORM, "Board, 5 V (SYS5V)", None, frozenset()),
}


def _jetson_rail(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    if sensor.label not in _RAILS:
        return "" if sensor.label in ("", "NC") else "nothing says what this rail feeds"
    component, label, around, contains = _RAILS[sensor.label]
    is_there = around in {other.label for other in all_sensors if other.chip == sensor.chip}
    interval_s = sensor.seconds("update_interval")
    return Known(
        id=_rail_id(sensor.label),
        component=component,
        label=label,
        gain=INA3221_GAIN,
        inside=_rail_id(around) if around and is_there else None,
        contains=contains,
        period_s=interval_s or 0.1,
        window_s=interval_s,
    )


def _rail_id(label: str) -> str:
    return f"{_RAILS[label][0]}:{label.lower()}"


def _jetson_input(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    if sensor.key != "power1" or not any(other.label == "VDD_CPU_SOC_MSS" for other in all_sensors):
        return UNTOLD
    interval_s = sensor.seconds("update_interval")
    return Known(
        id="platform:vin",
        component=Component.PLATFORM,
        label="Board's input (VIN)",
        gain=INA238_GAIN,
        contains=EVERYTHING,
        period_s=interval_s or 0.1,
        window_s=interval_s,
    )


# Power meters of ACPI's, NVIDIA Grace's among them.

_GRACE = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d+)")


def _acpi_meter(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    interval_s = sensor.seconds(f"{sensor.key}_average_interval")
    grace = _GRACE.fullmatch(sensor.label)
    if grace:
        return _grace(grace[1], grace[2], sensor, {other.label for other in all_sensors}, interval_s)
    if sensor.text(f"{sensor.key}_is_battery") == "1":
        return "it measures a battery"
    if not _measures_everything(sensor):
        return "its firmware does not say that it measures the whole machine"
    return Known(
        id=f"platform:{sensor.device}",
        component=Component.PLATFORM,
        label=f"Machine (ACPI power meter{f', {sensor.label}' if sensor.label else ''})",
        gain=_acpi_gain(sensor),
        contains=EVERYTHING,
        period_s=interval_s or USUAL_PERIOD_S,
        window_s=interval_s,
    )


def _grace(rail: str, socket: str, sensor: Sensor, labels: set[str], interval_s: float | None) -> Known:
    """NVIDIA, Grace Performance Tuning Guide, "Power telemetry": the module has the GPU, its memory and all losses."""
    module, whole = f"platform:module-{socket}", f"cpu:grace-{socket}"
    in_module = module if f"Module Power Socket {socket}" in labels else None
    in_whole = whole if f"Grace Power Socket {socket}" in labels else in_module
    channel_id, component, label, inside, contains = {
        "Module": (module, Component.PLATFORM, f"Module {socket}, CPU and GPU", None, MODULE),
        "Grace": (whole, Component.CPU, f"Grace {socket} with its memory", in_module, frozenset({Component.DRAM})),
        "CPU": (f"{whole}:cpu", Component.CPU, f"Grace {socket}, cores", in_whole, frozenset[Component]()),
        "SysIO": (f"{whole}:sysio", Component.CPU, f"Grace {socket}, SoC", in_whole, frozenset[Component]()),
    }[rail]
    period_s = interval_s or USUAL_PERIOD_S
    return Known(channel_id, component, label, _acpi_gain(sensor), inside, contains, period_s, interval_s)


def _measures_everything(sensor: Sensor) -> bool:
    """Whether the firmware lists the machine's root, and it alone, as what is measured (ACPI 6.0, 10.4.8, ``_PMD``)."""
    for folder in sensor.folders:
        if (folder / "measures").is_dir():
            return [entry.name.partition(":")[0] for entry in (folder / "measures").iterdir()] == ["LNXSYBUS"]
    return False


def _acpi_gain(sensor: Sensor) -> float:
    promised = re.fullmatch(r"(\d+)\.(\d+)%", sensor.text(f"{sensor.key}_accuracy"))
    # The kernel prints thousandths of a percent without leading zeros.
    accuracy = (int(promised[1]) + int(promised[2]) / 1e3) / 100 if promised else 0.0
    half_width = max(ACPI_GAIN, 1 - accuracy) if 0.5 <= accuracy <= 1.0 else UNKNOWN_ACPI_GAIN
    return half_width / _RECTANGULAR


# Graphics cards.


def _intel_card(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    """Kernel, ``sysfs-driver-intel-xe-hwmon``: energy1 is the card's, energy2 its package's. i915 has the first."""
    card = f"gpu:{sensor.device}"
    if sensor.key.startswith("power"):
        return ""
    same = {other.key for other in all_sensors if other.device == sensor.device and "_gt" not in other.chip}
    tile = sensor.chip.partition("_gt")[2]
    if sensor.key == "energy1" and not tile:
        return Known(card, Component.GPU, f"Intel GPU {sensor.device}", WIDE_GAIN, period_s=FAST_S)
    has_card = "energy1" in same
    part, name = (f"gt{tile}", f"tile {tile}") if tile else ("package", "package")
    label = f"Intel GPU {sensor.device}, {name}" + ("" if has_card else " without its memory and losses")
    inside = card if has_card else None
    return Known(f"{card}:{part}", Component.GPU, label, WIDE_GAIN, inside, period_s=FAST_S)


def _amd_card(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    if sensor.text("in1_label") == "vddnb":
        return "this GPU is part of the CPU package, which RAPL reads"
    if sensor.key != "power1":
        return ""
    card = f"gpu:{sensor.device}"
    return Known(card, Component.GPU, f"AMD GPU {sensor.device}", WIDE_GAIN, period_s=0.1)


def _amd_socket(sensor: Sensor, all_sensors: Sequence[Sensor]) -> Known | str:
    """Kernel, hwmon/amd_energy: the counters of RAPL, with the channels' names that RAPL's have."""
    socket = re.fullmatch(r"Esocket(\d+)", sensor.label)
    if socket is None:
        return ""
    return Known(f"cpu:package-{socket[1]}", Component.CPU, f"CPU package {socket[1]}", WIDE_GAIN, period_s=FAST_S)


_BY_CHIP: dict[str, Callable[[Sensor, Sequence[Sensor]], Known | str]] = {
    "ina3221": _jetson_rail,
    "ina238": _jetson_input,
    "power_meter": _acpi_meter,
    "xe": _intel_card,
    "i915": _intel_card,
    "amdgpu": _amd_card,
    "amd_energy": _amd_socket,
}
