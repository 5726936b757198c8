"""The runtimes that there are, by name, and how one with its settings is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from greenllm_kernel.compression.offers import Offers, check_config_class, check_members
from greenllm_kernel.compression.runtime import Runtime
from greenllm_kernel.compression.settings import SettingError, changed_settings, configured
from greenllm_kernel.errors import DeploymentError

EXAMPLE = "openvino, or openvino: {weights: int8}"


class Runtimes(Offers[type[Runtime]]):
    """Runtimes by name."""

    what = "runtime"
    hook = "greenllm_runtimes"
    error = DeploymentError

    @classmethod
    def admitted(cls, offered_class: Any) -> tuple[str, type[Runtime]]:
        check_members(offered_class, _MEMBERS)
        check_config_class(offered_class.config_class)
        offered_class(offered_class.config_class())
        return offered_class.name, offered_class

    def chosen(self, written: str | Mapping[str, Any] | Runtime) -> Runtime:
        """Return the runtime that is meant, with its settings.

        Args:
            written: as a step of a recipe is: a name, or a name with settings below it; YAML text
                (``"openvino: {weights: int8}"``) or what that gives (``{"openvino": {"weights": "int8"}}``).

        Raises:
            DeploymentError: there is no such runtime or setting; with the nearest.
        """
        if not isinstance(written, str | Mapping):
            check_members(written, _MEMBERS)
            return written
        name, settings = _name_and_settings(written)
        runtime_class = self[name]
        try:
            return runtime_class(configured(runtime_class.config_class, settings))
        except SettingError as error:
            raise DeploymentError(f"{name}: {error}") from error


def written(runtime: Runtime) -> str:
    """Return a runtime as :meth:`Runtimes.chosen` reads it, such as ``"openvino: {weights: int8}"``."""
    settings = ", ".join(f"{key}: {_plain(value)}" for key, value in changed_settings(runtime.config).items())
    return f"{runtime.name}: {{{settings}}}" if settings else runtime.name


def _name_and_settings(written: str | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    found: Any = written
    if isinstance(written, str):
        import yaml

        try:
            found = yaml.safe_load(written)
        except yaml.YAMLError as error:
            raise DeploymentError(f"{written!r} is no runtime; one is written as {EXAMPLE}") from error
    if isinstance(found, str):
        return found, {}
    if isinstance(found, Mapping) and len(found) == 1:
        ((name, settings),) = found.items()
        if isinstance(name, str) and isinstance(settings, Mapping | None):
            return name, settings or {}
    raise DeploymentError(f"{written!r} is no runtime; one is written as {EXAMPLE}")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


_MEMBERS: Final = ("name", "config_class", "check", "deploy", "load")
