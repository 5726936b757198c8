"""Recipes that go wrong on the way or are interrupted: the given model is as it was, and the last good one is kept."""

from __future__ import annotations

import pytest
import torch

from compressing import bert, ids, is_as_before, llama, logits, session_with_compressors, weights
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.compression.runner import CompressionInterrupted, StepError, compress
from misbehaving import Own


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors(Own())
    yield made
    made.close(1.0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("nan", "lm_head.weight has values that are not finite"),
        ("output", "the model's output is not finite"),
        ("raise", "OSError: the disk is gone"),
        ("no JSON", "TypeError: Object of type set is not JSON serializable"),
    ],
)
def test_a_step_that_goes_wrong_stops_the_recipe_and_the_last_good_model_is_kept(how, said, session):
    model = llama()
    before = weights(model)
    good = compress(model, "- low_rank", session=session)

    with pytest.raises(StepError, match=r"step 2 \(spoil\) failed") as raised:
        compress(model, f"- low_rank\n- spoil: {{how: {how}}}\n- int8_dynamic", session=session)

    assert said in str(raised.value) and "as step 1 left it is kept" in str(raised.value)
    kept = raised.value.result
    assert torch.equal(logits(kept.model), logits(good.model))
    assert [step.step.name for step in kept.steps] == ["low_rank"]
    assert is_as_before(model, before)


def test_a_first_step_that_goes_wrong_leaves_nothing_changed(session):
    model = llama()
    before = weights(model)

    with pytest.raises(StepError, match="Nothing was changed") as raised:
        compress(model, "- spoil", session=session)

    assert raised.value.result is None
    assert is_as_before(model, before)


def test_an_interrupt_leaves_the_given_model_as_it_was_and_says_so_in_the_record(session):
    model = llama().train()
    before = weights(model)

    with pytest.raises(KeyboardInterrupt):
        compress(model, "- low_rank\n- spoil: {how: interrupt}", session=session)

    assert is_as_before(model, before) and model.training
    session.settle(5.0)
    assert [record.status for record in session.records[-2:]].count(Status.INTERRUPTED) >= 1


def test_an_interrupt_in_a_later_step_keeps_the_last_good_model(session):
    model = llama()
    good = compress(model, "- low_rank", session=session)

    with pytest.raises(KeyboardInterrupt) as raised:
        compress(model, "- low_rank\n- spoil: {how: interrupt}\n- int8_dynamic", session=session)

    assert isinstance(raised.value, CompressionInterrupted)
    kept = raised.value.result
    assert torch.equal(logits(kept.model), logits(good.model))
    assert [step.step.name for step in kept.steps] == ["low_rank"]
    assert kept.record.status is Status.INTERRUPTED
    with pytest.raises(KeyboardInterrupt) as at_once:
        compress(model, "- spoil: {how: interrupt}", session=session)
    assert not isinstance(at_once.value, CompressionInterrupted)


def test_a_loss_without_labels_is_explained(session):
    with pytest.raises(StepError, match="no labels, from which BertForSequenceClassification would compute its loss"):
        compress(bert(), "- prune_mlp: {importance: taylor}", session=session, calibration=[{"input_ids": ids()}])
