"""What lm-eval says of a contender as it is deployed: every runtime gives logits, and all are asked alike."""

from __future__ import annotations

import copy
import functools
import math
import numbers
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lm_eval
import numpy
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from torch import Tensor
from transformers import GenerationConfig

from greenllm_kernel.compression.comparison.contender import IN_TORCH, Entrant
from greenllm_kernel.compression.comparison.quality import Accuracy, Metric
from greenllm_kernel.compression.deployment import Deployment
from greenllm_kernel.compression.nearest import did_you_mean
from greenllm_kernel.compression.tensors import evaluating

STANDARD_ERROR = "_stderr"
"""What lm-eval puts after the name of a metric for its standard error."""

WITHOUT_SAMPLING = {"attention_mask", "do_sample", "temperature", "top_p", "top_k"}
"""What a task may say of how texts are made; where nothing is sampled, it all means the most likely token."""

Metrics = Mapping[str, Metric]
"""By metric and filter, as lm-eval writes them: ``"acc,none"``."""


def known_tasks(tasks: Sequence[Any]) -> Sequence[Any]:
    """Return tasks as lm-eval takes them.

    Args:
        tasks: names, or configs as lm-eval has them.

    Raises:
        ValueError: there is no task of that name.
    """
    known = _manager().task_index
    for task in tasks:
        if isinstance(task, str) and task not in known:
            raise ValueError(f"lm-eval has no task {task!r}: {did_you_mean(task, known)}")
    return [dict(task) if isinstance(task, Mapping) else task for task in tasks]


def asked_harness(
    entrant: Entrant, deployment: Deployment, tasks: Sequence[Any], tokenizer: Any
) -> Mapping[str, Metrics]:
    """Return, by task, the metrics of a contender.

    Args:
        entrant: the contender.
        deployment: of it.
        tasks: from :func:`known_tasks`.
        tokenizer: of transformers.

    Raises:
        ValueError: a task wants texts that are made otherwise than of the most likely tokens.
    """
    # Both are the user's, and lm-eval may change them: the copies have modules of their own, and the same weights.
    model: Any = evaluating(entrant.model)
    model.tie_weights = lambda *some, **more: None  # it would put floats where a head is packed
    with _random_numbers_kept():
        wrapped = _AsDeployed(model, copy.deepcopy(tokenizer), deployment, entrant.runtime.name in IN_TORCH)
        found = lm_eval.simple_evaluate(
            model=wrapped, tasks=list(tasks), task_manager=_manager(), torch_random_seed=None
        )
    samples = found.get("samples") or {}
    return {task: _metrics(said, samples.get(task, ())) for task, said in found["results"].items()}


@functools.cache
def _manager() -> TaskManager:
    """Return what knows all tasks: it reads thousands of files for that, once."""
    return TaskManager()


class _AsDeployed(HFLM):  # type: ignore[misc]
    """A model whose logits a deployment gives.

    Args:
        model: tells its config, places and device, and generates where it runs in torch, faster.
        tokenizer: of transformers.
        deployment: of it.
        is_in_torch: whether the deployment runs the model itself.
    """

    def __init__(self, model: Any, tokenizer: Any, deployment: Deployment, is_in_torch: bool) -> None:
        super().__init__(pretrained=model, tokenizer=tokenizer, batch_size=1)
        self._deployment = deployment
        self._is_in_torch = is_in_torch
        own = getattr(model.generation_config, "eos_token_id", None)
        self._ends = {self.eot_token_id, *(own if isinstance(own, list) else [own])} - {None}
        # What else the model's own settings ask for, such as a penalty for repetition, no other runtime would do.
        model.generation_config = GenerationConfig.from_dict({"eos_token_id": sorted(self._ends), "do_sample": False})

    def _model_call(self, inps: Tensor, *others: Any, **named: Any) -> Tensor:
        return self._deployment.logits(inps)

    def _model_generate(self, context: Tensor, max_length: int, stop: Sequence[str], **named: Any) -> Tensor:
        samples = named.get("do_sample")
        if samples is None:
            samples = bool(named.get("temperature"))
        others = sorted({name for name, value in named.items() if value is not None} - WITHOUT_SAMPLING)
        if samples or others:
            wants = f"texts made with {', '.join(others)}" if others else "sampled texts"
            raise ValueError(f"a task of lm-eval wants {wants}: only the most likely tokens are asked for here")
        if self._is_in_torch:
            mask = named.get("attention_mask")
            generated: Tensor = super()._model_generate(
                context, max_length, stop, attention_mask=mask, do_sample=False, temperature=0.0
            )
            return generated
        ids = context
        while ids.shape[1] < max_length:
            token = self._deployment.logits(ids)[:, -1:].argmax(-1)
            ids = torch.cat([ids, token], dim=1)
            text = self.tok_decode(ids[0, context.shape[1] :].tolist())
            if int(token) in self._ends or any(end in text for end in stop):
                break
        return ids


def _metrics(said: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Metrics:
    """Return the metrics of a task: with what each example came to, where that is right or wrong."""
    found = {}
    for name, value in said.items():
        metric, _, filtered = name.partition(",")
        if not filtered or metric.endswith(STANDARD_ERROR) or not isinstance(value, numbers.Real):
            continue
        single = [sample.get(metric) for sample in samples if sample.get("filter", filtered) == filtered]
        is_told = bool(single) and all(isinstance(one, numbers.Real) and one in (0, 1) for one in single)
        accuracy = Accuracy.of([bool(one) for one in single]) if is_told else None
        if accuracy is not None and not math.isclose(accuracy.value, float(value), abs_tol=1e-9):
            accuracy = None
        error = said.get(f"{metric}{STANDARD_ERROR},{filtered}")
        found[name] = Metric(_finite(value), _finite(error), accuracy)
    return found


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, numbers.Real) and math.isfinite(value) else None


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Have the user's random numbers go on afterwards as if nothing had been: lm-eval seeds Python's and NumPy's."""
    states = random.getstate(), numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
