"""RAPL through the kernel's performance events, where ``/sys/class/powercap`` may not be read."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Meter, UnusableMeter
from greenllm_plugins.meters import perf_event
from greenllm_plugins.meters.powercap import find_domains, find_limits
from greenllm_plugins.meters.rapl_meter import RaplMeter
from greenllm_plugins.meters.rapl_parts import (
    MODELLED_BY,
    NOTHING_MOVES,
    NOTHING_MOVES_REMEDY,
    channels_of,
    cpu_vendor,
    identity,
)

NAME = "rapl_perf"
SISTER = "rapl"

UNIT = Path("/sys/bus/event_source/devices/power")
CPUS = Path("/sys/devices/system/cpu")
POWERCAP = Path("/sys/class/powercap")

J_PER_COUNT = 2.0**-32
"""What the kernel counts in, J, where it does not say (``arch/x86/events/rapl.c``)."""

_PART_OF = {"energy-pkg": (), "energy-cores": ("core",), "energy-gpu": ("uncore",), "energy-ram": ("dram",)}
"""By event, the names of its part below its package, as powercap has them."""

_PSYS = "energy-psys"

OpenCounter = Callable[[int, int, int], int]
"""Given the unit's number, the event's and a CPU, returns the descriptor of a counter that runs."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Look for the kernel's counting unit ``power``, silent where there is none.

    ``[meters.rapl_perf] root`` names another folder than the unit's own.
    """
    options = config.meters.get(NAME, {})
    root = options.get("root", str(UNIT))
    if not isinstance(root, str):
        return [UnusableMeter(NAME, f"root = {root!r}: expected a folder's path", "Correct [meters.rapl_perf].")]
    if not Path(root).exists():
        is_expected = bool(options) or NAME in (config.use_meters or ())
        return [UnusableMeter(NAME, f"there is no {root} on this machine")] if is_expected else []
    if _is_chosen(SISTER, config) and _powercap_is_readable(config.meters.get(SISTER, {})):
        return [UnusableMeter(NAME, f"powercap is readable, so {SISTER} reads the same counters")]
    return [open_rapl_perf(Path(root), cpu_vendor())]


def open_rapl_perf(
    root: Path,
    vendor: str,
    cpus: Path = CPUS,
    open_counter: OpenCounter = perf_event.open_counter,
    powercap: Path = POWERCAP,
) -> RaplMeter | UnusableMeter:
    """Return the meter for the counting unit at ``root``, or why there is none.

    Args:
        root: a folder laid out like ``/sys/bus/event_source/devices/power``.
        vendor: of the CPU, as in ``/proc/cpuinfo``.
        cpus: a folder laid out like ``/sys/devices/system/cpu``.
        open_counter: the system call.
        powercap: where power limits stand, which all may read.
    """
    try:
        kind = int((root / "type").read_text(encoding="ascii"))
        events = {name: _event(root / "events" / name) for name in (*_PART_OF, _PSYS)}
        places = _places(_listed((root / "cpumask").read_text(encoding="ascii")), cpus, vendor)
    except FileNotFoundError as error:
        return UnusableMeter(NAME, f"{error.filename} is missing")
    except (OSError, ValueError) as error:
        return UnusableMeter(NAME, f"{root}: {error}")
    parts = _parts(kind, {name: event for name, event in events.items() if event}, places, open_counter)
    if all(part.fault for part in parts):
        reason = (parts[0].fault if parts else None) or f"{root} has no energy events"
        return UnusableMeter(NAME, reason, _REMEDY if parts and parts[0].is_forbidden else "")
    found = channels_of(parts, vendor)
    if not found:
        return UnusableMeter(NAME, NOTHING_MOVES, NOTHING_MOVES_REMEDY)
    zones = find_limits(powercap, vendor)
    own = {channel.id: zones[key] for channel, part in found.items() if (key := identity(part.path, vendor)) in zones}
    return RaplMeter(NAME, found, zones=own)


class Event:
    """One event counted on one CPU; a :class:`~greenllm_plugins.meters.rapl_parts.Part`.

    Args:
        name: of the event.
        path: names of the part from the top, as powercap has them.
        cpu: on which it is counted.
        scale_j: one count, J.
        open_file: opens the counter.
    """

    def __init__(
        self, name: str, path: tuple[str, ...], cpu: int, scale_j: float, open_file: Callable[[], int]
    ) -> None:
        self.path = path
        self.span_j: float | None = None  # The kernel adds its 32 bits up in 64.
        self.fault: str | None = None
        self.is_forbidden = False
        self._name = f"{name} on CPU {cpu}"
        self._scale_j = scale_j
        self._file: int | None = None
        try:
            self._file = open_file()
        except OSError as error:
            self.is_forbidden = isinstance(error, PermissionError)
            forbidden = "the kernel forbids it (kernel.perf_event_paranoid, or a container's seccomp profile)"
            self.fault = f"{self}: {forbidden if self.is_forbidden else error.strerror or error}"

    def __str__(self) -> str:
        return self._name

    def energy_j(self) -> float:
        """Return the counter, J since it was opened; raises OSError where it cannot be read."""
        if self._file is None:
            raise OSError(self.fault or "it is closed")
        return perf_event.count(self._file) * self._scale_j

    def close(self) -> None:
        """Close the counter."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)


def _parts(
    kind: int,
    events: Mapping[str, tuple[int, float]],
    places: Mapping[int, tuple[str, int]],
    open_counter: OpenCounter,
) -> list[Event]:
    parts: list[Event] = []
    for cpu, (package, number) in places.items():
        for name, (event, scale_j) in events.items():
            psys = "psys" if number == 0 else f"psys-{number}"
            path = (psys,) if name == _PSYS else (package, *_PART_OF[name])
            if path not in {part.path for part in parts}:
                parts.append(Event(name, path, cpu, scale_j, partial(open_counter, kind, event, cpu)))
    return parts


def _event(file: Path) -> tuple[int, float] | None:
    """Return the event's number and what one count is, J; None where the processor has no such event."""
    try:
        found = re.search(r"event=(0x[0-9a-fA-F]+|\d+)", file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    if found is None:
        raise ValueError(f"{file} names no event")
    scale, unit = file.with_name(f"{file.name}.scale"), file.with_name(f"{file.name}.unit")
    if unit.exists() and unit.read_text(encoding="ascii").strip() != "Joules":
        raise ValueError(f"{unit} is not Joules")
    return int(found[1], 0), float(scale.read_text(encoding="ascii")) if scale.exists() else J_PER_COUNT


def _listed(text: str) -> list[int]:
    """Return the CPUs of a list such as ``0,36-37``."""
    cpus: list[int] = []
    for span in text.strip().split(","):
        first, _, last = span.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def _places(listed: Sequence[int], cpus: Path, vendor: str) -> dict[int, tuple[str, int]]:
    """Return by CPU the name that powercap gives its package (or die, where a package has several) and its number."""
    packages = {cpu: _number(cpus / f"cpu{cpu}/topology/physical_package_id") for cpu in listed}
    dies = Counter(packages.values())
    places: dict[int, tuple[str, int]] = {}
    for cpu, package in packages.items():
        name = f"package-{package}"
        if dies[package] > 1 and vendor not in MODELLED_BY:
            name += f"-die-{_number(cpus / f'cpu{cpu}/topology/die_id')}"
        places[cpu] = (name, package)
    return places


def _number(file: Path) -> int:
    return int(file.read_text(encoding="ascii"))


def _is_chosen(name: str, config: Configuration) -> bool:
    return name not in config.disable_plugins and (config.use_meters is None or name in config.use_meters)


def _powercap_is_readable(options: Mapping[str, Any]) -> bool:
    try:
        domains = find_domains(Path(str(options.get("root", POWERCAP))), cpu_vendor())
    except OSError:
        return False
    for domain in domains:
        domain.close()
    return any(domain.fault is None for domain in domains)


_REMEDY = (
    "Until the next start: sudo sysctl kernel.perf_event_paranoid=0 (for good: that line, without sudo sysctl, in "
    "/etc/sysctl.d/70-perf.conf). Or give the capability CAP_PERFMON to the Python that runs the kernel, or the "
    "container. Who counts these events can spy on other programs (CVE-2020-8694): do it only where you trust all "
    "users."
)
