"""The zones of RAPL under ``/sys/class/powercap``: found, told apart, and opened."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

J_PER_UJ = 1e-6

MODELLED_BY = frozenset({"AuthenticAMD", "HygonGenuine"})
"""Vendors whose RAPL is a model, whose dies share one counter, and whose core zone is one core's."""

_PSYS_TRIAL_S = 0.2
"""How long a board's counter is watched before it is believed, s."""

_PSYS_LEAST_SHARE = 0.8
"""A board that shows less than this share of what it contains is not believed."""

_ZONE = re.compile(r"intel-rapl(-mmio)?((?::\d+)+)")
PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?")
_PSYS = re.compile(r"psys(?:-(\d+))?")


@dataclass(frozen=True, slots=True)
class Domain:
    """One zone of the kernel's.

    Attributes:
        folder: of the zone.
        path: names from the top, such as ``("package-0", "core")``.
        is_mmio: whether it is read through memory instead of registers of the processor.
        span_j: at which its counter wraps, J; None where that is not known.
        file: descriptor of ``energy_uj``; None where it could not be opened.
        fault: why not.
    """

    folder: Path
    path: tuple[str, ...]
    is_mmio: bool
    span_j: float | None
    file: int | None
    fault: str | None

    def energy_uj(self) -> int:
        """Return the counter, microjoules."""
        if self.file is None:
            raise OSError(self.fault)
        return int(os.pread(self.file, 32, 0))

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            os.close(self.file)


def cpu_vendor(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's vendor as the kernel names it; empty where it does not."""
    try:
        found = re.search(r"^vendor_id\s*:\s*(\S+)", cpuinfo.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        return ""
    return found[1] if found else ""


def find_domains(root: Path, vendor: str) -> list[Domain]:
    """Return each part of the machine that has a zone under ``root`` once, opened, in the kernel's order.

    Raises:
        OSError: ``root`` is not there or cannot be looked into.
    """
    return _distinct(_domains(root), vendor)


def _domains(root: Path) -> list[Domain]:
    zones = {entry.name: entry for entry in root.iterdir() if _ZONE.fullmatch(entry.name)}
    names = {key: _text(folder / "name") or key for key, folder in zones.items()}
    domains: list[Domain] = []
    for key in sorted(zones, key=_numbers):
        parent = key.rpartition(":")[0]
        path = (names[parent], names[key]) if parent in names else (names[key],)
        domains.append(_domain(zones[key], path, is_mmio=key.startswith("intel-rapl-mmio")))
    return domains


def _numbers(key: str) -> tuple[bool, list[int]]:
    return key.startswith("intel-rapl-mmio"), [int(number) for number in key.split(":")[1:]]


def _domain(folder: Path, path: tuple[str, ...], is_mmio: bool) -> Domain:
    span_uj = _text(folder / "max_energy_range_uj") or ""
    span_j = int(span_uj) * J_PER_UJ if span_uj.isdigit() and int(span_uj) > 0 else None
    domain = Domain(folder, path, is_mmio, span_j, None, None)
    try:
        domain = replace(domain, file=os.open(folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC))
        domain.energy_uj()
    except (OSError, ValueError) as error:
        domain.close()
        return replace(domain, file=None, fault=f"{folder}/energy_uj: {described(error)}")
    return domain


def _distinct(domains: Sequence[Domain], vendor: str) -> list[Domain]:
    """Leave each part of the machine once: registers rather than memory, what can be read rather than what cannot."""
    chosen: dict[tuple[str, ...], Domain] = {}
    for domain in sorted(domains, key=lambda domain: (domain.fault is not None, domain.is_mmio)):
        chosen.setdefault(identity(domain.path, vendor), domain)
    kept = [domain for domain in domains if domain in chosen.values()]
    for domain in domains:
        if domain not in kept:
            domain.close()
    return kept


def identity(path: tuple[str, ...], vendor: str) -> tuple[str, ...]:
    """Return what tells parts of the machine apart: on AMD, every die shows the counter of its whole package."""
    package = PACKAGE.fullmatch(path[0])
    if package and vendor in MODELLED_BY:
        return (f"package-{package[1]}", *path[1:])
    return path


def kind_of(path: tuple[str, ...]) -> str:
    """Return ``psys``, ``package``, ``core``, ``uncore`` or ``dram``; an unknown zone counts as a package."""
    if _PSYS.fullmatch(path[-1]):
        return "psys"
    return path[-1] if path[-1] in ("core", "uncore", "dram") else "package"


# Boards.


def believed_boards(domains: Sequence[Domain]) -> dict[str, frozenset[str]]:
    """Return each board that can be believed, with the packages it contains.

    Some boards wire no sensor to psys, which then stands still or shows less than the packages it should
    contain; and of several packages' psys (Linux names them psys, psys-1 and so on) often one works, for all
    of them. So they are watched for a moment beside their packages.
    """
    readable = [domain for domain in domains if domain.fault is None and len(domain.path) == 1]
    boards = [domain for domain in readable if kind_of(domain.path) == "psys"]
    packages = [domain for domain in readable if domain not in boards]
    moved_j = _moved_j(readable) if boards and packages else {}

    def is_enough(board: Domain, contained: Sequence[Domain]) -> bool:
        drawn_j = sum(moved_j[package.path[0]] for package in contained)
        return moved_j.get(board.path[0], 0.0) >= _PSYS_LEAST_SHARE * drawn_j

    alive = [board for board in boards if moved_j.get(board.path[0]) or not any(moved_j.values())]
    if len(alive) == 1 and is_enough(alive[0], packages):
        return {alive[0].path[0]: frozenset(package.path[0] for package in packages)}
    believed: dict[str, frozenset[str]] = {}
    for board in alive:
        own = [package for package in packages if _number(package.path[0]) == _number(board.path[0])]
        if is_enough(board, own):
            believed[board.path[0]] = frozenset(package.path[0] for package in own)
    return believed


def _moved_j(domains: Sequence[Domain]) -> dict[str, float]:
    """Return by how much each counter moves in a moment, J."""

    def counts() -> list[int | None]:
        return [_count(domain) for domain in domains]

    before = counts()
    time.sleep(_PSYS_TRIAL_S)
    moved_j: dict[str, float] = {}
    for domain, then, now in zip(domains, before, counts(), strict=True):
        step_j = 0.0 if then is None or now is None else (now - then) * J_PER_UJ
        moved_j[domain.path[0]] = step_j if step_j >= 0.0 else step_j + (domain.span_j or 0.0)
    return moved_j


def _count(domain: Domain) -> int | None:
    try:
        return domain.energy_uj()
    except (OSError, ValueError):
        return None


def _number(name: str) -> int:
    found = PACKAGE.fullmatch(name) or _PSYS.fullmatch(name)
    return int(found[1] or 0) if found else 0


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def described(error: OSError | ValueError) -> str:
    """Return in words why a counter could not be read."""
    if isinstance(error, PermissionError):
        return "only root may read it"
    return error.strerror or str(error) if isinstance(error, OSError) else f"not a number ({error})"
