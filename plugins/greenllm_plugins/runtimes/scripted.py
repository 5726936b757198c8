"""A graph of TorchScript that is handed the cache with each step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from greenllm_kernel.compression.tensors import size_bytes
from greenllm_plugins.runtimes.stepping import Heads, Stepped, empty_past

FILE_NAME = "model.torchscript"
HEADS = "heads.json"


class Scripted(Stepped):
    """A traced step, run by torch.

    Args:
        graph: of TorchScript.
        heads: of its cache.
    """

    def __init__(self, graph: Any, heads: Heads) -> None:
        self._graph = graph
        self._heads = heads
        self._past: list[Tensor] = []

    @classmethod
    def load(cls, folder: Path) -> Scripted:
        """Load what :meth:`save` has written."""
        more = {HEADS: ""}
        graph = torch.jit.load(folder / FILE_NAME, _extra_files=more)
        return cls(graph, [tuple(each) for each in json.loads(more[HEADS])])

    @property
    def size_bytes(self) -> int | None:
        return size_bytes(self._graph)

    def begin(self, batch: int) -> None:
        self._past = empty_past(self._heads, batch)

    def advance(self, input_ids: Tensor, places: Tensor) -> Tensor:
        logits, *self._past = self._graph(input_ids, places, *self._past)
        return logits  # type: ignore[no-any-return]

    def save(self, folder: Path) -> None:
        torch.jit.save(self._graph, folder / FILE_NAME, _extra_files={HEADS: json.dumps(self._heads)})

    def close(self) -> None:
        self._graph, self._past = None, []
