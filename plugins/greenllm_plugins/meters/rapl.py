"""CPU packages, DRAM and whole boards through RAPL, as Linux shows it under ``/sys/class/powercap``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.powercap import (
    J_PER_UJ,
    MODELLED_BY,
    PACKAGE,
    Domain,
    believed_boards,
    cpu_vendor,
    described,
    find_domains,
    identity,
    kind_of,
)

NAME = "rapl"

ROOT = Path("/sys/class/powercap")

UPDATE_PERIOD_S = 0.001
"""How often the counters are refreshed, s (Intel SDM vol. 3B, 16.10; Khan et al., doi:10.1145/3177754)."""

_GAIN_OF = {"core": 0.05, "uncore": 0.05, "package": 0.05, "modelled": 0.10, "dram": 0.20, "psys": 0.10}
"""Half-widths of the relative gain error, by domain; where they come from stands in plugins/README.md."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Look for RAPL's zones; ``[meters.rapl] root`` names another folder than ``/sys/class/powercap``."""
    root = config.meters.get(NAME, {}).get("root", str(ROOT))
    if not isinstance(root, str):
        return [UnusableMeter(NAME, f"root = {root!r}: expected a folder's path", "Correct [meters.rapl].")]
    return [open_rapl(Path(root), cpu_vendor())]


def open_rapl(root: Path, vendor: str) -> RaplMeter | UnusableMeter:
    """Return the meter for the zones under ``root``, or why there is none.

    Args:
        root: a folder laid out like ``/sys/class/powercap``.
        vendor: of the CPU, as in ``/proc/cpuinfo``.
    """
    try:
        domains = find_domains(root, vendor)
    except (FileNotFoundError, NotADirectoryError):
        reason = f"there is no {root} on this machine"
        return UnusableMeter(NAME, reason, "A virtual machine or container has none; the CPU is estimated instead.")
    except OSError as error:
        return UnusableMeter(NAME, f"{root}: {described(error)}", "Give this user the right to look into that folder.")
    if not domains:
        remedy = "On a machine of your own: sudo modprobe intel_rapl_msr. A virtual machine or container has none."
        return UnusableMeter(NAME, f"no RAPL zone under {root}", remedy)
    if all(domain.fault for domain in domains):
        return UnusableMeter(NAME, domains[0].fault or "", _remedy(root) if _is_forbidden(domains) else "")
    return RaplMeter(_channels(domains, vendor))


class RaplMeter:
    """Reads RAPL's counters from files that stay open.

    Args:
        domains: by the channel made of each.
    """

    name = NAME

    def __init__(self, domains: Mapping[Channel, Domain]) -> None:
        self._channels = list(domains)
        self._domains = {channel.id: domain for channel, domain in domains.items()}

    def channels(self) -> Sequence[Channel]:
        """Return the boards, packages, their parts and DRAM, in the kernel's order."""
        return self._channels

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read each counter; one that cannot be read gives a fault and leaves the others alone."""
        return [self._read(channel_id, self._domains[channel_id]) for channel_id in channel_ids]

    def close(self) -> None:
        """Close the files."""
        for domain in self._domains.values():
            domain.close()

    def _read(self, channel_id: str, domain: Domain) -> Reading:
        t_ns = time.monotonic_ns()
        try:
            return Reading(channel_id, Kind.COUNTER, domain.energy_uj() * J_PER_UJ, t_ns)
        except (OSError, ValueError) as error:
            fault = domain.fault or f"{domain.folder}/energy_uj: {described(error)}"
            return Reading(channel_id, Kind.COUNTER, math.nan, t_ns, fault)


def _channels(domains: Sequence[Domain], vendor: str) -> dict[Channel, Domain]:
    boards = believed_boards(domains)
    ids = {domain.path: _channel_id(identity(domain.path, vendor)) for domain in domains}
    channels: dict[Channel, Domain] = {}
    for domain in domains:
        top, kind = domain.path[0], kind_of(domain.path)
        if kind == "psys" and top not in boards:
            domain.close()
            continue
        around = (top,) if len(domain.path) > 1 and kind != "dram" else _board_of(top, boards)
        is_modelled = kind in ("core", "package") and vendor in MODELLED_BY
        channel = Channel(
            id=ids[domain.path],
            component=_COMPONENT_OF.get(kind, Component.CPU),
            label=_label(identity(domain.path, vendor), is_one_core=is_modelled),
            provides=frozenset({Kind.COUNTER}),
            update_period_s=UPDATE_PERIOD_S,
            gain_uncertainty=_GAIN_OF["modelled" if is_modelled else kind] / math.sqrt(3.0),
            wraps_at_j=domain.span_j,
            inside=ids.get(around),
        )
        channels[channel] = domain
    return channels


_COMPONENT_OF = {"psys": Component.PLATFORM, "dram": Component.DRAM}


def _board_of(package: str, boards: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    return tuple(board for board, packages in boards.items() if package in packages)


def _channel_id(path: tuple[str, ...]) -> str:
    kind = kind_of(path)
    if kind == "psys":
        return f"platform:{path[0]}"
    if kind == "dram":
        return f"dram:{path[0]}"
    return ":".join(("cpu", *path))


def _label(path: tuple[str, ...], is_one_core: bool) -> str:
    kind = kind_of(path)
    if kind == "psys":
        return "Board (psys)" if path[0] == "psys" else f"Board ({path[0]})"
    package = PACKAGE.fullmatch(path[0])
    where = f"CPU package {package[1]}" if package else f"CPU {path[0]}"
    if package and package[2] is not None:
        where += f" die {package[2]}"
    cores = "one core" if is_one_core else "cores"
    parts = {"core": f"{where}, {cores}", "uncore": f"{where}, uncore", "dram": f"DRAM of {where}"}
    return parts.get(kind, where if len(path) == 1 else f"{where}, {path[-1]}")


def _is_forbidden(domains: Sequence[Domain]) -> bool:
    return any("only root" in (domain.fault or "") for domain in domains)


def _remedy(root: Path) -> str:
    rule = (
        'SUBSYSTEM=="powercap", KERNEL=="intel-rapl*", ACTION=="add", '
        'RUN+="/bin/chgrp power /sys%p/energy_uj", RUN+="/bin/chmod g+r /sys%p/energy_uj"'
    )
    return (
        f"Until the next start: sudo chmod a+r {root}/intel-rapl*:*/energy_uj. For good: make a group power, join it, "
        f"and put into /etc/udev/rules.d/70-rapl.rules the line {rule}. Linux keeps the counters for root since 5.10 "
        "because who reads them can spy on other programs (CVE-2020-8694): do it only where you trust all users."
    )
