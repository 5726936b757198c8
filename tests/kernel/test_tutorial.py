"""The tutorial in its short form: a real model, trained, evaluated and used under the virtual meter."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from command_line import POWER_W, CommandLine, Finished
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.quantities import Provenance

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01-measure.ipynb"
MEASURED = ["imports", "tokenize", "train", "evaluate", "one by one", "one batch", "write"]
TORCHAO = re.compile(r"torchao/_C|torch/utils/_pytree\.py.*is an Enum subclass")
"""What torchao says when Transformers imports it, where it is installed: the tutorial neither needs nor uses it."""

pytestmark = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs the extra: pip install .[llm]")


@dataclass(frozen=True)
class Tutorial:
    """The executed tutorial, and what was measured meanwhile."""

    finished: Finished
    cells: dict[str, Any]
    records: Sequence[Record]

    def text(self, cell_id: str) -> str:
        """What the cell printed."""
        return "".join(output.text for output in self.cells[cell_id].outputs if output.output_type == "stream")

    def record(self, name: str) -> Record:
        """The only record of this name."""
        (record,) = (record for record in self.records if record.name == name)
        return record


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    folder = tmp_path_factory.mktemp("tutorial")
    notebook, executed = folder / TUTORIAL.name, folder / "executed.ipynb"
    shutil.copyfile(TUTORIAL, notebook)
    machine = CommandLine(folder, {"GREENLLM_TUTORIAL": "short"})
    finished = machine.run("run", notebook, "--execute-to", executed)
    assert finished.code == 0, finished.out + finished.err
    cells = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"}
    return Tutorial(finished, cells, machine.records())


def test_every_cell_has_energy_with_interval_and_provenance(tutorial: Tutorial) -> None:
    cells = [record for record in tutorial.records if record.parent_run_id is None]

    assert len(cells) == len(tutorial.cells)
    for record in cells:
        assert record.status is Status.OK
        assert record.gross is not None
        low_j, high_j = record.gross.interval_j
        assert low_j <= record.gross.value_j <= high_j
        assert record.provenance is Provenance.MEASURED


def test_the_energy_is_what_the_virtual_meter_drew(tutorial: Tutorial) -> None:
    for name in ("imports", "train", "one by one"):
        record = tutorial.record(name)

        assert record.gross is not None
        assert record.gross.value_j == pytest.approx(POWER_W * record.duration_s, rel=0.05)


def test_the_table_has_a_row_for_each_named_cell(tutorial: Tutorial) -> None:
    for name in MEASURED:
        assert re.search(rf"\] +{name} ", tutorial.finished.out), tutorial.finished.out


def test_the_four_stages_are_measured(tutorial: Tutorial) -> None:
    assert {record.stage for record in tutorial.records} == {None, "preprocess", "train", "evaluate", "deploy"}


def test_the_model_learns(tutorial: Tutorial) -> None:
    losses = [float(loss) for loss in re.findall(r"mean loss ([\d.]+)", tutorial.text("train"))]
    bits, blind_bits = (float(figure) for figure in re.findall(r"\d+\.\d+", tutorial.text("evaluate")))

    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.3
    assert bits < 0.9 * blind_bits


def test_the_quarters_lie_inside_the_training_cell(tutorial: Tutorial) -> None:
    train = tutorial.record("train")
    quarters = [tutorial.record(f"quarter {number}") for number in range(1, 5)]

    assert all(quarter.parent_run_id == train.run_id for quarter in quarters)
    assert sum(quarter.counts["token"] for quarter in quarters) == train.counts["token"]
    assert sum(quarter.duration_s for quarter in quarters) < train.duration_s


def test_a_token_costs_less_in_one_batch(tutorial: Tutorial) -> None:
    one_by_one = tutorial.record("one by one").units["token"]
    one_batch = tutorial.record("one batch").units["token"]

    assert one_batch.count == one_by_one.count > 0
    assert one_batch.energy_j_per_unit is not None
    assert one_by_one.energy_j_per_unit is not None
    assert one_batch.energy_j_per_unit < one_by_one.energy_j_per_unit


def test_repeating_gives_the_energy_of_one_batch_with_both_intervals(tutorial: Tutorial) -> None:
    said = re.search(r"[\d.]+ ± [\d.]+ J per loop \(95 %; repeatability ± [\d.]+ J", tutorial.text("repeat"))

    assert said, tutorial.text("repeat")


def test_the_hottest_cell_is_named_and_the_power_plotted(tutorial: Tutorial) -> None:
    assert re.search("The hottest cell is “(imports|train)”", tutorial.text("hottest"))
    assert any("image/png" in output.get("data", {}) for output in tutorial.cells["plot"].outputs)


def test_nothing_warns(tutorial: Tutorial) -> None:
    outputs = [output for cell in tutorial.cells.values() for output in cell.outputs]
    said = [line for output in outputs if output.get("name") == "stderr" for line in output.text.splitlines()]

    assert [line for line in said if not TORCHAO.search(line)] == []
