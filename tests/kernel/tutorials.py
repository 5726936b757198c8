"""Runs a tutorial in its short form, as ``greenllm run`` does, under the virtual meter."""

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

from command_line import CommandLine, Finished, finished
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.quantities import Provenance

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

TORCHAO = re.compile(r"torchao/_C|torch/utils/_pytree\.py.*is an Enum subclass")
"""What torchao says when Transformers imports it, where it is installed: the tutorials neither need nor cause it."""

TIMEOUT_S = 300.0
"""A short form takes 20 s of a core."""

needs_llm = pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="needs the extra: pip install .[llm]")


@dataclass(frozen=True)
class Tutorial:
    """The executed tutorial, and what was measured meanwhile."""

    finished: Finished
    cells: dict[str, Any]
    records: Sequence[Record]

    def text(self, cell_id: str) -> str:
        """What the cell printed, and its value as text."""
        return "".join(
            output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
            for output in self.cells[cell_id].outputs
        )

    def record(self, name: str) -> Record:
        """The only record of this name."""
        (record,) = (record for record in self.records if record.name == name)
        return record

    def assert_every_cell_has_energy(self) -> None:
        """See that each cell has a record with its energy, an interval and provenance."""
        cells = [record for record in self.records if record.parent_run_id is None]
        assert len(cells) == len(self.cells)
        for record in cells:
            assert record.status is Status.OK
            assert record.gross is not None
            low_j, high_j = record.gross.interval_j
            assert low_j <= record.gross.value_j <= high_j
            assert record.provenance is Provenance.MEASURED

    def assert_nothing_warns(self) -> None:
        """See that no cell has written to stderr."""
        outputs = [output for cell in self.cells.values() for output in cell.outputs]
        said = [line for output in outputs if output.get("name") == "stderr" for line in output.text.splitlines()]
        unexpected = [line for line in said if not TORCHAO.search(line)]
        assert not unexpected, unexpected


def run_tutorial(name: str, folder: Path) -> Tutorial:
    """Run the short form of a notebook in a folder, on one thread."""
    notebook, executed = folder / name, folder / "executed.ipynb"
    shutil.copyfile(NOTEBOOKS / name, notebook)
    machine = CommandLine(folder, {"GREENLLM_TUTORIAL": "short", "OMP_NUM_THREADS": "1"})
    ended = finished(machine.start("run", notebook, "--execute-to", executed), timeout_s=TIMEOUT_S)
    assert ended.code == 0, ended.out + ended.err
    cells = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"}
    return Tutorial(ended, cells, machine.records())
