"""What plugins offer under one hook, by name: each is looked at once, and what cannot be used is left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Generic, Self, TypeVar

from greenllm_kernel.compression.nearest import did_you_mean
from greenllm_kernel.errors import GreenLLMError
from greenllm_kernel.plugins import Plugins, described

Offered = TypeVar("Offered")


def _say_nothing(sentence: str) -> None:
    pass


class Offers(ABC, Generic[Offered]):
    """What there is of one sort, by name.

    Args:
        classes: that plugins gave, each with the name of its plugin.
        complain: told of each that cannot be used, and why.

    Attributes:
        what: the word for one of them.
        hook: that gives them.
        error: raised where there is none of a name.
    """

    what: ClassVar[str]
    hook: ClassVar[str]
    error: ClassVar[type[GreenLLMError]]

    def __init__(self, classes: Iterable[tuple[str, Any]], complain: Callable[[str], None] = _say_nothing) -> None:
        self._offered: dict[str, Offered] = {}
        self._left_out: list[str] = []
        for plugin, offered_class in classes:
            try:
                name, offered = self.admitted(offered_class)
                if name in self._offered:
                    raise ValueError(f"there is a {self.what} {name} already")
                self._offered[name] = offered
            except Exception as error:
                own = getattr(offered_class, "__name__", offered_class)
                self._left_out.append(f"{own} of the plugin {plugin} is left out: {described(error)}")
                complain(self._left_out[-1])

    @classmethod
    def of(cls, plugins: Plugins, complain: Callable[[str], None] = _say_nothing) -> Self:
        """Ask the plugins."""
        return cls(cls._classes(plugins, complain), complain)

    @classmethod
    @abstractmethod
    def admitted(cls, offered_class: Any) -> tuple[str, Offered]:
        """Return the name, and what stands under it; raise where the class is not what it should be."""

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._offered)

    def __getitem__(self, name: str) -> Offered:
        """Return the one of this name.

        Raises:
            GreenLLMError: of the type ``error``: there is none; with the nearest name.
        """
        if name not in self._offered:
            reasons = "".join(f" ({reason})" for reason in self._left_out)
            raise self.error(f"there is no {self.what} {name!r}; {did_you_mean(name, self._offered)}{reasons}")
        return self._offered[name]

    @classmethod
    def _classes(cls, plugins: Plugins, complain: Callable[[str], None]) -> Iterator[tuple[str, Any]]:
        for plugin, offer in plugins.implementations(cls.hook):
            classes = offer()
            if classes is None:
                continue
            if not isinstance(classes, list | tuple):
                complain(f"plugin {plugin} gave something of type {type(classes).__name__} as its list of {cls.what}s")
                continue
            yield from ((plugin, offered_class) for offered_class in classes)


def check_members(found: object, members: Iterable[str]) -> None:
    """Raise TypeError naming what a class does not have of what it must have."""
    missing = [name for name in members if not hasattr(found, name)]
    if missing:
        raise TypeError(f"it has no {', '.join(missing)}")


def check_config_class(config_class: Any) -> None:
    """Raise TypeError unless it is a frozen dataclass with a version, and one that can be made without settings."""
    parameters = getattr(config_class, "__dataclass_params__", None)
    if not (isinstance(config_class, type) and parameters is not None and parameters.frozen):
        raise TypeError("its config_class is no frozen dataclass")
    if not isinstance(getattr(config_class, "version", None), int):
        raise TypeError("its config_class has no version, a whole number")
    config_class()
