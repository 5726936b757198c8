"""A step's settings, checked against its config class: types, names, and what the class itself asks for."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from greenllm_kernel.compression.nearest import did_you_mean


class SettingError(ValueError):
    """A setting that cannot be used.

    Args:
        message: what is wrong and what would be right.
        key: of the setting; None where it is about several.
    """

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def configured(config_class: type[Any], settings: Mapping[Any, Any]) -> Any:
    """Return the config that these settings describe; what they leave out has its default.

    Raises:
        SettingError: a setting of an unknown name, of another type, or that the config class does not accept.
    """
    hints = typing.get_type_hints(config_class)
    fields = [field.name for field in dataclasses.fields(config_class)]
    values = {}
    for key, value in settings.items():
        if key not in fields:
            raise SettingError(f"there is no setting {key!r}; {did_you_mean(key, fields)}", key)
        try:
            values[key] = _fitted(hints[key], value)
        except ValueError as error:
            raise SettingError(f"{key}: {value!r} {error}", key) from None
    try:
        return config_class(**values)
    except ValueError as error:
        raise SettingError(str(error)) from error


def settings_of(config: Any) -> dict[str, Any]:
    """Return a config's settings as JSON data: its own first, then those that it shares with others."""
    bases = filter(dataclasses.is_dataclass, type(config).__mro__[1:])
    shared = {field.name for base in bases for field in dataclasses.fields(base)}
    names = sorted((field.name for field in dataclasses.fields(config)), key=lambda name: name in shared)
    values = {name: getattr(config, name) for name in names}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def changed_settings(config: Any) -> dict[str, Any]:
    """Return those of a config's settings that are not the defaults."""
    default = settings_of(type(config)())
    return {key: value for key, value in settings_of(config).items() if value != default[key]}


def _fitted(hint: Any, value: Any) -> Any:
    """Return the value as the type that is asked for; raise ValueError saying what is expected."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in inner:
            return None
        return _fitted_to_any([each for each in inner if each is not type(None)], value)
    if origin is Literal:
        if value not in inner or isinstance(value, bool):
            raise ValueError(f"is not known; {did_you_mean(str(value), [str(each) for each in inner])}")
        return value
    if origin is tuple:
        values = [value] if isinstance(value, str | int) and not isinstance(value, bool) else value
        if not isinstance(values, list | tuple):
            raise ValueError(f"is no list of {_WORDS[inner[0]]}")
        return tuple(_fitted(inner[0], each) for each in values)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"is no {_WORDS.get(hint, getattr(hint, '__name__', str(hint)))}")


def _fitted_to_any(hints: list[Any], value: Any) -> Any:
    for hint in hints[:-1]:
        try:
            return _fitted(hint, value)
        except ValueError:
            continue
    return _fitted(hints[-1], value)


_WORDS = {bool: "choice (true, false)", int: "whole number", float: "number", str: "text"}
