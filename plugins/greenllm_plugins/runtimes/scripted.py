"""A graph of TorchScript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from greenllm_kernel.compression.tensors import size_bytes
from greenllm_plugins.runtimes.stepping import HandedCache

FILE_NAME = "model.torchscript"
HEADS = "heads.json"


class Scripted(HandedCache):
    """A traced step, run by torch."""

    graph: Any

    @classmethod
    def load(cls, folder: Path) -> Scripted:
        """Load what :meth:`save` has written."""
        more = {HEADS: ""}
        graph = torch.jit.load(folder / FILE_NAME, _extra_files=more)
        return cls(graph, [tuple(each) for each in json.loads(more[HEADS])])

    @property
    def size_bytes(self) -> int | None:
        return size_bytes(self.graph)

    def save(self, folder: Path) -> None:
        torch.jit.save(self.graph, folder / FILE_NAME, _extra_files={HEADS: json.dumps(self.heads)})
