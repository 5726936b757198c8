"""A recipe: an ordered list of compression steps, read from YAML and checked before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.composition import conflicts
from greenllm_kernel.compression.compressor import Compressor
from greenllm_kernel.compression.nearest import did_you_mean
from greenllm_kernel.compression.settings import SettingError, changed_settings, configured, settings_of
from greenllm_kernel.compression.targets import Target, targets_of
from greenllm_kernel.errors import RecipeError

KEYS = ("steps", "targets")
"""Of a recipe that is more than a list of steps."""

EXAMPLE = "- int8_dynamic:\n    exclude: [lm_head]"


@dataclass(frozen=True)
class Step:
    """One step of a recipe: a compressor and its settings."""

    compressor: Compressor
    config: Any

    @property
    def name(self) -> str:
        """The compressor's."""
        return self.compressor.name

    def __str__(self) -> str:
        settings = ", ".join(f"{key} {_plain(value)}" for key, value in changed_settings(self.config).items())
        return f"{self.name} ({settings})" if settings else self.name

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"method": self.name, "version": self.config.version, "settings": settings_of(self.config)}


@dataclass(frozen=True)
class Recipe:
    """Steps in their order, which may follow each other so, and what they must reach together."""

    steps: Sequence[Step]
    targets: Sequence[Target] = ()

    @classmethod
    def of(cls, source: Recipe | str | Path | Sequence[Any] | Mapping[str, Any], catalogue: Catalogue) -> Recipe:
        """Return the recipe that is meant.

        Args:
            source: a recipe; YAML text; the path of a file with YAML (a ``Path``, or one line of text that ends in
                ``.yaml`` or ``.yml``); or a list as YAML would give it: names, and mappings of a name to settings; or
                a mapping with such a list as ``steps``, and ``targets``.
            catalogue: whose compressors it may use.

        Raises:
            RecipeError: it cannot be read, or holds what does not exist; with the line, and the nearest that does.
        """
        if isinstance(source, Recipe):
            return source
        if isinstance(source, Path) or (isinstance(source, str) and _is_path(source)):
            return cls.from_file(Path(source), catalogue)
        if isinstance(source, str):
            return cls.from_text(source, catalogue)
        targets: tuple[Target, ...] = ()
        if isinstance(source, Mapping):
            _check_keys(source, lambda key: "the recipe")
            targets = targets_of(source.get("targets") or {}, "the recipe")
            source = source.get("steps") or ()
        entries = [(_pair(entry, f"step {number}"), f"step {number}") for number, entry in enumerate(source, 1)]
        return cls._of(
            [_step(name, settings, catalogue, where, {}) for (name, settings), where in entries], "the recipe", targets
        )

    @classmethod
    def from_file(cls, path: Path, catalogue: Catalogue) -> Recipe:
        """Read a recipe from a file; see :meth:`of`."""
        try:
            text = path.expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"the recipe {path} cannot be read: {error}") from error
        return cls.from_text(text, catalogue, str(path))

    @classmethod
    def from_text(cls, text: str, catalogue: Catalogue, name: str = "the recipe") -> Recipe:
        """Read a recipe from YAML; see :meth:`of`."""
        import yaml

        try:
            loader = yaml.SafeLoader(text)
            root = loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise RecipeError(f"{name}, line {line}: not YAML ({error.problem or error.context})") from error
        except yaml.YAMLError as error:
            raise RecipeError(f"{name}: not YAML ({error})") from error
        if root is None:
            raise RecipeError(f"{name} is empty; a recipe is a list of steps, such as:\n{EXAMPLE}")
        targets: tuple[Target, ...] = ()
        if isinstance(root, yaml.MappingNode) and any(key.value in KEYS for key, _ in root.value):
            parts = {key.value: value for key, value in root.value}
            lines = {key.value: _line(key) for key, _ in root.value}
            _check_keys(parts, lambda key: f"{name}, line {lines[key]}")
            if "targets" in parts:
                targets = _targets_of_node(loader, parts["targets"], name)
            root = parts.get("steps", root)
        if not isinstance(root, yaml.SequenceNode):
            raise RecipeError(f"{name}, line {_line(root)}: a recipe is a list of steps, such as:\n{EXAMPLE}")
        return cls._of([_step_of_node(loader, node, catalogue, name) for node in root.value], name, targets)

    @classmethod
    def _of(cls, steps: Sequence[Step], name: str, targets: Sequence[Target]) -> Recipe:
        if not steps:
            raise RecipeError(f"{name} has no steps")
        refusals = conflicts([step.compressor for step in steps])
        if refusals:
            raise RecipeError("\n".join(f"{name}: {refusal}" for refusal in refusals))
        return cls(tuple(steps), tuple(targets))


def _is_path(source: str) -> bool:
    return "\n" not in source.strip() and source.strip().endswith((".yaml", ".yml"))


def _check_keys(parts: Mapping[Any, Any], where: Callable[[Any], str]) -> None:
    for key in parts:
        if key not in KEYS:
            raise RecipeError(f"{where(key)}: a recipe has no {key!r}; {did_you_mean(str(key), KEYS)}")


def _targets_of_node(loader: Any, node: Any, name: str) -> tuple[Target, ...]:
    import yaml

    lines = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in lines:
            raise RecipeError(f"{name}, line {_line(key)}: {key.value} is set twice")
        lines[key.value] = f"{name}, line {_line(key)}"
    return targets_of(loader.construct_object(node, deep=True), f"{name}, line {_line(node)}", lines)


def _step_of_node(loader: Any, node: Any, catalogue: Catalogue, name: str) -> Step:
    import yaml

    where = f"{name}, line {_line(node)}"
    if isinstance(node, yaml.ScalarNode):
        return _step(node.value, {}, catalogue, where, {})
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise RecipeError(f"{where}: a step is a name, or a name with settings below it, such as:\n{EXAMPLE}")
    (key, value) = node.value[0]
    lines = {}
    if isinstance(value, yaml.MappingNode):
        for setting, _ in value.value:
            if setting.value in lines:
                raise RecipeError(f"{name}, line {_line(setting)}: {setting.value} is set twice")
            lines[setting.value] = f"{name}, line {_line(setting)}"
    try:
        settings = loader.construct_object(value, deep=True)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: {getattr(error, 'problem', None) or error}") from error
    return _step(key.value, settings, catalogue, where, lines)


def _pair(entry: Any, where: str) -> tuple[Any, Any]:
    if isinstance(entry, Mapping) and len(entry) == 1:
        return next(iter(entry.items()))
    if isinstance(entry, str):
        return entry, {}
    raise RecipeError(f"{where}: a step is a name, or a mapping of one name to its settings")


def _step(name: Any, settings: Any, catalogue: Catalogue, where: str, lines: Mapping[str, str]) -> Step:
    try:
        compressor = catalogue[name]
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    settings = {} if settings is None else settings
    if not isinstance(settings, Mapping):
        raise RecipeError(f"{where}: {name}: {settings!r} are no settings; they are written as name: value")
    try:
        return Step(compressor, configured(compressor.config_class, settings))
    except SettingError as error:
        raise RecipeError(f"{lines.get(error.key or '', where)}: {name}: {error}") from error


def _line(node: Any) -> int:
    line: int = node.start_mark.line
    return line + 1


def _plain(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
