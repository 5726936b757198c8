"""Each method: what it does to a model, that the given one stays as it is, and that what was saved comes back."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from compressing import MODELS, calibration, catalogue, gpt2, ids, is_as_before, llama, logits, weights
from compressing import session_with_compressors as session_with
from greenllm_kernel import load_model
from greenllm_kernel.compression.compressor import Context
from greenllm_kernel.compression.folder.manifest import OWN_WEIGHTS, STANDARD_WEIGHTS
from greenllm_kernel.compression.layers import chosen_layers, matrix, matrix_layers
from greenllm_kernel.compression.runner import StepError, compress
from greenllm_kernel.compression.tensors import parameter_counts, size_bytes
from greenllm_kernel.errors import RecipeError
from greenllm_plugins.compressors.importance import scores
from greenllm_plugins.compressors.patterns import masks
from greenllm_plugins.compressors.prune_layers import _influences

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "max_position_embeddings": 64,
}
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
    made = session_with()
    yield made
    made.close(1.0)


def compressed(model, recipe, session, **options):
    return compress(model, recipe, calibration=calibration(model), session=session, **options)


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


# ---- What each does


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


def zeros(model):
    return {name: float((matrix(layer) == 0).float().mean()) for name, layer in matrix_layers(model).items()}


@pytest.mark.parametrize("model", [llama, gpt2])
@pytest.mark.parametrize("importance", ["l1", "l2", "random", "taylor", "wanda"])
def test_every_importance_goes_with_every_pattern(importance, model):
    given = model()
    layers = chosen_layers(given, ("*",), ("lm_head",))
    context = Context(batches=lambda: iter(calibration(given)))
    scored = scores(given, layers, importance, context)
    assert all(scored(name).shape == matrix(layer).shape for name, layer in layers.items())

    stays = {pattern: masks(scored, layers, pattern, 0.25, 0.0) for pattern in ("layer", "row", "global", "2:4")}

    total = sum(matrix(layer).numel() for layer in layers.values())
    assert sum(int((~mask).sum()) for mask in stays["global"].values()) == round(0.25 * total)
    for name in layers:
        assert float(stays["layer"][name].float().mean()) == pytest.approx(0.75)
        assert (stays["row"][name].float().mean(1) == 0.75).all()
        assert (stays["2:4"][name].reshape(-1, 4).sum(1) == 2).all()


def test_patterns_reach_the_weights_whichever_way_round_they_lie(session):
    model = compressed(gpt2(), "- prune_weights: {pattern: '2:4', importance: wanda}", session).model

    for name, layer in matrix_layers(model).items():
        if name != "lm_head":
            assert ((matrix(layer).reshape(-1, 4) == 0).sum(1) == 2).all()


def test_magnitude_takes_the_smallest_and_a_threshold_all_below_it(session):
    given = llama()
    before = matrix(given.model.layers[0].mlp.up_proj).abs()
    edge = float(before.median())

    part = compressed(given, "- prune_weights: {sparsity: 0.5}", session).model
    below = compressed(given, f"- prune_weights: {{pattern: threshold, threshold: {edge}}}", session).model

    gone = matrix(part.model.layers[0].mlp.up_proj) == 0
    assert before[gone].max() <= before[~gone].min()
    assert ((matrix(below.model.layers[0].mlp.up_proj) == 0) == (before < edge)).all()


def test_wanda_takes_what_meets_small_inputs_and_taylor_what_the_loss_does_not_feel(session):
    given = llama()
    with torch.no_grad():
        given.model.norm.weight[:16] = 1e-6  # what comes into the head on these is next to nothing

    by_norm = compressed(given, "- prune_weights: {sparsity: 0.5, importance: wanda, exclude: []}", session).model
    by_loss = compressed(given, "- prune_weights: {sparsity: 0.5, importance: taylor, exclude: []}", session).model

    for model in (by_norm, by_loss):
        head = matrix(model.lm_head)
        assert (head[:, :16] == 0).float().mean() > 0.95
        assert (head[:, 16:] == 0).float().mean() < 0.05


@pytest.mark.parametrize("importance", ["wanda", "taylor", "similarity"])
def test_padding_does_not_count(importance):
    model, row = llama(), ids(1, 8)
    padding = torch.full((1, 4), 7)
    mask = torch.cat([torch.ones_like(row), torch.zeros_like(padding)], 1)
    padded = {"input_ids": torch.cat([row, padding], 1), "attention_mask": mask}

    def found(batch):
        context = Context(batches=lambda: iter([batch]))
        if importance == "similarity":
            return torch.tensor(_influences(model, model.model.layers, context))
        return scores(model, {"lm_head": model.lm_head}, importance, context)("lm_head")

    torch.testing.assert_close(found(padded), found({"input_ids": row}))


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


def test_sparse_storage_is_as_small_as_promised(session, tmp_path):
    given = llama()
    for store in ("sparse", "dense"):
        recipe = f"- prune_weights: {{sparsity: 0.75, store: {store}, exclude: []}}"
        compressed(given, recipe, session).save(tmp_path / store)

    pruned = sum(matrix(layer).nbytes for layer in matrix_layers(given).values())
    saved = (tmp_path / "dense" / STANDARD_WEIGHTS).stat().st_size - (tmp_path / "sparse" / OWN_WEIGHTS).stat().st_size
    assert saved == pytest.approx(pruned * (0.75 - 1 / 32), rel=0.03)  # names in the header take a little


def trained(steps):
    def train(model):
        steps.append({name: float((matrix(layer) == 0).float().mean()) for name, layer in matrix_layers(model).items()})
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for batch in calibration(model, 2):
            optimizer.zero_grad()
            model(**batch, labels=batch["input_ids"]).loss.backward()
            optimizer.step()

    return train


def test_iterative_pruning_goes_up_and_what_is_0_stays_0_while_it_is_trained(session):
    steps = []

    recipe = "- prune_weights: {sparsity: 0.6, schedule: iterative, rounds: 3}"
    model = compressed(llama(), recipe, session, train=trained(steps)).model

    name = "model.layers.0.mlp.up_proj"
    assert len(steps) == 3
    assert zeros(model)[name] == pytest.approx(0.6, abs=1e-3)
    assert not [name for name, _ in model.named_parameters() if name.endswith("_orig")]


def test_the_lottery_rewinds_to_the_first_values(session):
    given = llama()
    held = []

    def train(model):
        held.append({name: tensor.clone() for name, tensor in model.named_parameters()})
        trained([])(model)

    recipe = "- prune_weights: {sparsity: 0.75, schedule: lottery, rounds: 2}"
    model = compressed(given, recipe, session, train=train).model

    assert len(held) == 3
    first = dict(given.named_parameters())
    for later in held[1:]:
        for name, tensor in later.items():
            left = (tensor != 0) | ~torch.tensor(name.endswith("_orig"))
            assert torch.equal(tensor[left], first[name.removesuffix("_orig")][left])
    assert zeros(model)["model.layers.0.mlp.up_proj"] == pytest.approx(0.75, abs=1e-3)


def test_a_schedule_without_anything_to_train_with_is_refused(session):
    with pytest.raises(RecipeError, match=r"step 1 \(prune_weights\) trains the model. Give texts, .* or a function"):
        compress(llama(), "- prune_weights: {schedule: iterative}", session=session)


# ---- Structure


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


def test_refusals_come_all_at_once(session):
    with pytest.raises(RecipeError) as raised:
        compress(llama(), "- prune_heads: {remove: 0.1}\n- prune_weights: {importance: wanda}", session=session)

    assert "step 1 (prune_heads)" in str(raised.value) and "step 2 (prune_weights)" in str(raised.value)


def test_half_precision_models_are_not_quantised_by_torch(session):
    with pytest.raises(RecipeError, match="bfloat16, not float32"):
        compressed(llama().bfloat16(), "- int8_dynamic", session)


def test_counts_are_of_what_is_there():
    model = llama()

    total, nonzero = parameter_counts(model)

    assert total == model.num_parameters() and math.isclose(nonzero, total, rel_tol=1e-3)
    assert copy.deepcopy(model).num_parameters() == total
