"""The sensors of power and energy under ``/sys/class/hwmon``, as the kernel lays them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from greenllm_kernel.metering.meter import Kind

PER_UNIT = 1e-6
"""Files are in microwatts and microjoules; mV times mA are microwatts (kernel, hwmon/sysfs-interface)."""

OFFSET_W = 0.5
"""Power so little below zero is a sensor's offset, and taken as none, W: 80 uV over 2 mOhm at 12 V (INA3221)."""

_SENSOR = re.compile(r"(energy\d+)_input|(power\d+)_(?:average|input)")
_VOLTAGE = re.compile(r"in(\d+)_input")

MULTIPLIED = frozenset({"ina3221"})
"""Chips that show no power, but a voltage ``inN`` and a current ``currN`` of the same line (kernel, hwmon/ina3221)."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One figure of a chip.

    Attributes:
        chip: its name, such as ``"amdgpu"``.
        key: of the figure, such as ``"power1"``; of a voltage and a current, ``"in1"``.
        label: what the firmware or the board calls it; empty where it does not.
        device: name of what the chip is part of, such as a PCI address.
        kind: joules of a counter, or watts.
        files: whose product it is.
        folders: in which the chip's other files are.
    """

    chip: str
    key: str
    label: str
    device: str
    kind: Kind
    files: tuple[Path, ...]
    folders: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What the user calls it by in the configuration."""
        return f"{self.chip}:{self.key}"

    def value(self) -> float:
        """Return what it shows, J or W.

        Raises:
            OSError: it cannot be read.
            ValueError: it shows no number.
        """
        product = 1
        for file in self.files:
            text = file.read_text(encoding="ascii", errors="replace").strip()
            try:
                product *= int(text)
            except ValueError as error:
                raise ValueError(f"it shows {text!r}, not a number") from error
        value = product * PER_UNIT
        return 0.0 if self.kind is Kind.POWER and -OFFSET_W <= value < 0 else value

    def limit_w(self) -> float | None:
        """Return the power limit in force, W; None where the chip shows none.

        It is the cap of a power (kernel, hwmon/sysfs-interface), or the sustained limit beside a counter of Intel's
        graphics cards (``powerN_max``; kernel, ``sysfs-driver-intel-xe-hwmon``), where 0 is "switched off".
        """
        number = self.key.lstrip("abcdefghijklmnopqrstuvwxyz")
        name = f"power{number}_cap" if self.kind is Kind.POWER else f"power{number}_max"
        text = self.text(name)
        return int(text) * PER_UNIT if text.isdigit() and int(text) > 0 and not self.key.startswith("in") else None

    def text(self, name: str) -> str:
        """Return the text of another of the chip's files; empty where there is none."""
        return next((text for folder in self.folders if (text := _text(folder / name))), "")

    def seconds(self, name: str) -> float | None:
        """Return the time that another of the chip's files gives in milliseconds, s; None where it gives none."""
        text = self.text(name)
        return int(text) / 1e3 if text.isdigit() and int(text) > 0 else None


def find_sensors(root: Path) -> list[Sensor]:
    """Return every sensor of power or energy under ``root``, in the kernel's order.

    Raises:
        OSError: ``root`` is not there or cannot be looked into.
    """
    chips = [entry for entry in root.iterdir() if re.fullmatch(r"hwmon\d+", entry.name)]
    chips.sort(key=lambda entry: int(entry.name.removeprefix("hwmon")))
    return [sensor for chip in chips for sensor in _sensors(chip)]


def _sensors(chip: Path) -> Iterator[Sensor]:
    # Older drivers (ACPI's power meter up to Linux 6.x) have their files in the folder of the device.
    folders = tuple(folder for folder in (chip, chip / "device") if folder.is_dir())
    name = next((text for folder in folders if (text := _text(folder / "name"))), chip.name)
    device = (chip / "device").resolve().name if (chip / "device").exists() else chip.name
    seen: set[str] = set()
    for folder in folders:
        for key, file in _figures(folder, name):
            if key in seen:
                continue
            seen.add(key)
            kind = Kind.COUNTER if key.startswith("energy") else Kind.POWER
            files = (file,) if not key.startswith("in") else (file, file.with_name(f"curr{key[2:]}_input"))
            label = next((text for place in folders for text in _labels(place, key)), "")
            yield Sensor(name, key, label, device, kind, files, folders)


def _figures(folder: Path, chip: str) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    # "average" comes before "input": where a chip has both, the mean of an interval misses nothing.
    for entry in sorted(folder.iterdir(), key=lambda entry: (len(entry.name.partition("_")[0]), entry.name)):
        if match := _SENSOR.fullmatch(entry.name):
            found.append((match[1] or match[2], entry))
        elif (match := _VOLTAGE.fullmatch(entry.name)) and chip in MULTIPLIED:
            is_line = (folder / f"curr{match[1]}_input").exists() and (folder / f"in{match[1]}_label").exists()
            found.extend([(f"in{match[1]}", entry)] if is_line else [])
    return found


def _labels(folder: Path, key: str) -> Iterator[str]:
    for ending in ("label", "oem_info"):
        if text := _text(folder / f"{key}_{ending}"):
            yield text


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
