"""``%energy export`` takes this session elsewhere. Real kernels."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from live import LiveKernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKernel]:
    live = LiveKernel(tmp_path_factory.mktemp("export"))
    assert live.run("%%energy =train --stage train\nimport time; time.sleep(0.3)").status == "ok"
    assert live.run("%energy off").status == "ok"
    yield live
    live.close()


def test_runs_are_written_with_their_energy(kernel: LiveKernel, tmp_path: Path) -> None:
    file = tmp_path / "my runs.csv"
    outcome = kernel.run(f'%energy export "{file}"')
    with file.open(newline="") as lines:
        rows = {row["name"]: row for row in csv.DictReader(lines)}
    assert outcome.error is None
    assert f"of this session written to {file}" in outcome.stdout
    train = rows["'=train"]
    assert train["stage"] == "train"
    assert float(train["energy_low_j"]) < float(train["energy_j"]) < float(train["energy_high_j"])
    assert train["provenance"] == "measured"


def test_cells_are_written_in_the_format_that_is_named(kernel: LiveKernel, tmp_path: Path) -> None:
    file = tmp_path / "cells"
    outcome = kernel.run(f"%energy export {file} --cells --format json")
    assert outcome.error is None
    assert any(cell["name"] == "=train" and cell["runs"] == 1 for cell in json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "the following arguments are required: FILE"),
        ("a.csv --shape wide", "unrecognized arguments: --shape wide"),
        ("energy.xlsx", "'xlsx' is no format to export to; there is csv, json, parquet"),
        ("energy", "does not say its format"),
        ("/none/energy.csv", "/none/energy.csv cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line(kernel: LiveKernel, line: str, message: str) -> None:
    outcome = kernel.run(f"%energy export {line}")
    assert outcome.status == "error"
    assert outcome.stderr.startswith("UsageError: ") and message in outcome.stderr
