"""The server part on a real Jupyter server: what it answers, to whom, and that asking is no activity."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from greenllm_kernel.accounting.ledger import Ledger
from made_records import measured, record
from served import Served

SCHEMA = json.loads((files("greenllm_kernel") / "messages.schema.json").read_text())


def fits(data: Any, definition: str) -> None:
    jsonschema.validate(data, {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("server"))
    yield served
    served.close()


@pytest.fixture
def ledger(server: Served) -> Iterator[Ledger]:
    with Ledger(server.ledger) as ledger:
        yield ledger
    for path in server.ledger.parent.glob("ledger.sqlite*"):
        path.unlink()


def test_where_nothing_was_measured_yet_the_history_is_empty(server: Served) -> None:
    data = server.api("history")

    fits(data, "history")
    assert (data["sessions"], data["all"]["runs"], data["all"]["energy_j"]) == ([], 0, None)
    assert not server.ledger.exists()


def test_what_was_measured_is_told_by_session_and_by_cell(server: Served, ledger: Ledger) -> None:
    ledger.write(record(measured(100, 3), name="train", cell_id="a"))
    ledger.write(record(measured(50, 4), name="train", cell_id="a", begin_s=60))
    data = server.api("history")
    cells = server.api("history/session-1")

    fits(data, "history")
    fits(cells, "historySession")
    (session,) = data["sessions"]
    assert (session["session_id"], session["names"], session["runs"]) == ("session-1", ["train"], 2)
    assert data["all"]["energy_j"] == session["energy_j"] == 150
    assert session["interval_j"] == pytest.approx([150 - 1.96 * 5, 150 + 1.96 * 5], abs=1e-3)
    assert [(cell["cell_id"], cell["runs"], cell["energy_j"]) for cell in cells["cells"]] == [("a", 2, 150)]
