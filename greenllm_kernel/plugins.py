"""Finds plugins, calls their hooks one by one, and leaves out those that fail, saying why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from greenllm_kernel import hookspecs
from greenllm_kernel.errors import GreenLLMError

Fault = Callable[[str], None]
"""Takes a sentence for the user about a plugin that failed."""


class Plugins:
    """The plugins of one session.

    Args:
        disabled: names of entry points not to load.
        on_fault: told, in a sentence for the user, of each plugin that fails.
        found: entry points instead of the installed ones of the group ``greenllm``.
    """

    def __init__(
        self,
        disabled: frozenset[str] = frozenset(),
        on_fault: Fault = lambda sentence: None,
        found: Iterable[EntryPoint] | None = None,
    ) -> None:
        self._disabled = disabled
        self._on_fault = on_fault
        self._found = found
        self._off: dict[str, object] = {}
        self._loading = threading.Lock()
        self._manager: pluggy.PluginManager | None = None

    @property
    def names(self) -> list[str]:
        """Names of the plugins that were loaded."""
        return [name for name, plugin in self._loaded().list_name_plugin() if plugin is not None]

    @property
    def installed(self) -> list[str]:
        """Names of all installed plugins, whether they were loaded or not."""
        return list(dict.fromkeys(entry_point.name for entry_point in self._entry_points()))

    @property
    def switched_off(self) -> set[str]:
        """Names of those that the configuration leaves out, or that were switched off since."""
        return {name for name in (*self._disabled, *self._off) if name not in self.names}

    def hooks_of(self, name: str) -> list[str]:
        """Return the hooks that a loaded plugin implements; those of one that is off are not known."""
        manager = self._loaded()
        plugin = manager.get_plugin(name)
        callers = manager.get_hookcallers(plugin) if plugin is not None else None
        return [caller.name for caller in callers or ()]

    def switch_off(self, name: str) -> None:
        """No longer call a plugin that was loaded; one that was not stays as it is."""
        plugin = self._loaded().get_plugin(name)
        if plugin is not None:
            self._loaded().unregister(plugin)
            self._off[name] = plugin

    def switch_on(self, name: str) -> None:
        """Call a plugin again, or load one that the configuration leaves out."""
        manager = self._loaded()
        if name in self._off:
            self._register(manager, self._off.pop(name), name)
            return
        for entry_point in self._entry_points():
            if entry_point.name == name and not manager.has_plugin(name):
                self._load(manager, entry_point)

    def implementations(self, hook: str, on_fault: Fault | None = None) -> list[tuple[str, Callable[..., Any]]]:
        """Return the name and the function of each plugin that implements ``hook``, first to call first.

        A returned function takes the hook's arguments by keyword, reports a fault of the plugin, and then
        returns None: the caller is never disturbed.

        Args:
            hook: its name.
            on_fault: told of faults instead of whoever is usually.
        """
        caller: pluggy.HookCaller = getattr(self._loaded().hook, hook)
        return [
            (implementation.plugin_name, self._guarded(hook, implementation, on_fault or self._on_fault))
            for implementation in reversed(caller.get_hookimpls())
        ]

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """Call ``hook`` in every plugin and return the results that are not None."""
        results = [call(**arguments) for _, call in self.implementations(hook)]
        return [result for result in results if result is not None]

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin that has no entry point (a notebook's own, or a test's)."""
        self._register(self._loaded(), plugin, name)

    def _loaded(self) -> pluggy.PluginManager:
        with self._loading:
            if self._manager is None:
                manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
                manager.add_hookspecs(hookspecs)
                for entry_point in self._entry_points():
                    if entry_point.name not in self._disabled:
                        self._load(manager, entry_point)
                self._manager = manager
            return self._manager

    def _entry_points(self) -> list[EntryPoint]:
        found = entry_points(group=hookspecs.PROJECT_NAME) if self._found is None else self._found
        # The same one may be found twice (a folder that is on the path twice); two of one name are told apart later.
        unique = {(entry_point.name, entry_point.value): entry_point for entry_point in found}
        return sorted(unique.values(), key=lambda entry_point: entry_point.name)

    def _load(self, manager: pluggy.PluginManager, entry_point: EntryPoint) -> None:
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:
            self._on_fault(f"plugin {entry_point.name} cannot be imported: {described(error)}")
            return
        self._register(manager, plugin, entry_point.name)

    def _register(self, manager: pluggy.PluginManager, plugin: object, name: str) -> None:
        if manager.has_plugin(name):
            self._on_fault(f"a second plugin named {name} is left out; each needs a name of its own")
            return
        try:
            manager.register(plugin, name=name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            if manager.has_plugin(name):
                manager.unregister(name=name)
            self._on_fault(f"plugin {name} does not fit the hooks: {error}")

    def _guarded(self, hook: str, implementation: pluggy.HookImpl, on_fault: Fault) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            try:
                return implementation.function(*(arguments[name] for name in implementation.argnames))
            except GreenLLMError as error:
                on_fault(f"{implementation.plugin_name}: {error}")
            except (Exception, SystemExit) as error:
                on_fault(f"plugin {implementation.plugin_name} failed in {hook}: {described(error)}")
            return None

        return call


def described(error: BaseException) -> str:
    """Return an error in one line: its type where that is not ours, and its message."""
    message = " ".join(str(error).split())
    if isinstance(error, GreenLLMError):
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
