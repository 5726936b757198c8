"""``python tests/gpu/models``, tried on the processor: what it writes, that it goes on where it ended, what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gpu.card import NOT_THERE
from gpu.models.plan import BATCHES, FORMS, SHORT, STUDIES, Cell, Plan, cells, entries, left

COMMAND = Path(__file__).parents[1] / "gpu" / "models"


def run(folder: Path, *arguments: str, studies: Sequence[str] = ()) -> tuple[int, str, dict[str, Any]]:
    options = ["--device", "cpu", "--runtime", "eager", "--shapes", "tiny", "--short", "--output", str(folder)]
    command = [sys.executable, str(COMMAND), *options, "--studies", *studies, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    path = folder / "models-processor.json"
    return done.returncode, done.stdout + done.stderr, json.loads(path.read_text()) if path.exists() else {}


def test_each_cell_has_joules_per_token_of_both_phases_and_the_next_run_goes_on(tmp_path: Path) -> None:
    code, said, first = run(tmp_path, "--forms", "bf16", "int4 weights", "--batches", "1")

    assert code == 1
    found = first["cells"]["tiny, bf16, batch 1"]
    for phase, tokens in (("prefill", 16), ("decode", 7)):
        low, high = found[phase]["interval_j_per_token"]
        assert low <= found[phase]["energy_j_per_token"] <= high
        assert found[phase]["energy_j_per_token"] > 0
        assert found[phase]["provenance"] == ["estimated"]
        assert all(window["tokens"] % tokens == 0 for window in found[phase]["windows"])
        assert all(window["duration_s"] >= SHORT.window_s for window in found[phase]["windows"])
    assert "want an NVIDIA GPU" in first["cells"]["tiny, int4 weights, batch 1"]["error"]
    assert "want an NVIDIA GPU" in said
    assert (tmp_path / "models-processor.png").stat().st_size > 10_000

    code, said, second = run(tmp_path, "--forms", "bf16", "--batches", "1", "2", "--seconds", "0")

    assert code == 1
    assert "tiny, bf16, batch 2: left for the next run" in said
    assert second == first

    (tmp_path / "models-processor.json").write_text(json.dumps({**first, "plan": Plan().to_dict()}))
    code, said, other = run(tmp_path, "--forms", "bf16", "--batches", "1", "--seconds", "0")

    assert "tiny, bf16, batch 1: left for the next run" in said
    assert other == {}
    assert [json.loads(path.read_text())["cells"] for path in tmp_path.glob("models-processor-*.json")] == [
        first["cells"]
    ]


def test_what_has_failed_is_tried_again_after_all_else() -> None:
    one, two, three = (Cell("tiny", "bf16", batch) for batch in (1, 2, 3))

    assert left([one, two, three], {str(one): {"error": "no kernel"}, str(two): {"took_s": 3.0}}) == [three, one]


def test_a_study_s_claim_stands_beside_what_was_measured_here(tmp_path: Path) -> None:
    code, said, result = run(tmp_path, "--forms", "bf16", "--batches", "1", studies=["classification"])

    found = result["studies"]["study of text classification"]
    assert code == 0, said
    assert {each["name"] for each in found["comparison"]["contenders"]} == {"6 layers", "2 layers", "2 layers, int8"}
    assert re.search(r"^claim +-50% +30% +about the same\n2 layers, batch 1 .* reached; ", found["claim"], re.MULTILINE)
    assert found["claim"] in said and "Energy is estimated" in found["claim"]


def test_without_a_card_it_says_so() -> None:
    done = subprocess.run([sys.executable, str(COMMAND)], capture_output=True, text=True, timeout=120)

    assert done.returncode == NOT_THERE
    assert done.stderr.startswith("There is nothing to measure: ")


def test_studies_come_after_the_first_shape_at_the_first_batch() -> None:
    planned = entries(["8b", "1b"], ["bf16", "fp8"], BATCHES, list(STUDIES))

    assert planned[:4] == [Cell("8b", "bf16", 1), Cell("8b", "fp8", 1), *STUDIES.values()]


def test_bf16_comes_first_and_every_batch_is_there() -> None:
    planned = list(cells(["8b", "1b"], list(FORMS), BATCHES))

    assert planned[0] == Cell("8b", "bf16", 1)
    assert len(planned) == len(set(planned)) == 2 * (len(FORMS) * len(BATCHES) - 2)  # int8 wants 17 rows
    assert {cell.batch for cell in planned if cell.form == "int8"} == {32, 128}
    assert {cell.batch for cell in planned} == {1, 8, 32, 128}
    assert {"bf16", "fp8", "int8"} < set(FORMS)


@pytest.mark.parametrize("argument", ["--batches=zero", "--shapes=70b"])
def test_what_it_does_not_know_it_refuses(tmp_path: Path, argument: str) -> None:
    code, said, result = run(tmp_path, argument)

    assert code == 2
    assert argument.partition("=")[0].lstrip("-") in said
    assert result == {}
