"""The virtual meter, where it is chosen: known power instead of sensors, for tests, demos and screenshots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import ConfigurationError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, UnusableMeter
from greenllm_kernel.metering.profiles import Constant, Points, Profile, Sine, Square, Sum
from greenllm_kernel.metering.virtual import VirtualChannel, VirtualMeter

NAME = "virtual"

T = TypeVar("T")

_NUMBERS_OF_SHAPE: dict[str, tuple[Callable[..., Profile], tuple[str, ...], tuple[str, ...]]] = {
    "constant": (Constant, ("level_w",), ()),
    "square": (Square, ("low_w", "high_w", "period_s"), ("phase_s", "duty")),
    "sine": (Sine, ("mean_w", "amplitude_w", "period_s"), ("phase_s",)),
}
_POINT_SHAPES = ("steps", "ramps")

_CHANNEL_NUMBERS = ("update_period_s", "averaging_window_s", "gain_uncertainty", "model_uncertainty", "wraps_at_j")
_SENSOR_NUMBERS = (
    "gain_error",
    "counter_phase_s",
    "power_period_s",
    "power_phase_s",
    "jitter_s",
    "counter_offset_j",
    "counter_step_j",
    "read_latency_s",
    "limit_w",
    "utilization",
)
_MAY_BE_NEGATIVE = frozenset({"gain_error", "counter_phase_s", "power_phase_s", "counter_offset_j", "phase_s"})
_CHANNEL_KEYS = frozenset(
    {"id", "component", "label", "provides", "inside", "profile", "resets_at_s", "frozen_s", "gaps_s"}
).union(_CHANNEL_NUMBERS, _SENSOR_NUMBERS)
_METER_KEYS = frozenset({"channels", "seed", "epoch_ns", "raises_s", "hangs_s"})


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Return the virtual meter if it is named in ``use_meters`` or has a table ``[meters.virtual]``."""
    table = config.meters.get(NAME)
    if table is None and NAME not in (config.use_meters or ()):
        return []
    try:
        return [meter_from_table(table or {})]
    except ConfigurationError as error:
        return [UnusableMeter(NAME, str(error), "Correct [meters.virtual] in greenllm.toml (see plugins/README.md).")]


def default_channels() -> list[VirtualChannel]:
    """Return two GPUs, square waves of 100 and 500 W seen as NVML shows a Hopper card, and one CPU package."""
    return [
        *(
            VirtualChannel(
                Channel(
                    id=f"gpu:virtual-{index}",
                    component=Component.GPU,
                    label=f"Virtual GPU {index}",
                    provides=frozenset(Kind),
                    update_period_s=0.1,
                    averaging_window_s=0.025,
                    gain_uncertainty=0.05 / math.sqrt(3.0),
                ),
                Square(low_w=100.0, high_w=500.0, period_s=period_s),
                counter_phase_s=0.013 * (index + 1),
                limit_w=600.0,
                power_phase_s=0.041 * (index + 1),
            )
            for index, period_s in enumerate((1.87, 2.63))
        ),
        VirtualChannel(
            Channel(
                id="cpu:virtual-package-0",
                component=Component.CPU,
                label="Virtual CPU package 0",
                provides=frozenset({Kind.COUNTER}),
                update_period_s=0.001,
                wraps_at_j=262143.328850,
            ),
            Sine(mean_w=90.0, amplitude_w=30.0, period_s=7.3),
        ),
    ]


def meter_from_table(table: Mapping[str, Any]) -> VirtualMeter:
    """Return the meter a table ``[meters.virtual]`` describes; what it leaves out has its default.

    Raises:
        ConfigurationError: an unknown key, or a value that cannot be used; the message names it.
    """
    _check_keys("[meters.virtual]", table, _METER_KEYS)
    described = table.get("channels")
    if described is not None and (not isinstance(described, list) or not described):
        raise ConfigurationError(f"channels = {described!r}: expected tables [[meters.virtual.channels]]")
    with_names = [(f"channels[{index}]", channel) for index, channel in enumerate(described or ())]
    channels = [_channel(where, channel) for where, channel in with_names] or default_channels()
    return _built(
        "[meters.virtual]",
        VirtualMeter,
        channels=channels,
        epoch_ns=_integer(table, "epoch_ns"),
        seed=_integer(table, "seed") or 0,
        raises_s=_pairs("raises_s", table.get("raises_s", [])),
        hangs_s=_pairs("hangs_s", table.get("hangs_s", [])),
    )


def _channel(where: str, table: Any) -> VirtualChannel:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{where} = {table!r}: expected a table")
    _check_keys(where, table, _CHANNEL_KEYS)
    channel = Channel(
        id=_text(where, table, "id"),
        component=_one_of(f"{where}.component", Component, _text(where, table, "component")),
        label=_text(where, table, "label" if "label" in table else "id"),
        provides=_kinds(f"{where}.provides", table.get("provides", [kind.value for kind in Kind])),
        inside=_text(where, table, "inside") if "inside" in table else None,
    )
    channel = replace(channel, **_numbers(where, table, _CHANNEL_NUMBERS))  # type: ignore[arg-type] # all are floats
    numbers = _numbers(where, table, _SENSOR_NUMBERS)
    resets_at_s = table.get("resets_at_s", [])
    if not isinstance(resets_at_s, list):
        raise ConfigurationError(f"{where}.resets_at_s = {resets_at_s!r}: expected a list of instants in seconds")
    return _built(
        where,
        VirtualChannel,
        channel=channel,
        profile=_profile(f"{where}.profile", table.get("profile")),
        resets_at_s=[_number(f"{where}.resets_at_s", instant) for instant in resets_at_s],
        frozen_s=_pairs(f"{where}.frozen_s", table.get("frozen_s", [])),
        gaps_s=_pairs(f"{where}.gaps_s", table.get("gaps_s", [])),
        **numbers,
    )


def _profile(where: str, table: Any) -> Profile:
    if isinstance(table, list) and table:
        return Sum([_profile(f"{where}[{index}]", part) for index, part in enumerate(table)])
    if not isinstance(table, Mapping):
        raise ConfigurationError(f'{where} = {table!r}: expected a table such as {{shape = "constant", level_w = 90}}')
    shape = table.get("shape")
    if shape in _POINT_SHAPES:
        _check_keys(where, table, frozenset({"shape", "points"}))
        points = _pairs(f"{where}.points", table.get("points"))
        return _built(where, Points, points=points, ramps=shape == "ramps")
    if shape not in _NUMBERS_OF_SHAPE:
        shapes = ", ".join((*_NUMBERS_OF_SHAPE, *_POINT_SHAPES))
        raise ConfigurationError(f"{where}.shape = {shape!r}: the shapes are {shapes}")
    build, needed, optional = _NUMBERS_OF_SHAPE[shape]
    _check_keys(where, table, frozenset({"shape", *needed, *optional}))
    for key in needed:
        if key not in table:
            raise ConfigurationError(f"{where}: a profile of shape {shape!r} needs {key}")
    return _built(where, build, **_numbers(where, table, (*needed, *optional)))


def _built(where: str, build: Callable[..., T], **arguments: Any) -> T:
    try:
        return build(**arguments)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error


def _check_keys(where: str, table: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigurationError(f"{where} has an unknown key {unknown[0]!r}; the keys are {', '.join(sorted(known))}")


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{where}.{key} = {value!r}: expected a text")
    return value


def _one_of(where: str, kind: type[Any], value: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(member.value for member in kind)
        raise ConfigurationError(f"{where} = {value!r}: expected one of {choices}") from None


def _kinds(where: str, value: Any) -> frozenset[Kind]:
    if not isinstance(value, list) or not value:
        raise ConfigurationError(f'{where} = {value!r}: expected a list of "counter" and "power"')
    return frozenset(_one_of(where, Kind, kind) for kind in value)


def _integer(table: Mapping[str, Any], key: str) -> int | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ConfigurationError(f"{key} = {value!r}: expected a whole number")
    return value


def _numbers(where: str, table: Mapping[str, Any], keys: Sequence[str]) -> dict[str, float]:
    numbers = {key: _number(f"{where}.{key}", table[key]) for key in keys if key in table}
    for key, number in numbers.items():
        if not math.isfinite(number) or (number < 0.0 and key not in _MAY_BE_NEGATIVE):
            raise ConfigurationError(f"{where}.{key} = {number!r}: expected a number of 0 or above")
    return numbers


def _number(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        raise ConfigurationError(f"{where} = {value!r}: expected a number")
    return float(value)


def _pairs(where: str, value: Any) -> list[tuple[float, float]]:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ConfigurationError(f"{where} = {value!r}: expected a list of pairs such as [[0.0, 1.5]]")
    return [(_number(where, first), _number(where, second)) for first, second in value]
