"""Runs a recipe on a copy of a model: checks first, measures each step, and keeps the last good model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.calibration import Calibration
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.checks import refusals_of
from greenllm_kernel.compression.compressor import Batch, Context, Kind
from greenllm_kernel.compression.folder.load import STEPS_ATTRIBUTE, applied_steps, load_model
from greenllm_kernel.compression.folder.save import weights_bytes
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.places import places
from greenllm_kernel.compression.recipe import Recipe, Step
from greenllm_kernel.compression.result import AppliedStep, CompressionResult, ModelSize
from greenllm_kernel.compression.targets import TargetOutcome
from greenllm_kernel.compression.tensors import device_of, not_finite, parameter_counts, size_bytes
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


class CompressionInterrupted(KeyboardInterrupt):
    """The user has interrupted a recipe, after a step of it had turned out well.

    Args:
        result: the last good model, and the steps that led to it.
    """

    def __init__(self, result: CompressionResult) -> None:
        super().__init__("the recipe was interrupted; the last good model is in the exception's .result")
        self.result = result


@dataclass(frozen=True)
class _Reached:
    """How far a recipe has come: the last good model, and the steps of the recipe that led to it.

    One object, so that an interrupt, which comes between any two instructions, finds both of the same step.
    """

    model: nn.Module
    applied: Sequence[tuple[AppliedStep, Run]] = ()


def compress(
    model: nn.Module | str | Path,
    recipe: Recipe | str | Path | Sequence[Any] | Mapping[str, Any],
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
        recipe: YAML text, the path of a YAML file, or a list of names and of mappings of a name to settings; or a
            mapping with such a list as ``steps``, and ``targets`` that it must reach.
        calibration: texts, batches, a data set, or a callable that returns any of these: what methods look at (the
            first 128) and train with (all).
        tokenizer: for calibration data of texts.
        train: trains the model it is given, in place, instead of GreenLLM's own training between steps of pruning.
        seed: of torch's random numbers; those of the caller are as before afterwards.
        session: in which it is measured, instead of this process's.
        tell: told how far it is.

    Raises:
        RecipeError: the recipe cannot be read, or cannot work on this model or host. Nothing was touched.
        ModelFolderError: ``model`` names a folder that cannot be loaded.
        CompressionError: ``model`` is no model, has values that are not finite, or the calibration data cannot be used.
        StepError: a step failed; its ``result`` has the last good model.
        CompressionInterrupted: a KeyboardInterrupt after the first step, with the same ``result``.
    """
    session = session or Session.current()
    catalogue = Catalogue.of(session.plugins, session.warn)
    parsed = Recipe.of(recipe, catalogue)
    given = load_model(model, catalogue=catalogue) if isinstance(model, str | Path) else model
    if not isinstance(given, nn.Module):
        raise CompressionError(
            f"a model of transformers, or the folder of one, is compressed; not a {type(given).__name__}"
        )
    data = Calibration(calibration, tokenizer, places(given)) if calibration is not None else None
    host = Host.here()
    refusals = list(refusals_of(given, parsed, host, has_data=data is not None, can_train=train is not None))
    if refusals:
        reasons = "\n".join(f"- {refusal}" for refusal in refusals)
        raise RecipeError(f"this recipe cannot be run here; nothing was changed:\n{reasons}")
    session.find_meters()
    is_ours = given is not model
    # A model that nobody else has is changed in place: who wants it as it was reads it once more.
    original = partial(load_model, model, catalogue=catalogue) if isinstance(model, str | Path) else lambda: given
    running = _Running(given, original, parsed, data, train, seed, session, tell or (lambda progress: None), host)
    return running.run(owns_model=is_ours)


class _Running:
    """One run of a recipe."""

    def __init__(
        self,
        given: nn.Module,
        original: Callable[[], nn.Module],
        recipe: Recipe,
        data: Calibration | None,
        train: Callable[[nn.Module], object] | None,
        seed: int,
        session: Session,
        tell: Callable[[Progress], None],
        host: Host,
    ) -> None:
        self._given = given
        self._original = original
        self._recipe = recipe
        self._data = data
        self._train = train
        self._seed = seed
        self._session = session
        self._tell = tell
        self._host = host
        self._reached = _Reached(given)
        self._before = _size(given)
        self._can_try = True

    def run(self, owns_model: bool) -> CompressionResult:
        """Apply the steps; ``owns_model``: nobody else has the given model, and it need not be copied."""
        failure: tuple[str, BaseException] | None = None
        try:
            with _random_numbers_kept(self._given), measure("compress", stage=STAGE, session=self._session) as whole:
                first = self._given if owns_model else _copied(self._given)
                first.eval()
                self._try_given(first)
                for number, step in enumerate(self._recipe.steps, 1):
                    # The last good model before the first step is the given one, or still in its folder.
                    working = first if number == 1 else _copied(self._reached.model)
                    try:
                        self._reached = self._stepped(working, number, step)
                    except Exception as error:
                        failure = f"step {number} ({step.name}) failed: {described(error)}", error
                        break
        except KeyboardInterrupt as interrupt:
            if not self._reached.applied:
                raise
            raise CompressionInterrupted(self._result(whole)) from interrupt
        result = self._result(whole) if self._reached.applied else None
        if failure is not None:
            left = f"The model as step {len(self._reached.applied)} left it is kept."
            raise StepError(f"{failure[0]}. {left if result else 'Nothing was changed.'}", result) from failure[1]
        assert result is not None
        return result

    def _stepped(self, model: nn.Module, number: int, step: Step) -> _Reached:
        seed = self._seed + number - 1
        torch.manual_seed(seed)
        with measure(f"compress: {step.name}", stage=STAGE, session=self._session) as run:
            self._say(number, step, 0.0, run)
            model, metadata = step.compressor.convert(model, step.config, self._context(model, number, step, seed, run))
            json.dumps(metadata)  # or else the model could not be saved: better to know it now
            model.eval()
            for parameter in model.parameters():
                parameter.grad = None
        self._check_values(model)
        self._say(number, step, 1.0, run)
        applied = AppliedStep(step, dict(metadata), _size(model), run.record)
        return _Reached(model, (*self._reached.applied, (applied, run)))

    def _context(self, model: nn.Module, number: int, step: Step, seed: int, run: Run) -> Context:
        gone_through = (*applied_steps(self._given), *(applied for applied, _ in self._reached.applied))
        own = {} if self._data is None else {"examples": partial(self._data.examples, seed=seed)}
        return Context(
            seed=seed,
            batches=self._batches(model),
            train=self._train,
            tell=lambda part: self._say(number, step, part, run),
            given=self._original,
            follows=frozenset(Kind(applied.step.compressor.kind) for applied in gone_through),
            **own,
        )

    def _say(self, number: int, step: Step, part: float, run: Run) -> None:
        part = min(1.0, max(0.0, part))
        self._tell(Progress(number, len(self._recipe.steps), step.name, part, run.record.mean_power_w))

    def _batches(self, model: nn.Module) -> Callable[[], Iterator[Batch]]:
        data = self._data
        if data is None:
            return lambda: iter(())
        device = device_of(model)
        return lambda: data.batches(device)

    def _try_given(self, model: nn.Module) -> None:
        """See that the values are finite as given, and whether the model can be tried at all.

        A model that wants to be called in a way that is not known here is not tried after the steps either.
        """
        self._check_parameters(model)
        try:
            is_finite = self._is_output_finite(model)
        except Exception as error:
            if isinstance(error, getattr(torch, "AcceleratorError", ())):  # after it, nothing works on the device
                raise CompressionError(
                    f"the model failed on {device_of(model)}, as given: {described(error)}; restart the kernel, since "
                    "the device cannot be used any more, and try the model on the CPU, where the error tells more"
                ) from error
            self._can_try = False
        else:
            if not is_finite:
                raise CompressionError("the model's output is not finite (NaN or infinite) before any step")

    def _check_values(self, model: nn.Module) -> None:
        self._check_parameters(model)
        if self._can_try and not self._is_output_finite(model):
            raise CompressionError("the model's output is not finite (NaN or infinite)")

    def _check_parameters(self, model: nn.Module) -> None:
        name = not_finite(model)
        if name is not None:
            raise CompressionError(f"{name} has values that are not finite (NaN or infinite)")

    def _is_output_finite(self, model: nn.Module) -> bool:
        probe = self._probe(model)
        if probe is None:
            return True
        with torch.no_grad():
            output = model(**probe)
        logits = getattr(output, "logits", None)
        first = logits if logits is not None else output if isinstance(output, torch.Tensor) else output[0]
        return bool(torch.isfinite(first).all())

    def _probe(self, model: nn.Module) -> Batch | None:
        if self._data is not None:
            return {name: tensor.to(device_of(model)) for name, tensor in self._data.first.items()}
        vocabulary = getattr(getattr(model, "config", None), "vocab_size", None)
        if not isinstance(vocabulary, int) or getattr(model, "main_input_name", "") != "input_ids":
            return None
        ids = torch.randint(vocabulary, PROBE_SHAPE, generator=torch.Generator().manual_seed(self._seed))
        is_pair = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
        ids = ids.to(device_of(model))
        return {"input_ids": ids, "decoder_input_ids": ids} if is_pair else {"input_ids": ids}

    def _result(self, whole: Run) -> CompressionResult:
        model = self._reached.model
        record = whole.settle(SETTLE_TIMEOUT_S)
        steps = [step.with_record(run.settle(SETTLE_TIMEOUT_S)) for step, run in self._reached.applied]
        steps = [*applied_steps(self._given), *steps]
        setattr(model, STEPS_ATTRIBUTE, tuple(step.earlier for step in steps))
        return CompressionResult(
            model=model,
            steps=tuple(steps),
            before=self._before,
            after=_size(model),
            record=record,
            seed=self._seed,
            host=self._host,
            targets=self._targets(model),
        )

    def _targets(self, model: nn.Module) -> list[TargetOutcome]:
        """Judge the targets by what is known without measuring."""
        size = _size(model)
        figures: dict[str, float | None] = {"parameters": size.parameters, "memory_bytes": size.memory_bytes}
        if any(target.name == "file_bytes" for target in self._recipe.targets):
            steps = [*applied_steps(self._given), *(applied for applied, _ in self._reached.applied)]
            figures["file_bytes"] = weights_bytes(model, steps)
        return [target.judged(figures) for target in self._recipe.targets]


def _copied(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model)


def _size(model: nn.Module) -> ModelSize:
    parameters, nonzero = parameter_counts(model)
    return ModelSize(parameters, nonzero, size_bytes(model))


@contextmanager
def _random_numbers_kept(model: nn.Module) -> Iterator[None]:
    device = device_of(model)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
