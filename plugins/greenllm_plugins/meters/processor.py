"""What the machine says of its processor, and its thermal design power in CodeCarbon's table."""

from __future__ import annotations

import csv
import importlib.util
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

TABLE = Path("data", "hardware", "cpu_power.csv")
"""CodeCarbon's table of processors and their TDP, W, inside its package."""

LEAST_TDP_W, MOST_TDP_W = 0.5, 1000.0
"""Outside of these an entry of the table is an error."""

_NOISE = re.compile(
    r"\((?:r|tm|c)\)|®|™|@.*$|\bcpu\b|\bprocessor\b|\bapu\b|^\d+th gen (?=intel)|\bwith radeon.*$"
    r"|\b(?:dual|triple|quad|six|eight|twelve|sixteen|\d+)-core(?!s)\b"
)
_CORES = re.compile(r"\b(\d+)-core\b")


@dataclass(frozen=True, slots=True)
class Processor:
    """A machine's processor.

    Attributes:
        model: as the machine names it; empty where it does not.
        packages: sockets with a processor.
        is_virtual: whether a virtual machine sees it, and perhaps a part of it only.
        threads_of_chip: hardware threads of one whole chip; None where that cannot be told.
        vendor: as the machine names it, such as ``"GenuineIntel"``; empty where it does not.
    """

    model: str
    packages: int = 1
    is_virtual: bool = False
    threads_of_chip: int | None = None
    vendor: str = ""


def find_processor() -> Processor:
    """Ask the operating system for this machine's processor."""
    if sys.platform == "darwin":
        return Processor(_sysctl("machdep.cpu.brand_string"))
    if sys.platform == "win32":
        return Processor(_registry() or platform.processor())
    try:
        return read_cpuinfo(CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return Processor(platform.processor())


def read_cpuinfo(text: str) -> Processor:
    """Return the processor that ``/proc/cpuinfo`` describes.

    In a virtual machine the whole chip's threads can be told where its name says how many cores it has and
    the machine shows two threads a core, or one; elsewhere the counts are those of the virtual machine.
    """
    fields: dict[str, set[str]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), set()).add(value.strip())

    def first(key: str) -> str:
        return min(fields.get(key, {""}))

    def number(key: str) -> int:
        return int(first(key)) if first(key).isdigit() else 0

    model = first("model name") or first("Model") or first("cpu model")
    cores = _CORES.search(model.lower())
    is_smt = number("siblings") > number("cpu cores") > 0
    return Processor(
        model=model,
        packages=max(1, len(fields.get("physical id", ()))),
        is_virtual="hypervisor" in first("flags").split(),
        threads_of_chip=int(cores[1]) * (2 if is_smt else 1) if cores else None,
        vendor=first("vendor_id"),
    )


def find_tdp_w(model: str, table: Path | None = None) -> float | None:
    """Return the TDP of one processor, W, or None where the table has no processor of exactly this name.

    Args:
        model: as the machine names it, such as ``"Intel(R) Core(TM) i7-7600U CPU @ 2.80GHz"``.
        table: CSV with the columns Name and TDP; None: CodeCarbon's, read without importing CodeCarbon.
    """
    words = _plain(model).split()
    path = table or _installed_table()
    if len(words) < 2 or path is None:
        return None
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for name, tdp in (row[:2] for row in csv.reader(file) if len(row) > 1):
                if words[-1] in name.lower() and _plain(name).split() == words:
                    return _watts(tdp)
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    return None


def _plain(model: str) -> str:
    return " ".join(_NOISE.sub(" ", model.lower()).split())


def _watts(text: str) -> float | None:
    try:
        tdp_w = float(text)
    except ValueError:
        return None
    return tdp_w if LEAST_TDP_W <= tdp_w <= MOST_TDP_W else None


def _installed_table() -> Path | None:
    found = importlib.util.find_spec("codecarbon")
    folders = [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
    return next((folder / TABLE for folder in folders if (folder / TABLE).is_file()), None)


def _sysctl(key: str) -> str:
    try:
        done = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _registry() -> str:
    if sys.platform != "win32":
        return ""
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except OSError:
        return ""
