"""Calibration data: which forms it may have, what is said of others, and how much of it a model takes."""

from __future__ import annotations

import pytest
import torch
from transformers import BatchEncoding, RobertaModel

from compressing import encoder, gpt2, ids, session_with_compressors
from greenllm_kernel.compression.calibration import Calibration
from greenllm_kernel.compression.places import places
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import CompressionError


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


class Words:
    """A tokenizer as far as calibrating goes."""

    def __call__(self, text):
        return {"input_ids": [len(word) for word in text.split()]}


@pytest.mark.parametrize(
    ("data", "shapes"),
    [
        (["one two three", "four five"], [(1, 3), (1, 2)]),
        ([torch.tensor([1, 2, 3])], [(1, 3)]),
        ([[1, 2, 3]], [(1, 3)]),
        (ids(6, 5), [(1, 5)] * 6),
        ([{"input_ids": ids(2, 7), "attention_mask": torch.ones(2, 7)}], [(2, 7)]),
        ([{"text": "one two", "more": 3}], [(1, 2)]),
        ([{"input_ids": [1, 2, 3], "more": "text"}], [(1, 3)]),
        (lambda: ["one two"], [(1, 2)]),
        (lambda: (text for text in ["one two", "three"]), [(1, 2), (1, 1)]),
        (iter(["one two"]), [(1, 2)]),
    ],
)
def test_calibration_data_may_have_many_forms_and_can_be_gone_through_again(data, shapes):
    calibration_data = Calibration(data, Words())

    for _ in range(2):
        found = [tuple(batch["input_ids"].shape) for batch in calibration_data.batches(torch.device("cpu"))]
        assert found == shapes


@pytest.mark.parametrize(
    ("data", "tokenizer", "said"),
    [
        ("one text", Words(), "is a list of texts or batches"),
        (3, None, "not a int"),
        ([], None, "is empty"),
        ({"train": ["text"], "test": ["text"]}, Words(), r"is a dict \(train, test\): take what is to be looked at"),
        (BatchEncoding({"input_ids": ids()}), None, r"is a BatchEncoding \(input_ids\): .* into a list: \[batch\]"),
        (lambda: {"train": ["text"]}, Words(), "is a dict"),
        (["text"], None, "needs a tokenizer"),
        ([3.5], None, "holds a float"),
        ([{"input_ids": ["a"]}], None, "input_ids is no tensor"),
    ],
)
def test_calibration_data_that_cannot_be_used_is_said(data, tokenizer, said):
    with pytest.raises(CompressionError, match=said):
        Calibration(data, tokenizer)


LONG = ids(2, 100)


@pytest.mark.parametrize(
    "data", [["one two " * 50], [LONG], [{"input_ids": LONG, "attention_mask": torch.ones(2, 100), "labels": LONG}]]
)
def test_what_is_longer_than_the_model_has_places_is_cut_off(data, session):
    batch = next(Calibration(data, Words(), 64).batches(torch.device("cpu")))

    assert {tensor.shape[1] for tensor in batch.values()} == {64}
    compress(gpt2(), "- prune_weights: {importance: wanda}", session=session, calibration=data, tokenizer=Words())


def test_models_that_count_from_their_padding_on_have_fewer_places():
    model = encoder(RobertaModel, max_position_embeddings=20, pad_token_id=1)

    assert places(model) == 18
    model(input_ids=ids(1, 18) % 90 + 2)
    with pytest.raises((IndexError, RuntimeError), match="index"):
        model(input_ids=ids(1, 19) % 90 + 2)
