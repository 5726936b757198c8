"""``greenllm.json``: what a saved model has gone through, and which files belong to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{path} cannot be read: {error}") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else type(data).__name__
            raise ModelFolderError(f"{path} is of schema {found!r}; this version reads schema {SCHEMA}")
        try:
            manifest = cls(**{name: _checked(data, name) for name in _TYPES})
            if manifest.weights not in (STANDARD_WEIGHTS, OWN_WEIGHTS):
                raise TypeError(f"weights = {manifest.weights!r}")
            for name in (CONFIG_FILE, manifest.weights):
                check_file(folder / name, manifest.files[name])
        except (KeyError, TypeError) as error:
            raise ModelFolderError(f"{path} is not whole ({error}); save the model again") from error
        return manifest


def described_file(path: Path) -> dict[str, Any]:
    """Return a file's size and SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _checked(data: Mapping[str, Any], name: str) -> Any:
    value = data[name]
    if not isinstance(value, _TYPES[name]):
        raise TypeError(f"{name} is of type {type(value).__name__}")
    return value


def check_file(path: Path, expected: Mapping[str, Any]) -> None:
    """Raise ModelFolderError where a file is missing, cut off or not the one that was described."""
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
