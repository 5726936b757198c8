"""CPU packages, DRAM and whole boards through RAPL, as Linux shows it under ``/sys/class/powercap``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Meter, UnusableMeter
from greenllm_plugins.meters.powercap import Domain, find_domains
from greenllm_plugins.meters.rapl_meter import RaplMeter
from greenllm_plugins.meters.rapl_parts import NOTHING_MOVES, NOTHING_MOVES_REMEDY, channels_of, cpu_vendor, described

NAME = "rapl"

ROOT = Path("/sys/class/powercap")


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
    remedy = _remedy(root) if _is_forbidden(domains) else ""
    if all(domain.fault for domain in domains):
        return UnusableMeter(NAME, domains[0].fault or "", remedy)
    parts = channels_of(domains, vendor)
    if not parts:
        return UnusableMeter(NAME, NOTHING_MOVES, NOTHING_MOVES_REMEDY)
    return RaplMeter(NAME, parts, remedy, {channel.id: domain.folder for channel, domain in parts.items()})


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
