"""Runs a recipe on a copy of a model: checks first, measures each step, and keeps the last good model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.calibration import Calibration
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.compressor import Batch, Context, Refusal
from greenllm_kernel.compression.folder.load import applied_steps, load_model
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.recipe import Recipe, Step
from greenllm_kernel.compression.result import AppliedStep, CompressionResult, ModelSize
from greenllm_kernel.compression.tensors import not_finite, parameter_counts, size_bytes
from greenllm_kernel.errors import CompressionError, RecipeError
from greenllm_kernel.plugins import described

STAGE = "compress"
"""The stage of the records."""

SETTLE_TIMEOUT_S = 5.0
"""How long one waits for the readings after the last step, s."""

PROBE_SHAPE = (1, 8)
"""Of the token ids on which a model is tried after each step, where there is no calibration data: batch, length."""


@dataclass(frozen=True)
class Progress:
    """How far a recipe is.

    Attributes:
        number: of the step, from 1.
        count: of the steps.
        name: of the step's compressor.
        part: of the step that is done, 0 to 1.
        power_w: the mean since the step began, W; None where it is not known.
    """

    number: int
    count: int
    name: str
    part: float
    power_w: float | None


class StepError(CompressionError):
    """A step failed, or left values that are not finite.

    Args:
        message: what happened.
        result: the last good model, and the steps that led to it; None where the first step failed.
    """

    def __init__(self, message: str, result: CompressionResult | None) -> None:
        super().__init__(message)
        self.result = result


def compress(
    model: nn.Module | str | Path,
    recipe: Recipe | str | Path | Sequence[Any],
    *,
    calibration: Iterable[Any] | Callable[[], Iterable[Any]] | None = None,
    tokenizer: Any = None,
    train: Callable[[nn.Module], object] | None = None,
    seed: int = 0,
    session: Session | None = None,
    tell: Callable[[Progress], None] | None = None,
) -> CompressionResult:
    """Compress a copy of a model by a recipe, and say what that took.

    The model that was given is never changed. That takes the memory of one more model, and of two more where the
    recipe has several steps: the last good one is kept until a step has turned out well.

    Args:
        model: of transformers, or the folder of a saved one; nothing is fetched.
        recipe: YAML text, the path of a YAML file, or a list of names and of mappings of a name to settings.
        calibration: texts, batches, a data set, or a callable that returns any of these.
        tokenizer: for calibration data of texts.
        train: trains the model it is given, in place; for steps that want it.
        seed: of torch's random numbers; those of the caller are as before afterwards.
        session: in which it is measured, instead of this process's.
        tell: told how far it is.

    Raises:
        RecipeError: the recipe cannot be read, or cannot work on this model or host. Nothing was touched.
        ModelFolderError: ``model`` names a folder that cannot be loaded.
        CompressionError: the calibration data cannot be used.
        StepError: a step failed; its ``result`` has the last good model.
    """
    session = session or Session.current()
    catalogue = Catalogue.of(session.plugins, session.warn)
    parsed = Recipe.of(recipe, catalogue)
    given = load_model(model, catalogue=catalogue) if isinstance(model, str | Path) else model
    data = Calibration(calibration, tokenizer) if calibration is not None else None
    host = Host.here()
    refusals = list(_refusals(given, parsed, host, has_data=data is not None, can_train=train is not None))
    if refusals:
        reasons = "\n".join(f"- {refusal}" for refusal in refusals)
        raise RecipeError(f"this recipe cannot be run here; nothing was changed:\n{reasons}")
    session.find_meters()
    running = _Running(given, parsed, data, train, seed, session, tell or (lambda progress: None), host)
    return running.run(owns_model=given is not model)


class _Running:
    """One run of a recipe."""

    def __init__(
        self,
        given: nn.Module,
        recipe: Recipe,
        data: Calibration | None,
        train: Callable[[nn.Module], object] | None,
        seed: int,
        session: Session,
        tell: Callable[[Progress], None],
        host: Host,
    ) -> None:
        self._given = given
        self._recipe = recipe
        self._data = data
        self._train = train
        self._seed = seed
        self._session = session
        self._tell = tell
        self._host = host
        self._applied: list[tuple[AppliedStep, Run]] = []
        self._before = _size(given)

    def run(self, owns_model: bool) -> CompressionResult:
        """Apply the steps; ``owns_model``: nobody else has the given model, and it need not be copied."""
        with _random_numbers_kept(self._given), measure("compress", stage=STAGE, session=self._session) as whole:
            good = self._given if owns_model else _copied(self._given)
            good.eval()
            failure: tuple[str, BaseException] | None = None
            for number, step in enumerate(self._recipe.steps, 1):
                # The last good model before the first step is the given one, or still in its folder.
                working = good if number == 1 else _copied(good)
                try:
                    good = self._stepped(working, number, step)
                except Exception as error:
                    failure = f"step {number} ({step.name}) failed: {described(error)}", error
                    break
        result = self._result(good, whole) if self._applied else None
        if failure is not None:
            kept = f"The model as step {len(self._applied)} left it is kept." if result else "Nothing was changed."
            raise StepError(f"{failure[0]}. {kept}", result) from failure[1]
        assert result is not None
        return result

    def _stepped(self, model: nn.Module, number: int, step: Step) -> nn.Module:
        seed = self._seed + number - 1
        torch.manual_seed(seed)
        with measure(f"compress: {step.name}", stage=STAGE, session=self._session) as run:
            self._say(number, step, 0.0, run)
            context = Context(seed, self._batches(model), self._train, lambda part: self._say(number, step, part, run))
            model, metadata = step.compressor.convert(model, step.config, context)
            json.dumps(metadata)  # or else the model could not be saved: better to know it now
            model.eval()
            for parameter in model.parameters():
                parameter.grad = None
        self._check_values(model)
        self._say(number, step, 1.0, run)
        self._applied.append((AppliedStep(step, dict(metadata), _size(model), run.record), run))
        return model

    def _say(self, number: int, step: Step, part: float, run: Run) -> None:
        record = run.record
        power_w = record.gross.value_j / record.duration_s if record.gross and record.duration_s > 0 else None
        self._tell(Progress(number, len(self._recipe.steps), step.name, min(1.0, max(0.0, part)), power_w))

    def _batches(self, model: nn.Module) -> Callable[[], Iterator[Batch]]:
        data = self._data
        if data is None:
            return lambda: iter(())
        device = _device(model)
        return lambda: data.batches(device)

    def _check_values(self, model: nn.Module) -> None:
        name = not_finite(model)
        if name is not None:
            raise CompressionError(f"{name} has values that are not finite (NaN or infinite)")
        probe = self._probe(model)
        if probe is None:
            return
        with torch.no_grad():
            output = model(**probe)
        first = output[0] if not isinstance(output, torch.Tensor) else output
        if "labels" in probe and hasattr(output, "logits"):
            first = output.logits
        if not bool(torch.isfinite(first).all()):
            raise CompressionError("the model's output is not finite (NaN or infinite)")

    def _probe(self, model: nn.Module) -> Batch | None:
        if self._data is not None:
            return {name: tensor.to(_device(model)) for name, tensor in self._data.first.items()}
        vocabulary = getattr(getattr(model, "config", None), "vocab_size", None)
        if not isinstance(vocabulary, int) or getattr(model, "main_input_name", "") != "input_ids":
            return None
        ids = torch.randint(vocabulary, PROBE_SHAPE, generator=torch.Generator().manual_seed(self._seed))
        is_pair = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
        ids = ids.to(_device(model))
        return {"input_ids": ids, "decoder_input_ids": ids} if is_pair else {"input_ids": ids}

    def _result(self, model: nn.Module, whole: Run) -> CompressionResult:
        record = whole.settle(SETTLE_TIMEOUT_S)
        steps = [step.with_record(run.settle(SETTLE_TIMEOUT_S)) for step, run in self._applied]
        return CompressionResult(
            model=model,
            steps=(*applied_steps(self._given), *steps),
            before=self._before,
            after=_size(model),
            record=record,
            seed=self._seed,
            host=self._host,
        )


def _refusals(model: nn.Module, recipe: Recipe, host: Host, has_data: bool, can_train: bool) -> Iterator[Refusal]:
    from greenllm_kernel.compression.composition import conflicts

    before = applied_steps(model)
    if before:
        yield from conflicts([step.step.compressor for step in before] + [step.compressor for step in recipe.steps])
    yield from _refusals_of_memory(model, copies=1 if len(recipe.steps) == 1 else 2, host=host)
    for number, step in enumerate(recipe.steps, 1):
        where = f"step {number} ({step.name})"
        if step.compressor.needs_calibration(step.config) and not has_data:
            yield Refusal(f"{where} needs calibration data", "Give texts, batches or a data set as calibration=.")
        if step.compressor.needs_training(step.config) and not can_train:
            yield Refusal(f"{where} trains the model", "Give a function that trains the model it is given as train=.")
        try:
            found = step.compressor.check(model, step.config, host)
        except Exception as error:
            found = [Refusal(f"its check failed: {described(error)}", "Please tell whoever wrote it.")]
        for refusal in found:
            yield Refusal(f"{where}: {refusal.reason}", refusal.remedy)


def _refusals_of_memory(model: nn.Module, copies: int, host: Host) -> Iterator[Refusal]:
    on_gpu = _device(model).type == "cuda"
    free = host.accelerator_free_bytes if on_gpu else host.memory_free_bytes
    wanted = copies * size_bytes(model)
    if free is not None and wanted > free:
        yield Refusal(
            f"the given model is kept as it is, and {copies} more of its size ({wanted / 1e9:.1f} GB) do not fit into "
            f"the free memory ({free / 1e9:.1f} GB)",
            "Run the steps one by one, or give the folder of the saved model and drop the one in memory."
            if copies > 1
            else "Give the folder of the saved model and drop the one in memory.",
        )


def _copied(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model)


def _size(model: nn.Module) -> ModelSize:
    parameters, nonzero = parameter_counts(model)
    return ModelSize(parameters, nonzero, size_bytes(model))


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def _random_numbers_kept(model: nn.Module) -> Iterator[None]:
    device = _device(model)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
