"""What pages and reports are told of comparisons: bounded, whatever stands in the ledger, and kept beside records."""

from __future__ import annotations

import copy
import json
import sqlite3
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from greenllm_kernel.accounting.comparisons import MOST_ROWS, summaries_of, summary_of
from greenllm_kernel.accounting.front_plot import Point, front_plot
from greenllm_kernel.accounting.history import HistoryReader
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.cli import main
from greenllm_kernel.errors import LedgerError
from made_records import measured, record
from message_schema import fits_schema


def comparison(names: list[str], batches: tuple[int, ...] = (1,), run_id: str = "run-1") -> dict[str, Any]:
    """Return the JSON data of one in which each further contender draws half of what the one before does."""
    cells, verdicts, front = [], [], []
    for batch in batches:
        for number, name in enumerate(names):
            energy_j = 8.0 / 3**number
            place = {"contender": name, "batch": batch}
            figures = {"energy_j": energy_j, "interval_j": [0.9 * energy_j, 1.1 * energy_j]}
            cells.append({**place, **figures, "phase": "prefill", "unit": "token", "provenance": "measured"})
            cells.append({**place, **figures, "phase": "generate", "unit": "token", "provenance": "measured"})
            front.append({**place, **figures, "quality": 2.0, "quality_interval": [1.9, 2.1], "is_on_front": True})
            if number:
                said = {"outcome": "saves", "change": -0.5, "interval": [-0.6, -0.4], "provenance": "estimated"}
                verdicts.append({**place, **said, "phase": "generate", "verdict": "saves (estimated)"})
    return {
        "schema": 1,
        "status": "ok",
        "quality": "bits per byte",
        "prompt_tokens": 64,
        "new_tokens": 32,
        "contenders": [{"name": name, "runtime": "eager"} for name in names],
        "cells": cells,
        "verdicts": verdicts,
        "front": front,
        "record": record(measured(100.0), run_id=run_id).to_dict(),
    }


def test_the_whole_work_of_each_contender_is_told_with_its_verdict() -> None:
    summary = summary_of(comparison(["model", "small"], (1, 8)))
    fits_schema(summary, "comparisonSummary")
    assert [(row["contender"], row["batch"]) for row in summary["rows"]] == [
        *(("model", 1), ("small", 1)),
        *(("model", 8), ("small", 8)),
    ]
    baseline, small = summary["rows"][:2]
    assert (baseline["outcome"], baseline["provenance"], baseline["energy_j"]) == (None, "measured", 8.0)
    assert (small["outcome"], small["provenance"], small["change_interval"]) == ("saves", "estimated", [-0.6, -0.4])


def test_a_message_stays_below_8_kb() -> None:
    names = [f"{number} {'ä' * 300}" for number in range(30)]
    summary = summary_of(comparison(names))
    fits_schema(summary, "comparisonSummary")
    assert (len(summary["rows"]), summary["omitted"]) == (MOST_ROWS, 30 - MOST_ROWS)
    assert len(json.dumps(summary, ensure_ascii=False).encode()) < 8000


@pytest.mark.parametrize(
    "path",
    [
        *("record", "cells", "verdicts", "contenders", "front", "quality", "cells.0", "cells.1", "new_tokens"),
        *("cells.1.batch", "cells.1.provenance", "cells.1.energy_j", "cells.1.interval_j", "verdicts.0.provenance"),
    ],
)
@pytest.mark.parametrize("value", [None, 7, 0, 2**60, "text", [], {}, [None], {"a": 1}, float("nan")])
def test_whatever_stands_in_the_ledger_is_told_in_the_form_of_the_schema_or_not_at_all(path: str, value: Any) -> None:
    data: Any = comparison(["model", "small"])
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    at = data
    for key in parents:
        at = at[key]
    at[last] = copy.deepcopy(value)
    for summary in summaries_of([data]):
        fits_schema(summary, "comparisonSummary")
        json.dumps(summary, allow_nan=False)


def test_comparisons_are_kept_in_the_ledger_beside_the_records(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.write(record(measured(100.0)))
        for number in range(3):
            ledger.write_comparison(comparison(["model", f"small {number}"], run_id=f"run-{number}"))
        ledger.write_comparison(comparison(["model", "newest"], run_id="run-2"))
        assert [one["contenders"][1]["name"] for one in ledger.comparisons()] == ["small 0", "small 1", "newest"]
        assert len(ledger.comparisons(limit=2)) == 2
        assert ledger.comparisons(session_id="another") == []
        with pytest.raises(LedgerError, match="cannot be kept"):
            ledger.write_comparison({**comparison(["model", "small"]), "seed": float("nan")})
    found = HistoryReader(tmp_path / "ledger.sqlite").history()
    assert [one["rows"][1]["contender"] for one in found.comparisons] == ["small 0", "small 1", "newest"]


def test_the_report_has_them_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("GREENLLM_LEDGER", str(tmp_path / "ledger.sqlite"))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.write(record(measured(100.0)))
        ledger.write_comparison(comparison(["model", "small"]))
    assert main(["report"]) == 0
    said = capsys.readouterr().out
    assert "Comparison of 2026-01-31" in said
    assert "saves (estimated)" in " ".join(said.split()) and "baseline" in said


def test_the_page_has_them_with_energy_against_quality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLLM_LEDGER", str(tmp_path / "ledger.sqlite"))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.write(record(measured(100.0)))
        ledger.write_comparison(comparison(["model", "<script>small"]))
    assert main(["report", "--html", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h2>Comparison of 2026-01-31" in page
    assert '<td class="name">&lt;script&gt;small</td>' in page and "<script>" not in page
    assert "on the front: " in page


def test_a_ledger_from_before_there_were_any_has_none_until_one_is_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.write(record(measured(100.0)))
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE comparisons")
    with Ledger(path, read_only=True) as ledger:
        assert ledger.comparisons() == []
    with Ledger(path) as ledger:
        ledger.write_comparison(comparison(["model", "small"]))
        assert len(ledger.comparisons()) == 1


def point(name: str, energy_j: float, quality: float, is_on_front: bool) -> Point:
    return Point(name, (energy_j, (energy_j, energy_j)), (quality, None), is_on_front, name == "model")


def test_the_plot_is_an_image_without_scripts_that_says_what_it_shows() -> None:
    plot = front_plot(
        [point("model", 2.0, 1.5, True), point("<b>&'small'", 1.0, 1.6, True), point("worse", 3.0, 1.7, False)],
        "J per new token",
        "bits per byte",
    )
    image = ElementTree.fromstring(plot)[0]
    assert image.attrib["role"] == "img"
    assert "on the front: model, <b>&'small'" in image.attrib["aria-label"]
    texts = [text.text for text in image.iter("text")]
    assert {"model (baseline)", "<b>&'small'", "worse", "J per new token", "bits per byte"} <= set(texts)
    assert [mark.attrib.get("fill") for mark in image.iter("circle")] == ["currentColor", None]


def test_the_plot_of_models_that_are_alike_has_room() -> None:
    plot = front_plot([point("model", 0.0, 0.0, True), point("twin", 0.0, 0.0, True)], "J", "error rate")
    assert "nan" not in plot and "inf" not in plot
