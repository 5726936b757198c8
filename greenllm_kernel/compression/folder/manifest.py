"""``greenllm.json``: what a saved model has gone through, and which files belong to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenllm_kernel.compression.settings import SettingError, configured
from greenllm_kernel.errors import ModelFolderError

SCHEMA = 1
FILE_NAME = "greenllm.json"
CONFIG_FILE = "config.json"

STANDARD_WEIGHTS = "model.safetensors"
"""Holds weights that transformers loads by itself."""

OWN_WEIGHTS = "greenllm.safetensors"
"""Holds weights in a form that only :func:`load_model` restores. transformers finds no weights then, and says so,
instead of running a model of random ones."""

CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Manifest:
    """What ``greenllm.json`` says.

    Attributes:
        architecture: name of transformers' class.
        weights: name of the file that holds them.
        steps: as :meth:`AppliedStep.to_dict` describes each.
        same: by a further name of a tensor (tied weights), the name it is saved under.
        files: by name, size in bytes and SHA-256 of each file that loading reads.
        made: seed, versions, host, sizes and cost; for people and programs, not needed to load.
    """

    architecture: str
    weights: str
    steps: Sequence[Mapping[str, Any]]
    same: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]
    made: Mapping[str, Any]

    @property
    def is_standard(self) -> bool:
        """Whether transformers alone can load it."""
        return self.weights == STANDARD_WEIGHTS

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        data = {
            "schema": SCHEMA,
            "architecture": self.architecture,
            "weights": self.weights,
            "steps": list(self.steps),
            "same": dict(self.same),
            "files": dict(self.files),
            "made": dict(self.made),
        }
        (folder / FILE_NAME).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read it, and check that the folder's files are those that were saved.

        Raises:
            ModelFolderError: it is not readable, of another schema, or a file is missing, cut off or changed.
        """
        path = folder / FILE_NAME
        manifest = cls(**read_entries(path, SCHEMA, _TYPES))
        if manifest.weights not in (STANDARD_WEIGHTS, OWN_WEIGHTS):
            raise ModelFolderError(f"{path} is not whole (weights: {manifest.weights!r}); save it again")
        check_files(path, manifest.files, (CONFIG_FILE, manifest.weights))
        return manifest


def read_entries(path: Path, schema: int, types: Mapping[str, type]) -> dict[str, Any]:
    """Return what a file says that describes its folder: these entries, each of its type.

    Raises:
        ModelFolderError: it cannot be read, is of another schema, or is not whole.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != schema:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ModelFolderError(f"{path} is of schema {found!r}; this version reads schema {schema}")
    for name, kind in types.items():
        if not isinstance(data.get(name), kind):
            raise ModelFolderError(f"{path} is not whole ({name}: {data.get(name)!r}); save it again")
    return {name: data[name] for name in types}


def check_files(path: Path, files: Mapping[str, Any], names: Iterable[str]) -> None:
    """See that files beside the one that describes them are as they were saved.

    Args:
        path: of the file that describes them.
        files: what it says, by name, as :func:`described_file` has told it.
        names: of those to look at.

    Raises:
        ModelFolderError: one is not described, is missing, cut off or changed.
    """
    for name in names:
        expected = files.get(name)
        if Path(name).name != name or not isinstance(expected, dict) or {*expected} != {"bytes", "sha256"}:
            raise ModelFolderError(f"{path} is not whole (files: {name!r}); save it again")
        _check_file(path.with_name(name), expected)


def saved_config(config_class: type[Any], saved: Mapping[str, Any]) -> Any:
    """Return the config of a method or runtime as it was saved, with ``version`` and ``settings``.

    Raises:
        ModelFolderError: it is of a newer version than the one installed, or its settings cannot be.
    """
    newest = config_class.version
    if saved["version"] > newest:
        raise ModelFolderError(f"its settings are of version {saved['version']}; version {newest} is installed")
    try:
        return configured(config_class, saved["settings"])
    except SettingError as error:
        raise ModelFolderError(str(error)) from error


def described_file(path: Path) -> dict[str, Any]:
    """Return a file's size and SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _check_file(path: Path, expected: Mapping[str, Any]) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelFolderError(f"{path} is missing; copy the whole folder again") from error
    if size != expected["bytes"]:
        raise ModelFolderError(
            f"{path} has {size:,} bytes, not the {expected['bytes']:,} that were saved: it is cut off or another file; "
            "copy it again"
        )
    if described_file(path)["sha256"] != expected["sha256"]:
        raise ModelFolderError(f"{path} is not what was saved (its SHA-256 differs): copy it again")


_TYPES: Mapping[str, type] = {
    "architecture": str,
    "weights": str,
    "steps": list,
    "same": dict,
    "files": dict,
    "made": dict,
}
