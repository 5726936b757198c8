"""Deep Compression: pruned, values shared, Huffman coded; what comes back is bit for bit what was encoded."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from compressing import bert, calibration, catalogue, gpt2, llama, logits
from compressing import session_with_compressors as session_with
from greenllm_kernel import load_model
from greenllm_kernel.compression.folder.manifest import FILE_NAME, described_file
from greenllm_kernel.compression.layers import matrix_layers, weight_of
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import ModelFolderError, RecipeError
from greenllm_plugins.compressors.codebooks import centroids, nearest
from greenllm_plugins.compressors.huffman import decoded, encoded

DEEP = "- prune_weights: {sparsity: 0.9, exclude: []}\n- shared_weights: {bits: 4, embedding_bits: 5}"


@pytest.fixture(scope="module")
def session():
    made = session_with()
    yield made
    made.close(1.0)


def few_values(count: int, part: float, dtype: torch.dtype = torch.float32, values: int = 15) -> torch.Tensor:
    """Return a tensor in which this part is not 0, and takes so many values, a minus zero among them."""
    generator = torch.Generator().manual_seed(count)
    codebook = torch.randn(values, generator=generator).to(dtype)
    codebook[0] = -0.0
    flat = codebook[torch.randint(values, (count,), generator=generator)]
    flat[torch.rand(count, generator=generator) > part] = 0.0
    return flat


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("part", [1.0, 0.3, 0.01, 0.0])
def test_what_is_decoded_is_bit_for_bit_what_was_encoded(part, dtype):
    for shape in ((70, 90), (1,), (0, 3)):
        tensor = few_values(int(np.prod(shape)), part, dtype).reshape(shape)

        parts = encoded(tensor)

        again = decoded(parts["codebook"], parts["indices"], parts.get("gaps"), tensor.shape)
        assert bits(again) == bits(tensor) and again.shape == tensor.shape and again.dtype == dtype


def test_long_gaps_and_the_last_zeros_are_kept():
    tensor = torch.zeros(3000)
    tensor[[0, 254, 255, 256, 511, 1021, 1022, 1788]] = torch.arange(1.0, 9.0)

    parts = encoded(tensor)

    assert "gaps" in parts
    assert torch.equal(decoded(parts["codebook"], parts["indices"], parts["gaps"], tensor.shape), tensor)


def test_more_values_than_a_byte_counts_are_left_as_they_are():
    assert encoded(torch.arange(257.0)) is None
    assert encoded(torch.arange(256.0)) is not None


def test_the_codes_are_near_the_entropy():
    tensor = few_values(200_000, 0.1)
    _, counts = np.unique(tensor.numpy(), return_counts=True)
    entropy_bytes = float(-(counts * np.log2(counts / counts.sum())).sum()) / 8

    parts = encoded(tensor)

    assert sum(part.nbytes for part in parts.values()) < 1.1 * entropy_bytes
    assert zip_of(tensor) > sum(part.nbytes for part in parts.values())


def zip_of(tensor: torch.Tensor) -> int:
    return len(zlib.compress(bits(tensor), 9))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda parts: {**parts, "indices": flipped(parts["indices"])}, "the Huffman codes of the indices are"),
        (lambda parts: {**parts, "gaps": flipped(parts["gaps"])}, "the Huffman codes of the gaps are"),
        (lambda parts: {**parts, "gaps": parts["gaps"][:-9]}, "the Huffman codes of the gaps are cut off"),
        (lambda parts: {**parts, "gaps": parts["gaps"][:0]}, "the Huffman codes of the gaps are cut off"),
        (lambda parts: {**parts, "codebook": parts["codebook"][:3]}, "the codebook has 3 values, and an index is"),
        (lambda parts: {**parts, "gaps": encoded(few_values(4000, 0.05))["gaps"]}, "gaps lead to"),
        (lambda parts: {**parts, "gaps": encoded(few_values(90_000, 0.9, values=3))["indices"]}, "of another tensor"),
    ],
)
def test_a_stream_that_is_damaged_or_of_another_tensor_is_an_error_and_never_other_weights(harm, said):
    parts = harm(encoded(few_values(4000, 0.1)))

    with pytest.raises(ValueError, match=said):
        decoded(parts["codebook"], parts["indices"], parts["gaps"], torch.Size([4000]))


def flipped(stream: torch.Tensor) -> torch.Tensor:
    stream = stream.clone()
    stream[len(stream) // 2] ^= 16
    return stream


@pytest.mark.parametrize("model", [llama, gpt2, bert])
@pytest.mark.parametrize("options", [{}, {"tie_word_embeddings": True}])
def test_a_model_round_trips(model, options, session, tmp_path):
    if options and model is not llama:
        pytest.skip("tied or not by its own config")
    given = model(**options)

    result = compress(given, DEEP, session=session)
    result.save(tmp_path / "model")
    again = load_model(tmp_path / "model", catalogue=catalogue())

    assert torch.equal(logits(again), logits(result.model))
    for (name, before), after in zip(result.model.named_parameters(), again.parameters(), strict=True):
        assert bits(before) == bits(after), name
    for layer in matrix_layers(result.model).values():
        weight = weight_of(layer)
        if not options or weight is not result.model.lm_head.weight:
            is_tied = weight is result.model.get_input_embeddings().weight
            assert len(weight.unique()) <= (32 if is_tied else 16)
            assert float((weight == 0).float().mean()) == pytest.approx(0.9, abs=0.01)
    if options:
        assert again.lm_head.weight is again.model.embed_tokens.weight


def test_the_file_is_more_than_ten_times_smaller(session, tmp_path):
    given = llama(hidden_size=128, intermediate_size=256, num_hidden_layers=2)
    sizes = {}
    for name, recipe in (("dense", "- prune_weights: {sparsity: 0, store: dense}"), ("deep", DEEP)):
        compress(given, recipe, session=session).save(tmp_path / name)
        sizes[name] = sum(path.stat().st_size for path in (tmp_path / name).glob("*.safetensors"))

    assert sizes["dense"] > 10 * sizes["deep"]


def test_what_is_shared_can_be_loaded_compressed_further_and_saved_again(session, tmp_path):
    compress(llama(), DEEP, session=session).save(tmp_path / "first")

    result = compress(tmp_path / "first", "- int8_dynamic: {include: [mlp]}", session=session)
    result.save(tmp_path / "second")

    assert torch.equal(logits(load_model(tmp_path / "second", catalogue=catalogue())), logits(result.model))


def test_training_centroids_brings_the_loss_down_and_keeps_what_is_shared(session):
    data = [row for batch in calibration(llama(), 6) for row in batch["input_ids"]]
    batch = torch.stack(data)

    def loss(model):
        with torch.no_grad():
            return float(model(input_ids=batch, labels=batch).loss)

    once = compress(llama(), DEEP, session=session)
    tuned = compress(
        llama(),
        DEEP.replace("{bits", "{finetune: true, tokens: 2000, batch: 4, length: 12, rate: 0.003, bits"),
        calibration=data,
        session=session,
    )

    assert loss(tuned.model) < loss(once.model) - 0.01
    for before, after in zip(matrix_layers(once.model).values(), matrix_layers(tuned.model).values(), strict=True):
        one, other = weight_of(before), weight_of(after)
        assert torch.equal(one == 0, other == 0)
        _, shared, counts = one.unique(return_inverse=True, return_counts=True)
        assert all(len(other[shared == number].unique()) == 1 for number in range(len(counts)))


def test_a_model_in_16_bits_stays_in_16(session, tmp_path):
    result = compress(llama().to(torch.bfloat16), DEEP, session=session)
    result.save(tmp_path / "model")
    again = load_model(tmp_path / "model", catalogue=catalogue())

    assert {parameter.dtype for parameter in again.parameters()} == {torch.bfloat16}
    for before, after in zip(result.model.parameters(), again.parameters(), strict=True):
        assert bits(before) == bits(after)


def test_damage_that_the_checksums_of_the_folder_do_not_see_is_still_an_error(session, tmp_path):
    compress(llama(), DEEP, session=session).save(tmp_path / "model")
    (path,) = (tmp_path / "model").glob("*.safetensors")
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("down_proj.weight.indices"))
    save_file({**tensors, name: flipped(tensors[name])}, path)
    manifest = json.loads((tmp_path / "model" / FILE_NAME).read_text())
    manifest["files"][path.name] = described_file(path)
    (tmp_path / "model" / FILE_NAME).write_text(json.dumps(manifest))

    with pytest.raises(ModelFolderError, match=r"down_proj.weight: the Huffman codes of the indices are"):
        load_model(tmp_path / "model", catalogue=catalogue())


def test_centroids_are_what_lloyds_algorithm_finds():
    values = np.random.default_rng(1).normal(size=4000).astype(np.float32)

    found = centroids(values, 15)

    places = nearest(values, found)
    assert len(found) == 15 and (np.diff(found) > 0).all()
    for number, value in enumerate(found):
        assert value == pytest.approx(values[places == number].mean(), abs=1e-3)
    brute = np.abs(values[:, None] - found[None]).argmin(1)
    assert (np.abs(values - found[places]) <= np.abs(values - found[brute]) + 1e-6).all()
    assert centroids(np.array([2.0, 2.0, 3.0], np.float32), 8).tolist() == [2.0, 3.0]
    assert centroids(np.zeros(0, np.float32), 8).tolist() == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("bits: 9", "bits: 9 is not from 1 to 8"),
        ("include: [embed]", "no layer is called 'embed'"),
        ("bit: 3", "'bits'"),
    ],
)
def test_what_cannot_be_shared_is_refused(settings, said, session):
    with pytest.raises(RecipeError, match=said):
        compress(llama(), f"- shared_weights: {{{settings}}}", session=session)
