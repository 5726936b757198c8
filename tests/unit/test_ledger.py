"""The ledger keeps what was measured: through kills, full disks, other writers and damage."""

from __future__ import annotations

import math
import re
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from greenllm_kernel.accounting.filesystem import is_on_network
from greenllm_kernel.accounting.ledger import Ledger, Row, ledger_path, row_of
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.series import POINTS, decimated, energy_j
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import LedgerError
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from made_records import NOON, channel, measured, record
from programs import started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        yield ledger


def test_a_record_comes_back_as_it_was_written(ledger: Ledger) -> None:
    written = record(measured(100, 3, 5), name="train", stage="train", counts={"token": 512.0})
    ledger.write(written)
    (kept,) = ledger.records()
    assert kept == Record.from_dict(written.to_dict())
    assert kept.gross is not None
    assert kept.gross.random_j == pytest.approx(3)
    assert kept.units["token"].energy_j_per_unit == 100 / 512


def test_idle_net_and_share_are_kept(ledger: Ledger) -> None:
    gross = measured(1000, 3, 20)
    baseline = Baseline(75.0, 3.0, NOON, 9.0, How.MEASURED)
    gpu = channel("gpu:0", Component.GPU, gross, baseline=baseline, idle=baseline.energy("gpu:0", gross, 10.0))
    written = record(channels=[replace(gpu, share_j=600.0)])
    ledger.write(written)
    (kept,) = ledger.records()
    assert kept.net is not None and written.net is not None
    assert kept.net.value_j == 250
    assert kept.net.interval_j == pytest.approx(written.net.interval_j)
    assert kept.share_j == 600
    assert kept.baseline == written.baseline


def test_the_folder_is_made_and_the_default_lies_in_jupyters_data_folder(tmp_path: Path) -> None:
    from jupyter_core.paths import jupyter_data_dir

    assert ledger_path(Configuration()) == Path(jupyter_data_dir()) / "greenllm" / "ledger.sqlite"
    assert ledger_path(Configuration(ledger=tmp_path / "mine")) == tmp_path / "mine"
    Ledger(tmp_path / "a" / "b" / "ledger.sqlite").close()
    assert (tmp_path / "a" / "b" / "ledger.sqlite").is_file()


def test_what_a_run_reached_is_never_replaced_by_less(ledger: Ledger) -> None:
    settled = record(measured(100), name="settled")
    closed = replace(settled, settled=False, name="closed")
    partial = replace(settled, settled=False, status=Status.PARTIAL, name="partial")
    for step, kept in [(partial, "partial"), (closed, "closed"), (partial, "closed"), (settled, "settled")]:
        ledger.write(step)
        assert [r.name for r in ledger.records()] == [kept]
    for late in (partial, closed):
        ledger.write(late)
        assert [r.name for r in ledger.records()] == ["settled"]


def test_a_late_progress_record_leaves_the_settled_power_series_alone(ledger: Ledger) -> None:
    settled = record(measured(100), series={"gpu:0": [(0.0, 100.0), (1.0, 100.0)]})
    ledger.write(settled)
    ledger.write(replace(settled, settled=False, status=Status.PARTIAL, series=lambda: {"gpu:0": [(0.0, 1.0)]}))
    assert ledger.power(settled.run_id) == {"gpu:0": [(0.0, 100.0), (1.0, 100.0)]}


def test_records_are_found_by_session_and_time_oldest_first(ledger: Ledger) -> None:
    names = ["one", "two", "three"]
    ledger.write_all(
        record(measured(1), name=name, begin_s=100 * i, session_id=f"s{i % 2}") for i, name in enumerate(names)
    )
    assert [r.name for r in ledger.records()] == names
    assert [r.name for r in ledger.records(session_id="s0")] == ["one", "three"]
    assert [r.name for r in ledger.records(since=NOON + timedelta(seconds=100))] == ["two", "three"]
    assert [r.name for r in ledger.records(limit=2)] == ["two", "three"]
    assert [(s.session_id, s.records) for s in ledger.sessions()] == [("s1", 1), ("s0", 2)]
    assert ledger.sessions()[-1].started_at == NOON


def test_columns_can_be_queried_with_plain_sql(ledger: Ledger, path: Path) -> None:
    ledger.write(record(measured(100, 3), name="train", stage="train"))
    row = sqlite3.connect(path).execute("SELECT stage, energy_j, provenance, mass_gco2e FROM records").fetchone()
    assert row == ("train", 100.0, "measured", pytest.approx(100 / 3.6e6 * 56))


def test_power_series_are_thinned_but_keep_their_energy(ledger: Ledger) -> None:
    fine = [(i * 0.01, 200.0 + 100.0 * (i // 1000 % 2)) for i in range(20_000)]
    kept = decimated(fine)
    assert len(kept) <= POINTS
    assert (kept[0], kept[-1]) == (fine[0], fine[-1])
    assert energy_j(kept) == pytest.approx(energy_j(fine), rel=0.003)
    run = record(measured(1), series={"gpu:0": fine, "dram": [(0.0, 5.0)], "psys": []})
    ledger.write(run)
    series = ledger.records()[0].power()
    assert {channel: len(points) for channel, points in series.items()} == {
        "gpu:0": len(kept),
        "dram": 1,
        "psys": 0,
    }


def test_a_local_disk_uses_the_write_ahead_log(ledger: Ledger, path: Path) -> None:
    assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_network_disk_uses_a_rollback_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenllm_kernel.accounting.ledger_schema.is_on_network", lambda path: True)
    with Ledger(path) as ledger:
        ledger.write(record(measured(1)))
        assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert len(ledger.records()) == 1


@pytest.mark.parametrize(
    ("kind", "expected"), [("ext4", False), ("nfs4", True), ("fuse.sshfs", True), ("lustre", True), ("tmpfs", False)]
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of another form")
def test_the_file_system_of_the_nearest_mount_decides(kind: str, expected: bool) -> None:
    mounts = [("/", "ext4"), ("/home", "nfs4"), ("/home/ada", "ext4"), ("/home/ada", kind), ("/homes", "nfs4")]
    assert is_on_network(Path("/home/ada/.local/share"), mounts) is expected
    assert is_on_network(Path("/home/adam"), mounts)
    assert not is_on_network(Path("/var"), mounts)


def test_two_processes_write_one_new_ledger_at_once(path: Path) -> None:
    program = """
    from made_records import measured, record
    from greenllm_kernel.accounting.ledger import Ledger
    for _ in range(5):
        with Ledger(path) as ledger:
            for i in range(20):
                ledger.write(record(measured(1), run_id=f"{sys.argv[3]}-{_}-{i}", series={"gpu:0": [(0.0, 1.0)] * 400}))
    """
    writers = [started(program, path, name) for name in "abc"]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    with Ledger(path) as ledger:
        assert len(ledger.records()) == 300


def test_threads_share_one_ledger(ledger: Ledger) -> None:
    runs = [record(measured(1)) for _ in range(40)]
    halves = runs[::2], runs[1::2]
    threads = [threading.Thread(target=lambda half=half: [ledger.write(r) for r in half]) for half in halves]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ledger.records()
    assert len(ledger.records()) == 40


def test_a_damaged_file_is_left_as_it_is_and_the_message_says_to_move_it(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are my notes, not a database" * 100)
    with pytest.raises(LedgerError, match="damaged.*move the file away"):
        Ledger(path)
    assert path.read_bytes().startswith(b"these are my notes")


def test_half_a_surrogate_pair_in_a_name_becomes_a_question_mark(ledger: Ledger) -> None:
    run = record(measured(1), name="a\udc80b", stage="\ud83d", series={"gpu:\udcff": [(0.0, 1.0)]})
    ledger.write(run)
    (kept,) = ledger.records()
    assert (kept.name, kept.stage, list(kept.power())) == ("a?b", "?", ["gpu:?"])


def test_a_name_in_any_script_comes_back_as_it_was(ledger: Ledger) -> None:
    ledger.write(record(measured(1), name="Überprüfung \U0001f642 測定"))
    assert ledger.records()[0].name == "Überprüfung \U0001f642 測定"


@pytest.mark.parametrize(
    "faulty",
    [
        {"counts": {"token": math.nan}},
        {"counts": {"token": b"512"}},
        {"counts": {("token",): 1.0}},
        {"name": ["a", "list"]},
        {"name": None},
        {"name": Path("cell")},
        {"stage": 3},
        {"execution_count": 2**63},
        {"duration_s": math.inf},
        {"series": {"gpu:0": [(0.0, 1e300)]}},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_kept_is_refused_by_name_and_changes_nothing(
    ledger: Ledger, faulty: dict[str, Any]
) -> None:
    run = record(measured(1), **{"name": "faulty", **faulty})
    with pytest.raises(LedgerError, match=re.escape(f"the record of {run.name!r} cannot be kept")):
        ledger.write(run)
    ledger.write(record(measured(1), name="next"))
    assert [r.name for r in ledger.records()] == ["next"]


def test_a_write_that_breaks_off_leaves_nothing_behind_and_locks_nobody_out(ledger: Ledger, path: Path) -> None:
    def breaking_off() -> Iterator[Row]:
        yield row_of(record(measured(1)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.write_rows(breaking_off())
    other = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    assert ledger.records() == []


def test_damage_inside_a_ledger_is_reported_and_moving_it_away_helps(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.write_all(record(measured(1)) for _ in range(200))
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    ledger = Ledger(path)
    with pytest.raises(LedgerError, match="damaged"):
        ledger.records()
    with pytest.raises(LedgerError, match="damaged"):
        ledger.write(record(measured(1)))
    path.rename(path.with_suffix(".damaged"))
    ledger.write(record(measured(1)))
    assert len(ledger.records()) == 1


def test_a_ledger_moved_away_while_it_is_open_is_begun_anew(ledger: Ledger, path: Path) -> None:
    ledger.write(record(measured(1), name="before"))
    ledger.close()
    path.rename(path.with_name("old.sqlite"))
    ledger.write(record(measured(1), name="after"))
    assert [r.name for r in ledger.records()] == ["after"]
    with Ledger(path.with_name("old.sqlite")) as old:
        assert [r.name for r in old.records()] == ["before"]


def test_somebody_elses_database_is_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    with pytest.raises(LedgerError, match="no GreenLLM ledger"):
        Ledger(path)
    assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["theirs"]


def test_a_ledger_of_a_newer_version_is_not_written_to(path: Path) -> None:
    Ledger(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="schema 99.*update GreenLLM"):
        Ledger(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no permission bits")
def test_an_unwritable_place_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be opened or written.*GREENLLM_LEDGER"):
        Ledger(tmp_path / "file" / "ledger.sqlite")


def test_reading_where_there_is_nothing_makes_nothing(path: Path) -> None:
    with pytest.raises(LedgerError):
        Ledger(path, read_only=True)
    assert not path.parent.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes")
def test_a_full_disk_is_reported_loses_nothing_before_and_is_tried_again(path: Path) -> None:
    child = started(
        """
        import resource
        from made_records import measured, record
        from greenllm_kernel.accounting.ledger import Ledger
        from greenllm_kernel.errors import LedgerError
        ledger = Ledger(path)
        ledger.write(record(measured(1), name="before"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        try:
            for i in range(100):
                series = {f"gpu:{gpu}": [(0.0, 1.0)] * 500 for gpu in range(8)}
                ledger.write(record(measured(1), name="during", series=series))
        except LedgerError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        ledger.write(record(measured(1), name="after"))
        names = [r.name for r in ledger.records()]
        print(names[0], names[-1])
        """,
        path,
    )
    said, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors
    assert said.splitlines()[1] == "before after"
    assert "set `ledger` in greenllm.toml" in said


def test_another_process_that_holds_the_ledger_too_long_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenllm_kernel.accounting.ledger.BUSY_TIMEOUT_S", 0.2)
    with Ledger(path) as ledger:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(LedgerError, match="held by another process"):
            ledger.write(record(measured(1)))
        assert time.monotonic() - began < 2
        holder.execute("ROLLBACK")
        ledger.write(record(measured(1)))
        assert len(ledger.records()) == 1


def test_a_write_takes_milliseconds(ledger: Ledger) -> None:
    runs = [record(measured(1), series={"gpu:0": [(i * 0.1, 1.0) for i in range(500)]}) for _ in range(50)]
    began = time.process_time()
    for run in runs:
        ledger.write(run)
    assert (time.process_time() - began) / len(runs) < 0.02


@pytest.mark.skipif(sys.platform == "win32", reason="no permission bits")
def test_a_ledger_in_a_folder_one_may_only_read_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with Ledger(path) as ledger:
            ledger.write(record(measured(1)))
        path.chmod(0o444)
        path.parent.chmod(0o555)
        child = started(
            """
            import os
            from made_records import measured, record
            from greenllm_kernel.accounting.ledger import Ledger
            if os.getuid() == 0:
                import psutil
                os.setgid(65534)
                os.setuid(65534)
            print(len(Ledger(path, read_only=True).records()))
            """,
            path,
        )
        said, errors = child.communicate(timeout=30)
        path.parent.chmod(0o755)
    assert child.returncode == 0, errors
    assert said.strip() == "1"
