"""Compressors of a test's own: one that spoils the model, one that tells what it was given, one whose check fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from greenllm_kernel.compression.compressor import Compressor, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl


@dataclass(frozen=True)
class SpoilConfig:
    version: ClassVar[int] = 1
    how: str = "nan"


class Spoil(Compressor):
    """Does to the model what methods should not do."""

    name = "spoil"
    config_class = SpoilConfig
    kind = Kind.SPARSITY
    expects_to_save = frozenset({Saves.STORAGE})

    def convert(self, model, config, context):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(2)
        if config.how == "nan":
            with torch.no_grad():
                model.lm_head.weight[3, 4] = float("nan")
        elif config.how == "output":
            model.lm_head.register_forward_hook(lambda layer, inputs, output: output / 0)
        elif config.how == "raise":
            raise OSError("the disk is gone")
        elif config.how == "interrupt":
            raise KeyboardInterrupt
        return model, {"layers": {1, 2}} if config.how == "no JSON" else {}


class Telling(Compressor):
    """Draws random numbers and says what it was given."""

    name = "telling"
    config_class = SpoilConfig
    kind = Kind.SPARSITY
    expects_to_save = frozenset({Saves.STORAGE})
    seen: ClassVar[list[object]] = []

    def convert(self, model, config, context):
        context.tell(0.5)
        self.seen.append(
            (context.seed, float(torch.rand(())), [batch["input_ids"].shape for batch in context.batches()])
        )
        return model, {}


class Confused(Telling):
    """Fails where it is asked whether it would work."""

    name = "confused"

    def check(self, model, config, host):
        return [Refusal(model.no_such_part, "")]


class Own:
    @hookimpl
    def greenllm_compressors(self):
        return [Spoil, Telling, Confused]
