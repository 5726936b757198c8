"""Builds trees laid out as Linux lays out ``/sys/class/powercap``, with counters a test can move.

For example::

    tree = build(tmp_path, {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"})
    tree.set_j("intel-rapl:0", 12.5)
    open_rapl(tree.root, vendor=INTEL)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

INTEL, AMD = "GenuineIntel", "AuthenticAMD"

SPAN_UJ = 262143328850
"""What Intel's packages show as ``max_energy_range_uj``: 2^32 units of 61 microjoules, less one."""

SERVER = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "dram",
}
"""Two Xeons."""

LAPTOP = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "uncore",
    "intel-rapl:1": "psys",
    "intel-rapl-mmio:0": "package-0",
}
"""A laptop since Ice Lake: the board's counter, and the package once more through memory."""

DIES = {
    "intel-rapl:0": "package-0-die-0",
    "intel-rapl:0:0": "dram",
    "intel-rapl:1": "package-0-die-1",
    "intel-rapl:1:0": "dram",
}
"""A Xeon of two dies (Cascade Lake AP)."""

EPYC = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core"}
"""An AMD processor (Zen 2 to 4, EPYC or Ryzen): the kernel's zones have Intel's name there too."""

TWO_EPYCS = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "core",
}
"""Two of them on a board."""

NAPLES = {f"intel-rapl:{4 * package + die}": f"package-{package}-die-{die}" for package in (0, 1) for die in range(4)}
"""Two AMD processors of four dies each (Zen, EPYC 7001): each die shows the counter of its package."""

AMD_SPAN_UJ = 65532610987
"""What AMD's packages show as ``max_energy_range_uj``: 2^32 units of 15.3 microjoules, less one."""


@dataclass(frozen=True)
class Tree:
    """A tree that stands.

    Attributes:
        root: what stands for ``/sys/class/powercap``.
        zones: folders by the kernel's names.
    """

    root: Path
    zones: Mapping[str, Path]

    def set_j(self, zone: str, energy_j: float) -> None:
        """Let a counter show ``energy_j``, as the kernel does: in the file that is open."""
        with (self.zones[zone] / "energy_uj").open("r+", encoding="ascii") as file:
            file.write(f"{round(energy_j * 1e6)}\n")
            file.truncate()

    @contextmanager
    def drawing(self, power_w: Mapping[str, float]) -> Iterator[None]:
        """Let counters run at these powers, W, meanwhile."""
        over = threading.Event()
        start = time.monotonic()

        def draw() -> None:
            while not over.wait(0.001):
                for zone, zone_w in power_w.items():
                    self.set_j(zone, 100.0 + zone_w * (time.monotonic() - start))

        thread = threading.Thread(target=draw)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def build(folder: Path, names: Mapping[str, str], span_uj: int | None = SPAN_UJ) -> Tree:
    """Build a tree of zones, each at 100 J.

    Args:
        folder: empty; gets ``devices`` and, with links into it, ``class``.
        names: of the zones, by the kernel's: ``"intel-rapl:0:1"`` is the second part of the first package.
        span_uj: ``max_energy_range_uj``; None: the kernel gives none.
    """
    devices, root = folder / "devices" / "virtual" / "powercap", folder / "class" / "powercap"
    root.mkdir(parents=True)
    zones: dict[str, Path] = {}
    for zone in sorted(names):
        control, *numbers = zone.split(":")
        above = [":".join([control, *numbers[:count]]) for count in range(len(numbers))]
        zones[zone] = devices.joinpath(*above, zone)
        zones[zone].mkdir(parents=True)
        files = {"name": names[zone], "energy_uj": "100000000", "enabled": "0", "constraint_0_name": "long_term"}
        if span_uj is not None:
            files["max_energy_range_uj"] = str(span_uj)
        for name, text in files.items():
            (zones[zone] / name).write_text(text + "\n", encoding="ascii")
        (root / zone).symlink_to(zones[zone], target_is_directory=True)
        if not (root / control).exists():
            (devices / control / "enabled").write_text("1\n", encoding="ascii")
            (root / control).symlink_to(devices / control, target_is_directory=True)
    return Tree(root, zones)
