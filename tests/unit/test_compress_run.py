"""The run of a recipe: measured, repeatable, told of while it goes on, and never at the given model's expense."""

from __future__ import annotations

import json

import pytest
import torch

from compressing import calibration, llama, logits, session_with_compressors
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.compression.runner import compress
from misbehaving import Own, Telling


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors(Own())
    yield made
    made.close(1.0)


def test_each_step_and_all_together_are_measured(session):
    result = compress(llama(), "- low_rank: {keep: 0.4}\n- int8_dynamic", session=session)

    record = result.record
    assert record.settled and record.stage == "compress" and record.name == "compress"
    low, high = record.gross.interval_j
    assert low <= 100.0 * record.duration_s <= high
    steps = [step.record for step in result.steps]
    assert [step.name for step in steps] == ["compress: low_rank", "compress: int8_dynamic"]
    assert all(step.parent_run_id == record.run_id and step.stage == "compress" for step in steps)
    assert sum(step.duration_s for step in steps) < record.duration_s
    assert result.before.parameters > result.steps[0].after.parameters
    assert result.after == result.steps[1].after


def test_the_result_prints_itself(session):
    result = compress(llama(), "- low_rank: {keep: 0.4}\n- int8_dynamic", session=session)

    lines = str(result).splitlines()

    assert lines[0].startswith("compressed to ") and " J, " in lines[0] and lines[0].endswith("measured")
    assert [line.split("  ")[1] for line in lines[1:5]] == ["Step", "as given", "low_rank (keep 0.4)", "int8_dynamic"]
    assert lines[-1].strip() == "Whether it runs on less energy is not known yet: only measuring both models tells."
    assert "LlamaForCausalLM" not in repr(result)


def test_what_was_done_is_recorded_as_json(session):
    result = compress(llama(), "- int8_dynamic", session=session, seed=7)

    data = json.loads(json.dumps(result.to_dict()))

    assert data["seed"] == 7
    assert data["steps"][0]["method"] == "int8_dynamic" and data["steps"][0]["version"] == 1
    assert data["steps"][0]["settings"] == {"include": ["*"], "exclude": ["lm_head"], "granularity": "channel"}
    saved = Record.from_dict(data["steps"][0]["record"])
    assert saved.gross.value_j == pytest.approx(result.steps[0].record.gross.value_j)
    assert data["packages"]["torch"] == torch.__version__
    assert data["host"]["processor"] and "memory_free_bytes" not in data["host"]


def test_a_recipe_is_repeatable_and_leaves_the_user_s_random_numbers_alone(session):
    model, recipe = llama(), "- prune_weights: {importance: random}\n- telling"
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    Telling.seen.clear()

    first = compress(model, recipe, session=session, seed=11)
    drawn = torch.rand(3)
    again = compress(model, recipe, session=session, seed=11)
    other = compress(model, recipe, session=session, seed=12)

    assert torch.equal(drawn, expected)
    assert torch.equal(logits(first.model), logits(again.model))
    assert not torch.equal(logits(first.model), logits(other.model))
    assert Telling.seen[0] == Telling.seen[1] != Telling.seen[2]
    assert Telling.seen[0][0] == 12


def test_a_model_that_nobody_knows_how_to_call_is_compressed_without_trying_it(session):
    class Between(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(8, 8)

        def forward(self, first, second):
            return self.layer(first) + second

    result = compress(Between(), "- low_rank", session=session, calibration=[{"input_ids": [1, 2]}])

    assert result.after.parameters < result.before.parameters


def test_the_given_model_keeps_its_mode_and_its_gradients(session):
    model = llama().train()
    model.lm_head.weight.requires_grad_(False)

    result = compress(
        model, "- prune_weights: {importance: taylor, exclude: []}", session=session, calibration=calibration(model)
    )

    assert model.training and not result.model.training
    assert all(parameter.grad is None for parameter in (*model.parameters(), *result.model.parameters()))
    assert not model.lm_head.weight.requires_grad and not result.model.lm_head.weight.requires_grad
    assert result.model.model.norm.weight.requires_grad


def test_one_is_told_how_far_it_is_with_watts(session):
    told = []

    compress(llama(), "- telling\n- int8_dynamic", session=session, tell=told.append)

    assert [(each.number, each.count, each.name, each.part) for each in told[:3]] == [
        (1, 2, "telling", 0.0),
        (1, 2, "telling", 0.5),
        (1, 2, "telling", 1.0),
    ]
    assert told[-1].number == 2 and told[-1].part == 1.0
    assert any(each.power_w is not None and 50 < each.power_w < 150 for each in told)
