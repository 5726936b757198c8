"""Makes the model of a cell, deploys it, and measures prefill and decoding apart."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gpu.models.plan import FORMS, SHAPES, Cell, Plan
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.repeatability import student_t
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.compressor import Context
from greenllm_kernel.compression.deployment import deploy
from greenllm_kernel.compression.host import Host
from greenllm_kernel.quantities import Energy

SEED = 20260131
LEVEL = 0.95
SETTLE_TIMEOUT_S = 5.0
MOST_ZEROS = 0.01
"""Zeros draw less than what a model has (fewer bits change): weights are drawn, and this is checked."""


def measured(cell: Cell, plan: Plan, device: str, runtime: str, session: Session, catalogue: Any) -> dict[str, Any]:
    """Measure one cell.

    Returns:
        By phase: J per token (prefill: per token of the prompts; decoding: per new token) with its interval from the
        spread between windows, and the session's own intervals; tokens/s; and what the cell took.
    """
    began = time.monotonic()
    model = made(cell, device, catalogue)
    generator = torch.Generator().manual_seed(SEED)
    vocabulary = SHAPES[cell.shape]["vocab_size"]
    ids = torch.randint(vocabulary, (cell.batch, plan.prompt_tokens), generator=generator).to(device)
    lengths = {"batch": cell.batch, "prompt_tokens": plan.prompt_tokens, "new_tokens": plan.new_tokens}
    with deploy(model, runtime, **lengths, session=session) as deployed:
        deployed.generate(ids)  # compiles
        deployed.generate(ids)
        ready_s = time.monotonic() - began
        prefill = _windows(plan, session, "prefill", cell.batch * plan.prompt_tokens, lambda: deployed.generate(ids, 1))
        decode = _decoding(plan, session, cell, lambda told: deployed.generate(ids, on_token=told))
        size_bytes = deployed.size_bytes
    return {
        "shape": cell.shape,
        "form": cell.form,
        "batch": cell.batch,
        "prompt_tokens": plan.prompt_tokens,
        "new_tokens": plan.new_tokens,
        "weights_bytes": size_bytes,
        "ready_s": ready_s,
        "took_s": time.monotonic() - began,
        "prefill": prefill,
        "decode": decode,
    }


def made(cell: Cell, device: str, catalogue: Any) -> nn.Module:
    """Return a model of the cell's shape with normally distributed weights, in the cell's form.

    Raises:
        RuntimeError: the form cannot be made here, and why.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    former = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = LlamaForCausalLM(LlamaConfig(**SHAPES[cell.shape], max_position_embeddings=4096)).eval()
    finally:
        torch.set_default_dtype(former)
    zeros = max(float((weight == 0).float().mean()) for weight in model.parameters() if weight.dim() > 1)
    assert zeros < MOST_ZEROS, f"{zeros:.0%} of a weight are zeros"
    method = FORMS[cell.form]
    if method is None:
        return model
    compressor = catalogue[method]
    config = compressor.config_class()
    refusals = compressor.check(model, config, Host.here())
    if refusals:
        raise RuntimeError("; ".join(map(str, refusals)))
    converted: nn.Module = compressor.convert(model, config, Context(seed=SEED))[0]
    return converted


@dataclass(frozen=True)
class Window:
    """A time in which tokens were made, together or in parts: how long, how many, and what it took; None: unknown."""

    duration_s: float
    tokens: int
    energy: Energy | None

    @classmethod
    def of(cls, runs: Sequence[Run], tokens: int) -> Window:
        """Wait for the readings after these runs, in which so many tokens were made, and add them up."""
        records = [run.settle(SETTLE_TIMEOUT_S) for run in runs]
        energies = [record.gross for record in records if record.gross is not None]
        energy = Energy.sum(energies) if len(energies) == len(records) else None
        return cls(sum(record.duration_s for record in records), tokens, energy)


def _windows(plan: Plan, session: Session, phase: str, tokens: int, once: Callable[[], object]) -> dict[str, Any]:
    windows: list[Window] = []
    for _ in range(plan.windows):
        count, began = 0, time.monotonic()
        with measure(phase, stage="evaluate", session=session) as run:
            while count == 0 or time.monotonic() - began < plan.window_s:
                once()
                count += 1
        windows.append(Window.of([run], count * tokens))
    return _summed(windows)


def _decoding(plan: Plan, session: Session, cell: Cell, generate: Callable[[Callable[[], None]], object]) -> Any:
    """Measure decoding: again and again, until together it has lasted as long as a window."""
    windows: list[Window] = []
    for _ in range(plan.windows):
        runs: list[Run] = []
        while not runs or sum(run.record.duration_s for run in runs) < plan.window_s:
            runs.append(_decoded(session, generate))
        windows.append(Window.of(runs, len(runs) * cell.batch * (plan.new_tokens - 1)))
    return _summed(windows)


def _decoded(session: Session, generate: Callable[[Callable[[], None]], object]) -> Run:
    """Generate once, and measure from the first new token on: what lies before it is prefill."""
    runs: list[Run] = []
    with ExitStack() as opened:

        def told() -> None:
            if not runs:
                runs.append(opened.enter_context(measure("decode", stage="evaluate", session=session)))

        generate(told)
    return runs[0]


def _summed(windows: Sequence[Window]) -> dict[str, Any]:
    known = [(window.energy, window.tokens) for window in windows if window.energy is not None]
    per_token_j = [energy.value_j / tokens for energy, tokens in known]
    rates = [window.tokens / window.duration_s for window in windows]
    mean = statistics.fmean(per_token_j) if per_token_j else None
    half = (
        student_t(LEVEL, len(per_token_j) - 1) * statistics.stdev(per_token_j) / math.sqrt(len(per_token_j))
        if len(per_token_j) > 1
        else None
    )
    return {
        "energy_j_per_token": mean,
        "interval_j_per_token": None if mean is None or half is None else [mean - half, mean + half],
        "tokens_per_s": statistics.median(rates),
        "provenance": sorted({energy.provenance.value for energy, _ in known}),
        "windows": [
            {
                "duration_s": window.duration_s,
                "tokens": window.tokens,
                "energy_j": window.energy.value_j if window.energy else None,
                "interval_j": list(window.energy.interval_j) if window.energy else None,
                "repeatability_interval_j": list(window.energy.repeatability_interval_j) if window.energy else None,
            }
            for window in windows
        ],
    }
