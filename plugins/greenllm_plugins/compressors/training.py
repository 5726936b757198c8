"""Training as steps of recipes do it: AdamW, a learning rate that rises and falls, and a budget of tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from greenllm_kernel.compression.compressor import Batch, Context, Kind, Refusal
from greenllm_kernel.errors import CompressionError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host

LARGEST_GRADIENT = 1.0
"""Norm to which gradients are cut."""

COPIES = 4
"""Of all weights in float32: themselves, their gradients, and AdamW's two moments."""

LAST = 0.1
"""Part of the steps whose mean loss is told as the last one."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of whatever trains.

    Attributes:
        tokens: the budget: training goes through so many tokens, whatever the data has.
        batch: examples in each step of the optimiser.
        length: of an example, tokens; at most what the model is made for.
        rate: the highest learning rate.
        warm_up: part of the steps over which it rises; then it falls as a half cosine.
        weight_decay: of AdamW.
    """

    tokens: int = 1_000_000
    batch: int = 8
    length: int = 256
    rate: float = 1e-4
    warm_up: float = 0.05
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("tokens", "batch", "length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is below 1")
        if self.rate <= 0:
            raise ValueError(f"rate: {self.rate} is not above 0")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up: {self.warm_up} is not from 0 to below 1")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay: {self.weight_decay} is below 0")


Loss = Callable[[Sequence[int], Batch], "Tensor"]
"""Gives the loss of a batch; the numbers are those of its examples."""


class Constraint(Protocol):
    """What weights must fulfil while they are trained."""

    def before_step(self) -> None:
        """See to the gradients."""

    def after_step(self) -> None:
        """See to the weights."""


@dataclass(frozen=True)
class Trained:
    """How training went.

    Attributes:
        tokens: that it went through.
        first_loss: mean over the first steps.
        last_loss: mean over the last ones.
    """

    tokens: int
    first_loss: float
    last_loss: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"tokens": self.tokens, "first_loss": self.first_loss, "last_loss": self.last_loss}


def optimise(
    model: nn.Module,
    loss_of: Loss,
    config: TrainingConfig,
    context: Context,
    parameters: Sequence[nn.Parameter] | None = None,
    constraint: Constraint | None = None,
) -> Trained:
    """Train a model in place.

    Args:
        model: in evaluation mode again afterwards.
        loss_of: what is to become small.
        config: the budget and the optimiser's settings.
        context: has the examples, and is told how far it is.
        parameters: what is trained, instead of all that wants a gradient.
        constraint: instead of: weights that an earlier step has set to 0 stay 0.

    Raises:
        CompressionError: there is nothing to train, or the loss is no longer finite.
    """
    import torch

    from greenllm_kernel.compression.places import places
    from greenllm_kernel.compression.tensors import device_of

    trained = trainable(model) if parameters is None else list(parameters)
    if constraint is None and Kind.SPARSITY in context.follows:
        constraint = Zeros(model)
    examples = context.examples(min(config.length, places(model) or config.length), config.tokens)
    steps = max(1, round(config.tokens * len(examples) / (examples.tokens * config.batch)))
    optimizer = torch.optim.AdamW(trained, lr=config.rate, betas=(0.9, 0.95), weight_decay=config.weight_decay)
    rises = round(config.warm_up * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _part_of_rate(step, rises, steps))
    device, losses, tokens = device_of(model), [], 0
    model.train()
    try:
        for step, numbers in enumerate(_orders(len(examples), config.batch, steps, context.seed), 1):
            batch = examples.batch(numbers, device)
            with torch.enable_grad(), _fast(device):
                loss = loss_of(numbers, batch)
            loss.backward()
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise CompressionError(
                    f"the loss is {losses[-1]} after {tokens:,} tokens: training has diverged; lower rate "
                    f"({config.rate:g})"
                )
            if constraint is not None:
                constraint.before_step()
            torch.nn.utils.clip_grad_norm_(trained, LARGEST_GRADIENT)
            optimizer.step()
            if constraint is not None:
                constraint.after_step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            tokens += int(batch.get("input_ids", next(iter(batch.values()))).numel())
            context.tell(step / steps)
    finally:
        model.eval()
    few = max(1, round(LAST * len(losses)))
    return Trained(tokens, sum(losses[:few]) / few, sum(losses[-few:]) / few)


def _part_of_rate(step: int, rises: int, steps: int) -> float:
    """Return the learning rate of a step, from 0, by the highest: no step is without effect."""
    if step < rises:
        return (step + 1) / rises
    return 0.5 + 0.5 * math.cos(math.pi * (step - rises) / (steps - rises + 1))


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return what of a model is trained: all that wants a gradient.

    Raises:
        CompressionError: nothing does.
    """
    found = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not found:
        raise CompressionError("no parameter of the model wants a gradient (requires_grad): there is nothing to train")
    return found


def own_loss(model: nn.Module) -> Loss:
    """Return the loss that the model itself computes: of a causal language model, that of the next token."""
    from greenllm_kernel.compression.calibration import with_labels

    def loss_of(numbers: Sequence[int], batch: Batch) -> Tensor:
        loss: Tensor = model(**with_labels(model, batch)).loss
        return loss

    return loss_of


def retrain(model: nn.Module, config: TrainingConfig, context: Context) -> None:
    """Train between steps of pruning: by the user's own function, or on the data."""
    if context.train is not None:
        model.train()
        try:
            context.train(model)
        finally:
            model.eval()
    else:
        with in_float32(model):
            optimise(model, own_loss(model), config, context)


class Zeros:
    """Weights that are 0 stay 0.

    Args:
        model: of whose matrices.
    """

    def __init__(self, model: nn.Module) -> None:
        from greenllm_kernel.compression.layers import matrix, matrix_layers

        matrices = [matrix(layer) for layer in matrix_layers(model).values()]
        self._masks = [(weight, weight == 0) for weight in matrices if bool((weight == 0).any())]

    def before_step(self) -> None:
        """Leave the gradients: what they change is set back."""

    def after_step(self) -> None:
        """Set back to 0."""
        for weight, is_zero in self._masks:
            weight.masked_fill_(is_zero, 0.0)


@contextmanager
def in_float32(model: nn.Module) -> Iterator[None]:
    """Have the model's weights in float32 while it is trained: in 16 bits small steps are lost."""
    import torch

    others = [(each, each.dtype) for each in model.parameters() if each.dtype is not torch.float32]
    for parameter, dtype in others:
        parameter.data = parameter.data.float() if dtype.is_floating_point else parameter.data
    try:
        yield
    finally:
        for parameter, dtype in others:
            parameter.data = parameter.data.to(dtype)


def refusals_of_training(model: nn.Module, host: Host) -> list[Refusal]:
    """Return why this model cannot be trained here."""
    from greenllm_kernel.compression.tensors import device_of

    wanted = COPIES * 4 * sum(parameter.numel() for parameter in model.parameters())
    on_gpu = device_of(model).type == "cuda"
    free = host.accelerator_free_bytes if on_gpu else host.memory_free_bytes
    if free is not None and wanted > free:
        reason = f"training takes {wanted / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free"
        return [Refusal(reason, "Take a smaller model, or train it where there is more memory.")]
    return []


def _orders(count: int, batch: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Yield the numbers of the examples of each step; all come once before one comes again."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    left: list[int] = []
    for _ in range(steps):
        while len(left) < batch:
            left += torch.randperm(count, generator=generator).tolist()
        yield left[:batch]
        del left[:batch]


def _fast(device: torch.device) -> AbstractContextManager[Any]:
    """Multiply in bfloat16 where the hardware does that faster, with the weights in float32."""
    import torch

    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    is_fast = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device.type == "cuda"
        else capabilities.get("amx_bf16", False)
    )
    return torch.autocast(device.type, dtype=torch.bfloat16) if is_fast else nullcontext()
