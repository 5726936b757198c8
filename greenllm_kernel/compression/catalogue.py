"""The compressors that there are, by name: those of the plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from greenllm_kernel.compression.compressor import Compressor, Kind, Saves
from greenllm_kernel.compression.nearest import did_you_mean
from greenllm_kernel.errors import RecipeError
from greenllm_kernel.plugins import Plugins, described


class Catalogue:
    """Compressors by name.

    Args:
        classes: of compressors, each with the name of the plugin that it comes from.
        complain: told of each that cannot be used, and why.
    """

    def __init__(
        self, classes: Iterable[tuple[str, Any]], complain: Callable[[str], None] = lambda sentence: None
    ) -> None:
        self._compressors: dict[str, Compressor] = {}
        self._left_out: list[str] = []
        for plugin, compressor_class in classes:
            try:
                compressor = _admitted(compressor_class)
                if compressor.name in self._compressors:
                    raise ValueError(f"there is a compressor {compressor.name} already")
                self._compressors[compressor.name] = compressor
            except Exception as error:
                name = getattr(compressor_class, "__name__", compressor_class)
                self._left_out.append(f"{name} of the plugin {plugin} is left out: {described(error)}")
                complain(self._left_out[-1])

    @classmethod
    def of(cls, plugins: Plugins, complain: Callable[[str], None] = lambda sentence: None) -> Catalogue:
        """Ask the plugins."""
        return cls(_offered(plugins, complain), complain)

    @property
    def names(self) -> list[str]:
        """Names of all compressors, sorted."""
        return sorted(self._compressors)

    def __getitem__(self, name: str) -> Compressor:
        """Return a compressor.

        Raises:
            RecipeError: there is none of this name; with the nearest one.
        """
        if name not in self._compressors:
            reasons = "".join(f" ({reason})" for reason in self._left_out)
            raise RecipeError(f"there is no compressor {name!r}; {did_you_mean(name, self._compressors)}{reasons}")
        return self._compressors[name]


def _offered(plugins: Plugins, complain: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
    for plugin, offer in plugins.implementations("greenllm_compressors"):
        classes = offer()
        if classes is None:
            continue
        if not isinstance(classes, list | tuple):
            complain(f"plugin {plugin} gave something of type {type(classes).__name__} as its list of compressors")
            continue
        yield from ((plugin, compressor_class) for compressor_class in classes)


def _admitted(compressor_class: Any) -> Compressor:
    compressor = compressor_class()
    if not isinstance(compressor, Compressor):
        wanted = [name for name in _MEMBERS if not hasattr(compressor, name)]
        raise TypeError(f"it has no {', '.join(wanted)}")
    config_class: Any = compressor.config_class
    parameters = getattr(config_class, "__dataclass_params__", None)
    if not (isinstance(config_class, type) and parameters is not None and parameters.frozen):
        raise TypeError("its config_class is no frozen dataclass")
    if not isinstance(getattr(config_class, "version", None), int):
        raise TypeError("its config_class has no version, a whole number")
    config_class()
    Kind(compressor.kind)
    for saves in compressor.expects_to_save:
        Saves(saves)
    return compressor


_MEMBERS = (
    *("name", "config_class", "kind", "expects_to_save", "not_after", "needs_calibration", "needs_training"),
    *("check", "convert", "tensors", "restore"),
)
