"""What lm-eval says of a contender as it is deployed: every runtime gives logits, so that all are asked alike."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import lm_eval
import numpy
import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor

from greenllm_kernel.compression.comparison.contender import IN_TORCH, Entrant
from greenllm_kernel.compression.deployment import Deployment
from greenllm_kernel.compression.tensors import evaluating

Metrics = Mapping[str, float]
"""By metric and filter, as lm-eval writes them: ``"acc,none"``, and ``"acc_stderr,none"`` for its standard error."""


def asked_harness(
    entrant: Entrant, deployment: Deployment, tasks: Sequence[Any], tokenizer: Any
) -> Mapping[str, Metrics]:
    """Return, by task, the metrics of a contender.

    Args:
        entrant: the contender.
        deployment: of it.
        tasks: names, or configs as lm-eval has them.
        tokenizer: of transformers.

    Raises:
        ValueError: a task wants what cannot be had, such as sampled texts.
    """
    # Both are the user's, and lm-eval may change them: the copies have modules of their own, and the same weights.
    model: Any = evaluating(entrant.model)
    model.tie_weights = lambda *some, **more: None  # it would put floats where a head is packed
    with redirect_stderr(io.StringIO()), _random_numbers_kept():
        wrapped = _AsDeployed(model, copy.deepcopy(tokenizer), deployment, entrant.runtime.name in IN_TORCH)
        found = lm_eval.simple_evaluate(model=wrapped, tasks=list(tasks))
    return {task: _metrics(said) for task, said in found["results"].items()}


class _AsDeployed(HFLM):  # type: ignore[misc]
    """A model whose logits a deployment gives.

    Args:
        model: tells its config, places and device, and generates where it runs in torch.
        tokenizer: of transformers.
        deployment: of it.
        is_in_torch: whether the deployment runs the model itself.
    """

    def __init__(self, model: Any, tokenizer: Any, deployment: Deployment, is_in_torch: bool) -> None:
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=1)
        self._deployment = deployment
        self._is_in_torch = is_in_torch

    def _model_call(self, inps: Tensor, *others: Any, **named: Any) -> Tensor:
        return self._deployment.logits(inps)

    def _model_generate(self, context: Tensor, max_length: int, stop: Sequence[str], **named: Any) -> Tensor:
        if self._is_in_torch:
            generated: Tensor = super()._model_generate(context, max_length, stop, **named)
            return generated
        if named.get("do_sample"):
            raise ValueError("a task of lm-eval wants sampled texts, which this runtime does not give")
        ids = context
        while ids.shape[1] < max_length:
            token = self._deployment.logits(ids)[:, -1:].argmax(-1)
            ids = torch.cat([ids, token], dim=1)
            text = self.tok_decode(ids[0, context.shape[1] :].tolist())
            if int(token) == self.eot_token_id or any(end in text for end in stop):
                break
        return ids


def _metrics(said: Mapping[str, Any]) -> Metrics:
    """Return what are metrics of a task's results; names and counts stand among them."""
    return {name: float(value) for name, value in said.items() if "," in name and isinstance(value, int | float)}


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Have the user's random numbers go on afterwards as if nothing had been: lm-eval seeds all generators."""
    states = random.getstate(), numpy.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
