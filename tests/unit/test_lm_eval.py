"""Quality by lm-eval, which lies in a folder of its own: the real one, on tasks whose data is written here."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

HERE = Path(__file__).parent
FOLDER = Path(sys.prefix) / "lm-eval"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict:
    if not FOLDER.is_dir():
        pytest.skip("lm-eval is not there: make .venv/lm-eval")
    folder = tmp_path_factory.mktemp("tasks")
    paths = [HERE, HERE.parent, FOLDER]
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "cache"),
    }
    command = [sys.executable, HERE / "lm_evaluating.py", folder]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_each_contender_is_asked_as_it_is_deployed(said: dict) -> None:
    found = said["found"]

    assert list(found) == ["baseline", "packed", "scripted"]
    for name in ("baseline", "scripted"):
        assert found[name]["chosen"]["acc,none"]["value"] == said["right"]
        assert found[name]["written"]["exact_match,none"]["value"] == 1.0
    assert set(found["packed"]["chosen"]) == {"acc,none"}


def test_its_metrics_are_told_with_intervals_and_changes_of_pairs(said: dict) -> None:
    baseline, scripted = (said["found"][name] for name in ("baseline", "scripted"))

    low, high = baseline["chosen"]["acc,none"]["interval"]
    assert 0 < low < said["right"] < high < 1
    assert baseline["written"]["exact_match,none"]["interval"] == pytest.approx([0.839, 1.0], abs=1e-3)  # Wilson, 20
    assert scripted["chosen"]["acc,none"]["change"] == 0 and scripted["chosen"]["acc,none"]["interval_change"][0] < 0
    assert "bleu,none" in scripted["written"] and scripted["written"]["bleu,none"]["interval_change"] is None
    assert "scripted: lm-eval, chosen: acc 0." in said["text"] and ", +0 points [" in said["text"]


def test_what_is_the_user_s_stays_as_it_was(said: dict) -> None:
    random.seed(3)
    numpy.random.seed(3)
    expected = [random.random(), float(numpy.random.random())]

    assert said["next"][:2] == expected
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert said["next"][2] == float(torch.rand(1))
    assert said["training"] and said["pad"] is None and said["penalty"] == 1.8


def test_what_cannot_be_asked_is_refused_before_anything_runs(said: dict) -> None:
    without_tokenizer, unknown = said["refused"]

    assert without_tokenizer == "lm-eval asks in texts: it needs a tokenizer, tokenizer=..."
    assert unknown == "lm-eval has no task 'helaswag': did you mean 'hellaswag'?"
    assert "only the most likely tokens are asked for here" in said["sampled"]
