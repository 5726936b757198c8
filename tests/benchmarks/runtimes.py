"""A trained Llama shape of 107 M parameters, compressed and deployed in each way: tokens/s, bits per byte, J/token.

All ways generate in turn, in one process, in rounds whose order turns round each time; two ways are compared by the
median over rounds of their ratio. Figures of energy are estimates where the machine has no sensor, and say so.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from figure import Figure
from greenllm_kernel import compress, deploy, measure
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.quality import TextQuality, score_texts
from greenllm_kernel.compression.deployment import Deployment
from greenllm_kernel.compression.runtime import Shape
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Energy
from trained import trained

EAGER = ("", "eager")
OPENVINO = ("", "openvino")
WAYS = [
    EAGER,
    ("- int8_dynamic: {exclude: []}", "eager"),
    ("", "compiled"),
    ("- torchao_int8_weight_only", "compiled"),
    ("", "torchscript"),
    ("- int8_dynamic: {exclude: []}", "torchscript"),
    OPENVINO,
    ("", "openvino: {weights: int8}"),
    ("", "openvino: {weights: int4}"),
    ("", "onnxruntime"),
    ("", "onnxruntime: {weights: int8}"),
    ("", "onnxruntime: {weights: int4}"),
    ("", "onnxruntime: {weights: int4, group_size: 128}"),
]
"""Recipes and runtimes."""

BATCHES = (1, 8)
PROMPT_TOKENS, NEW_TOKENS = 64, 32
ROUNDS, QUICK_ROUNDS = 8, 4
TEXTS, CHARACTERS = 8, 600
"""Held-out texts on which quality is compared, and how much of each."""

MOST_BITS = 0.01
"""By which part the bits per byte may rise."""


@dataclass
class Way:
    """One recipe and runtime, and what was measured of it."""

    recipe: str
    runtime: str
    deployments: dict[int, Deployment]
    quality: TextQuality
    rates: dict[int, list[float]] = field(default_factory=dict)
    runs: dict[int, list[Run]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        recipe = self.recipe.removeprefix("- ").replace(": {exclude: []}", " with head")
        return self.runtime if "weights" in self.runtime else f"{recipe or 'fp32'}, {self.runtime}"


def figures(folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Return tokens/s of each way at each batch, and how the best of them stands to fp32."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    made = trained(size="100m")
    session = Session(Configuration(), Plugins())
    found: list[Figure] = []
    with ExitStack() as stack:
        stack.callback(session.close, 1.0)
        ways = [_way(stack, made, recipe, runtime, session) for recipe, runtime in WAYS]
        for batch in BATCHES:
            _race(ways, batch, QUICK_ROUNDS if options.quick else ROUNDS, session)
            found += _of_batch(ways, batch)
    return found


def _way(stack: ExitStack, made: Any, recipe: str, runtime: str, session: Session) -> Way:
    model = compress(made.model, recipe, session=session).model if recipe else made.model
    shape = {"prompt_tokens": PROMPT_TOKENS, "new_tokens": NEW_TOKENS, "session": session}
    first = stack.enter_context(deploy(model, runtime, batch=BATCHES[0], **shape))
    deployments = {BATCHES[0]: first}
    for batch in BATCHES[1:]:  # only what is compiled is made for one batch alone
        deployments[batch] = (
            stack.enter_context(deploy(model, runtime, batch=batch, **shape))
            if runtime.startswith("compiled")
            else replace(first, shape=Shape(batch, PROMPT_TOKENS, NEW_TOKENS))
        )
    texts = [text[:CHARACTERS] for text in made.held_out_texts[:TEXTS]]
    return Way(recipe, runtime, deployments, score_texts(first.logits, texts, made.tokenizer, CHARACTERS))


def _race(ways: Sequence[Way], batch: int, rounds: int, session: Session) -> None:
    vocabulary = 1000
    ids = torch.randint(vocabulary, (batch, PROMPT_TOKENS), generator=torch.Generator().manual_seed(batch))
    for way in ways:
        way.deployments[batch].generate(ids)
    for number in range(rounds):
        for way in ways if number % 2 == 0 else ways[::-1]:
            instants: list[float] = []
            with measure(way.name, session=session) as run:
                way.deployments[batch].generate(ids, on_token=lambda told=instants: told.append(time.perf_counter()))
            way.runs.setdefault(batch, []).append(run)
            rate = batch * (NEW_TOKENS - 1) / (instants[-1] - instants[0])
            way.rates.setdefault(batch, []).append(rate)


def _of_batch(ways: Sequence[Way], batch: int) -> list[Figure]:
    eager, openvino = (next(way for way in ways if (way.recipe, way.runtime) == which) for which in (EAGER, OPENVINO))
    found = [
        Figure(
            f"decode, batch {batch}, {way.name}",
            median(way.rates[batch]),
            "tokens/s",
            note=f"{_times(way, eager, batch):.2f} x eager, {100 * _more_bits(way, eager):+.2f} % bits per byte, "
            + _energy_text(way, batch),
        )
        for way in ways
    ]
    best = max((way for way in ways if _more_bits(way, eager) <= MOST_BITS), key=lambda way: _times(way, eager, batch))
    limits = [(eager, 2.5), (openvino, 1.4)] if batch == 1 else [(eager, 2.0)]
    return found + [
        Figure(
            f"best at batch {batch} beside {other.name}", _times(best, other, batch), "x", least=least, note=best.name
        )
        for other, least in limits
    ]


def _energy_text(way: Way, batch: int) -> str:
    """Return the energy of a new token, the prompt's included, over all rounds, with its 95 % interval."""
    energies = [run.settle(5.0).gross for run in way.runs[batch]]
    total = Energy.sum([energy for energy in energies if energy is not None])
    if total is None:
        return "energy unavailable"
    tokens = sum(energy is not None for energy in energies) * batch * NEW_TOKENS
    each = total.scaled(1 / tokens)
    low, high = each.interval_j
    return f"{each.value_j:.2g} [{low:.2g}, {high:.2g}] J/token with prefill, {each.provenance}"


def _times(way: Way, other: Way, batch: int) -> float:
    return median(mine / theirs for mine, theirs in zip(way.rates[batch], other.rates[batch], strict=True))


def _more_bits(way: Way, other: Way) -> float:
    return way.quality.change(other.quality)[0]
