"""Methods that keep every weight in fewer bits or smaller factors: 8 bits, torchao, mixed precision, low rank."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from compressing import MODELS, catalogue, compressed, gpt2, llama, logits, session_with_compressors
from greenllm_kernel import load_model
from greenllm_kernel.compression.folder.manifest import OWN_WEIGHTS
from greenllm_kernel.compression.layers import matrix, matrix_layers
from greenllm_kernel.compression.runner import StepError
from greenllm_kernel.compression.tensors import parameter_counts
from greenllm_kernel.errors import RecipeError


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


def test_int8_takes_a_quarter_and_stays_near(session):
    model = llama()

    result = compressed(model, "- int8_dynamic: {exclude: []}", session)

    layers = sum(matrix(layer).nbytes for layer in matrix_layers(model).values())
    assert result.before.memory_bytes - result.after.memory_bytes == pytest.approx(0.75 * layers)
    assert torch.nn.functional.cosine_similarity(logits(model), logits(result.model), dim=-1).min() > 0.99


def test_packing_leaves_the_number_of_parameters_as_it_is(session):
    for model in (llama(), gpt2()):
        result = compressed(model, "- int8_dynamic", session)

        assert result.after.parameters == result.before.parameters


def test_layers_are_chosen_by_patterns(session):
    model = llama()

    by_part = compressed(model, "- int8_dynamic: {include: [mlp], exclude: ['model.layers.0.*']}", session).model

    left = set(matrix_layers(by_part))
    assert left == {name for name in matrix_layers(model) if ".mlp." not in name or ".layers.0." in name}


def test_low_rank_is_the_nearest_matrix_of_its_rank(session):
    model = llama()
    layer = model.model.layers[0].mlp.up_proj.weight.detach()

    factors = compressed(model, "- low_rank: {rank: 5, include: [up_proj]}", session).model.model.layers[0].mlp.up_proj

    product = (factors[1].weight @ factors[0].weight).detach()
    left_over = torch.linalg.svdvals(layer)[5:].square().sum().sqrt()
    assert torch.linalg.norm(layer - product) == pytest.approx(float(left_over), rel=1e-4)


def test_kept_layers_stay_in_32_bits(session, tmp_path):
    result = compressed(llama(), "- mixed_precision: {keep: [lm_head, down_proj]}", session)
    result.save(tmp_path / "model")
    again = load_model(tmp_path / "model", catalogue=catalogue())

    types = {name: parameter.dtype for name, parameter in again.named_parameters()}
    assert {name for name, dtype in types.items() if dtype is torch.float32} == {
        name for name in types if "down_proj" in name or "lm_head" in name
    }
    assert torch.equal(logits(again), logits(result.model))
    assert (tmp_path / "model" / OWN_WEIGHTS).exists()
    with pytest.raises(RecipeError, match="lm_head shares its weight"):
        compressed(llama(tie_word_embeddings=True), "- mixed_precision: {keep: [lm_head]}", session)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_what_torchao_leaves_as_it_was_is_not_told_to_be_compressed(architecture, session, tmp_path, monkeypatch):
    quantization = pytest.importorskip("torchao.quantization")
    quantize = quantization.quantize_
    monkeypatch.setattr(
        quantization,
        "quantize_",
        lambda layer, config: quantize(layer, config) if layer.out_features > 32 else None,
    )
    given = MODELS[architecture]()

    result = compressed(given, "- torchao_int8_weight_only", session)

    packed = set(result.steps[0].metadata["layers"])
    assert packed == {name for name, layer in matrix_layers(given).items() if len(matrix(layer)) > 32} - {"lm_head"}
    again = load_model(result.save(tmp_path / "saved"))
    assert torch.equal(logits(again), logits(result.model))

    monkeypatch.setattr(quantization, "quantize_", lambda layer, config: None)
    with pytest.raises(StepError, match="torchao left every layer as it was"):
        compressed(given, "- torchao_int8_weight_only", session)


def test_counts_are_of_what_is_there():
    model = llama()

    total, nonzero = parameter_counts(model)

    assert total == model.num_parameters() and math.isclose(nonzero, total, rel_tol=1e-3)
    assert copy.deepcopy(model).num_parameters() == total
