"""What was measured earlier: each joule once, quickly, and whatever state the ledger is in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenllm_kernel.accounting import history as history_module
from greenllm_kernel.accounting.history import History, HistoryReader, PastCell
from greenllm_kernel.accounting.history_sums import KEPT_NAMES
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.running_sum import NOTHING, PastSum
from greenllm_kernel.accounting.totals import Totals, by_cell, total
from made_records import FRANCE, GERMANY, NOON, estimated, measured, record

LATER_S = (NOON + timedelta(days=2)).timestamp()
"""When all that was recorded is over for long."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def read(ledger: Ledger, now_s: float = LATER_S) -> History:
    return HistoryReader(ledger.path, lambda: now_s).history()


def found_in(ledger: Ledger) -> tuple[Sequence[PastCell], str | None]:
    found = HistoryReader(ledger.path).cells("session-1")
    assert found is not None
    return found


def assert_same(sum: PastSum, totals: Totals) -> None:
    assert sum.runs == totals.runs
    assert sum.duration_s == pytest.approx(totals.duration_s)
    assert sum.provenance == totals.provenance
    assert (sum.energy is None) == (totals.energy is None)
    if sum.energy and totals.energy:
        assert sum.energy.value_j == pytest.approx(totals.energy.value_j)
        assert sum.energy.interval_j == pytest.approx(totals.energy.interval_j)
        assert sum.energy.by_provenance_j == pytest.approx(totals.energy.by_provenance_j)
    assert sum.mass_gco2e == pytest.approx(totals.mass_gco2e)
    assert sum.interval_gco2e == (pytest.approx(totals.interval_gco2e) if totals.interval_gco2e else None)


def assert_equal(one: History, other: History) -> None:
    """Of the same runs, but for the order in which floating-point numbers were added up."""
    assert one.problem == other.problem
    assert [replace(s, sum=NOTHING) for s in one.sessions] == [replace(s, sum=NOTHING) for s in other.sessions]
    for a, b in zip(sums(one), sums(other), strict=True):
        assert (a.runs, a.provenance) == (b.runs, b.provenance)
        assert figures(a) == pytest.approx(figures(b), rel=1e-12)


def sums(history: History) -> list[PastSum]:
    return [history.today, history.all, *(session.sum for session in history.sessions)]


def figures(sum: PastSum) -> dict[str, float]:
    energy = sum.energy
    parts = {"duration": sum.duration_s, "mass": sum.mass_gco2e, "value": energy and energy.value_j}
    if energy is not None:
        parts["random"] = energy.random_j
        for name in ("scale_j", "model_j", "by_provenance_j"):
            parts |= {f"{name} {key}": part_j for key, part_j in getattr(energy, name).items()}
    for name, bound in zip(("low", "high"), sum.interval_gco2e or (), strict=False):
        parts[name] = bound
    return {name: figure for name, figure in parts.items() if figure is not None}


# ---- Figures


def test_random_parts_add_in_squares_and_those_of_one_sensor_linearly(ledger: Ledger) -> None:
    ledger.write_all(record(measured(100, 3, 5), begin_s=20 * n) for n in range(4))
    energy = read(ledger).all.energy
    assert energy is not None
    assert (energy.value_j, energy.random_j, energy.scale_j) == (400, pytest.approx(6), {"gpu:0": 20})


def test_two_kernels_that_measured_the_same_time_count_it_once(ledger: Ledger) -> None:
    flat = {"gpu:0": [(0.0, 10.0), (10.0, 10.0)]}
    ledger.write(record(measured(100), session_id="a", series=flat))
    ledger.write(record(measured(100), session_id="b", begin_s=5, series=flat))
    found = read(ledger)
    assert found.all.energy is not None and found.all.energy.value_j == pytest.approx(150)
    assert found.all.duration_s == pytest.approx(15)
    assert [s.sum.energy and s.sum.energy.value_j for s in found.sessions] == [100, 100]


def test_two_machines_count_each(ledger: Ledger) -> None:
    ledger.write_all([record(measured(100), host="a"), record(measured(100), host="b")])
    energy = read(ledger).all.energy
    assert energy is not None and energy.value_j == 200


def test_a_window_inside_a_cell_adds_nothing(ledger: Ledger) -> None:
    ledger.write(record(measured(100), run_id="outer"))
    ledger.write(record(measured(40), begin_s=2, duration_s=4, parent_run_id="outer"))
    found = read(ledger).all
    assert (found.runs, found.energy and found.energy.value_j) == (1, 100)


def test_what_is_not_known_is_not_zero(ledger: Ledger) -> None:
    ledger.write(record(None))
    found = read(ledger)
    assert (found.all.runs, found.all.energy, found.all.mass_gco2e) == (1, None, None)
    assert found.all.provenance == "unavailable"


def test_today_has_of_a_run_across_midnight_only_what_was_drawn_since(ledger: Ledger) -> None:
    noon_s = NOON.timestamp()
    midnight_s = datetime.fromtimestamp(noon_s).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    before_s = midnight_s - 60 - noon_s
    flat = {"gpu:0": [(0.0, 10.0), (180.0, 10.0)]}
    ledger.write(record(measured(500), begin_s=before_s - 100, duration_s=50))
    ledger.write(record(measured(1800), begin_s=before_s, duration_s=180, series=flat))
    ledger.write(record(measured(7), begin_s=0))
    found = read(ledger, noon_s + 60)
    assert found.today.energy is not None and found.today.energy.value_j == pytest.approx(1207)
    assert (found.today.runs, found.today.duration_s) == (2, pytest.approx(130))
    assert found.all.energy is not None and found.all.energy.value_j == pytest.approx(2307)


def test_a_new_day_begins_at_nothing(ledger: Ledger) -> None:
    ledger.write(record(measured(100)))
    now_s = NOON.timestamp() + 60
    reader = HistoryReader(ledger.path, lambda: now_s)
    assert reader.history().today.runs == 1
    now_s += 86_400
    found = reader.history()
    assert (found.today.runs, found.today.energy, found.all.runs) == (0, None, 1)


def test_a_record_of_an_earlier_version_counts_with_the_parts_its_intervals_tell(ledger: Ledger) -> None:
    ledger.write(record(measured(100, 3, 4)))
    with sqlite3.connect(ledger.path) as connection:
        data = json.loads(connection.execute("SELECT json FROM records").fetchone()[0])
        for part in data["channels"]:
            del part["standard_uncertainty_j"], part["by_provenance_j"]
        connection.execute("UPDATE records SET json = ?", (json.dumps(data),))
    energy = read(ledger).all.energy
    assert energy is not None
    assert (energy.value_j, energy.random_j, energy.scale_j) == (100, pytest.approx(3), pytest.approx({"gpu:0": 4}))


seconds = st.integers(0, 600_000).map(lambda thousandths: thousandths / 1000)
runs = st.builds(
    lambda begin_s, duration_s, host, session, kind, country, power: record(
        {"measured": measured(30 * duration_s, 2, 3), "estimated": estimated(9 * duration_s, 4), "none": None}[kind],
        begin_s=begin_s,
        duration_s=duration_s,
        host=host,
        session_id=f"{session} on {host}",
        intensity=country,
        series={"gpu:0": [(0.0, 20.0), (duration_s, 40.0)]} if power else {},
        name=f"cell {session}",
    ),
    seconds,
    st.integers(5, 60_000).map(lambda n: n / 1000),
    st.sampled_from(["here", "there"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["measured", "estimated", "none"]),
    st.sampled_from([FRANCE, GERMANY, None]),
    st.booleans(),
)


@given(st.lists(runs, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_the_same_sum_as_over_all_records_together(tmp_path_factory, records: Sequence[Record]) -> None:
    with Ledger(tmp_path_factory.mktemp("sums") / "ledger.sqlite") as ledger:
        ledger.write_all(records)
        found = read(ledger)
        kept = ledger.records()
    assert_same(found.all, total(kept))
    assert {s.session_id for s in found.sessions} == {r.session_id for r in kept}
    for session in found.sessions:
        assert_same(session.sum, total(r for r in kept if r.session_id == session.session_id))


@given(st.lists(st.lists(st.tuples(runs, st.sampled_from(["partial", "closed", "settled"])), max_size=4), max_size=6))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_again_and_again_it_is_the_same_as_read_at_once(tmp_path_factory, batches) -> None:
    now_s = NOON.timestamp() + 700
    with Ledger(tmp_path_factory.mktemp("sums") / "ledger.sqlite") as ledger:
        reader = HistoryReader(ledger.path, lambda: now_s)
        unfinished: list[Record] = []
        for batch in batches:
            # What was left open last time is rewritten longer, and then what is new.
            ledger.write_all(replace(run, duration_s=run.duration_s + 1, settled=True) for run in unfinished)
            unfinished = [run for run, state in batch if state != "settled"]
            for run, state in batch:
                status = Status.PARTIAL if state == "partial" else Status.OK
                ledger.write(replace(run, status=status, settled=state == "settled"))
            again, at_once = reader.history(), read(ledger, now_s)
            assert_equal(again, at_once)
            now_s += 400


# ---- Sessions and cells


def test_sessions_come_newest_first_with_the_names_that_drew_most(ledger: Ledger) -> None:
    for n, (name, energy_j) in enumerate([("one", 1), ("two", 20), ("three", 3), ("four", 4), ("three", 3)]):
        ledger.write(record(measured(energy_j), name=name, begin_s=20 * n, session_id="old"))
    ledger.write(record(measured(5), name="five", begin_s=1000, session_id="new"))
    new, old = read(ledger).sessions
    assert (new.session_id, new.names) == ("new", ("five",))
    assert (old.session_id, old.names) == ("old", ("two", "three", "four"))
    assert (old.first_at, old.last_at) == (NOON, NOON + timedelta(seconds=80))


def test_only_the_newest_sessions_are_told_of_until_an_older_one_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MOST_SESSIONS", 2)
    ledger.write_all(record(measured(1), session_id=f"s{n}", begin_s=100 * n) for n in range(4))
    reader = HistoryReader(ledger.path, lambda: LATER_S)
    assert [s.session_id for s in reader.history().sessions] == ["s3", "s2"]
    ledger.write(record(measured(1), session_id="s4", begin_s=500))
    assert [s.session_id for s in reader.history().sessions] == ["s4", "s3"]
    ledger.write(record(measured(1), session_id="s0", begin_s=600))
    found = reader.history()
    assert [(s.session_id, s.sum.runs) for s in found.sessions] == [("s0", 2), ("s4", 1)]
    assert found.all.runs == 6


def test_a_session_of_very_many_names_keeps_those_that_drew_most(ledger: Ledger) -> None:
    ledger.write_all(
        record(measured(2 if n == 3 else 1), name=f"cell {n}", begin_s=20 * n) for n in range(KEPT_NAMES + 200)
    )
    (session,) = read(ledger).sessions
    assert session.names[0] == "cell 3"


def test_cells_are_summed_over_their_runs_as_everywhere_else(ledger: Ledger) -> None:
    ledger.write_all(
        [
            record(measured(100, 3), name="train", cell_id="a", stage="train", run_id="r"),
            record(measured(10), name="epoch", begin_s=1, duration_s=2, parent_run_id="r"),
            record(measured(50, 4), name="train again", cell_id="a", begin_s=20, status=Status.ERROR),
            record(measured(5), name="train", begin_s=40),
            record(measured(7), session_id="another", begin_s=60),
        ]
    )
    cells, problem = found_in(ledger)
    expected = by_cell(ledger.records("session-1"))
    assert problem is None
    assert [(c.latest.name, c.latest.cell_id, c.latest.status) for c in cells] == [
        ("train again", "a", Status.ERROR),
        ("train", None, Status.OK),
    ]
    for cell, same in zip(cells, expected, strict=True):
        assert_same(cell.sum, same.totals)


def test_of_a_session_with_too_many_cells_the_first_are_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MOST_CELLS", 2)
    ledger.write_all(record(measured(1), cell_id=c, begin_s=20 * n) for n, c in enumerate("abca"))
    cells, problem = found_in(ledger)
    assert [(c.latest.cell_id, c.sum.runs) for c in cells] == [("a", 2), ("b", 1)]
    assert problem == "only the first 2 cells are shown"


# ---- What goes wrong


def test_where_there_is_no_ledger_or_nothing_in_it_the_history_is_empty(tmp_path: Path) -> None:
    assert HistoryReader(tmp_path / "none.sqlite").history() == History()
    assert HistoryReader(tmp_path / "none.sqlite").cells("s") is None
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "empty.sqlite").touch()
    assert HistoryReader(tmp_path / "empty.sqlite").history() == History()
    assert HistoryReader(tmp_path / "empty.sqlite").cells("s") is None


def test_a_session_that_the_ledger_does_not_have_is_told_from_one_that_cannot_be_read(ledger: Ledger) -> None:
    ledger.write(record(measured(1)))
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("UPDATE records SET json = 'not JSON'")
    cells, problem = found_in(ledger)
    assert (cells, "cannot be read" in (problem or "")) == ([], True)
    assert HistoryReader(ledger.path).cells("another") is None


def test_a_damaged_ledger_is_told_of_and_read_again_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"these are my notes, not a database" * 100)
    reader = HistoryReader(path, lambda: LATER_S)
    found = reader.history()
    assert (found.all.runs, found.all.energy) == (0, None)
    assert found.problem is not None and "damaged" in found.problem and "move the file away" in found.problem
    assert "damaged" in str(reader.cells("s"))
    path.unlink()
    with Ledger(path) as ledger:
        ledger.write(record(measured(3)))
    assert (reader.history().all.runs, reader.history().problem) == (1, None)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("json", "{"),
        ("json", "[]"),
        ("json", '{"schema": 2}'),
        ("json", '{"schema": 1, "channels": [{"id": "a"}], "emissions": null}'),
        ("json", b"\xff\xfe"),
        ("duration_s", "long"),
        ("duration_s", -1.0),
        ("started_at", "yesterday"),
        ("started_at", "2026-01-31T12:00:00"),
        ("started_at", b"\x00"),
        ("name", b"\x00\xff"),
        ("status", "asleep"),
    ],
)
def test_a_record_that_cannot_be_read_is_left_out_and_told_of(ledger: Ledger, column: str, value: object) -> None:
    ledger.write_all([record(measured(100), run_id="bad"), record(measured(5), begin_s=50)])
    with sqlite3.connect(ledger.path) as connection:
        connection.execute(f"UPDATE records SET {column} = ? WHERE run_id = 'bad'", (value,))
    found = read(ledger)
    assert found.all.energy is not None and found.all.energy.value_j == 5
    assert found.problem is not None and found.problem.startswith("a record of the ledger cannot be read")
    cells, problem = found_in(ledger)
    assert [cell.sum.energy and cell.sum.energy.value_j for cell in cells] == [5]
    assert problem == found.problem


def test_records_that_were_deleted_are_no_longer_in_the_sums(ledger: Ledger) -> None:
    ledger.write_all(record(measured(1), begin_s=20 * n) for n in range(5))
    reader = HistoryReader(ledger.path, lambda: LATER_S)
    assert reader.history().all.runs == 5
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("DELETE FROM records WHERE rowid <= 3")
    assert reader.history().all.runs == 2


def test_a_run_that_was_given_up_and_goes_on_is_taken_in(ledger: Ledger) -> None:
    asleep = record(measured(10), settled=False, status=Status.PARTIAL)
    ledger.write(asleep)
    reader = HistoryReader(ledger.path, lambda: LATER_S)
    assert reader.history().all.duration_s == 10
    ledger.write(replace(asleep, duration_s=99.0))
    assert reader.history().all.duration_s == 99


def test_writers_need_not_wait_for_who_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenllm_kernel.accounting.ledger_schema.is_on_network", lambda path: True)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.write_all(record(measured(1), begin_s=n) for n in range(history_module.PAGE + 1))
        monkeypatch.setattr("greenllm_kernel.accounting.ledger.BUSY_TIMEOUT_S", 0.0)
        with Ledger(ledger.path, read_only=True) as reading, Ledger(ledger.path) as writing:
            runs = history_module._runs(reading, ("", -1))
            next(runs)
            writing.write(record(measured(1), begin_s=9000))
            assert sum(1 for _ in runs) == history_module.PAGE + 1
