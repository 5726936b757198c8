"""What a method has made is saved, comes back as it was, and can be used and compressed further."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from compressing import (
    MODELS,
    catalogue,
    compressed,
    ids,
    is_as_before,
    llama,
    logits,
    session_with_compressors,
    weights,
)
from greenllm_kernel import load_model
from greenllm_kernel.compression.folder.manifest import OWN_WEIGHTS, STANDARD_WEIGHTS
from greenllm_kernel.compression.tensors import size_bytes
from greenllm_kernel.errors import RecipeError

METHODS = {
    "int8_dynamic": "- int8_dynamic",
    "int8_dynamic by tensor": "- int8_dynamic: {granularity: tensor, exclude: []}",
    "torchao_int8_weight_only": "- torchao_int8_weight_only",
    "torchao_int8_dynamic": "- torchao_int8_dynamic",
    "low_rank": "- low_rank: {keep: 0.5}",
    "mixed_precision": "- mixed_precision",
    "mixed_precision float16": "- mixed_precision: {dtype: float16}",
    "prune_weights": "- prune_weights: {sparsity: 0.6}",
    "prune_weights dense": "- prune_weights: {sparsity: 0.6, store: dense, pattern: global, importance: wanda}",
    "prune_mlp": "- prune_mlp: {remove: 0.5}",
    "prune_layers": "- prune_layers: {remove: 0.5}",
    "all": (
        "- prune_layers: {layers: [1]}\n- prune_mlp: {remove: 0.25, importance: taylor}\n- low_rank: {keep: 0.7}\n"
        "- prune_weights: {sparsity: 0.3, importance: random}\n- int8_dynamic"
    ),
    "two that pack": "- int8_dynamic: {include: ['*att*']}\n- torchao_int8_weight_only",
    "16 bits packed": "- mixed_precision\n- torchao_int8_weight_only",
}

ON_LLAMA_ALONE = {"mixed_precision float16", "torchao_int8_dynamic", "int8_dynamic by tensor", "16 bits packed"}

CASES = [(method, "llama") for method in METHODS] + [
    (method, architecture) for method in METHODS for architecture in ("gpt2", "bert") if method not in ON_LLAMA_ALONE
]

STANDARD = {"mixed_precision", "mixed_precision float16", "prune_weights dense", "prune_mlp", "prune_layers"}


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


@pytest.mark.parametrize(("method", "architecture"), CASES)
def test_what_was_saved_is_what_comes_back_and_the_given_model_is_untouched(method, architecture, session, tmp_path):
    if "torchao" in METHODS[method]:
        pytest.importorskip("torchao")
    model = MODELS[architecture]()
    before, said = weights(model), logits(model)

    result = compressed(model, METHODS[method], session)
    result.save(tmp_path / "model")
    again = load_model(tmp_path / "model", catalogue=catalogue())

    assert torch.equal(logits(again), logits(result.model))
    assert is_as_before(model, before) and torch.equal(logits(model), said)
    assert not torch.equal(logits(result.model), said)
    assert size_bytes(again) == size_bytes(result.model)
    expected = STANDARD_WEIGHTS if method in STANDARD else OWN_WEIGHTS
    names = {path.name for path in (tmp_path / "model").iterdir()} - {"generation_config.json"}
    assert names == {"config.json", "greenllm.json", expected}


@pytest.mark.parametrize(("method", "architecture"), [case for case in CASES if case[0] in STANDARD])
def test_what_stays_standard_loads_with_transformers_alone(method, architecture, session, tmp_path):
    result = compressed(MODELS[architecture](), METHODS[method], session)
    result.save(tmp_path / "model")

    again = type(result.model).from_pretrained(tmp_path / "model", local_files_only=True)

    assert torch.equal(logits(again.eval()), logits(result.model))


def test_what_does_not_stay_standard_is_refused_by_transformers_and_not_run_with_random_weights(session, tmp_path):
    compressed(llama(), "- int8_dynamic", session).save(tmp_path / "model")

    with pytest.raises(OSError, match="no file named"):
        LlamaForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True)


def test_tied_weights_stay_tied(session, tmp_path):
    result = compressed(llama(tie_word_embeddings=True), "- prune_mlp", session)
    result.save(tmp_path / "model")

    again = load_model(tmp_path / "model", catalogue=catalogue())
    anywhere = AutoModelForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True)

    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert torch.equal(logits(again), logits(result.model))
    assert torch.equal(logits(anywhere.eval()), logits(result.model))


def test_a_compressed_model_generates(session, tmp_path):
    for recipe in ("- prune_heads: {remove: 0.5}", "- int8_dynamic", "- prune_layers"):
        result = compressed(llama(), recipe, session)
        result.save(tmp_path / "model")
        again = load_model(tmp_path / "model", catalogue=catalogue())
        prompt = ids(1, 4)

        made = result.model.generate(prompt, max_new_tokens=5, do_sample=False)

        assert torch.equal(made, again.generate(prompt, max_new_tokens=5, do_sample=False))
        assert made.shape == (1, 9) or made.shape[1] > 4


def test_a_loaded_model_can_be_compressed_further_and_saved_with_all_it_has_gone_through(session, tmp_path):
    compressed(llama(), "- low_rank", session).save(tmp_path / "first")

    result = compressed(tmp_path / "first", "- int8_dynamic", session)
    result.save(tmp_path / "second")
    again = load_model(tmp_path / "second", catalogue=catalogue())

    assert torch.equal(logits(again), logits(result.model))
    assert [step.step.name for step in result.steps] == ["low_rank", "int8_dynamic"]
    with pytest.raises(RecipeError, match=r"step 3 \(low_rank\) cannot follow step 2 \(int8_dynamic\)"):
        compressed(again, "- low_rank", session)
