"""The zones of RAPL under ``/sys/class/powercap``: found, told apart, and opened."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from greenllm_plugins.meters.rapl_parts import described, identity

J_PER_UJ = 1e-6
W_PER_UW = 1e-6

SUSTAINED = "long_term"
"""Name of the constraint that holds for seconds and longer (Intel's PL1), after which a package settles."""

_ZONE = re.compile(r"intel-rapl(-mmio)?((?::\d+)+)")


class Domain:
    """One zone of the kernel's, opened; a :class:`~greenllm_plugins.meters.rapl_parts.Part`.

    Args:
        folder: of the zone; also an attribute.
        path: names from the top, such as ``("package-0", "core")``.
        is_mmio: whether it is read through memory instead of registers of the processor.
    """

    def __init__(self, folder: Path, path: tuple[str, ...], is_mmio: bool) -> None:
        self.path = path
        self.is_mmio = is_mmio
        span_uj = _text(folder / "max_energy_range_uj") or ""
        self.span_j = int(span_uj) * J_PER_UJ if span_uj.isdigit() and int(span_uj) > 0 else None
        self.fault: str | None = None
        self.folder = folder
        self._file: int | None = None
        try:
            self.energy_j()
        except (OSError, ValueError) as error:
            self.fault = f"{self}: {described(error)}"
            self.close()

    def __str__(self) -> str:
        return f"{self.folder}/energy_uj"

    def energy_j(self) -> float:
        """Return the counter, J.

        A file that fails is opened anew, once: when the kernel's driver is unloaded, what was open stays dead.

        Raises:
            OSError: it cannot be read, or the zone has become another one.
            ValueError: it shows no number, or one above its range.
        """
        if self._file is not None:
            try:
                return self._read(self._file)
            except OSError:
                self.close()
        self._file = self._open()
        return self._read(self._file)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _open(self) -> int:
        name = _text(self.folder / "name") or self.folder.name
        if name != self.path[-1]:
            raise OSError(f"this zone has become {name}; it was {self.path[-1]}")
        return os.open(self.folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC)

    def _read(self, file: int) -> float:
        text = os.pread(file, 32, 0)
        try:
            energy_j = int(text) * J_PER_UJ
        except ValueError as error:
            raise ValueError(f"it shows {text!r}, not a number") from error
        if self.span_j is not None and energy_j > self.span_j + J_PER_UJ:
            raise ValueError(f"it shows {energy_j:.6g} J, more than its range of {self.span_j:.6g} J")
        return energy_j


def find_domains(root: Path, vendor: str) -> list[Domain]:
    """Return each part of the machine that has a zone under ``root`` once, opened, in the kernel's order.

    Raises:
        OSError: ``root`` is not there or cannot be looked into.
    """
    return _distinct(_domains(root), vendor)


def find_limits(root: Path, vendor: str) -> dict[tuple[str, ...], Path]:
    """Return the zone of each part of the machine under ``root``: limits may be read by all, counters by few."""
    try:
        domains = find_domains(root, vendor)
    except OSError:
        return {}
    for domain in domains:
        domain.close()
    return {identity(domain.path, vendor): domain.folder for domain in domains}


def zone_limit_w(zone: Path) -> float | None:
    """Return the sustained power limit of a zone, W; None where it has none or it is switched off."""
    if _text(zone / "enabled") != "1":
        return None
    for name in sorted(zone.glob("constraint_*_name")):
        limit_uw = _text(name.with_name(name.name.replace("_name", "_power_limit_uw"))) or ""
        if _text(name) == SUSTAINED and limit_uw.isdigit():
            return int(limit_uw) * W_PER_UW
    return None


def _domains(root: Path) -> list[Domain]:
    zones = {entry.name: entry for entry in root.iterdir() if _ZONE.fullmatch(entry.name)}
    names = {key: _text(folder / "name") or key for key, folder in zones.items()}
    domains: list[Domain] = []
    for key in sorted(zones, key=_numbers):
        parent = key.rpartition(":")[0]
        path = (names[parent], names[key]) if parent in names else (names[key],)
        domains.append(Domain(zones[key], path, is_mmio=key.startswith("intel-rapl-mmio")))
    return domains


def _numbers(key: str) -> tuple[bool, list[int]]:
    return key.startswith("intel-rapl-mmio"), [int(number) for number in key.split(":")[1:]]


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


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
