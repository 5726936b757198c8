"""Saves a compressed model: config, weights, generation config, tokenizer, and what it has gone through."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from greenllm_kernel.compression.folder.manifest import (
    FILE_NAME,
    OWN_WEIGHTS,
    STANDARD_WEIGHTS,
    Manifest,
    described_file,
)
from greenllm_kernel.compression.folder.replacing import replaced
from greenllm_kernel.compression.tensors import PlainTensors, plain_tensors, skeleton
from greenllm_kernel.errors import ModelFolderError

if TYPE_CHECKING:
    from greenllm_kernel.compression.result import AppliedStep


def save_model(
    model: Any, steps: Sequence[AppliedStep], made: Mapping[str, Any], folder: Path, tokenizer: Any = None
) -> Path:
    """Save a model; see :meth:`CompressionResult.save`.

    Args:
        model: of transformers.
        steps: all that it has gone through.
        made: what else is told of how it was made, JSON data.
        folder: where.
        tokenizer: saved beside it.
    """
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel):
        raise ModelFolderError(f"only models of transformers can be saved, not a {type(model).__name__}")
    if type(model).__module__.partition(".")[0] != "transformers":
        raise ModelFolderError(
            f"{type(model).__name__} is no class of transformers: whoever loads the folder would not have it"
        )
    plain = plain_tensors(model)
    packed = _stand_ins(model, steps, plain)
    tensors = _with_stand_ins(plain, packed)
    weights = STANDARD_WEIGHTS if not packed and _is_standard(model, plain) else OWN_WEIGHTS
    try:
        with replaced(folder, FILE_NAME) as new:
            _write_config(model, new)
            contiguous = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
            save_file(contiguous, new / weights, metadata={"format": "pt"})
            if tokenizer is not None:
                tokenizer.save_pretrained(new)
            Manifest(
                architecture=type(model).__name__,
                weights=weights,
                steps=[applied.to_dict() for applied in steps],
                same={name: of for name, of in plain.same.items() if of in tensors},
                files={path.name: described_file(path) for path in sorted(new.iterdir()) if path.is_file()},
                made=made,
            ).write(new)
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"the model cannot be saved to {folder}: {error}; what was there is as before"
        ) from error
    return folder


def weights_bytes(model: nn.Module, steps: Sequence[AppliedStep]) -> int:
    """Return how large the file with the weights would be, all but its list of names, bytes."""
    plain = plain_tensors(model)
    return sum(tensor.nbytes for tensor in _with_stand_ins(plain, _stand_ins(model, steps, plain)).values())


def _stand_ins(model: nn.Module, steps: Sequence[AppliedStep], plain: PlainTensors) -> dict[str, Tensor]:
    """Return what is saved in the place of the model's own tensors.

    Where several steps have something for the same one, the last step's counts.
    """
    found: dict[str, Tensor] = {}
    for applied in reversed(steps):
        taken = _owners(found, plain)
        given = applied.step.compressor.tensors(model, applied.step.config, applied.metadata)
        found |= {name: tensor for name, tensor in given.items() if not _owners([name], plain) & taken}
    return found


def _with_stand_ins(plain: PlainTensors, stand_ins: Mapping[str, Tensor]) -> dict[str, Tensor]:
    taken = _owners(stand_ins, plain)
    return {name: tensor for name, tensor in plain.tensors.items() if name not in taken} | {**stand_ins}


def _owners(stand_ins: Iterable[str], plain: PlainTensors) -> set[str]:
    """Return the model's own tensors in whose place these are: ``NAME`` of ``NAME.anything``."""
    parts = (name.split(".") for name in stand_ins)
    starts = {".".join(part[:length]) for part in parts for length in range(1, len(part))}
    return starts & plain.tensors.keys()


def _is_standard(model: nn.Module, plain: PlainTensors) -> bool:
    """Tell whether transformers builds this model from its config alone, all of one floating-point type."""
    standard = plain_tensors(skeleton(type(model), copy.deepcopy(model.config)))
    names = {*standard.tensors, *standard.same}
    shapes = {name: tensor.shape for name, tensor in standard.tensors.items()}
    types = {tensor.dtype for tensor in plain.tensors.values() if tensor.is_floating_point()}
    return (
        names == {*plain.tensors, *plain.same}
        and all(shapes.get(name, tensor.shape) == tensor.shape for name, tensor in plain.tensors.items())
        and len(types) == 1
    )


def _write_config(model: Any, folder: Path) -> None:
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    generation = getattr(model, "generation_config", None)
    if generation is not None and model.can_generate():
        generation.save_pretrained(folder)
