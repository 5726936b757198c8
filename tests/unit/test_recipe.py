"""A recipe is a YAML list of steps; what is wrong in it is said with the line, and the nearest that would be right."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.composition import conflicts
from greenllm_kernel.compression.compressor import Kind, Refusal, Saves
from greenllm_kernel.compression.recipe import Recipe
from greenllm_kernel.compression.settings import SettingError, configured, settings_of
from greenllm_kernel.errors import RecipeError


@dataclass(frozen=True)
class TrimConfig:
    version: ClassVar[int] = 2
    part: float = 0.5
    rounds: int = 1
    how: str = "plain"
    layers: tuple[str, ...] = ("*",)
    limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.part < 1:
            raise ValueError(f"part: {self.part} is not between 0 and 1")


class Trim:
    name = "trim"
    config_class = TrimConfig
    kind = Kind.STRUCTURE
    expects_to_save = frozenset({Saves.STORAGE})
    not_after: ClassVar[dict[str, Refusal]] = {}

    def needs_calibration(self, config):
        return False

    def needs_training(self, config):
        return False

    def check(self, model, config, host):
        return []

    def convert(self, model, config, context):
        return model, {}

    def tensors(self, model, config, metadata):
        return {}

    def restore(self, skeleton, config, metadata, tensors):
        return skeleton


class Pack(Trim):
    name = "pack"
    kind = Kind.PACKING


class Shrink(Trim):
    name = "shrink"
    not_after: ClassVar[dict[str, Refusal]] = {"trim": Refusal("what it shrinks is trimmed", "Use pack.")}


CATALOGUE = Catalogue([("own", Trim), ("own", Pack), ("own", Shrink)])


def read(source):
    return Recipe.of(source, CATALOGUE)


def test_steps_come_in_their_order_with_their_settings():
    recipe = read("# twice\n- trim:\n    part: 0.25\n    layers: [a, b]\n- trim\n- pack: {limit: 3}\n")

    assert [step.name for step in recipe.steps] == ["trim", "trim", "pack"]
    assert recipe.steps[0].config == TrimConfig(part=0.25, layers=("a", "b"))
    assert recipe.steps[1].config == TrimConfig()
    assert recipe.steps[2].config.limit == 3
    assert str(recipe.steps[0]) == "trim (part 0.25, layers [a, b])"


def test_a_file_a_list_and_a_text_say_the_same(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("- trim: {part: 0.25}\n- pack\n")

    from_list = read([{"trim": {"part": 0.25}}, "pack"])

    assert read(file).steps == read(str(file)).steps
    assert [(s.name, s.config) for s in read(file).steps] == [(s.name, s.config) for s in from_list.steps]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "is empty; a recipe is a list of steps"),
        ("[]", "has no steps"),
        ("trim: {part: 0.5}", "line 1: a recipe is a list of steps"),
        ("- pack\n- trm", "line 2: there is no compressor 'trm'; did you mean 'trim'?"),
        ("- zzzzzz", "there is pack, shrink, trim"),
        ("- trim:\n    part: 0.5\n    round: 2", "line 3: trim: there is no setting 'round'; did you mean 'rounds'?"),
        ("- trim:\n    rounds: many", "line 2: trim: rounds: 'many' is no whole number"),
        ("- trim:\n    part: 1.5", "trim: part: 1.5 is not between 0 and 1"),
        ("- trim:\n    part: true", "part: True is no number"),
        ("- trim:\n    part: .nan", "part: nan is no number"),
        ("- trim:\n    part: 0.1\n    part: 0.2", "line 3: part is set twice"),
        ("- trim: 0.5", "0.5 are no settings"),
        ("- trim: {}\n  pack: {}", "line 1: a step is a name, or a name with settings below it"),
        ("- trim:\n  part: 0.5", "line 1: a step is a name, or a name with settings below it"),
        ("- trim:\n    layers: {a: 1}", "layers: {'a': 1} is no list of text"),
        ("- trim: [", "line 1: not YAML"),
        ("- trim\n\t- pack", "line 2: not YAML"),
        ("- !!python/object/apply:os.system [true]", "line 1: a step is a name"),
        ("- trim:\n    how: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("- pack\n- trim", "step 2 (trim) cannot follow step 1 (pack)"),
        ("- trim\n- shrink", "what it shrinks is trimmed. Use pack."),
    ],
)
def test_what_cannot_be_is_said(source, said):
    with pytest.raises(RecipeError) as raised:
        read(source)
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read("none.yaml")


def test_a_list_that_cannot_be_is_said():
    with pytest.raises(RecipeError, match="step 2: a step is a name"):
        read(["pack", 3])


def test_steps_go_from_coarse_to_fine():
    kinds = {kind: type(f"A{kind}", (Trim,), {"name": kind.value, "kind": kind})() for kind in Kind}

    assert conflicts(list(kinds.values())) == []
    free = 3  # that may follow training too, though they come before it
    assert len(conflicts(list(reversed(kinds.values())))) == len(kinds) * (len(kinds) - 1) // 2 - free
    assert conflicts([kinds[Kind.TRAINING], kinds[Kind.STRUCTURE], kinds[Kind.TRAINING], kinds[Kind.SPARSITY]]) == []
    (refusal,) = conflicts([kinds[Kind.SHARING], kinds[Kind.TRAINING]])
    assert refusal.remedy == "Put training before sharing."
    assert all(conflicts([compressor, compressor]) == [] for compressor in kinds.values())


def test_settings_survive_json():
    config = configured(TrimConfig, {"layers": "only", "limit": 4, "part": 0.125})

    assert config.layers == ("only",)
    assert configured(TrimConfig, settings_of(config)) == config


def test_a_setting_names_its_key():
    with pytest.raises(SettingError) as raised:
        configured(TrimConfig, {"limit": "x"})
    assert raised.value.key == "limit"


class Unfinished:
    name = "unfinished"


class Thawed(Trim):
    name = "thawed"

    @dataclass
    class Config:
        version: ClassVar[int] = 1

    config_class = Config


class Unversioned(Trim):
    name = "unversioned"

    @dataclass(frozen=True)
    class Config:
        part: float = 0.5

    config_class = Config


@pytest.mark.parametrize(
    ("compressor_class", "reason"),
    [
        (Unfinished, "it has no config_class, kind"),
        (Thawed, "no frozen dataclass"),
        (Unversioned, "has no version"),
        (Trim, "there is a compressor trim already"),
        ("text", "left out"),
    ],
)
def test_a_compressor_that_cannot_be_used_is_left_out_with_its_reason(compressor_class, reason):
    said = []
    catalogue = Catalogue([("good", Trim), ("bad", compressor_class), ("good", Pack)], said.append)

    assert catalogue.names == ["pack", "trim"]
    assert len(said) == 1 and "of the plugin bad" in said[0] and reason in said[0]


def test_one_who_names_it_is_told_why_it_was_left_out():
    with pytest.raises(RecipeError, match="Unfinished of the plugin bad is left out"):
        Catalogue([("bad", Unfinished)])["unfinished"]


def test_reading_recipes_and_finding_compressors_imports_no_torch():
    code = (
        "import sys\n"
        "from greenllm_kernel.plugins import Plugins\n"
        "from greenllm_kernel.compression.catalogue import Catalogue\n"
        "from greenllm_kernel.compression.recipe import Recipe\n"
        "catalogue = Catalogue.of(Plugins())\n"
        "Recipe.of('- int8_dynamic', catalogue)\n"
        "heavy = {'torch', 'transformers', 'torchao', 'numpy'}\n"
        "print(len(catalogue.names) > 5, sorted(heavy & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert finished.stdout.strip() == "True []", finished.stderr
