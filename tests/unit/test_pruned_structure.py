"""Pruning of units, heads and layers: what does least goes first, and what is left is a standard, smaller model."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from compressing import MODELS, compressed, llama, logits, session_with_compressors
from greenllm_kernel.compression.layers import matrix_layers

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Qwen3ForCausalLM, Qwen3Config(**SHAPE, intermediate_size=64, num_key_value_heads=4, head_dim=8)),
        (GPTNeoXForCausalLM, GPTNeoXConfig(**SHAPE, intermediate_size=64)),
        (OPTForCausalLM, OPTConfig(**SHAPE, ffn_dim=64, word_embed_proj_dim=32)),
    ],
)
def test_other_architectures_get_smaller_and_load_anywhere(model_class, config, session, tmp_path):
    given = model_class(config).eval()

    result = compressed(given, "- prune_layers: {layers: [1]}\n- prune_mlp: {remove: 0.5}", session)
    result.save(tmp_path / "model")
    again = model_class.from_pretrained(tmp_path / "model", local_files_only=True).eval()

    assert again.config.num_hidden_layers == 2
    assert torch.equal(logits(again), logits(result.model))


@pytest.mark.parametrize(
    ("importance", "architecture"),
    [
        *((importance, "llama") for importance in ("l1", "l2", "random", "taylor")),
        ("wanda", "gpt2"),
        ("taylor", "bert"),
    ],
)
def test_mlps_get_narrower_by_every_importance(importance, architecture, session):
    given = MODELS[architecture]()

    recipe = f"- prune_mlp: {{remove: 0.5, importance: {importance}}}"
    result = compressed(given, recipe, session)

    config = result.model.config
    setting = "n_inner" if architecture == "gpt2" else "intermediate_size"
    before = 128 if architecture == "gpt2" else 64
    assert getattr(config, setting) == before // 2
    assert result.after.parameters < result.before.parameters


def silence_units(model, units):
    with torch.no_grad():
        for layer in model.model.layers:
            for each in (layer.mlp.gate_proj, layer.mlp.up_proj):
                each.weight[units] = 0
            layer.mlp.down_proj.weight[:, units] = 0


def test_units_that_do_nothing_go_first_and_the_output_is_as_before(session):
    given = llama()
    silence_units(given, torch.arange(0, 64, 4))

    result = compressed(given, "- prune_mlp: {remove: 0.25}", session)

    assert result.model.config.intermediate_size == 48
    torch.testing.assert_close(logits(result.model), logits(given))


@pytest.mark.parametrize("unit", ["kv_groups", "query_heads"])
@pytest.mark.parametrize("importance", ["l1", "l2", "random", "taylor", "wanda"])
def test_heads_that_do_nothing_go_first_and_the_output_is_as_before(importance, unit, session, tmp_path):
    given = llama()
    silent = (
        [2, 3, 4, 5] if unit == "kv_groups" else [0, 3, 4, 7]
    )  # of 8 heads, of which each two share keys and values
    with torch.no_grad():
        for layer in given.model.layers:
            rows = torch.cat([torch.arange(head * 8, head * 8 + 8) for head in silent])
            layer.self_attn.o_proj.weight[:, rows] = 0
            layer.self_attn.q_proj.weight[rows] = 0
            if unit == "kv_groups":
                layer.self_attn.k_proj.weight[8:24] = 0
                layer.self_attn.v_proj.weight[8:24] = 0

    result = compressed(given, f"- prune_heads: {{remove: 0.5, unit: {unit}, importance: {importance}}}", session)
    result.save(tmp_path / "model")
    again = LlamaForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True).eval()

    heads, groups = (4, 2) if unit == "kv_groups" else (4, 4)
    assert (again.config.num_attention_heads, again.config.num_key_value_heads) == (heads, groups)
    assert torch.equal(logits(again), logits(result.model))
    if importance != "random":
        torch.testing.assert_close(logits(result.model), logits(given))


@pytest.mark.parametrize("importance", ["similarity", "l1", "l2", "taylor", "wanda"])
def test_a_layer_that_does_nothing_goes_first_and_the_output_is_as_before(importance, session):
    given = llama(layer_types=None)
    with torch.no_grad():
        for matrix_layer in matrix_layers(given.model.layers[2]).values():
            matrix_layer.weight *= 0

    result = compressed(given, f"- prune_layers: {{remove: 0.25, importance: {importance}}}", session)

    assert result.steps[0].metadata == {"removed": [2]}
    assert result.model.config.num_hidden_layers == 3
    torch.testing.assert_close(logits(result.model), logits(given))
