"""Builds trees laid out as Linux lays out ``/sys/class/hwmon``, with sensors a test can move.

For example::

    tree = build(tmp_path, ORIN_NX)
    tree.write("1-0040", "curr1_input", 2500)
    open_hwmon(tree.root)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Chip:
    """One chip.

    Attributes:
        name: as its driver gives it.
        device: what it is part of: an I2C or PCI address, a name of ACPI's.
        files: its attributes.
        bus: the folder its device lies in.
        is_old: whether its driver puts its attributes into the folder of the device (ACPI's, until Linux 6.x).
        measures: what its firmware says it measures (ACPI's).
    """

    name: str
    device: str
    files: Mapping[str, str | int]
    bus: str = "platform"
    is_old: bool = False
    measures: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Tree:
    """A tree that stands; ``root`` is what stands for ``/sys/class/hwmon``."""

    root: Path
    folders: Mapping[str, Path]

    def write(self, device: str, name: str, value: str | int) -> None:
        """Let an attribute show something."""
        (self.folders[device] / name).write_text(f"{value}\n", encoding="ascii")


def build(folder: Path, chips: Sequence[Chip], first: int = 0) -> Tree:
    """Build a tree.

    Args:
        folder: gets ``devices`` and, with links into it, ``class``.
        chips: in the order in which the kernel found them.
        first: the number of the first.
    """
    root = folder / "class" / "hwmon"
    root.mkdir(parents=True, exist_ok=True)
    folders: dict[str, Path] = {}
    for number, chip in enumerate(chips, first):
        device = folder / "devices" / chip.bus / chip.device
        node = device / "hwmon" / f"hwmon{number}"
        node.mkdir(parents=True)
        (node / "device").symlink_to(device, target_is_directory=True)
        (root / node.name).symlink_to(node, target_is_directory=True)
        place = device if chip.is_old else node
        for name, value in {"name": chip.name, **chip.files}.items():
            (place / name).write_text(f"{value}\n", encoding="ascii")
        for measured in chip.measures:
            (device / "measures").mkdir(exist_ok=True)
            (device / "measures" / measured).mkdir()
        folders[chip.device] = place
    return Tree(root, folders)


def rails(address: str, *lines: tuple[str, int, int], interval_ms: int | None = None) -> Chip:
    """Return an INA3221 with these lines: label, millivolts, milliamperes."""
    files: dict[str, str | int] = {}
    for number, (label, millivolts, milliamperes) in enumerate(lines, 1):
        files |= {
            f"in{number}_label": label,
            f"in{number}_input": millivolts,
            f"curr{number}_input": milliamperes,
            f"in{number}_enable": 1,
            f"in{number + 3}_input": 120,
            f"shunt{number}_resistor": 5000,
        }
    files |= {"in7_label": "sum of shunt voltages", "in7_input": 360, "curr4_input": 9999}
    return Chip("ina3221", address, files if interval_ms is None else {**files, "update_interval": interval_ms}, "i2c")


ORIN_NX = [
    Chip("cpu_thermal", "thermal_zone0", {"temp1_input": 47000}),
    rails("1-0040", ("VDD_IN", 5000, 2000), ("VDD_CPU_GPU_CV", 5000, 800), ("VDD_SOC", 5000, 400), interval_ms=7),
]
"""A Jetson Orin NX or Nano (kernel, ``tegra234-p3767.dtsi``)."""

AGX_ORIN = [
    rails("1-0040", ("VDD_GPU_SOC", 12000, 500), ("VDD_CPU_CV", 12000, 250), ("VIN_SYS_5V0", 5000, 1000)),
    rails("1-0041", ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 5000, 200), ("NC", 0, 0)),
]
"""A Jetson AGX Orin (kernel, ``tegra234-p3701.dtsi``)."""

THOR = [
    rails("2-0040", ("VDD_GPU", 12000, -32), ("VDD_CPU_SOC_MSS", 12000, 600), ("VIN_SYS_5V0", 5000, 1200)),
    Chip("ina238", "2-0044", {"in0_input": 1, "in1_input": 19000, "curr1_input": 1200, "power1_input": 23000000}),
]
"""A Jetson AGX Thor."""


def acpi(number: int, label: str, power_uw: int, is_old: bool = True, **files: str | int) -> Chip:
    """Return a power meter of ACPI's, as its driver shows it."""
    usual = {
        "power1_average": power_uw,
        "power1_average_interval": 50,
        "power1_accuracy": "100.0%",
        "power1_is_battery": 0,
        "power1_model_number": "",
        "power1_oem_info": label,
    }
    return Chip("power_meter", f"ACPI000D:{number:02x}", {**usual, **files}, "LNXSYSTM:00", is_old)


GRACE_HOPPER = [
    acpi(0, "Module Power Socket 0", 400_000_000),
    acpi(1, "Grace Power Socket 0", 120_000_000),
    acpi(2, "CPU Power Socket 0", 70_000_000),
    acpi(3, "SysIO Power Socket 0", 20_000_000),
]
"""A Grace Hopper (NVIDIA, Grace Performance Tuning Guide, "Power telemetry")."""

GRACE = [
    acpi(4 * socket + number, f"{rail} Power Socket {socket}", 90_000_000)
    for socket in (0, 1)
    for number, rail in enumerate(("Grace", "CPU", "SysIO"))
]
"""A Grace superchip: two sockets, no GPU."""

ARC_XE = [
    Chip(
        "xe",
        "0000:03:00.0",
        {"energy1_input": 50_000_000, "energy2_input": 40_000_000, "power1_max": 190_000_000, "in1_input": 800},
        "pci",
    )
]
"""An Arc under the driver xe (kernel, ``sysfs-driver-intel-xe-hwmon``)."""

ARC_I915 = [
    Chip("i915", "0000:03:00.0", {"energy1_input": 50_000_000, "in0_input": 800}, "pci"),
]
"""An Arc under the driver i915."""

RADEON = [
    Chip("amdgpu", "0000:0b:00.0", {"power1_average": 35_000_000, "power1_cap": 90_000, "power1_label": "PPT"}, "pci"),
    Chip("amdgpu", "0000:0c:00.0", {"power1_input": 12_000_000, "in1_label": "vddnb", "in1_input": 700}, "pci"),
]
"""A Radeon beside the graphics in a Ryzen, which has a voltage ``vddnb``."""

EPYC_ENERGY = [
    Chip(
        "amd_energy",
        "amd_energy.0",
        {
            "energy1_input": 900_000,
            "energy1_label": "Ecore000",
            "energy2_input": 7_000_000,
            "energy2_label": "Esocket0",
            "energy3_input": 8_000_000,
            "energy3_label": "Esocket1",
        },
    )
]
"""Two AMD EPYC under the driver amd_energy."""

DESKTOP = [
    Chip("nvme", "nvme0", {"temp1_input": 40000}),
    Chip("nct6798", "nct6775.656", {"in0_input": 900, "fan1_input": 800}),
    Chip("corsairpsu", "0003:1B1C:1C08.0001", {"power1_input": 120_000_000, "power1_label": "power total"}, "hid"),
    Chip("BAT0", "BAT0", {"power1_input": 9_000_000}, "power_supply"),
]
"""What nobody can say the meaning of, and a battery, which has a meter of its own."""
