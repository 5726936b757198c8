"""What a comparison was asked for, checked before anything runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from greenllm_kernel.compression.comparison.contender import Entrant
from greenllm_kernel.compression.comparison.plan import looks
from greenllm_kernel.compression.places import places
from greenllm_kernel.errors import ComparisonError

LEAST_NEW_TOKENS = 2
"""The first belongs to the prefill: with fewer there is no decoding."""

Example = tuple[str, Any]
"""A text and its label."""


@dataclass(frozen=True)
class Asked:
    """What is to be compared on.

    Attributes:
        batches: sequences side by side.
        prompt_tokens: of each sequence.
        new_tokens: to be generated of each.
        prompts: texts that the sequences are made from; none: from random tokens.
        texts: that quality is told on.
        tokenizer: of transformers, for all contenders.
        task: labelled texts, or what tells the accuracy of a model.
        harness: tasks of lm-eval, by name or as configs.
        pairs: of trials at most.
        window_s: how long a trial's windows last at least, s; None: as long as the sensors need.
        warm_up_s: how long each contender works before its first trial, s.
        cool_down_s: the pause before each trial, s.
        seed: of the prompts and of the order of trials.
    """

    batches: Sequence[int]
    prompt_tokens: int
    new_tokens: int
    prompts: Sequence[str]
    texts: Sequence[str]
    tokenizer: Any
    task: Callable[[Any], Any] | Sequence[Example] | None
    harness: Sequence[Any]
    pairs: int
    window_s: float | None
    warm_up_s: float
    cool_down_s: float
    seed: int

    def __post_init__(self) -> None:
        if not self.batches:
            raise ComparisonError("no batch was named: batch=(1, 8)")
        for what, counts in (("batch", self.batches), ("prompt_tokens", [self.prompt_tokens])):
            for count in counts:
                if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                    raise ComparisonError(f"{what} is {count!r}: expected a whole number from 1")
        if len(set(self.batches)) < len(self.batches):
            raise ComparisonError(f"batch names one twice: {', '.join(map(str, self.batches))}")
        if not isinstance(self.new_tokens, int) or self.new_tokens < LEAST_NEW_TOKENS:
            raise ComparisonError(
                f"new_tokens is {self.new_tokens!r}: expected a whole number from {LEAST_NEW_TOKENS}, so that there is "
                "something to decode"
            )
        try:
            looks(self.pairs)
        except ValueError as error:
            raise ComparisonError(str(error)) from error
        for what, seconds, least in (
            ("window_s", self.window_s, 1e-3),
            ("warm_up_s", self.warm_up_s, 0.0),
            ("cool_down_s", self.cool_down_s, 0.0),
        ):
            if seconds is not None and not least <= seconds < float("inf"):
                raise ComparisonError(f"{what} is {seconds!r}: expected seconds, {least:g} or more")
        for what, some in (("prompts", self.prompts), ("texts", self.texts)):
            if some and self.tokenizer is None:
                raise ComparisonError(f"{what} are texts: they need a tokenizer, tokenizer=...")
            if any(not isinstance(text, str) or not text for text in some):
                raise ComparisonError(f"{what} holds something that is no text, or an empty one")
        if isinstance(self.task, Sequence) and self.tokenizer is None:
            raise ComparisonError("the task has texts: they need a tokenizer, tokenizer=...")
        if self.harness and importlib.util.find_spec("lm_eval") is None:
            raise ComparisonError("lm-eval is not installed: pip install lm-eval, or leave lm_eval= out")
        if self.harness and self.tokenizer is None:
            raise ComparisonError("lm-eval asks in texts: it needs a tokenizer, tokenizer=...")
        if self.harness:
            from greenllm_kernel.compression.comparison.harness import known_tasks

            try:
                object.__setattr__(self, "harness", known_tasks(self.harness))
            except ValueError as error:
                raise ComparisonError(str(error)) from error

    def check(self, entrants: Sequence[Entrant]) -> None:
        """See that the contenders can be compared on this.

        Raises:
            ComparisonError: they cannot, and why.
        """
        kinds = {entrant.is_causal for entrant in entrants}
        if len(kinds) > 1:
            raise ComparisonError("some of the contenders generate text and some do not: compare them apart")
        if kinds == {False}:
            self._check_classifiers(entrants)
        elif self.task is not None and not callable(self.task):
            raise ComparisonError(
                "labelled texts are a task for classifiers; for models that generate give a function of the deployed "
                "model as task="
            )
        devices = {entrant.name: entrant.device for entrant in entrants}
        if len(set(devices.values())) > 1:
            told = ", ".join(f"{name} {device}" for name, device in devices.items())
            raise ComparisonError(
                f"the contenders are on different devices ({told}), which would be compared in their place: move them "
                f"to one, model.to({entrants[0].device!r})"
            )
        vocabularies = {entrant.name: _vocabulary(entrant) for entrant in entrants}
        if len(set(vocabularies.values())) > 1:
            told = ", ".join(f"{name} {count}" for name, count in vocabularies.items())
            raise ComparisonError(
                f"the contenders have vocabularies of different sizes ({told}): a token is not the same"
            )
        self._check_tokens(_vocabulary(entrants[0]))

    def ids(self, batch: int, entrant: Entrant) -> Tensor:
        """Return the token ids of the prompts, int64 (batch, prompt_tokens): the same for all contenders."""
        if not self.prompts:
            lot = torch.Generator().manual_seed(self.seed)
            return torch.randint(_vocabulary(entrant), (batch, self.prompt_tokens), generator=lot)
        rows = [list(self.tokenizer(text)["input_ids"]) for text in self.prompts]
        chosen = [rows[number % len(rows)] for number in range(batch)]
        # Fixed lengths: a prompt that is too short begins anew, one that is too long is cut off.
        return torch.tensor([[row[at % len(row)] for at in range(self.prompt_tokens)] for row in chosen])

    def inputs(self, batch: int, entrant: Entrant) -> dict[str, Tensor]:
        """Return what a model that does not generate is called with, (batch, prompt_tokens) each."""
        ids = self.ids(batch, entrant)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _check_tokens(self, vocabulary: int) -> None:
        """See that the tokenizer's tokens are the models', and that there is something to foretell."""
        for what, some in (("prompts", self.prompts), ("texts", self.texts)):
            rows = [self.tokenizer(text)["input_ids"] for text in some]
            largest = max((max(row, default=0) for row in rows), default=0)
            if largest >= vocabulary:
                raise ComparisonError(
                    f"the tokenizer makes a token {largest} of {what}, and the models know {vocabulary} tokens: it is "
                    "not theirs"
                )
            if what == "prompts" and not all(rows):
                raise ComparisonError("one of the prompts has no tokens")
            if what == "texts" and some and max(map(len, rows)) < 2:
                raise ComparisonError("no text has two tokens: there is nothing to foretell")

    def _check_classifiers(self, entrants: Sequence[Entrant]) -> None:
        if self.texts or self.harness:
            raise ComparisonError("bits per byte and lm-eval are for models that generate; give a classifier a task=")
        for entrant in entrants:
            if not type(entrant.model).__name__.endswith("ForSequenceClassification"):
                raise ComparisonError(
                    f"{entrant.name} is a {type(entrant.model).__name__}: causal language models and classifiers of "
                    "texts are compared"
                )
            if entrant.runtime.name != "eager":
                raise ComparisonError(f"{entrant.name}: classifiers are run eagerly, not by {entrant.runtime_text}")
            longest = places(entrant.model)
            if longest is not None and self.prompt_tokens > longest:
                raise ComparisonError(f"{entrant.name} has places for {longest} tokens: use fewer prompt_tokens")


def listed(texts: Iterable[Any] | None, what: str) -> Sequence[Any]:
    """Return some texts as a list.

    Raises:
        ComparisonError: it is a single text, or nothing that holds any.
    """
    if texts is None:
        return []
    if isinstance(texts, str | Mapping) or not hasattr(texts, "__iter__"):
        raise ComparisonError(f"{what} is a {type(texts).__name__}: expected a list")
    found = list(texts)
    if not found:
        raise ComparisonError(f"{what} is empty")
    return found


def _vocabulary(entrant: Entrant) -> int:
    config: Any = entrant.model.config
    return int(config.get_text_config().vocab_size)
