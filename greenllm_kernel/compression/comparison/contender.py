"""What takes part in a comparison: a model and how it is run, however it was given."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.deployment import is_causal
from greenllm_kernel.compression.folder.load import applied_steps, load_model
from greenllm_kernel.compression.folder.save import weights_bytes
from greenllm_kernel.compression.result import AppliedStep, CompressionResult
from greenllm_kernel.compression.runtime import Runtime
from greenllm_kernel.compression.runtimes import Runtimes, written
from greenllm_kernel.compression.targets import Target
from greenllm_kernel.compression.tensors import (
    device_of,
    is_plain,
    leaves,
    packed_weights,
    parameter_counts,
    size_bytes,
)
from greenllm_kernel.errors import ComparisonError
from greenllm_kernel.plugins import described
from greenllm_kernel.quantities import Energy

IN_TORCH = ("eager", "compiled")
"""Runtimes that run the model as it is saved by us, and have no form of their own on the disk."""


@dataclass(frozen=True)
class Contender:
    """A model under a name, run in a certain way.

    Attributes:
        name: in tables and records.
        model: of transformers, the folder of one, or what compressing one gave.
        runtime: a name, or a name with settings; None: the comparison's own.
    """

    name: str
    model: nn.Module | CompressionResult | str | Path = field(repr=False)
    runtime: str | Mapping[str, Any] | Runtime | None = None


@dataclass(frozen=True)
class Entrant:
    """A contender, made ready: its model is at hand.

    Attributes:
        name: which no other has.
        model: in memory.
        runtime: with its settings.
        steps: of compression that it has gone through, as recipes have them.
        compressing: energy that compressing it took, J; None where it was not compressed, or that is not known.
        file_bytes: of its weights as they are saved; None where that cannot be told.
        targets: of the recipe that it was compressed by.
    """

    name: str
    model: nn.Module
    runtime: Runtime
    steps: Sequence[str]
    compressing: Energy | None
    file_bytes: int | None
    targets: Sequence[Target] = ()

    @property
    def runtime_text(self) -> str:
        """The runtime as it is written."""
        return written(self.runtime)

    @property
    def is_causal(self) -> bool:
        """Whether it goes on with a text."""
        return is_causal(self.model)

    @property
    def device(self) -> str:
        """Where the model is, such as ``"cuda:0"``."""
        return str(device_of(self.model))

    @cached_property
    def sizes(self) -> tuple[int, int, int]:
        """Parameters, those that are not 0, and bytes in memory."""
        return (*parameter_counts(self.model), size_bytes(self.model))

    @cached_property
    def operations(self) -> tuple[object, ...]:
        """What two contenders share that do the very same operations: device, runtime, layers, shapes, formats."""
        layers = tuple(type(module).__qualname__ for module in self.model.modules())
        tensors = tuple(
            (name, type(tensor).__name__, *((tuple(leaf.shape), leaf.dtype, leaf.layout) for leaf in leaves(tensor)))
            for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers())
        )
        packed = tuple(
            (tuple(weight.shape), weight.dtype, str(weight.qscheme()) if weight.is_quantized else "")
            for weight in packed_weights(self.model)
        )
        return self.device, self.runtime_text, layers, tensors, packed


def entrants(given: Sequence[Any], runtime: Any, session: Session) -> Sequence[Entrant]:
    """Return what was given to be compared, made ready. What is loaded from a folder goes to the baseline's device.

    Args:
        given: models, folders, results of compressing, or contenders; the first is the baseline.
        runtime: of those that name none.
        session: whose plugins are asked.

    Raises:
        ComparisonError: something that cannot be compared, or two of one name.
        DeploymentError: there is no such runtime.
        ModelFolderError: a folder that cannot be loaded.
    """
    runtimes = Runtimes.of(session.plugins, session.warn)
    catalogue = Catalogue.of(session.plugins, session.warn)
    named = _apart([_named(each, number) for number, each in enumerate(given)], given)
    names = [each.name for each in named]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ComparisonError(f"two contenders are called {twice[0]!r}: give each a name by Contender(name, model)")
    chosen = [runtimes.chosen(runtime if each.runtime is None else each.runtime) for each in named]
    found = [_entrant(each, how, catalogue, session.warn) for each, how in zip(named, chosen, strict=True)]
    device = device_of(found[0].model)
    for contender, entrant in zip(named, found, strict=True):
        if isinstance(contender.model, str | Path) and device_of(entrant.model) != device:
            _move(entrant, device)
    return found


def _named(given: Any, number: int) -> Contender:
    if isinstance(given, Contender):
        if not isinstance(given.name, str) or not given.name:
            raise ComparisonError(f"a contender is called {given.name!r}: expected a name")
        return Contender(given.name, _model_or_refused(given.model), given.runtime)
    name = "baseline" if number == 0 else f"contender {number}"
    if isinstance(given, str | Path):
        name = Path(given).name or str(given)
    elif isinstance(given, CompressionResult) and given.steps and number:
        name = " + ".join(applied.step.name for applied in given.steps)
    return Contender(name, _model_or_refused(given))


def _apart(named: Sequence[Contender], given: Sequence[Any]) -> Sequence[Contender]:
    """Number those of one name that was not given to them by anybody."""
    told: list[Contender] = []
    for contender, each in zip(named, given, strict=True):
        taken = [earlier.name for earlier in told]
        if not isinstance(each, Contender) and contender.name in taken:
            number = next(count for count in itertools.count(2) if f"{contender.name} {count}" not in taken)
            contender = replace(contender, name=f"{contender.name} {number}")
        told.append(contender)
    return told


def _model_or_refused(model: Any) -> Any:
    if not isinstance(model, nn.Module | CompressionResult | str | Path):
        raise ComparisonError(
            "models of transformers are compared, folders of such, and results of compress(); not a "
            f"{type(model).__name__}"
        )
    return model


def _entrant(contender: Contender, runtime: Runtime, catalogue: Catalogue, warn: Callable[[str], object]) -> Entrant:
    given = contender.model
    targets: Sequence[Target] = ()
    if isinstance(given, str | Path):
        model = load_model(given, catalogue=catalogue)
        steps = applied_steps(model)
    elif isinstance(given, CompressionResult):
        model, steps = given.model, given.steps
        targets = [outcome.target for outcome in given.targets]
    else:
        model, steps = given, applied_steps(given)
    return Entrant(
        name=contender.name,
        model=model,
        runtime=runtime,
        steps=[str(applied.step) for applied in steps],
        compressing=_compressing(steps),
        file_bytes=_file_bytes(contender.name, model, steps, warn),
        targets=targets,
    )


def _compressing(steps: Sequence[AppliedStep]) -> Energy | None:
    """Return what all steps took together, in however many recipes; None where one of them is not known."""
    known = [applied.energy for applied in steps if applied.energy is not None]
    return Energy.sum(known) if len(known) == len(steps) else None


def _move(entrant: Entrant, device: torch.device) -> None:
    try:
        entrant.model.to(device)
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise ComparisonError(f"{entrant.name} cannot be moved to {device}, where the baseline is: {error}") from error


def _file_bytes(name: str, model: nn.Module, steps: Sequence[AppliedStep], warn: Callable[[str], object]) -> int | None:
    """Return how large the file with a model's weights is as we save it; None where somebody else has packed them."""
    if not steps and not all(map(is_plain, model.parameters())):
        return None
    if not steps and next(packed_weights(model), None) is not None:
        return None
    try:
        return weights_bytes(model, steps)
    except Exception as error:
        warn(f"{name}: how large a file of it would be cannot be told: {described(error)}")
        return None
