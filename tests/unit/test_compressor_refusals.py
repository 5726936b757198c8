"""What a method cannot do here or with a model is refused with what would work."""

from __future__ import annotations

import pytest

from compressing import MODELS, compressed, llama, session_with_compressors
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import RecipeError


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


@pytest.mark.parametrize(
    ("architecture", "recipe", "said"),
    [
        ("gpt2", "- prune_heads", "GPT2LMHeadModel cannot hold fewer heads"),
        (
            "llama",
            "- prune_heads: {remove: 0.1}",
            "cannot go from each layer of a standard LlamaForCausalLM. Remove one of 0.5, 0.75; or use",
        ),
        (
            "llama",
            "- prune_mlp: {remove: 0.01}",
            "64 units less 0.01 of them, rounded to a multiple of 8, are no fewer",
        ),
        ("llama", "- prune_layers: {layers: [4]}", "there is no layer 4. The layers are 0 to 3."),
        ("llama", "- prune_layers: {layers: [0, 1, 2, 3]}", "none would be left"),
        ("llama", "- low_rank: {rank: 64}", "no layer gets smaller at rank 64"),
        ("llama", "- int8_dynamic: {include: [self_atn]}", "no layer is called 'self_atn'. Did you mean 'self_attn'?"),
        ("llama", "- int8_dynamic: {include: [mlp], exclude: [mlp]}", "every layer that is included is excluded too"),
        ("llama", "- prune_weights: {importance: wanda}", "needs calibration data. Give texts, batches or a data set"),
        ("llama", "- mixed_precision\n- int8_dynamic", "torch's 8-bit layers take and give float32"),
        ("llama", "- torchao_int4_weight_only", "torchao's 4-bit kernels want an NVIDIA GPU"),
        ("llama", "- torchao_fp8_dynamic", "fp8 wants a GPU of compute capability 8.9"),
    ],
)
def test_what_cannot_work_here_is_refused_with_what_would(architecture, recipe, said, session):
    if "torchao" in recipe:
        pytest.importorskip("torchao")
    given = MODELS[architecture]()

    with pytest.raises(RecipeError) as raised:
        compress(given, recipe, session=session)

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("method", "layers", "said"),
    [
        ("torchao_int4_weight_only", {}, "q_proj has 32 inputs, which groups of 128 do not divide"),
        ("torchao_fp8_dynamic", {"intermediate_size": 40}, "gate_proj has 40 outputs and 32 inputs, not multiples of"),
    ],
)
def test_layers_for_which_torchao_has_no_form_are_refused(method, layers, said, session):
    pytest.importorskip("torchao")
    with pytest.raises(RecipeError, match=said):
        compressed(llama(**layers), f"- {method}", session)


def test_half_precision_models_are_not_quantised_by_torch(session):
    with pytest.raises(RecipeError, match="bfloat16, not float32"):
        compressed(llama().bfloat16(), "- int8_dynamic", session)


def test_refusals_come_all_at_once(session):
    with pytest.raises(RecipeError) as raised:
        compress(llama(), "- prune_heads: {remove: 0.1}\n- prune_weights: {importance: wanda}", session=session)

    assert "step 1 (prune_heads)" in str(raised.value) and "step 2 (prune_weights)" in str(raised.value)
