"""Runs recipes of llm-compressor's methods, where it can be imported, and prints what became of the models, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from compressing import calibration, is_as_before, llama, logits, session_with_compressors, weights
from greenllm_kernel import load_model
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import RecipeError

RECIPES = {
    "gptq": "- gptq: {group_size: 16}",
    "gptq 8 bits by rows": "- gptq: {bits: 8, group_size: 0, exclude: [lm_head, down_proj]}",
    "awq": "- awq: {group_size: 16, symmetric: false}",
    "smoothquant": "- smoothquant: {strength: 0.7}\n- int8_dynamic",
    "gptq, then packed": "- gptq: {group_size: 16}\n- int8_dynamic: {include: ['*mlp*']}",
}


def main(folder: Path) -> None:
    session = session_with_compressors()
    said = {name: tried(recipe, folder / str(number), session) for number, (name, recipe) in enumerate(RECIPES.items())}
    try:
        compress(llama(), "- gptq: {group_size: 24}", calibration=calibration(llama()), session=session)
    except RecipeError as error:
        said["groups of 24"] = str(error)
    print(json.dumps(said))


def tried(recipe: str, folder: Path, session) -> dict:
    given = llama()
    before, first = weights(given), logits(given)
    result = compress(given, recipe, calibration=calibration(given), session=session)
    result.save(folder)
    made, loaded = logits(result.model), logits(load_model(folder))
    layer = result.model.model.layers[0].self_attn.q_proj
    values = layer.weight.detach() if isinstance(layer.weight, torch.Tensor) else layer.weight().dequantize()
    return {
        "given untouched": is_as_before(given, before),
        "changed by": float((made - first).abs().max() / first.abs().max()),
        "same when loaded": bool(torch.equal(made, loaded)),
        "values in a group": max(len(group.unique()) for group in values.reshape(-1, 16)),
        "bytes": sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        "bytes given": sum(tensor.nbytes for tensor in before.values()),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
