"""Boards, processors and graphics cards whose sensors Linux shows under ``/sys/class/hwmon``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import ConfigurationError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.hwmon_parts import EVERYTHING, WIDE_GAIN, Known, known
from greenllm_plugins.meters.hwmon_tree import Sensor, find_sensors
from greenllm_plugins.meters.rocm import shows_gpus

NAME = "hwmon"

ROOT = Path("/sys/class/hwmon")

REMARK = "not yet tried on real hardware"

LOOK_AGAIN_S = 1.0
"""A sensor whose file has gone (its driver was loaded anew) is looked for again this often at most, s."""

_OTHER_METER = {"amdgpu": "amdsmi"}
"""By chip, the meter that reads the same card better, where AMD SMI can be opened and shows GPUs."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Look for sensors, silent where there is none.

    ``[meters.hwmon]`` has ``root``, another folder than Linux's, and ``sensors``: what those measure that are unknown.
    """
    options = config.meters.get(NAME, {})
    root = options.get("root", str(ROOT))
    if not isinstance(root, str):
        return [UnusableMeter(NAME, f"root = {root!r}: expected a folder's path", "Correct [meters.hwmon].")]
    try:
        chosen = _chosen(options.get("sensors", {}))
    except ConfigurationError as error:
        return [UnusableMeter(NAME, str(error), "Correct [meters.hwmon.sensors].")]
    others = {
        chip: other
        for chip, other in _OTHER_METER.items()
        if other not in config.disable_plugins
        and (config.use_meters is None or other in config.use_meters)
        and shows_gpus()
    }
    found = open_hwmon(Path(root), chosen, others)
    if found is None:
        is_expected = NAME in config.meters or NAME in (config.use_meters or ())
        return [UnusableMeter(NAME, f"there is no sensor of power or energy under {root}")] if is_expected else []
    return [found]


def open_hwmon(
    root: Path, chosen: Mapping[str, Component] | None = None, others: Mapping[str, str] | None = None
) -> HwmonMeter | UnusableMeter | None:
    """Return the meter for the sensors under ``root``, why none can be used, or None where there is none.

    Args:
        root: a folder laid out like ``/sys/class/hwmon``.
        chosen: by the name of a sensor (``"corsairpsu:power1"``), what the user says it measures.
        others: by chip, the meter that reads it instead.
    """
    try:
        sensors = find_sensors(root)
    except (FileNotFoundError, NotADirectoryError):
        sensors = []
    except OSError as error:
        return UnusableMeter(NAME, f"{root}: {error.strerror or error}")
    measured, left_out = _sorted_out(sensors, chosen or {}, others or {})
    if measured:
        return HwmonMeter(root, measured, left_out)
    if not left_out:
        return None
    return UnusableMeter(NAME, f"no sensor that can be used under {root}; {_told(left_out)}", _REMEDY)


class HwmonMeter:
    """Reads sensors of power and energy.

    Args:
        root: under which they are.
        sensors: by the channel made of each.
        left_out: by the name of each sensor that is not measured, why.
    """

    name = NAME

    def __init__(self, root: Path, sensors: Mapping[Channel, Sensor], left_out: Mapping[str, str]) -> None:
        self._root = root
        self._channels = list(sensors)
        self._sensors = {channel.id: sensor for channel, sensor in sensors.items()}
        self._look_again_ns = 0
        self.remark = f"{REMARK}; {_told(left_out)}" if left_out else REMARK

    def channels(self) -> Sequence[Channel]:
        """Return a channel for each sensor of which it is known what it measures."""
        return self._channels

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read each sensor; one that cannot be read gives a fault and leaves the others alone."""
        return [self._read(channel_id) for channel_id in channel_ids]

    def limits_w(self, channel_ids: Sequence[str]) -> Mapping[str, float]:
        """Return the caps of the sensors that have one, W."""
        limits_w = {channel_id: self._sensors[channel_id].limit_w() for channel_id in channel_ids}
        return {channel_id: limit_w for channel_id, limit_w in limits_w.items() if limit_w is not None}

    def close(self) -> None:
        """End; nothing is held."""

    def _read(self, channel_id: str) -> Reading:
        sensor = self._sensors[channel_id]
        t_ns = time.monotonic_ns()
        try:
            return Reading(channel_id, sensor.kind, sensor.value(), t_ns)
        except (OSError, ValueError) as error:
            if isinstance(error, FileNotFoundError):
                self._look_again(t_ns)
            words = (error.strerror if isinstance(error, OSError) else None) or str(error)
            return Reading(channel_id, sensor.kind, math.nan, t_ns, f"{sensor.files[0]}: {words}")

    def _look_again(self, t_ns: int) -> None:
        """Find sensors whose chip has another number now."""
        if t_ns < self._look_again_ns:
            return
        self._look_again_ns = t_ns + int(LOOK_AGAIN_S * 1e9)
        try:
            there = {(sensor.name, sensor.device, sensor.label): sensor for sensor in find_sensors(self._root)}
        except OSError:
            return
        for channel_id, sensor in self._sensors.items():
            self._sensors[channel_id] = there.get((sensor.name, sensor.device, sensor.label), sensor)


def _sorted_out(
    sensors: Sequence[Sensor], chosen: Mapping[str, Component], others: Mapping[str, str]
) -> tuple[dict[Channel, Sensor], dict[str, str]]:
    """Return the channels with their sensors, and by name why the others are left out."""
    measured: dict[Channel, Sensor] = {}
    left_out: dict[str, str] = {}
    for sensor in sensors:
        if sensor.name in chosen:
            found: Known | str = _as_chosen(sensor, chosen[sensor.name])
        elif sensor.chip in others:
            found = f"{others[sensor.chip]} reads this card"
        else:
            found = known(sensor, sensors)
        if isinstance(found, Known):
            found = _unreadable(sensor) or (
                found if found.id not in {c.id for c in measured} else "there are two of it"
            )
        if isinstance(found, Known):
            measured[found.channel(sensor)] = sensor
        elif found:
            left_out[sensor.name] = f"{sensor.label}, {found}" if sensor.label else found
    missing = sorted(chosen.keys() - {sensor.name for sensor in sensors})
    left_out.update(dict.fromkeys(missing, "it is not there"))
    return measured, left_out


def _as_chosen(sensor: Sensor, component: Component) -> Known:
    return Known(
        id=f"{component}:{sensor.device}:{sensor.key}",
        component=component,
        label=f"{sensor.label or sensor.name} ({sensor.chip})",
        gain=WIDE_GAIN,
        contains=EVERYTHING if component is Component.PLATFORM else frozenset(),
    )


def _unreadable(sensor: Sensor) -> str:
    try:
        sensor.value()
    except PermissionError:
        return "only root may read it"
    except (OSError, ValueError):
        # A card that sleeps or a line that is off may answer later.
        return ""
    return ""


def _told(left_out: Mapping[str, str]) -> str:
    return "left out: " + ", ".join(f"{name} ({reason})" for name, reason in left_out.items())


def _chosen(table: object) -> dict[str, Component]:
    if not isinstance(table, dict):
        raise ConfigurationError(f"sensors = {table!r}: expected a table")
    try:
        return {str(name): Component(component) for name, component in table.items()}
    except ValueError as error:
        names = ", ".join(Component)
        raise ConfigurationError(f"sensors: {error}; a sensor measures one of {names}") from error


_REMEDY = (
    'If you know what one measures, say so in greenllm.toml, such as "corsairpsu:power1" = "platform" under '
    "[meters.hwmon.sensors]; platform means the whole machine. What only root may read, sudo chmod a+r opens until the "
    "next start."
)
