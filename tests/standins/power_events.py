"""Builds trees laid out as Linux lays out its counting unit ``power``, and counters that a test can move.

For example::

    unit = build(tmp_path, packages={0: 0, 18: 1}, events=SERVER)
    open_rapl_perf(unit.root, INTEL, unit.cpus, unit.open_counter)
    unit.show_j("energy-pkg", 0, 12.5)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KIND = 23
"""A number such as the kernel gives the unit when it is registered."""

CODES = {"energy-cores": 1, "energy-pkg": 2, "energy-ram": 3, "energy-gpu": 4, "energy-psys": 5}
"""Events of the unit (Linux, ``arch/x86/events/rapl.c``)."""

SERVER = ("energy-pkg", "energy-ram")
LAPTOP = ("energy-cores", "energy-gpu", "energy-pkg", "energy-psys")
AMD_EVENTS = ("energy-pkg",)

SCALE = "2.3283064365386962890625e-10"
"""The kernel's text for 2^-32."""


@dataclass
class Unit:
    """A unit that stands.

    Attributes:
        root: what stands for ``/sys/bus/event_source/devices/power``.
        cpus: what stands for ``/sys/devices/system/cpu``.
        refusal: what the system call raises; None: it works.
        counters: by event and CPU, a pipe where the kernel has a counter: what is written to it is read.
    """

    root: Path
    cpus: Path
    refusal: OSError | None = None
    counters: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def open_counter(self, kind: int, event: int, cpu: int) -> int:
        """Stand for the system call: return a real descriptor, of which each read takes eight bytes."""
        assert kind == KIND
        if self.refusal:
            raise self.refusal
        return self._counter(event, cpu)[0]

    def show_j(self, event: str, cpu: int, *energies_j: float) -> None:
        """Let the next reads of a counter give these, one after the other; may be called before it is opened."""
        for energy_j in energies_j:
            os.write(self._counter(CODES[event], cpu)[1], struct.pack("=Q", round(energy_j * 2**32)))

    def switch_off(self, event: str, cpu: int) -> None:
        """Let a counter end, as when its CPU is switched off."""
        os.close(self._counter(CODES[event], cpu)[1])

    def _counter(self, event: int, cpu: int) -> tuple[int, int]:
        if (event, cpu) not in self.counters:
            self.counters[event, cpu] = os.pipe()
        return self.counters[event, cpu]


def build(folder: Path, packages: Mapping[int, int | tuple[int, int]], events: Sequence[str]) -> Unit:
    """Build a unit.

    Args:
        folder: empty.
        packages: by each CPU the unit counts on, the number of its package, and of its die where that has several.
        events: that the processor has.
    """
    root, cpus = folder / "power", folder / "cpu"
    (root / "events").mkdir(parents=True)
    (root / "format").mkdir()
    (root / "format" / "event").write_text("config:0-7\n", encoding="ascii")
    (root / "type").write_text(f"{KIND}\n", encoding="ascii")
    (root / "cpumask").write_text(",".join(str(cpu) for cpu in sorted(packages)) + "\n", encoding="ascii")
    for event in events:
        (root / "events" / event).write_text(f"event=0x{CODES[event]:02x}\n", encoding="ascii")
        (root / "events" / f"{event}.unit").write_text("Joules\n", encoding="ascii")
        (root / "events" / f"{event}.scale").write_text(f"{SCALE}\n", encoding="ascii")
    for cpu, place in packages.items():
        package, die = place if isinstance(place, tuple) else (place, 0)
        topology = cpus / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{package}\n", encoding="ascii")
        (topology / "die_id").write_text(f"{die}\n", encoding="ascii")
    return Unit(root, cpus)
