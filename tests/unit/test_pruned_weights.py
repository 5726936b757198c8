"""Pruning of single weights: by which importance, in which pattern, in which rounds, and how it is stored."""

from __future__ import annotations

import pytest
import torch

from compressing import calibration, compressed, gpt2, ids, llama, session_with_compressors
from greenllm_kernel.compression.compressor import Context
from greenllm_kernel.compression.folder.manifest import OWN_WEIGHTS, STANDARD_WEIGHTS
from greenllm_kernel.compression.layers import chosen_layers, matrix, matrix_layers
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import RecipeError
from greenllm_plugins.compressors.importance import scores
from greenllm_plugins.compressors.patterns import masks
from greenllm_plugins.compressors.prune_layers import _influences


@pytest.fixture(scope="module")
def session():
    made = session_with_compressors()
    yield made
    made.close(1.0)


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


def test_taylor_counts_gradients_of_batches_whose_sum_is_nothing():
    model, batches = llama(), [{"input_ids": ids(1, 8)}, {"input_ids": ids(1, 8).flip(1)}]
    weight = model.lm_head.weight
    slopes = []
    for batch in batches:
        model(**batch, labels=batch["input_ids"]).loss.backward()
        slopes.append(weight.grad)
        model.zero_grad()

    found = scores(model, {"lm_head": model.lm_head}, "taylor", Context(batches=lambda: iter(batches)))("lm_head")

    expected = sum((weight.detach() * slope).square() for slope in slopes) / 2
    torch.testing.assert_close(found, expected)
    assert (found >= (weight.detach() * sum(slopes) / 2).square() - 1e-12).all()


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
