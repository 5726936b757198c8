"""The whole machine while it runs on its battery, as Linux shows it under ``/sys/class/power_supply``."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter

NAME = "battery"
CHANNEL_ID = "platform:battery"

ROOT = Path("/sys/class/power_supply")

W_PER_UW = 1e-6
W_PER_UA_UV = 1e-12

UPDATE_PERIOD_S = 8.0
"""How often a battery's figures are refreshed at worst, s: 1 to 5 on some laptops (R. Chen, The Old New Thing,
2010-09-24), 8 on another (amas.sh, "Power readings, desmoothed")."""

GAIN_UNCERTAINTY = 0.10 / math.sqrt(3.0)
"""Relative standard uncertainty of a battery's gauge: nobody publishes one; within 10 %, taken wide."""

RANK = 2
"""It gives way to sensors of the processors: its figures are so far apart that short cells would hardly be known, and
the same cell would cost more on battery than on the mains, where only those sensors count."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Look for batteries, silent where there is none; ``[meters.battery] root`` names another folder than Linux's."""
    root = config.meters.get(NAME, {}).get("root", str(ROOT))
    if not isinstance(root, str):
        return [UnusableMeter(NAME, f"root = {root!r}: expected a folder's path", "Correct [meters.battery].")]
    found = open_battery(Path(root))
    if found is None:
        is_expected = NAME in config.meters or NAME in (config.use_meters or ())
        return [UnusableMeter(NAME, f"there is no battery of this machine under {root}")] if is_expected else []
    return [found]


def open_battery(root: Path) -> BatteryMeter | UnusableMeter | None:
    """Return the meter for the machine's batteries under ``root``, why it cannot work, or None where there is none.

    Args:
        root: a folder laid out like ``/sys/class/power_supply``.
    """
    try:
        entries = sorted(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return UnusableMeter(NAME, f"{root}: {error.strerror or error}")
    batteries = [_battery(entry) for entry in entries if _feeds_the_machine(entry)]
    if not batteries:
        return None
    mute = [battery.folder.name for battery in batteries if not battery.files]
    if mute:
        return UnusableMeter(NAME, f"{', '.join(mute)} shows no power, nor a current and a voltage")
    return BatteryMeter(batteries, [entry for entry in entries if _is_line(entry)])


@dataclass(frozen=True, slots=True)
class Battery:
    """One battery: its folder, and the files whose product, times the scale, is its power in watts."""

    folder: Path
    files: tuple[Path, ...]
    scale: float

    def status(self) -> str:
        """Return what it does, in the kernel's word, such as ``"Discharging"``; raises OSError."""
        return _text(self.folder / "status")

    def power_w(self) -> float:
        """Return what flows out of it, W; raises OSError or ValueError."""
        product = 1
        for file in self.files:
            product *= int(_text(file))
        # Drivers disagree on the sign of a current that flows out.
        return abs(product) * self.scale


class BatteryMeter:
    """Reads all batteries as one: they feed the machine together, or by turns.

    Args:
        batteries: of the machine.
        lines: folders of what else can feed it: the mains adapter, USB.
    """

    name = NAME
    remark = "not yet tried on real hardware"

    def __init__(self, batteries: Sequence[Battery], lines: Sequence[Path]) -> None:
        self._batteries = batteries
        self._lines = lines

    def channels(self) -> Sequence[Channel]:
        """Return the one channel: the whole machine."""
        names = " and ".join(battery.folder.name for battery in self._batteries)
        return [
            Channel(
                id=CHANNEL_ID,
                component=Component.PLATFORM,
                label=f"Machine, from its battery ({names})",
                provides=frozenset({Kind.POWER}),
                update_period_s=UPDATE_PERIOD_S,
                gain_uncertainty=GAIN_UNCERTAINTY,
                contains=frozenset(Component),
                rank=RANK,
            )
        ]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Return what flows out of the batteries while nothing else feeds the machine; a fault meanwhile."""
        t_ns = time.monotonic_ns()
        try:
            fault = self._not_alone() or _not_discharging([battery.status() for battery in self._batteries])
            power_w = math.nan if fault else sum(battery.power_w() for battery in self._batteries)
        except (OSError, ValueError) as error:
            power_w, fault = math.nan, f"the battery cannot be read: {error}"
        if power_w == 0.0:
            power_w, fault = math.nan, "the battery feeds the machine and shows 0 W, which cannot be"
        return [Reading(channel_id, Kind.POWER, power_w, t_ns, fault) for channel_id in channel_ids]

    def close(self) -> None:
        """End; nothing is held."""

    def _not_alone(self) -> str | None:
        # A weak adapter and a discharging battery feed the machine together.
        online = [line.name for line in self._lines if _text(line / "online") not in ("", "0")]
        return f"{online[0]} feeds the machine too{_ALONE}" if online else None


_ALONE = ": only while the battery alone feeds it does it see what the machine draws"


def _not_discharging(statuses: Sequence[str]) -> str | None:
    """Return why the batteries do not tell what the machine draws, or None where they do."""
    if "Discharging" in statuses and {"Discharging", "Not charging", "Full"}.issuperset(statuses):
        return None
    status = next((status for status in statuses if status != "Discharging"), "")
    return f"the battery's status is {status or 'missing'!r}{_ALONE}"


def _feeds_the_machine(supply: Path) -> bool:
    """Whether this is a battery of the machine itself, and not of a mouse (``scope`` is then ``Device``)."""
    try:
        is_battery = _text(supply / "type") == "Battery"
        is_present = not (supply / "present").exists() or _text(supply / "present") != "0"
        is_other = (supply / "scope").exists() and _text(supply / "scope") == "Device"
    except OSError:
        return False
    return is_battery and is_present and not is_other


def _is_line(supply: Path) -> bool:
    try:
        return _text(supply / "type") in ("Mains", "USB") and (supply / "online").exists()
    except OSError:
        return False


def _battery(folder: Path) -> Battery:
    if (folder / "power_now").exists():
        return Battery(folder, (folder / "power_now",), W_PER_UW)
    files = (folder / "current_now", folder / "voltage_now")
    return Battery(folder, files if all(file.exists() for file in files) else (), W_PER_UA_UV)


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii", errors="replace").strip()
