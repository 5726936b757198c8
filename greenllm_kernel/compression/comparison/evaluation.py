"""How well a contender does: on texts, at a task, and by lm-eval where that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from greenllm_kernel.compression.comparison.asked import Asked, Example
from greenllm_kernel.compression.comparison.contender import Entrant
from greenllm_kernel.compression.comparison.quality import (
    WINDOW_TOKENS,
    Accuracy,
    Metric,
    TextQuality,
    score_texts,
)
from greenllm_kernel.compression.deployment import Deployment
from greenllm_kernel.compression.places import places
from greenllm_kernel.compression.tensors import device_of, evaluating

RIGHT_UP_TO = 1 + 1e-9
"""An accuracy above this is none."""


@dataclass(frozen=True)
class Evaluated:
    """What was found of a contender's quality, and the bytes of its weights as it runs."""

    text: TextQuality | None = None
    accuracy: Accuracy | None = None
    harness: Mapping[str, Mapping[str, Metric]] = field(default_factory=dict)
    runtime_bytes: int | None = None


def evaluate(entrant: Entrant, deployment: Deployment | None, asked: Asked) -> Evaluated:
    """Return how well a contender does.

    Args:
        entrant: the contender.
        deployment: of it; None for a model that does not generate.
        asked: what was asked for.

    Raises:
        ValueError: what the texts or the task give cannot be used.
    """
    text = None
    harness: Mapping[str, Mapping[str, Metric]] = {}
    if asked.texts and deployment is not None:
        text = score_texts(deployment.logits, asked.texts, asked.tokenizer, places(entrant.model) or WINDOW_TOKENS)
    if asked.harness and deployment is not None:
        from greenllm_kernel.compression.comparison.harness import asked_harness

        harness = asked_harness(entrant, deployment, asked.harness, asked.tokenizer)
    return Evaluated(
        text=text,
        accuracy=_accuracy(entrant, deployment, asked),
        harness=harness,
        runtime_bytes=deployment.size_bytes if deployment is not None else None,
    )


def _accuracy(entrant: Entrant, deployment: Deployment | None, asked: Asked) -> Accuracy | None:
    task = asked.task
    if task is None:
        return None
    if not callable(task):
        return _classified(entrant, task, asked.tokenizer)
    said = task(entrant.model if deployment is None else deployment)
    if isinstance(said, Sequence | torch.Tensor):
        right = [bool(one) for one in said]
        if not right:
            raise ValueError("the task told of no example")
        return Accuracy.of(right)
    value = float(said)
    if not 0 <= value <= RIGHT_UP_TO:
        raise ValueError(f"the task told of an accuracy of {value:g}: expected 0 to 1")
    return Accuracy(min(1.0, value))


def _classified(entrant: Entrant, examples: Sequence[Example], tokenizer: Any) -> Accuracy:
    model: Any = evaluating(entrant.model)
    longest = places(model)
    numbers = {str(name): int(number) for name, number in (model.config.label2id or {}).items()}
    right = []
    for text, label in examples:
        ids = torch.tensor([tokenizer(text)["input_ids"][:longest]], device=device_of(model))
        with torch.inference_mode():
            said = int(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.argmax(-1))
        wanted = label if isinstance(label, int) else numbers.get(str(label))
        if wanted is None:
            raise ValueError(f"the task has the label {label!r}; the model has {', '.join(numbers)}")
        right.append(said == wanted)
    return Accuracy.of(right)
