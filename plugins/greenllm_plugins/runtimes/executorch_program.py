"""A program of ExecuTorch (``.pte``): exported by torch, lowered to XNNPACK, and run as a phone or a board would."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower
from executorch.runtime import Runtime
from torch import Tensor

from greenllm_kernel.compression.runtime import Shape
from greenllm_plugins.runtimes.stepping import HandedCache, Heads, Step, empty_past

FILE_NAME = "model.pte"
HEADS = "heads.json"

LONGEST = 1024
"""Tokens for which there is room where the model has so many places: texts are longer than what is generated."""


class ExecuTorchProgram(HandedCache):
    """A lowered step, for one batch.

    Args:
        program: as its file has it.
        heads: of its cache.
        shape: what it was made for.
    """

    def __init__(self, program: bytes, heads: Heads, shape: Shape) -> None:
        self._program = program
        self._shape = shape
        # The method lies in memory of the program, which has to stay.
        self._loaded = Runtime.get().load_program(program)
        self._method = self._loaded.load_method("forward")
        super().__init__(lambda *inputs: self._method.execute([each.contiguous() for each in inputs]), heads)

    @classmethod
    def of(cls, step: Step, shape: Shape) -> ExecuTorchProgram:
        """Export and lower a step."""
        places = getattr(step.model.config, "max_position_embeddings", None) or LONGEST
        length = max(shape.length, min(places, LONGEST))
        heads = step.heads()
        new = min(2, shape.prompt_tokens)
        example = (
            torch.zeros(shape.batch, new, dtype=torch.int64),
            torch.arange(new),
            *empty_past(heads, shape.batch, 2),
        )
        dynamic: Any = torch.export.Dim.DYNAMIC
        tokens = dynamic(min=1, max=max(2, shape.prompt_tokens))
        past = tuple({2: dynamic(min=0, max=length)} for _ in example[2:])
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what ExecuTorch itself calls, and torch has deprecated
            program = torch.export.export(
                step,
                example,
                dynamic_shapes=({1: tokens}, {0: tokens}, past),
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            lowered: Any = to_edge_transform_and_lower(
                program,
                partitioner=[XnnpackPartitioner()],
                # The check knows no least of two sizes, which the runtime does.
                compile_config=EdgeCompileConfig(_check_ir_validity=False),
            )
            return cls(lowered.to_executorch().buffer, heads, shape)

    @classmethod
    def load(cls, folder: Path, shape: Shape) -> ExecuTorchProgram:
        """Load what :meth:`save` has written."""
        heads = [tuple(each) for each in json.loads((folder / HEADS).read_text(encoding="utf-8"))]
        return cls((folder / FILE_NAME).read_bytes(), heads, shape)

    @property
    def size_bytes(self) -> int | None:
        """The whole program's: weights that are used twice may be in it twice."""
        return len(self._program)

    @torch.inference_mode()
    def logits(self, input_ids: Tensor) -> Tensor:
        """Take as many sequences at a time as it is made for, in pieces as long as a prompt."""
        batch, step = self._shape.batch, self._shape.prompt_tokens
        groups = []
        for rows in input_ids.split(batch):
            lacking = batch - len(rows)
            whole = torch.cat([rows, rows[:1].expand(lacking, -1)])
            self.begin(batch)
            pieces = [self.advance(piece, torch.arange(piece.shape[1])).clone() for piece in whole.split(step, 1)]
            groups.append(torch.cat(pieces, 1)[: len(rows)])
        return torch.cat(groups)

    def save(self, folder: Path) -> None:
        (folder / FILE_NAME).write_bytes(self._program)
        (folder / HEADS).write_text(json.dumps(self.heads), encoding="utf-8")

    def close(self) -> None:
        super().close()
        del self._method, self._loaded, self._program
