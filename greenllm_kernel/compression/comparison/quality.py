"""How well a model still does: bits per byte and perplexity on texts, and accuracy at a task.

Texts longer than the window are scored by windows that overlap: each goes on from the one before by half of its
length, and scores only what that did not, so that every token but the first few has at least half a window before it
(the strided perplexity of transformers' documentation, "Perplexity of fixed-length models"). Bits per byte divide by
the UTF-8 bytes of what is scored, and so do not depend on how a tokenizer cuts (Gao et al., The Pile,
arXiv:2101.00027, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from greenllm_kernel.accounting.repeatability import student_t
from greenllm_kernel.quantities import COVERAGE_FACTOR_95, Interval

CONFIDENCE = 0.95

WINDOW_TOKENS = 512
"""Of the windows, where the model has so many places."""

Logits = Callable[[Tensor], Tensor]
"""What a model says of the next token at each place: (batch, length) to (batch, length, vocabulary)."""


@dataclass(frozen=True)
class Scored:
    """What a model says of one text: the information in it, nats; and how many tokens and UTF-8 bytes that is for."""

    nats: float
    tokens: int
    text_bytes: int


@dataclass(frozen=True)
class TextQuality:
    """How well a model foretells texts.

    Attributes:
        scored: by text.
    """

    scored: Sequence[Scored]

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte of the texts: lower is better."""
        return self._nats / math.log(2) / sum(one.text_bytes for one in self.scored)

    @property
    def perplexity(self) -> float:
        """Of a token: lower is better, and to be compared between models with the same tokenizer only."""
        return math.exp(min(self._nats / sum(one.tokens for one in self.scored), 700.0))

    @property
    def interval_bits(self) -> Interval | None:
        """95 % interval of the bits per byte of texts like these, by how the texts differ; None for a single one."""
        per_nat = 1 / math.log(2)
        spread = _ratio_uncertainty(
            [one.nats * per_nat for one in self.scored], [one.text_bytes for one in self.scored]
        )
        return _around(self.bits_per_byte, spread, len(self.scored))

    def change(self, baseline: TextQuality) -> tuple[float, Interval | None]:
        """Return by which part it has more bits per byte than a baseline on the same texts, with its 95 % interval."""
        mine, theirs = ([one.nats for one in quality.scored] for quality in (self, baseline))
        change = math.fsum(mine) / math.fsum(theirs) - 1
        return change, _around(change, _ratio_uncertainty(mine, theirs), len(mine))

    @property
    def _nats(self) -> float:
        return math.fsum(one.nats for one in self.scored)


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right at a task.

    Attributes:
        value: 0 to 1.
        right: for each example whether it was right; empty where only the value is known.
    """

    value: float
    right: Sequence[bool] = ()

    @classmethod
    def of(cls, right: Sequence[bool]) -> Accuracy:
        """Return the accuracy where it is known of each example, of which there is one at least."""
        return cls(sum(right) / len(right), tuple(right))

    @property
    def interval(self) -> Interval | None:
        """95 % interval for examples like these (Wilson, J. Am. Stat. Assoc. 22, 1927); None where none is known."""
        if not self.right:
            return None
        z, n = COVERAGE_FACTOR_95, len(self.right)
        middle = (self.value + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.value * (1 - self.value) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def change(self, baseline: Accuracy) -> tuple[float, Interval | None]:
        """Return how much more often it is right than a baseline at the same examples, with its 95 % interval.

        The interval is of pairs: it rests on the examples that only one of both has right. One more of either kind is
        counted than there are, so that it has a width also where there are none (Bonett and Price, J. Educ. Behav.
        Stat. 37, 2012). None where single examples are not known, or were not as many.
        """
        change, count = self.value - baseline.value, len(self.right)
        if not count or count != len(baseline.right):
            return change, None
        pairs = list(zip(self.right, baseline.right, strict=True))
        gained, lost = ((pairs.count(only) + 1) / (count + 2) for only in ((True, False), (False, True)))
        half = COVERAGE_FACTOR_95 * math.sqrt((gained + lost - (gained - lost) ** 2) / (count + 2))
        return change, (max(-1.0, gained - lost - half), min(1.0, gained - lost + half))


@dataclass(frozen=True)
class Metric:
    """One figure that lm-eval gives of a task.

    Attributes:
        value: as lm-eval has it; None where it is not finite.
        error: its standard error as lm-eval has it; None where that is not known.
        accuracy: the same, by example, where each is right or wrong; None where that is not so.
    """

    value: float | None
    error: float | None = None
    accuracy: Accuracy | None = None

    @property
    def interval(self) -> Interval | None:
        """95 % interval for examples like these; None where it is not known, or would have no width."""
        if self.accuracy is not None:
            return self.accuracy.interval
        if self.value is None or not self.error:
            return None
        half = COVERAGE_FACTOR_95 * self.error
        return self.value - half, self.value + half

    def change(self, baseline: Metric | None) -> tuple[float, Interval | None] | None:
        """Return how much larger it is than a baseline's; with the interval of pairs, where examples are known."""
        if baseline is None or self.value is None or baseline.value is None:
            return None
        if self.accuracy is not None and baseline.accuracy is not None:
            return self.accuracy.change(baseline.accuracy)
        return self.value - baseline.value, None


def score_texts(logits: Logits, texts: Sequence[str], tokenizer: Any, longest: int) -> TextQuality:
    """Return how well a model foretells texts.

    Args:
        logits: of the model.
        texts: at least one of two tokens.
        tokenizer: of transformers.
        longest: places that the model has.

    Raises:
        ValueError: no text has a token that could be foretold, or the model's values are not finite.
    """
    scored = [
        one for text in texts if (one := _score(logits, text, tokenizer, min(longest, WINDOW_TOKENS))) is not None
    ]
    if not scored:
        raise ValueError("no text has two tokens: there is nothing to foretell")
    quality = TextQuality(scored)
    if not math.isfinite(quality.bits_per_byte):
        raise ValueError("what it says of the texts is not finite (NaN or infinite)")
    return quality


def _score(logits: Logits, text: str, tokenizer: Any, length: int) -> Scored | None:
    ids, text_bytes = _tokens(text, tokenizer)
    if len(ids) < 2 or text_bytes <= 0:
        return None
    nats = 0.0
    for start, end, scored_from in _windows(len(ids), length):
        window = torch.tensor([ids[start:end]])
        said = logits(window)[0, scored_from - start - 1 : -1].float()
        wanted = window[0, scored_from - start :].to(said.device)
        nats += float(torch.nn.functional.cross_entropy(said, wanted, reduction="sum"))
    return Scored(nats, len(ids) - 1, text_bytes)


def _windows(count: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield, for windows over so many tokens, the first one, the end, and from which on it scores.

    All have the same length where the text has it: some runtimes are made for one length at a time.
    """
    if count <= length:
        yield 0, count, 1
        return
    stride = max(1, length // 2)
    scored = 1
    for end in [*range(length, count, stride), count]:
        yield end - length, end, max(scored, end - length + 1)
        scored = end


def _tokens(text: str, tokenizer: Any) -> tuple[list[int], int]:
    """Return a text's token ids, and the bytes of what can be scored: without the first token, unless it is a mark."""
    ids = [int(token) for token in tokenizer(text)["input_ids"]]
    marks = set(getattr(tokenizer, "all_special_ids", ()))
    while ids and ids[-1] in marks:
        ids.pop()
    text_bytes = len(text.encode("utf-8", errors="replace"))
    if ids and ids[0] not in marks:
        text_bytes -= len(tokenizer.decode(ids[:1]).encode("utf-8", errors="replace"))
    return ids, text_bytes


def _ratio_uncertainty(amounts: Sequence[float], sizes: Sequence[float]) -> float | None:
    """Return the standard uncertainty of sum(amounts) / sum(sizes), by how the single ones scatter.

    The ratio estimator of sampling theory (Cochran, Sampling Techniques, 1977, section 2.11).
    """
    count = len(amounts)
    if count < 2:
        return None
    total = math.fsum(sizes)
    ratio = math.fsum(amounts) / total
    squares = math.fsum((amount - ratio * size) ** 2 for amount, size in zip(amounts, sizes, strict=True))
    return math.sqrt(squares * count / (count - 1)) / total


def _around(value: float, uncertainty: float | None, count: int) -> Interval | None:
    """Return the interval by Student's distribution: the uncertainty is itself known from so many texts only."""
    if uncertainty is None:
        return None
    half = student_t(CONFIDENCE, count - 1) * uncertainty
    return value - half, value + half
