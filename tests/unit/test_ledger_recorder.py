"""Records reach the ledger: soon, many at once, past those that cannot be kept, and before the process ends."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.errors import LedgerError
from greenllm_plugins.recorders.ledger import FULL_BATCH, MOST_WAITING, WRITE_EVERY_S, LedgerRecorder
from made_records import measured, record
from programs import started


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GREENLLM_LEDGER", str(tmp_path / "ledger.sqlite"))
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def recorder(path: Path) -> Iterator[LedgerRecorder]:
    recorder = LedgerRecorder()
    yield recorder
    recorder.close()


def names(path: Path) -> list[str]:
    with Ledger(path) as ledger:
        return [record.name for record in ledger.records()]


def test_a_single_record_is_in_the_ledger_at_once(recorder: LedgerRecorder, path: Path) -> None:
    recorder.greenllm_record(record(measured(1), name="single"))
    assert names(path) == ["single"]


def test_records_close_together_are_there_a_moment_later_without_another(recorder: LedgerRecorder, path: Path) -> None:
    for name in ("a", "b", "c"):
        recorder.greenllm_record(record(measured(1), name=name))
    time.sleep(1.0)
    assert (recorder.waiting, names(path)) == (0, ["a", "b", "c"])


def test_thousands_of_records_share_few_transactions_and_none_is_lost(
    recorder: LedgerRecorder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions = 0
    write_rows = Ledger.write_rows

    def counted(ledger: Ledger, *arguments: Any) -> None:
        nonlocal transactions
        transactions += 1
        write_rows(ledger, *arguments)

    monkeypatch.setattr(Ledger, "write_rows", counted)
    began = time.monotonic()
    for _ in range(3 * MOST_WAITING):
        recorder.greenllm_record(record(measured(1)))
    took_s = time.monotonic() - began
    recorder.close()
    assert len(names(path)) == 3 * MOST_WAITING
    assert transactions <= 2 + 3 * MOST_WAITING / FULL_BATCH + took_s / WRITE_EVERY_S


def test_a_record_that_cannot_be_kept_is_told_once_and_holds_up_no_other(recorder: LedgerRecorder, path: Path) -> None:
    recorder.greenllm_record(record(measured(1), name="before"))
    with pytest.raises(LedgerError, match="'faulty' cannot be kept"):
        recorder.greenllm_record(record(measured(1), name="faulty", counts={"token": math.nan}))
    recorder.greenllm_record(record(measured(1), name="after"))
    recorder.close()
    assert names(path) == ["before", "after"]


def test_with_settings_that_cannot_be_used_records_still_reach_the_named_ledger(
    recorder: LedgerRecorder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENLLM_PUE", "abc")
    recorder.greenllm_record(record(measured(1), name="kept"))
    assert names(path) == ["kept"]


def test_with_settings_that_cannot_be_used_and_no_ledger_named_the_default_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GREENLLM_LEDGER", raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GREENLLM_PUE", "abc")
    recorder = LedgerRecorder()
    recorder.greenllm_record(record(measured(1), name="kept"))
    recorder.close()
    assert names(tmp_path / "greenllm" / "ledger.sqlite") == ["kept"]


def test_a_process_that_ends_after_many_short_windows_leaves_them_all(path: Path) -> None:
    program = """
    from greenllm_kernel import measure
    for i in range(1000):
        with measure(f"window {i}"):
            pass
    """
    child = started(program, path, GREENLLM_LEDGER=path, GREENLLM_USE_METERS="virtual")
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (0, "")
    assert sorted(names(path)) == sorted(f"window {i}" for i in range(1000))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_that_ends_leaves_its_parents_records_to_the_parent(path: Path) -> None:
    program = """
    import os, time
    from greenllm_kernel import measure
    for i in range(50):
        with measure(f"window {i}"):
            pass
    child = os.fork()
    if child == 0:
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    """
    child = started(program, path, GREENLLM_LEDGER=path, GREENLLM_USE_METERS="virtual")
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (0, "")
    assert len(names(path)) == 50


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_after_a_kill_the_last_progress_is_there_and_marked_partial(path: Path) -> None:
    victim = started(
        """
        import time
        from dataclasses import replace
        from made_records import measured, record
        from greenllm_kernel.accounting.record import Status
        from greenllm_plugins.recorders.ledger import LedgerRecorder
        import os; os.environ["GREENLLM_LEDGER"] = str(path)
        recorder = LedgerRecorder()
        began = time.monotonic()
        step = record(measured(1), run_id="victim", status=Status.PARTIAL, settled=False)
        for i in range(100_000):
            duration_s = time.monotonic() - began
            series = {"gpu:0": [(0.0, 1.0)] * 500}
            recorder.greenllm_progress(replace(step, duration_s=duration_s, series=lambda: series))
            print(duration_s, flush=True)
        """,
        path,
    )
    assert victim.stdout is not None
    for line in victim.stdout:
        if float(line) >= 2:
            break
    victim.send_signal(signal.SIGKILL)
    victim.wait(10)
    with Ledger(path) as ledger:
        (kept,) = ledger.records()
        assert kept.status is Status.PARTIAL
        assert kept.duration_s > 1
        assert kept.power()
        ledger.write(record(measured(1), name="the next kernel"))
        assert len(ledger.records()) == 2


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_what_a_full_disk_refuses_is_kept_and_written_when_there_is_room(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENLLM_LEDGER", str(tiny_disk / "ledger.sqlite"))
    recorder = LedgerRecorder()
    recorder.greenllm_record(record(measured(1), run_id="0"))
    with (tiny_disk / "ballast").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    series = {f"gpu:{gpu}": [(0.0, 1.0)] * 500 for gpu in range(16)}
    for i in range(1, 8):
        with suppress(LedgerError):
            recorder.greenllm_record(record(measured(1), run_id=str(i), series=series))
    time.sleep(3 * WRITE_EVERY_S)
    with pytest.raises(LedgerError, match="no space is left"):
        recorder.greenllm_record(record(measured(1), run_id="8"))
    assert recorder.waiting >= 1
    subprocess.run(["mount", "-o", "remount,size=16m", tiny_disk], check=True)
    time.sleep(3 * WRITE_EVERY_S)
    recorder.greenllm_record(record(measured(1), run_id="9"))
    assert recorder.waiting == 0
    with Ledger(tiny_disk / "ledger.sqlite") as ledger:
        assert sorted(r.run_id for r in ledger.records()) == [str(i) for i in range(10)]
    recorder.close()


def test_who_names_another_ledger_after_a_failure_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GREENLLM_LEDGER", str(tmp_path / "file" / "ledger.sqlite"))
    recorder = LedgerRecorder()
    partial = record(measured(1), run_id="a", status=Status.PARTIAL, settled=False)
    with pytest.raises(LedgerError, match="GREENLLM_LEDGER"):
        recorder.greenllm_progress(partial)
    for run in (replace(partial, status=Status.OK, settled=True), record(measured(1), run_id="b")):
        recorder.greenllm_record(run)
    monkeypatch.setenv("GREENLLM_LEDGER", str(tmp_path / "other.sqlite"))
    recorder.greenllm_record(record(measured(1), run_id="c"))
    recorder.close()
    with Ledger(tmp_path / "other.sqlite") as ledger:
        assert [(r.run_id, r.status) for r in ledger.records()] == [
            ("a", Status.OK),
            ("b", Status.OK),
            ("c", Status.OK),
        ]
