"""Builds trees laid out as Linux lays out its CPUs' frequencies and a sensor of their voltage under ``/sys``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

INTEL = {"base_frequency": "2000000", "cpuinfo_max_freq": "4000000", "scaling_driver": "intel_pstate"}
"""Beside ``scaling_cur_freq``: intel_pstate with hardware P-states."""


class CpuTree:
    """A tree with CPUs in it.

    Args:
        sysfs: empty folder; stands for ``/sys``.
        cpus: how many are on line.
        files: of each CPU's ``cpufreq``, but for ``scaling_cur_freq``.
        nominal_mhz: what ACPI's CPPC gives as nominal frequency; None: there is no CPPC.
    """

    def __init__(
        self, sysfs: Path, cpus: int, files: Mapping[str, str] = INTEL, nominal_mhz: int | None = None
    ) -> None:
        self.sysfs = sysfs
        self._folder = sysfs / "devices" / "system" / "cpu"
        self._folder.mkdir(parents=True)
        (self._folder / "online").write_text(f"0-{cpus - 1}\n" if cpus > 1 else "0\n")
        for cpu in range(cpus):
            clock = self._folder / f"cpu{cpu}" / "cpufreq"
            clock.mkdir(parents=True)
            for name, text in files.items():
                (clock / name).write_text(text + "\n")
            if nominal_mhz is not None:
                (clock.parent / "acpi_cppc").mkdir()
                (clock.parent / "acpi_cppc" / "nominal_freq").write_text(f"{nominal_mhz}\n")
            self.set_khz(cpu, 2_000_000)

    def set_khz(self, cpu: int, khz: int | str) -> None:
        """Let a CPU run at this frequency."""
        (self._folder / f"cpu{cpu}" / "cpufreq" / "scaling_cur_freq").write_text(f"{khz}\n")

    def add_voltage(self, label: str, millivolts: int) -> Path:
        """Add a chip with one voltage, and return the file that shows it."""
        chips = self.sysfs / "class" / "hwmon"
        chip = chips / f"hwmon{len(list(chips.glob('hwmon*')))}"
        chip.mkdir(parents=True)
        (chip / "name").write_text("zenpower\n")
        (chip / "in1_label").write_text(label + "\n")
        (chip / "in1_input").write_text(f"{millivolts}\n")
        return chip / "in1_input"
