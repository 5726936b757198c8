"""Each runtime: that it gives eager's tokens, comes back from its folder, and leaves the model alone."""

from __future__ import annotations

import gc
import json
import re
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaMLP

from compressing import gpt2, ids, is_as_before, llama, logits, weights
from compressing import session_with_compressors as session_with
from greenllm_kernel import deploy, load_deployed
from greenllm_kernel.compression.deployment import FILE_NAME
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.compression.runtimes import Runtimes, written
from greenllm_kernel.compression.settings import settings_of
from greenllm_kernel.compression.tensors import size_bytes
from greenllm_kernel.errors import DeploymentError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.runtimes.in_torch import InTorch

SHAPE = {"prompt_tokens": 12, "new_tokens": 8}
BY_LAYER = "compiled: {region: layer}"
OTHERS = ["compiled", BY_LAYER, "exported", "executorch", "torchscript", "openvino", "onnxruntime"]
FIXED = {"compiled", BY_LAYER, "executorch"}
"""Made for one batch alone."""
WITH_CODE = {"executorch": 36_000}
"""Bytes of what is not weights: for that runtime all is one."""


@pytest.fixture(scope="module")
def session():
    made = session_with()
    yield made
    made.close(1.0)


def expected(model, input_ids, new_tokens=SHAPE["new_tokens"]):
    """Return what transformers generates."""
    generated = model.generate(
        input_ids, do_sample=False, min_new_tokens=new_tokens, max_new_tokens=new_tokens, pad_token_id=0
    )
    return generated[:, input_ids.shape[1] :]


def test_eager_gives_the_tokens_of_transformers_also_beyond_the_end_of_a_text(session):
    model = llama(eos_token_id=3)
    model.generation_config.eos_token_id = None
    shape = {"prompt_tokens": 12, "new_tokens": 40, "batch": 3}

    with deploy(model, session=session, **shape) as deployed:
        assert torch.equal(deployed.generate(ids(3)), expected(model, ids(3), 40))


def test_a_token_is_told_when_it_is_there_and_not_before(session):
    with deploy(gpt2(), session=session, batch=2, **SHAPE) as deployed:
        done = []
        step = deployed.deployed.step
        deployed.deployed.step = lambda *arguments: done.append("made") or step(*arguments)
        deployed.generate(ids(), 3, lambda: done.append("told"))

    assert done == ["made", "told"] * 3


@pytest.mark.parametrize("recipe", [None, "- int8_dynamic", "- mixed_precision: {keep: [down_proj]}", "- prune_mlp"])
def test_what_eager_saves_comes_back_with_the_same_tokens_and_logits(recipe, session, tmp_path):
    model = llama()
    if recipe is not None:
        model = compress(model, recipe, session=session).model
    with deploy(model, session=session, batch=2, **SHAPE) as deployed:
        tokens, said = deployed.generate(ids()), deployed.logits(ids())
        deployed.save(tmp_path / "saved")
        with load_deployed(tmp_path / "saved", session=session) as again:
            assert torch.equal(again.generate(ids()), tokens)
            assert torch.equal(again.logits(ids()), said)
            assert again.shape == deployed.shape and again.size_bytes == deployed.size_bytes


def test_the_given_model_stays_as_it_is_and_its_weights_are_shared(session):
    model = llama().train()
    before, said = weights(model), model.training

    with deploy(model, session=session, batch=2, **SHAPE) as deployed:
        deployed.generate(ids())
        assert deployed.deployed.model.lm_head.weight is model.lm_head.weight
        assert not deployed.deployed.model.training

    assert is_as_before(model, before) and model.training == said


def test_what_was_compressed_in_two_goes_is_saved_with_all_of_its_steps(session, tmp_path):
    model = compress(llama(), "- prune_mlp", session=session).model
    model = compress(model, "- int8_dynamic", session=session).model
    with deploy(model, session=session, **SHAPE) as deployed:
        deployed.save(tmp_path / "saved")

    steps = json.loads((tmp_path / "saved" / "greenllm.json").read_text())["steps"]
    with load_deployed(tmp_path / "saved", session=session) as again:
        assert torch.equal(again.logits(ids()), logits(model))
    assert [step["method"] for step in steps] == ["prune_mlp", "int8_dynamic"]


@pytest.mark.parametrize("damage", ["cut off", "changed", "missing", "foreign", "schema", "newer", "outside"])
def test_a_folder_that_is_not_whole_is_told_of(damage, session, tmp_path):
    folder = tmp_path / "saved"
    with deploy(llama(), session=session, **SHAPE) as deployed:
        deployed.save(folder)
    file, manifest = folder / "model.safetensors", json.loads((folder / FILE_NAME).read_text())
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-1])
    elif damage == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    elif damage == "missing":
        file.unlink()
    elif damage == "foreign":
        (folder / FILE_NAME).unlink()
    else:
        manifest |= {
            "schema": {"schema": 2},
            "newer": {"version": 9},
            "outside": {"files": {"../x": {"bytes": 1, "sha256": ""}}},
        }[damage]
        (folder / FILE_NAME).write_text(json.dumps(manifest))

    with pytest.raises(DeploymentError, match=str(folder)):
        load_deployed(folder, session=session)


def test_saving_that_fails_leaves_what_was_there(session, tmp_path, monkeypatch):
    folder = tmp_path / "saved"
    with deploy(llama(), session=session, **SHAPE) as deployed:
        deployed.save(folder)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        monkeypatch.setattr(InTorch, "save", lambda self, folder: 1 / 0)
        with pytest.raises(DeploymentError, match="cannot be saved .* ZeroDivisionError"):
            deployed.save(folder)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "thesis.tex").touch()
        monkeypatch.setenv("HOME", str(tmp_path))
        for other in (tmp_path / "other", "~/other"):
            with pytest.raises(DeploymentError, match="other holds something that was not saved so"):
                deployed.save(other)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"saved", "other"}
    assert (tmp_path / "other" / "thesis.tex").exists()


@pytest.mark.parametrize("runtime", OTHERS)
def test_it_gives_eager_s_tokens_and_comes_back_with_them(runtime, session, tmp_path):
    model = llama(num_hidden_layers=1)
    before = weights(model)
    told = []

    with deploy(model, runtime, session=session, batch=2, **SHAPE) as deployed:
        tokens = deployed.generate(ids(), on_token=lambda: told.append(True))
        shorter = deployed.generate(ids()[:, :5], 3)
        if runtime not in FIXED:
            assert torch.equal(deployed.deployed.generate(ids(1), 8, lambda: None), expected(model, ids(1)))
        said = deployed.logits(ids(3, 20))
        assert deployed.size_bytes - WITH_CODE.get(runtime, 0) == pytest.approx(size_bytes(model), rel=0.1)
        deployed.save(tmp_path / "saved")
    with load_deployed(tmp_path / "saved", session=session) as again:
        assert torch.equal(again.generate(ids()), tokens)
        assert torch.allclose(again.logits(ids(3, 20)), said, atol=1e-5)

    assert torch.equal(tokens, expected(model, ids())) and len(told) == SHAPE["new_tokens"]
    assert torch.equal(shorter, expected(model, ids()[:, :5], 3))
    assert said.dtype == torch.float32
    assert torch.allclose(said, model(input_ids=ids(3, 20)).logits, atol=1e-5)
    assert is_as_before(model, before)


@pytest.mark.parametrize(
    ("runtime", "make", "weights", "most", "error"),
    [
        ("openvino", llama, "int4", 0.3, 0.15),
        ("onnxruntime", gpt2, "int4", 0.3, 0.15),
        ("onnxruntime", gpt2, "int8", 0.4, 0.02),
    ],
)
def test_weights_of_few_bits_take_less_and_say_about_the_same(runtime, make, weights, most, error, session, tmp_path):
    model = make() if make is gpt2 else make(num_hidden_layers=1)
    with deploy(model, f"{runtime}: {{weights: {weights}, group_size: 32}}", session=session, **SHAPE) as deployed:
        off = (deployed.logits(ids()) - model(input_ids=ids()).logits).abs().max()
        assert deployed.size_bytes < most * size_bytes(model) and 0 < off < error
        tokens = deployed.generate(ids(1))
        deployed.save(tmp_path / "saved")
    with load_deployed(tmp_path / "saved", session=session) as again:
        assert torch.equal(again.generate(ids(1)), tokens)


@pytest.fixture
def graphs(monkeypatch):
    """Return the graphs that are compiled; they are not made into kernels."""
    made, compile_graph = [], torch.compile

    def keep(graph, inputs):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda step, mode, **options: compile_graph(step, backend=keep, **options))
    return made


def test_each_that_is_deployed_is_compiled_however_many_were_before_it_and_nothing_of_it_stays(session, graphs):
    for number in (1, 2):
        model = llama(num_hidden_layers=number)
        with (
            torch._dynamo.config.patch(recompile_limit=1),
            deploy(model, "compiled", session=session, batch=2, **SHAPE) as deployed,
        ):
            tokens = deployed.generate(ids())

        assert torch.equal(tokens, expected(model, ids())) and len(graphs) == number
    weight = weakref.ref(model.lm_head.weight)
    graphs.clear()
    del model, deployed
    gc.collect()
    assert weight() is None


@pytest.mark.parametrize("region", ["step", "layer"])
def test_the_prefill_of_the_full_length_is_compiled_where_that_is_asked_for(region, session, graphs, tmp_path):
    model = llama()
    runtime = {"compiled": {"region": region, "prefill": True}}
    with deploy(model, session=session, batch=2, **SHAPE) as eager:
        full, shorter = (eager.generate(ids(2, length)) for length in (SHAPE["prompt_tokens"], 10))
    with deploy(model, runtime, session=session, batch=2, **SHAPE) as deployed:
        for _ in range(3):
            assert torch.equal(deployed.generate(ids(2)), full) and len(graphs) == 2
        assert torch.equal(deployed.generate(ids(2, 10)), shorter) and len(graphs) == 2
        deployed.save(tmp_path / "saved")
    with load_deployed(tmp_path / "saved", session=session) as again:
        assert torch.equal(again.generate(ids(2, 10)), shorter) and len(graphs) == 3
        assert torch.equal(again.generate(ids(2)), full) and len(graphs) == 4


@pytest.mark.parametrize("make", [lambda: llama(num_hidden_layers=3), gpt2], ids=["llama", "gpt2"])
def test_by_layer_one_graph_runs_all_layers_of_this_model_and_none_of_another(make, session, graphs):
    model = make()
    before = weights(model)
    with deploy(model, BY_LAYER, session=session, batch=2, **SHAPE) as deployed:
        tokens = deployed.generate(ids())
        assert torch.equal(deployed.generate(ids()), tokens)

    assert torch.equal(tokens, expected(model, ids())) and len(graphs) == 1
    assert is_as_before(model, before)
    with deploy(make(), BY_LAYER, session=session, batch=2, **SHAPE) as deployed:
        deployed.generate(ids())
    assert len(graphs) == 2


def test_what_cannot_be_compiled_whole_fails_and_does_not_run_in_parts(session, graphs, monkeypatch):
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, states: torch._dynamo.graph_break() or states)

    with (
        deploy(llama(), "compiled", session=session, batch=2, **SHAPE) as deployed,
        pytest.raises(DeploymentError, match="compiled failed to generate: Unsupported"),
    ):
        deployed.generate(ids())


def test_torch_s_own_8_bit_layers_run_in_torchscript_too(session):
    model = compress(llama(), "- int8_dynamic", session=session).model

    with pytest.warns(FutureWarning, match="torch has deprecated TorchScript"):
        deployed = deploy(model, "torchscript", session=session, batch=2, **SHAPE)
    with deployed:
        assert torch.equal(deployed.generate(ids()), expected(model, ids()))


@dataclass(frozen=True)
class ShoutingConfig:
    version: ClassVar[int] = 1
    loudness: Literal[1, 2] = 1
    echo: bool = False


class Shouting:
    """A runtime of somebody's own, which inherits from nothing of ours."""

    name = "shouting"
    config_class = ShoutingConfig

    def __init__(self, config):
        self.config = config

    def check(self, model, shape, host):
        return ["it is night"] if self.config.echo else ()

    def deploy(self, model, shape):
        return InTorch(model)

    def load(self, folder, shape):
        return InTorch.load(folder)


class Own:
    @hookimpl
    def greenllm_runtimes(self):
        return [Shouting, int]


def test_a_runtime_of_one_s_own_joins_through_the_hook_alone(tmp_path):
    session = session_with(Own())
    try:
        with deploy(llama(), "shouting: {loudness: 2}", session=session, batch=2, **SHAPE) as deployed:
            deployed.save(tmp_path / "saved")
            assert written(deployed.runtime) == "shouting: {loudness: 2}"
        with load_deployed(tmp_path / "saved", session=session) as again:
            assert again.runtime.config.loudness == 2
        with pytest.raises(DeploymentError, match="it is night"):
            deploy(llama(), {"shouting": {"echo": True}}, session=session)
        with pytest.raises(DeploymentError, match="loudness: 3 is not known"):
            deploy(llama(), "shouting: {loudness: 3}", session=session)
        with pytest.raises(DeploymentError, match="int of the plugin own 0 is left out: TypeError: it has no name"):
            deploy(llama(), "louder", session=session)
        assert written(Runtimes.of(session.plugins).chosen("shouting: {echo: true}")) == "shouting: {echo: true}"
    finally:
        session.close(1.0)


def test_every_built_in_runtime_has_a_row_in_the_guide_with_its_settings(session):
    guide = (Path(__file__).parents[2] / "plugins" / "README.md").read_text(encoding="utf-8")
    found = Runtimes.of(session.plugins)

    for name in found.names:
        (row,) = re.findall(rf"^\| `{name}` \|.*$", guide, re.M)
        for setting, default in settings_of(found[name].config_class()).items():
            assert re.search(rf"`{setting}`[^|]*\({default}", row), (name, setting)
