"""What a runtime cannot hold or do is refused, before anything runs, with the reason and what would work."""

from __future__ import annotations

import importlib.util
import json
from zipfile import ZipFile

import pytest
import torch

from compressing import bert, ids, llama
from compressing import session_with_compressors as session_with
from greenllm_kernel import deploy, load_deployed
from greenllm_kernel.compression.deployment import FILE_NAME
from greenllm_kernel.compression.folder.manifest import described_file
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.compression.runtime import Shape
from greenllm_kernel.errors import DeploymentError
from greenllm_plugins.runtimes.compiled import Compiled, CompiledConfig

SHAPE = {"prompt_tokens": 12, "new_tokens": 8}


@pytest.fixture(scope="module")
def session():
    made = session_with()
    yield made
    made.close(1.0)


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        ("eagre", "there is no runtime 'eagre'; did you mean 'eager'?"),
        ("eager: {weights: int8}", "eager: there is no setting 'weights'"),
        ("eager: [", "is no runtime; one is written as"),
        ({"eager": 3}, "is no runtime; one is written as"),
    ],
)
def test_a_runtime_that_does_not_exist_is_refused_with_the_nearest(runtime, reason, session):
    with pytest.raises(DeploymentError, match=reason):
        deploy(llama(), runtime, session=session)


@pytest.mark.parametrize(
    ("model", "shape", "reason"),
    [
        (bert, SHAPE, "BertForSequenceClassification is no causal language model"),
        (lambda: torch.nn.Linear(2, 2), SHAPE, "a Linear is no model of transformers"),
        (llama, {"prompt_tokens": 60, "new_tokens": 5}, r"more than the model has places \(64\)"),
        (llama, {"batch": 0}, "batch: 0 is no whole number from 1"),
    ],
)
def test_what_cannot_be_deployed_is_refused(model, shape, reason, session):
    with pytest.raises(DeploymentError, match=reason):
        deploy(model(), session=session, **shape)


def test_what_it_was_not_deployed_for_is_refused(session):
    with deploy(llama(), session=session, batch=2, **SHAPE) as deployed:
        for input_ids, new_tokens in ((ids(1), 8), (ids(2, 13), 8), (ids(), 9), (ids(), 0)):
            with pytest.raises(DeploymentError, match="deployed for 2 sequences of at most 12 [+] 8 tokens"):
                deployed.generate(input_ids, new_tokens)
        with pytest.raises(DeploymentError, match="token ids are a tensor of int64"):
            deployed.logits(ids().float())
        with pytest.raises(DeploymentError, match="eager failed to logits: IndexError"):
            deployed.logits(ids() + 1000)


@pytest.mark.parametrize(
    ("runtime", "recipe", "reason"),
    [
        ("openvino", "- int8_dynamic", "packed for torch"),
        ("onnxruntime", "- torchao_int8_weight_only", "packed for torch"),
        ("openvino", "- mixed_precision", "are torch.bfloat16, not float32. Convert them"),
        ("compiled", "- int8_dynamic", "cannot look into the layers .* torchao_int8_weight_only"),
        ("compiled: {region: layer}", "- mixed_precision: {keep: [layers.0]}", "layers are not alike.* region: step"),
        ("compiled: {region: layer, mode: reduce-overhead}", "- prune_mlp", "reduce-overhead is for whole steps"),
    ],
)
def test_a_model_that_a_runtime_cannot_hold_is_refused(runtime, recipe, reason, session):
    if "torchao" in recipe:
        pytest.importorskip("torchao")
    model = compress(llama(), recipe, session=session).model

    with pytest.raises(DeploymentError, match=reason):
        deploy(model, runtime, session=session, **SHAPE)


@pytest.mark.parametrize(
    ("device", "batch", "recipe", "is_refused"),
    [
        ("cuda", 16, "- torchao_int8_dynamic", True),
        ("cuda", 17, "- torchao_int8_dynamic", False),
        ("cuda", 1, "- torchao_int8_weight_only", False),
        ("cpu", 1, "- torchao_int8_dynamic", False),
    ],
)
def test_too_few_rows_for_8_bit_products_on_a_gpu_are_refused(device, batch, recipe, is_refused, session, monkeypatch):
    pytest.importorskip("torchao")
    model = compress(llama(), recipe, session=session).model
    monkeypatch.setattr("greenllm_kernel.compression.tensors.device_of", lambda model: torch.device(device))

    refusals = Compiled(CompiledConfig()).check(model, Shape(batch=batch, **SHAPE), Host.here())

    assert [refusal.reason for refusal in refusals if "8-bit products" in refusal.reason] == (
        [f"8-bit products on a GPU want 17 rows or more, and decoding has {batch} (the batch)"] if is_refused else []
    )


def test_layers_with_another_state_are_refused(session):
    from transformers import MistralConfig, MistralForCausalLM

    sizes = {"vocab_size": 96, "hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    model = MistralForCausalLM(MistralConfig(**sizes, num_hidden_layers=1, num_key_value_heads=2, sliding_window=8))

    with pytest.raises(DeploymentError, match="something else than all keys and values. Use eager"):
        deploy(model, "torchscript", session=session, **SHAPE)


def test_a_package_that_is_missing_is_named_with_what_installs_it(session, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(
        DeploymentError, match=r"openvino and nncf are not installed. pip install 'greenllm\[openvino\]'"
    ):
        deploy(llama(), "openvino: {weights: int8}", session=session)


def test_an_exported_graph_with_pickled_objects_is_refused_unread(session, tmp_path):
    folder = tmp_path / "saved"
    with deploy(llama(num_hidden_layers=1), "exported", session=session, **SHAPE) as deployed:
        deployed.save(folder)
    with ZipFile(folder / "model.pt2", "a") as archive:
        archive.writestr("model/data/constants/custom_obj_0", b"cos\nsystem\n.")
    manifest = json.loads((folder / FILE_NAME).read_text())
    manifest["files"]["model.pt2"] = described_file(folder / "model.pt2")
    (folder / FILE_NAME).write_text(json.dumps(manifest))

    with pytest.raises(DeploymentError, match="holds pickled objects"):
        load_deployed(folder, session=session)
