"""What the user has chosen: ``greenllm.toml`` in Jupyter's configuration folder, then the environment."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from greenllm_kernel.errors import ConfigurationError

FILE_NAME = "greenllm.toml"

KEYS = ("place", "pue", "ledger", "use_meters", "disable_plugins", "session_id", "wait_for_gpu", "meters")


@dataclass(frozen=True)
class Configuration:
    """GreenLLM's settings; every default works.

    Attributes:
        place: where the electricity is drawn (``"FR"``, ``"US-CA"``); None: the world average. Never looked up.
        pue: power usage effectiveness of the building, at least 1.
        ledger: the ledger's file; None: Jupyter's data folder.
        use_meters: names of the only meters to use; None: all that work.
        disable_plugins: names of entry points not to load.
        session_id: given by whoever starts a kernel and wants to find its records; None: a new one.
        wait_for_gpu: whether windows open and close only when the work queued on the GPU is done.
        meters: options for single meters, by the meter's name.
    """

    place: str | None = None
    pue: float = 1.0
    ledger: Path | None = None
    use_meters: frozenset[str] | None = None
    disable_plugins: frozenset[str] = frozenset()
    session_id: str | None = None
    wait_for_gpu: bool = True
    meters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None) -> Configuration:
        """Read the file, then let ``GREENLLM_PLACE``, ``GREENLLM_PUE`` and so on override it.

        Raises:
            ConfigurationError: unreadable file, unknown key or a value that cannot be used.
        """
        env = os.environ if env is None else env
        return cls.from_mapping({**_from_file(env), **_from_environment(env)})

    @classmethod
    def load_usable(cls, env: Mapping[str, str] | None = None) -> tuple[Configuration, list[str]]:
        """Read the settings as :meth:`load` does, leave out those that cannot be used, and say which and why."""
        env = os.environ if env is None else env
        complaints: list[str] = []
        try:
            from_file = _from_file(env)
        except ConfigurationError as error:
            complaints.append(f"{error}; its settings are not in force")
            from_file = {}
        checked: dict[str, Any] = {}
        for values, where in ((from_file, ""), (_from_environment(env), " in the environment")):
            for key, value in values.items():
                try:
                    checked[key] = _checked(key, value)
                except ConfigurationError as error:
                    complaints.append(f"{error}; this setting{where} is left out, the others are in force")
        return cls(**checked), complaints

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Configuration:
        """Check ``values`` (as they stand in the TOML file) and return the configuration they describe."""
        return cls(**{key: _checked(key, value) for key, value in values.items()})


def configuration_file(env: Mapping[str, str] | None = None) -> Path:
    """Return where the configuration file is, or would be."""
    return _file(os.environ if env is None else env)


def _file(env: Mapping[str, str]) -> Path:
    if env.get("GREENLLM_CONFIG"):
        return Path(env["GREENLLM_CONFIG"]).expanduser()
    from jupyter_core.paths import jupyter_config_dir

    return Path(jupyter_config_dir()) / FILE_NAME


def _from_file(env: Mapping[str, str]) -> dict[str, Any]:
    path = _file(env)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if env.get("GREENLLM_CONFIG"):
            raise ConfigurationError(f"there is no file {path}, which GREENLLM_CONFIG names") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key in ("place", "pue", "ledger", "session_id", "wait_for_gpu"):
        if env.get(f"GREENLLM_{key.upper()}"):
            values[key] = env[f"GREENLLM_{key.upper()}"]
    for key in ("use_meters", "disable_plugins"):
        if env.get(f"GREENLLM_{key.upper()}"):
            values[key] = [name.strip() for name in env[f"GREENLLM_{key.upper()}"].split(",") if name.strip()]
    return values


def _checked(key: str, value: Any) -> Any:
    check = _CHECKS.get(key)
    if check is None:
        raise ConfigurationError(f"unknown setting {key!r}; the settings are {', '.join(KEYS)}")
    return check(key, value)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{key} = {value!r}: expected a text")
    return value.strip()


def _place(key: str, value: Any) -> str:
    return _text(key, value).upper()


def _path(key: str, value: Any) -> Path:
    return Path(_text(key, value)).expanduser()


def _pue(key: str, value: Any) -> float:
    try:
        pue = float(value)
    except (TypeError, ValueError):
        pue = math.nan
    if not 1.0 <= pue <= 10.0:
        raise ConfigurationError(f"{key} = {value!r}: a power usage effectiveness is a number from 1 to 10")
    return pue


def _choice(key: str, value: Any) -> bool:
    chosen = value if isinstance(value, bool) else _CHOICES.get(str(value).strip().lower())
    if chosen is None:
        raise ConfigurationError(f"{key} = {value!r}: expected true or false")
    return chosen


_CHOICES = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _names(key: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError(f"{key} = {value!r}: expected a list of names")
    return frozenset(value)


def _tables(key: str, value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise ConfigurationError(f"{key} = {value!r}: expected a table for each meter, such as [meters.virtual]")
    return value


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "place": _place,
    "pue": _pue,
    "ledger": _path,
    "use_meters": _names,
    "disable_plugins": _names,
    "session_id": _text,
    "wait_for_gpu": _choice,
    "meters": _tables,
}
