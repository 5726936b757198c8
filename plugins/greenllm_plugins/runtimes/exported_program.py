"""A graph of ``torch.export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch

from greenllm_kernel.errors import DeploymentError
from greenllm_plugins.runtimes.stepping import HandedCache, Heads, Step

FILE_NAME = "model.pt2"
HEADS = "heads.json"

OBJECTS = "custom_obj"
"""Part of the names under which an archive holds objects of Python's, as pickles."""


class Program(HandedCache):
    """An exported step, for any batch and length, run by torch.

    Args:
        program: of ``torch.export``.
        heads: of its cache.
    """

    def __init__(self, program: Any, heads: Heads) -> None:
        super().__init__(program.module(), heads)
        self._program = program

    @classmethod
    def of(cls, step: Step) -> Program:
        """Export a step."""
        any_size = torch.export.Dim.DYNAMIC
        example = step.example()
        past = tuple({0: any_size, 2: any_size} for _ in example[2:])
        with torch.no_grad():
            program = torch.export.export(
                step,
                example,
                dynamic_shapes=({0: any_size, 1: any_size}, {0: any_size}, past),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
        return cls(program, step.heads())

    @classmethod
    def load(cls, folder: Path) -> Program:
        """Load what :meth:`save` has written."""
        path = folder / FILE_NAME
        with ZipFile(path) as archive:
            if any(OBJECTS in name for name in archive.namelist()):
                raise DeploymentError(f"{path} holds pickled objects, which can run any code when they are read")
        more = {HEADS: ""}
        program = torch.export.load(path, extra_files=more)
        return cls(program, [tuple(each) for each in json.loads(more[HEADS])])

    @property
    def size_bytes(self) -> int | None:
        return sum({id(tensor): int(tensor.nbytes) for tensor in self._program.state_dict.values()}.values())

    def save(self, folder: Path) -> None:
        torch.export.save(self._program, folder / FILE_NAME, extra_files={HEADS: json.dumps(self.heads)})

    def close(self) -> None:
        super().close()
        del self._program
