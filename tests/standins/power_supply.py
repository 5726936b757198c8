"""Builds trees laid out as Linux lays out ``/sys/class/power_supply``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Supplies = Mapping[str, Mapping[str, str | int]]

BY_POWER: Supplies = {
    "AC": {"type": "Mains", "online": 0},
    "BAT0": {
        "type": "Battery",
        "present": 1,
        "status": "Discharging",
        "power_now": 12_500_000,
        "energy_now": 40_000_000,
        "voltage_now": 12_000_000,
    },
}
"""A laptop whose firmware gives power, on its battery."""

BY_CURRENT: Supplies = {
    "ADP1": {"type": "Mains", "online": 0},
    "BAT1": {
        "type": "Battery",
        "present": 1,
        "status": "Discharging",
        "current_now": 1_250_000,
        "charge_now": 3_000_000,
        "voltage_now": 12_000_000,
    },
}
"""A laptop whose firmware gives current and voltage."""

TWO: Supplies = {
    **BY_POWER,
    "BAT1": {"type": "Battery", "present": 1, "status": "Not charging", "power_now": 0, "energy_now": 20_000_000},
    "hidpp_battery_0": {"type": "Battery", "scope": "Device", "status": "Discharging", "voltage_now": 3_900_000},
}
"""A laptop with two batteries, of which one rests, and a mouse that has one of its own."""


@dataclass(frozen=True)
class Tree:
    """A tree that stands; ``root`` is what stands for ``/sys/class/power_supply``."""

    root: Path

    def write(self, supply: str, name: str, value: str | int) -> None:
        """Let an attribute show something."""
        (self.root / supply / name).write_text(f"{value}\n", encoding="ascii")


def build(folder: Path, supplies: Supplies) -> Tree:
    """Build a tree of supplies, given their attributes."""
    tree = Tree(folder / "power_supply")
    tree.root.mkdir()
    for supply, files in supplies.items():
        (tree.root / supply).mkdir()
        for name, value in files.items():
            tree.write(supply, name, value)
    return tree
