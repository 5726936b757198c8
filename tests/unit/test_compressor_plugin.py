"""A compressor in somebody's own installed package joins a recipe through its entry point alone."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import torch

from compressing import catalogue, ids, llama, logits, session_with_compressors
from greenllm_kernel import load_model
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import RecipeError
from greenllm_kernel.plugins import Plugins

ROOT = Path(__file__).parents[2]

SIGNS = '''
"""Weights become their sign times the mean magnitude of their row."""

from dataclasses import dataclass
from typing import ClassVar

from greenllm_kernel.compression.compressor import Kind, Saves
from greenllm_kernel.hookspecs import hookimpl


@dataclass(frozen=True)
class SignsConfig:
    version: ClassVar[int] = 1
    layers: tuple[str, ...] = ("down_proj",)


class Signs:
    name = "signs"
    config_class = SignsConfig
    kind = Kind.SPARSITY
    expects_to_save = frozenset({Saves.STORAGE})
    not_after = {}

    def needs_calibration(self, config):
        return False

    def needs_training(self, config):
        return False

    def check(self, model, config, host):
        return []

    def convert(self, model, config, context):
        names = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in config.layers]
        for name in names:
            weight = model.get_submodule(name).weight.data
            weight.copy_(weight.sign() * weight.abs().mean(1, keepdim=True))
        return model, {"names": names}

    def tensors(self, model, config, metadata):
        saved = {}
        for name in metadata["names"]:
            weight = model.get_submodule(name).weight.data
            saved[name + ".weight.sign"] = (weight > 0).to(dtype=__import__("torch").uint8)
            saved[name + ".weight.size"] = weight.abs()[:, 0].clone()
        return saved

    def restore(self, skeleton, config, metadata, tensors):
        import torch

        for name in metadata["names"]:
            sign = tensors[name + ".weight.sign"].float() * 2 - 1
            size = tensors[name + ".weight.size"][:, None]
            skeleton.get_submodule(name).weight = torch.nn.Parameter(sign * size)
        return skeleton


@hookimpl
def greenllm_compressors():
    return [Signs]
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Lay a package out as pip does, on the path; it inherits from nothing of ours and is known to nothing of ours."""
    site = tmp_path / "site"
    (site / "their_package").mkdir(parents=True)
    (site / "their_package" / "__init__.py").write_text("")
    (site / "their_package" / "signs.py").write_text(textwrap.dedent(SIGNS))
    info = site / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[greenllm]\nsigns = their_package.signs\n")
    monkeypatch.syspath_prepend(str(site))


def test_it_joins_a_recipe_with_built_in_ones_and_round_trips(installed, tmp_path):
    session = Session(Configuration(use_meters=frozenset()), Plugins())
    model = llama()
    try:
        result = compress(
            model, "- low_rank: {include: [q_proj]}\n- signs\n- int8_dynamic: {include: [up_proj]}", session=session
        )
        result.save(tmp_path / "model")
        again = load_model(tmp_path / "model", catalogue=Catalogue.of(session.plugins))
    finally:
        session.close(1.0)

    weight = result.model.model.layers[0].mlp.down_proj.weight
    assert weight.abs().std(1).max() < 1e-6 and not torch.equal(weight, model.model.layers[0].mlp.down_proj.weight)
    assert torch.equal(logits(again), logits(result.model))


def test_its_mistakes_are_told_as_those_of_the_built_in_ones(installed):
    found = Catalogue.of(Plugins())

    with pytest.raises(RecipeError, match="did you mean 'signs'"):
        found["sign"]


def test_the_guide_s_example_works(tmp_path):
    guide = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
    (source,) = (block for block in re.findall(r"```python\n(.*?)```", guide, re.S) if "greenllm_compressors" in block)
    example = ModuleType("round_weights")
    import sys

    sys.modules["round_weights"] = example
    try:
        exec(source, example.__dict__)
        session = session_with_compressors(example)
        given = llama()
        try:
            result = compress(given, "- round_weights: {bits: 3}", session=session)
            result.save(tmp_path / "model")
        finally:
            session.close(1.0)
        again = load_model(tmp_path / "model", catalogue=catalogue(example))
    finally:
        del sys.modules["round_weights"]

    assert len(result.model.lm_head.weight.unique()) <= 7
    assert torch.equal(again(input_ids=ids()).logits, result.model(input_ids=ids()).logits)


def test_every_built_in_compressor_has_a_row_in_the_guide_with_its_defaults():
    guide = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
    found = catalogue()

    for name in found.names:
        (row,) = re.findall(rf"^\| `{name}` \|.*$", guide, re.M)
        compressor = found[name]
        assert f"| {compressor.kind} |" in row
        expected = ", ".join(saves for saves in ("storage", "memory", "compute") if saves in compressor.expects_to_save)
        assert f"| {expected or 'nothing by itself'} |" in row
