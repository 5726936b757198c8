"""GPTQ, AWQ and SmoothQuant by llm-compressor, which lies in a folder of its own with the transformers it wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compressing import calibration, llama, session_with_compressors
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.errors import RecipeError

HERE = Path(__file__).parent
FOLDER = Path(sys.prefix) / "llm-compressor"
EIGHT_BITS = 0.02
"""The logits of a model of 8 bits differ by less than this part of the largest one."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    if not FOLDER.is_dir():
        pytest.skip("llm-compressor is not there: make .venv/llm-compressor")
    paths = [FOLDER, HERE, HERE.parent]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "TQDM_DISABLE": "1"}
    command = [sys.executable, HERE / "llm_compressing.py", tmp_path_factory.mktemp("models")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("recipe", ["gptq", "gptq 8 bits by rows", "awq", "smoothquant", "gptq, then packed"])
def test_a_model_comes_back_as_it_was_made_and_the_given_one_stays(said: dict[str, dict], recipe: str) -> None:
    assert said[recipe]["given untouched"]
    assert said[recipe]["same when loaded"]
    assert 0 < said[recipe]["changed by"] < 0.3


def test_four_bits_leave_sixteen_values_in_a_group_and_a_small_file(said: dict[str, dict]) -> None:
    for method in ("gptq", "awq"):
        assert said[method]["values in a group"] <= 16
        assert said[method]["bytes"] < 0.55 * said[method]["bytes given"]  # embedding and head stay as they were


def test_eight_bits_change_little_and_smoothing_nothing_but_the_rounding_after_it(said: dict[str, dict]) -> None:
    assert said["gptq 8 bits by rows"]["changed by"] < EIGHT_BITS < said["gptq"]["changed by"]
    assert said["smoothquant"]["changed by"] < 2 * EIGHT_BITS


def test_groups_that_do_not_fit_are_refused(said: dict[str, dict]) -> None:
    assert "which groups of 24 do not divide" in said["groups of 24"]
    assert "Set group_size to a divisor" in said["groups of 24"]


@pytest.mark.parametrize("method", ["gptq", "awq", "smoothquant"])
def test_without_llm_compressor_one_is_told_how_to_get_it(method: str) -> None:
    recipe = [method] if method == "smoothquant" else [{method: {"group_size": 16}}]
    with pytest.raises(RecipeError, match=r"pip install 'greenllm\[llm-compressor\]'"):
        compress(llama(), recipe, calibration=calibration(llama()), session=session_with_compressors())
