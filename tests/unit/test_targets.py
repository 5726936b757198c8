"""Targets of a recipe: read with their units, refused with the nearest name, and judged by what was measured."""

from __future__ import annotations

import pytest

from compressing import catalogue, llama, session_with_compressors
from greenllm_kernel.compression.recipe import Recipe
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.compression.targets import Target, targets_of
from greenllm_kernel.errors import RecipeError
from greenllm_kernel.notebook.compress_display import result_html

RECIPE = """
steps:
- prune_layers: {layers: [1, 2]}
targets:
  parameters: 40 k
  memory_bytes: 100 kB
  file_bytes: 1 MB
  energy_j_per_token: 5 mJ
  bits_per_byte_change: 1 %
"""


def test_a_recipe_says_of_each_target_whether_it_was_reached_or_not_measured():
    session = session_with_compressors()
    try:
        result = compress(llama(), RECIPE, session=session)
    finally:
        session.close(1.0)

    reached = {outcome.target.name: outcome.is_reached for outcome in result.targets}
    assert reached == {
        "parameters": True,
        "memory_bytes": False,
        "file_bytes": True,
        "energy_j_per_token": None,
        "bits_per_byte_change": None,
    }
    assert "parameters at most 40.0 k: reached, 30.9 k" in str(result)
    assert "memory of the weights at most 100 kB: missed, 124 kB" in result_html(result)
    assert "energy of a new token at most 5.00 mJ: not measured; a comparison does" in str(result)
    assert result.to_dict()["targets"][0] == {
        "name": "parameters",
        "bound": 40e3,
        "value": result.after.parameters,
        "interval": None,
        "is_reached": True,
    }

    later = result.judged({"energy_j_per_token": 0.004, "bits_per_byte_change": 0.02, "memory_bytes": None})

    assert [outcome.is_reached for outcome in later] == [True, False, True, True, False]
    assert str(later[-1]) == "more bits per byte at most 1 %: missed, 2 %"


def test_the_file_that_a_target_speaks_of_is_the_one_that_is_saved(tmp_path):
    session = session_with_compressors()
    recipe = {"steps": ["int8_dynamic"], "targets": {"file_bytes": "100 kB"}}
    try:
        result = compress(llama(), recipe, session=session)
    finally:
        session.close(1.0)
    result.save(tmp_path / "model")

    (weights,) = (tmp_path / "model").glob("*.safetensors")
    header = 8 + int.from_bytes(weights.read_bytes()[:8], "little")
    assert result.targets[0].value == weights.stat().st_size - header


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [int8_dynamic]\ntargets: {file_size: 3}", "line 2: there is no target 'file_size'; did you mean"),
        ("steps: [int8_dynamic]\ntargets:\n  file_bytes: 3 mJ", "line 3: file_bytes: there is no unit 'mJ'"),
        ("steps: [int8_dynamic]\ntargets:\n  parameters: few", "line 3: parameters: 'few' is no bound; write a number"),
        ("steps: [int8_dynamic]\ntargets: {parameters: -3}", "-3 is no bound"),
        ("steps: [int8_dynamic]\ntargets: {parameters: true}", "True is no bound"),
        ("steps: [int8_dynamic]\ntargets:\n  latency_s: 1\n  latency_s: 2", "line 4: latency_s is set twice"),
        ("steps: [int8_dynamic]\ntargets: 3", "targets are written as name: bound"),
        ("steps: [int8_dynamic]\ntarget: {}", "line 2: a recipe has no 'target'; did you mean 'targets'?"),
        ("targets: {parameters: 3}", "a recipe is a list of steps"),
    ],
)
def test_a_target_that_cannot_be_is_refused_with_what_could(text, said):
    with pytest.raises(RecipeError) as raised:
        Recipe.of(text, catalogue())

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("interval", "is_reached", "said"),
    [
        ((0.001, 0.004), True, "reached, 3.00 mJ [1.00 mJ, 4.00 mJ]"),
        ((0.001, 0.009), None, "not sure, 3.00 mJ [1.00 mJ, 9.00 mJ]"),
        ((0.0055, 0.009), False, "missed, 3.00 mJ [5.50 mJ, 9.00 mJ]"),
        (None, True, "reached, 3.00 mJ"),
    ],
)
def test_a_target_is_reached_where_the_whole_interval_is_on_its_side(interval, is_reached, said):
    target = Target("energy_j_per_token", 0.005)

    outcome = target.judged({"energy_j_per_token": 0.003}, {"energy_j_per_token": interval})

    assert outcome.is_reached is is_reached
    assert str(outcome) == f"energy of a new token at most 5.00 mJ: {said}"
    assert outcome.to_dict()["interval"] == (list(interval) if interval else None)


def test_of_accuracy_the_lower_end_has_to_be_above_the_least():
    target = Target("accuracy", 0.9)

    outcomes = [target.judged({"accuracy": 0.95}, {"accuracy": one}) for one in ((0.91, 0.99), (0.88, 0.99))]

    assert [outcome.is_reached for outcome in outcomes] == [True, None]


def test_bounds_are_numbers_or_have_units():
    found = targets_of({"energy_j_per_token": "2 mWh", "latency_s": 0.02, "accuracy": "90 %"}, "here")

    assert found == (Target("energy_j_per_token", 7.2), Target("latency_s", 0.02), Target("accuracy", 0.9))
    assert found[2].judged({"accuracy": 0.95}).is_reached and not found[1].judged({"latency_s": 0.03}).is_reached
