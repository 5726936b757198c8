"""Bits per byte, perplexity and accuracy, where they are known beforehand."""

from __future__ import annotations

import math

import pytest
import torch

from compressing import llama
from greenllm_kernel.compression.comparison.quality import (
    Accuracy,
    Scored,
    TextQuality,
    _windows,
    score_texts,
)

VOCABULARY = 128


class Bytes:
    """A tokenizer whose tokens are bytes; between marks, where that is asked for."""

    def __init__(self, marks: bool = False) -> None:
        self.all_special_ids = [0, 1] if marks else []
        self._marks = ([0], [1]) if marks else ([], [])

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [*self._marks[0], *(byte % VOCABULARY for byte in text.encode()), *self._marks[1]]}

    def decode(self, ids: list[int]) -> str:
        return "x" * len(ids)


def even(input_ids: torch.Tensor) -> torch.Tensor:
    """Say that every token is as likely as every other."""
    return torch.zeros(*input_ids.shape, VOCABULARY)


def test_a_model_that_knows_nothing_needs_all_bits() -> None:
    quality = score_texts(even, ["some words", "and äöü more"], Bytes(), 64)

    assert quality.perplexity == pytest.approx(VOCABULARY)
    assert quality.bits_per_byte == pytest.approx(math.log2(VOCABULARY))
    assert [one.text_bytes for one in quality.scored] == [9, 14]


def test_a_mark_at_the_beginning_lets_the_first_token_be_scored_and_one_at_the_end_is_not() -> None:
    quality = score_texts(even, ["some words"], Bytes(marks=True), 64)

    (scored,) = quality.scored
    assert (scored.tokens, scored.text_bytes) == (10, 10)


@pytest.mark.parametrize(("count", "length"), [(5, 8), (8, 8), (9, 8), (12, 8), (13, 8), (100, 7), (3, 2), (10, 2)])
def test_windows_score_every_token_but_the_first_once_with_a_past(count: int, length: int) -> None:
    found = list(_windows(count, length))

    assert [at for _, end, first in found for at in range(first, end)] == list(range(1, count))
    assert all(start < first for start, _, first in found)
    assert {end - start for start, end, _ in found} == {min(count, length)}


def test_windows_of_a_long_text_are_what_the_model_says_of_them() -> None:
    model, text = llama(vocab_size=VOCABULARY), "a text that is longer than the window, so that windows overlap"

    def logits(input_ids: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model(input_ids=input_ids).logits

    whole, strided = (score_texts(logits, [text], Bytes(), length) for length in (64, 32))

    ids = torch.tensor([Bytes()(text)["input_ids"]])
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
    assert whole.perplexity == pytest.approx(math.exp(loss), rel=1e-5)
    assert strided.perplexity == pytest.approx(whole.perplexity, rel=0.02) and strided != whole


def test_the_interval_is_of_how_texts_differ_and_the_change_of_how_models_do() -> None:
    base = TextQuality([Scored(nats, 10, 20) for nats in (20.0, 30.0, 25.0, 22.0)])
    worse = TextQuality([Scored(1.01 * one.nats, 10, 20) for one in base.scored])

    low, high = base.interval_bits
    assert low < base.bits_per_byte < high and high - low > 0.2 * base.bits_per_byte
    change, interval = worse.change(base)
    assert change == pytest.approx(0.01)
    assert interval == (pytest.approx(0.01), pytest.approx(0.01))
    # Student's t of 3 degrees of freedom is 3.182, where the normal distribution has 1.960.
    mean, sizes = sum(one.nats for one in base.scored) / 80, [one.nats / math.log(2) / 20 for one in base.scored]
    spread = math.sqrt(sum((bits - mean / math.log(2)) ** 2 for bits in sizes) / 3 / 4)
    assert high - low == pytest.approx(2 * 3.182 * spread, rel=1e-3)
    assert TextQuality(base.scored[:1]).interval_bits is None
    assert TextQuality(base.scored[:1]).change(TextQuality(base.scored[:1])) == (0.0, None)


def test_texts_of_nothing_and_models_that_say_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="no text has two tokens"):
        score_texts(even, ["a", "b"], Bytes(), 64)
    with pytest.raises(ValueError, match="not finite"):
        score_texts(lambda ids: even(ids) / 0, ["some text"], Bytes(), 64)


def test_the_accuracys_interval_is_wilsons() -> None:
    # Of 10, 8 were right: any calculator of Wilson's interval.
    assert Accuracy.of([True] * 8 + [False] * 2).interval == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    assert Accuracy.of([True] * 20).interval == (pytest.approx(0.8389, abs=1e-4), 1.0)
    assert Accuracy(0.8).interval is None


def test_the_change_of_accuracy_is_of_pairs() -> None:
    base = Accuracy.of([True] * 80 + [False] * 20)
    same = Accuracy.of(base.right)
    other = Accuracy.of([False] * 4 + [True] * 77 + [False] * 19)

    change, (low, high) = other.change(base)
    # By hand: 1 gained and 4 lost of 100, and one more of each of 102.
    assert change == pytest.approx(-0.03)
    assert (low, high) == (pytest.approx(-0.0799, abs=1e-4), pytest.approx(0.0211, abs=1e-4))
    # Either accuracy by itself would leave 0.16 open; even alike they are not known to be alike everywhere.
    assert same.change(base) == (0.0, (pytest.approx(-0.0272, abs=1e-4), pytest.approx(0.0272, abs=1e-4)))
    assert Accuracy(0.8).change(base) == (0.0, None)
    assert Accuracy.of([True]).change(base) == (pytest.approx(0.2), None)
