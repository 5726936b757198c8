"""Compresses a trained model by several recipes, compares what they gave, and prints what was found as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from greenllm_kernel import compress, load_model
from greenllm_kernel.compression.comparison.compare import compare
from greenllm_kernel.compression.comparison.contender import Contender
from greenllm_kernel.compression.tensors import plain_tensors
from trained import Trained, trained

LENGTH = 128
"""Of a row of training data, tokens."""

TEXTS, CHARACTERS = 16, 1000
"""Held out, on which quality is told: how many, and how much of each."""


def depth(found: Trained, tokens: int, pairs: int) -> dict[str, Any]:
    """Remove a quarter of the layers, with and without training afterwards and 8 bits."""
    cut, int8 = {"prune_layers": {"remove": 0.25}}, {"int8_dynamic": {"exclude": []}}
    training = {"tokens": tokens, "batch": 4, "length": LENGTH, "rate": 2e-4}
    recipes: dict[str, list[dict[str, Any]]] = {
        "distilled": [cut, {"distill": training}, int8],
        "fine-tuned": [cut, {"finetune": training}, int8],
        "untrained": [cut, int8],
        "not cut": [int8],
        "not quantised": [cut],
        "only trained": [{"finetune": training}],
    }
    return compared(found, recipes, tokens, pairs)


def deep(found: Trained, tokens: int, pairs: int) -> dict[str, Any]:
    """Prune single weights, share values and code them, with and without training."""
    training = {"tokens": tokens, "batch": 8, "length": LENGTH, "rate": 2e-3}
    few = {"tokens": max(1, tokens // 4), "batch": 8, "length": LENGTH, "rate": 3e-4}
    prune = {"prune_weights": {"sparsity": 0.8}}
    shared = {"bits": 4, "embedding_bits": 5}
    recipes: dict[str, list[dict[str, Any]]] = {
        "trained": [prune, {"distill": training}, {"shared_weights": {**shared, "finetune": True, **few}}],
        "untrained": [prune, {"shared_weights": shared}],
        "without codes": [prune],
    }
    return compared(found, recipes, tokens, pairs)


def compared(found: Trained, recipes: dict[str, Any], tokens: int, pairs: int) -> dict[str, Any]:
    ids = [found.tokenizer(text)["input_ids"] for text in found.train_texts[: max(20, tokens // 1000)]]
    rows = list(torch.tensor([token for each in ids for token in each]).split(LENGTH))[:-1]
    results = {name: compress(found.model, recipe, calibration=rows) for name, recipe in recipes.items()}
    contenders = [Contender(name, result) for name, result in results.items()]
    comparison = compare(
        Contender("as trained", found.model),
        *contenders,
        prompt_tokens=32,
        new_tokens=16,
        texts=[text[:CHARACTERS] for text in found.held_out_texts[:TEXTS]],
        tokenizer=found.tokenizer,
        pairs=pairs,
    )
    print(comparison, file=sys.stderr)
    return {"comparison": comparison.to_dict(), "saved": {name: saved(result) for name, result in results.items()}}


def saved(result: Any) -> dict[str, float]:
    """Save and load a result; return whether all weights are the same bit for bit, and how long loading took, s."""
    with tempfile.TemporaryDirectory() as folder:
        result.save(Path(folder) / "model")
        start = time.perf_counter()
        again = load_model(Path(folder) / "model")
        seconds = time.perf_counter() - start
    mine, theirs = (plain_tensors(model).tensors for model in (result.model, again))
    is_equal = mine.keys() == theirs.keys() and all(bits(mine[name]) == bits(theirs[name]) for name in mine)
    return {"equal": float(is_equal), "loading_s": seconds}


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def main() -> None:
    arguments = json.loads(sys.argv[1])
    found = trained(Path(arguments["models"]), arguments["size"])
    way = {"depth": depth, "deep": deep}[arguments["way"]]
    print(json.dumps(way(found, arguments["tokens"], arguments["pairs"]), default=list))


if __name__ == "__main__":
    main()
