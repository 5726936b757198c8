"""The parts of a machine that RAPL tells apart, and the channels made of them, however their counters are read."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from greenllm_kernel.metering.meter import Channel, Component, Kind

CPUINFO = Path("/proc/cpuinfo")

UPDATE_PERIOD_S = 0.001
"""How often the counters are refreshed, s (Intel SDM vol. 3B, 16.10; Khan et al., doi:10.1145/3177754)."""

MODELLED_BY = frozenset({"AuthenticAMD", "HygonGenuine"})
"""Vendors whose RAPL is a model, whose dies share one counter, and whose core zone is one core's."""

_GAIN_OF = {"core": 0.05, "uncore": 0.05, "package": 0.05, "modelled": 0.10, "dram": 0.20, "psys": 0.10}
"""Half-widths of the relative gain error, by kind; where they come from stands in plugins/README.md."""

_COMPONENT_OF = {"psys": Component.PLATFORM, "dram": Component.DRAM}

NOTHING_MOVES = "its only counter, of the whole board (psys), stands still"
"""Why there is no meter where every part was left out, and what to know then."""

NOTHING_MOVES_REMEDY = "A virtual machine may show a counter that nothing feeds; the CPU is estimated instead."

_PSYS_TRIAL_S = 0.2
"""How long a board's counter is watched before it is believed, s."""

_PSYS_LEAST_SHARE = 0.8
"""A board that shows less than this share of what it contains is not believed."""

_PACKAGE = re.compile(r"package-(\d+)(?:-die-(\d+))?")
_PSYS = re.compile(r"psys(?:-(\d+))?")


class Part(Protocol):
    """One counter of RAPL's.

    Attributes:
        path: names from the top, as the kernel's powercap names them, such as ``("package-0", "core")``.
        span_j: at which the counter wraps, J; None where it never does or nobody knows.
        fault: why it could not be read when it was found; None where it could.
    """

    path: tuple[str, ...]
    span_j: float | None
    fault: str | None

    def energy_j(self) -> float:
        """Return the counter, J; raises OSError or ValueError, in words, where it cannot be read."""

    def close(self) -> None:
        """Give back what is open."""


P = TypeVar("P", bound=Part)


def cpu_vendor(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's vendor as the kernel names it; empty where it does not."""
    try:
        found = re.search(r"^vendor_id\s*:\s*(\S+)", cpuinfo.read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        return ""
    return found[1] if found else ""


def identity(path: tuple[str, ...], vendor: str) -> tuple[str, ...]:
    """Return what tells parts of the machine apart: on AMD, every die shows the counter of its whole package."""
    package = _PACKAGE.fullmatch(path[0])
    if package and vendor in MODELLED_BY:
        return (f"package-{package[1]}", *path[1:])
    return path


def described(error: OSError | ValueError) -> str:
    """Return in words why a counter could not be read."""
    if isinstance(error, PermissionError):
        return "only root may read it"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def channels_of(parts: Sequence[P], vendor: str) -> dict[Channel, P]:
    """Return the channel made of each part; boards that cannot be believed are closed and left out.

    Args:
        parts: each part of the machine once.
        vendor: of the CPU, as in ``/proc/cpuinfo``.
    """
    boards = _believed_boards(parts)
    ids = {part.path: _channel_id(identity(part.path, vendor)) for part in parts}
    channels: dict[Channel, P] = {}
    for part in parts:
        top, kind = part.path[0], _kind_of(part.path)
        if kind == "psys" and top not in boards:
            part.close()
            continue
        around = (top,) if len(part.path) > 1 and kind != "dram" else _board_of(top, boards)
        is_modelled = kind in ("core", "package") and vendor in MODELLED_BY
        channel = Channel(
            id=ids[part.path],
            component=_COMPONENT_OF.get(kind, Component.CPU),
            label=_label(identity(part.path, vendor), is_one_core=is_modelled),
            provides=frozenset({Kind.COUNTER}),
            update_period_s=UPDATE_PERIOD_S,
            gain_uncertainty=_GAIN_OF["modelled" if is_modelled else kind] / math.sqrt(3.0),
            wraps_at_j=part.span_j,
            inside=ids.get(around),
        )
        channels[channel] = part
    return channels


def _kind_of(path: tuple[str, ...]) -> str:
    """Return ``psys``, ``package``, ``core``, ``uncore`` or ``dram``; an unknown part counts as a package."""
    if _PSYS.fullmatch(path[-1]):
        return "psys"
    return path[-1] if path[-1] in ("core", "uncore", "dram") else "package"


def _board_of(package: str, boards: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    return tuple(board for board, packages in boards.items() if package in packages)


def _channel_id(path: tuple[str, ...]) -> str:
    kind = _kind_of(path)
    if kind == "psys":
        return f"platform:{path[0]}"
    if kind == "dram":
        return f"dram:{path[0]}"
    return ":".join(("cpu", *path))


def _label(path: tuple[str, ...], is_one_core: bool) -> str:
    kind = _kind_of(path)
    if kind == "psys":
        return "Board (psys)" if path[0] == "psys" else f"Board ({path[0]})"
    package = _PACKAGE.fullmatch(path[0])
    where = f"CPU package {package[1]}" if package else f"CPU {path[0]}"
    if package and package[2] is not None:
        where += f" die {package[2]}"
    cores = "one core" if is_one_core else "cores"
    parts = {"core": f"{where}, {cores}", "uncore": f"{where}, uncore", "dram": f"DRAM of {where}"}
    return parts.get(kind, where if len(path) == 1 else f"{where}, {path[-1]}")


# Boards.


def _believed_boards(parts: Sequence[Part]) -> dict[str, frozenset[str]]:
    """Return each board that can be believed, with the packages it contains.

    Some boards wire no sensor to psys, which then stands still or shows less than the packages it should
    contain; and of several packages' psys (Linux names them psys, psys-1 and so on) often one works, for all
    of them. So they are watched for a moment beside their packages. Virtual machines may show a psys alone, which
    stands still.
    """
    readable = [part for part in parts if part.fault is None and len(part.path) == 1]
    boards = [part for part in readable if _kind_of(part.path) == "psys"]
    packages = [part for part in readable if part not in boards]
    moved_j = _moved_j(readable) if boards else {}

    def is_enough(board: Part, contained: Sequence[Part]) -> bool:
        drawn_j = sum(moved_j[package.path[0]] for package in contained)
        return moved_j.get(board.path[0], 0.0) >= _PSYS_LEAST_SHARE * drawn_j

    is_untold = bool(packages) and not any(moved_j.values())
    alive = [board for board in boards if is_untold or moved_j.get(board.path[0])]
    if len(alive) == 1 and is_enough(alive[0], packages):
        return {alive[0].path[0]: frozenset(package.path[0] for package in packages)}
    believed: dict[str, frozenset[str]] = {}
    for board in alive:
        own = [package for package in packages if _number(package.path[0]) == _number(board.path[0])]
        if is_enough(board, own):
            believed[board.path[0]] = frozenset(package.path[0] for package in own)
    return believed


def _moved_j(parts: Sequence[Part]) -> dict[str, float]:
    """Return by how much each counter moves in a moment, J."""

    def counts() -> list[float | None]:
        return [_count(part) for part in parts]

    before = counts()
    time.sleep(_PSYS_TRIAL_S)
    moved_j: dict[str, float] = {}
    for part, then, now in zip(parts, before, counts(), strict=True):
        step_j = 0.0 if then is None or now is None else now - then
        moved_j[part.path[0]] = step_j if step_j >= 0.0 else step_j + (part.span_j or 0.0)
    return moved_j


def _count(part: Part) -> float | None:
    try:
        return part.energy_j()
    except (OSError, ValueError):
        return None


def _number(name: str) -> int:
    found = _PACKAGE.fullmatch(name) or _PSYS.fullmatch(name)
    return int(found[1] or 0) if found else 0
