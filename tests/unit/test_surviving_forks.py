"""Processes that a measured one starts, by fork or otherwise, disturb nothing and measure for themselves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import Record, Status
from sessions import two_gpus

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PROGRAM = """
import multiprocessing, os, subprocess, sys, threading, time
from greenllm_kernel import measure
from greenllm_kernel.accounting.session import Session

def work(number):
    Session.current().find_meters()
    with measure(f"child {number}") as window:
        time.sleep(0.3)
    return Session.current().id

def wait_for(child):
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

def main():
    Session.current().find_meters()
    BODY

if __name__ == "__main__":
    main()
"""


def ran(folder: Path, body: str, timeout_s: float = 60.0) -> tuple[str, list[Record]]:
    """Run a program of its own on the virtual meter; return what it printed and what is in its ledger."""
    script = folder / "program.py"
    script.write_text(PROGRAM.replace("BODY", textwrap.indent(textwrap.dedent(body), "    ").strip()))
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GREENLLM_")},
        "GREENLLM_LEDGER": str(folder / "ledger.sqlite"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "GREENLLM_USE_METERS": "virtual",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    pipe = subprocess.PIPE
    program = subprocess.Popen(
        [sys.executable, str(script)], env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    try:
        said, complaints = program.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)  # the program and its children
        raise
    assert program.returncode == 0, complaints
    return said, Ledger(folder / "ledger.sqlite").records()


def by_name(records: list[Record]) -> dict[str, Record]:
    found = {record.name: record for record in records}
    assert len(found) == len(records)
    return found


def assert_whole(record: Record, least_s: float) -> None:
    """What the parent measured is all there: settled, without a gap, and none of it twice."""
    assert record.settled
    assert record.status is Status.OK
    assert record.duration_s >= least_s
    for channel in record.channels:
        assert channel.fault is None
        assert channel.energy is not None
        assert 0.5 < channel.energy.value_j / record.duration_s < 2000.0


def test_a_child_that_forks_off_in_a_window_leaves_it_to_the_parent(tmp_path):
    said, records = ran(
        tmp_path,
        """
        with measure("parent") as window:
            child = os.fork()
            if child == 0:
                time.sleep(0.3)
                sys.exit()  # leaves the window, which is the parent's, and ends as programs do
            wait_for(child)
        print(window.settle().settled)
        """,
    )
    assert said.split() == ["True"]
    assert_whole(by_name(records)["parent"], 0.3)


def test_a_window_copied_into_a_child_knows_nothing_there_and_keeps_nobody_waiting(tmp_path):
    said, _ = ran(
        tmp_path,
        """
        with measure("parent") as window:
            time.sleep(0.3)
            child = os.fork()
            if child == 0:
                began = time.monotonic()
                window.close()
                record = window.settle(30.0)
                print(record.gross, record.status, time.monotonic() - began < 1.0, flush=True)
                os._exit(0)
            wait_for(child)
        """,
    )
    assert said.split() == ["None", "partial", "True"]


def test_a_forked_child_has_a_session_of_its_own_and_its_records_are_kept(tmp_path):
    said, records = ran(
        tmp_path,
        """
        with measure("parent"):
            time.sleep(0.3)
            child = os.fork()
            if child == 0:
                print("child", work(0), flush=True)
                sys.exit()
            wait_for(child)
        print("parent", Session.current().id)
        """,
    )
    sessions = dict(line.split() for line in said.splitlines())
    found = by_name(records)
    assert {name: record.session_id for name, record in found.items()} == {
        "parent": sessions["parent"],
        "child 0": sessions["child"],
    }
    assert sessions["parent"] != sessions["child"]
    assert found["child 0"].parent_run_id is None
    assert_whole(found["parent"], 0.6)
    assert_whole(found["child 0"], 0.3)


@pytest.mark.parametrize("way", ["fork", "forkserver", "spawn"])
def test_workers_of_multiprocessing_measure_for_themselves_and_lose_no_record(tmp_path, way):
    said, records = ran(
        tmp_path,
        f"""
        context = multiprocessing.get_context({way!r})
        with measure("parent"):
            processes = [context.Process(target=work, args=(number,)) for number in range(3)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
                assert process.exitcode == 0
        print(Session.current().id)
        """,
    )
    found = by_name(records)
    assert set(found) == {"parent", "child 0", "child 1", "child 2"}
    assert len({record.session_id for record in records}) == 4
    assert found["parent"].session_id == said.strip()
    for name, record in found.items():
        assert_whole(record, 0.3)
        assert (record.parent_run_id is None) == (name == "parent") or record.parent_run_id is None


def test_a_pool_that_is_measured_outside_and_in(tmp_path):
    _, records = ran(
        tmp_path,
        """
        with multiprocessing.get_context("fork").Pool(2) as pool:
            with measure("parent"):
                sessions = pool.map(work, range(4), chunksize=1)
            pool.close()
            pool.join()
        assert Session.current().id not in sessions
        """,
    )
    assert set(by_name(records)) == {"parent", *(f"child {number}" for number in range(4))}


def test_other_programs_started_in_a_window_are_part_of_it(tmp_path):
    _, records = ran(
        tmp_path,
        """
        with measure("parent"):
            subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)"], check=True)
            assert os.system("true") == 0
        """,
    )
    assert_whole(by_name(records)["parent"], 0.3)


def test_a_child_that_ends_at_once_settles_nothing_and_takes_nothing_along(tmp_path):
    _, records = ran(
        tmp_path,
        """
        for number in range(20):
            with measure(f"window {number}"):
                pass
            child = os.fork()
            if child == 0:
                os._exit(0)
            began = time.monotonic()
            wait_for(child)
            assert time.monotonic() - began < 1.0
        """,
    )
    assert set(by_name(records)) == {f"window {number}" for number in range(20)}


def test_hundreds_of_forks_amid_windows_and_writes_lose_nothing_and_hang_nobody(tmp_path):
    """Forks hit whatever the sampler's, the books' and the ledger's threads just hold; each child then measures."""
    _, records = ran(
        tmp_path,
        """
        over = threading.Event()

        def measure_all_the_time():
            number = 0
            while not over.is_set():
                with measure(f"window {number}"):
                    pass
                number += 1
                time.sleep(0.002)
            counts.append(number)

        counts = []
        thread = threading.Thread(target=measure_all_the_time)
        thread.start()
        waiting = []
        for number in range(200):
            child = os.fork()
            if child == 0:
                with measure(f"child {number}"):
                    pass
                if number % 10 == 0:
                    Session.current().close(5.0)
                os._exit(0)
            waiting.append(child)
            if len(waiting) > 3:
                wait_for(waiting.pop(0))
        for child in waiting:
            wait_for(child)
        over.set()
        thread.join()
        with measure(f"{counts[0]} in all"):
            pass
        """,
    )
    (in_all,) = [int(record.name.split()[0]) for record in records if record.name.endswith("in all")]
    found = by_name(records)
    assert {f"window {number}" for number in range(in_all)} <= set(found)
    assert {f"child {number}" for number in range(0, 200, 10)} <= set(found)
    parents = {record.session_id for name, record in found.items() if name.startswith("window")}
    assert len(parents) == 1
    assert not parents & {record.session_id for name, record in found.items() if name.startswith("child")}


def test_a_session_handed_to_measure_is_not_used_in_a_child(start):
    session, recorder = start(two_gpus())
    session.find_meters()
    read, write = os.pipe()
    with measure("parent", session=session):
        child = os.fork()
        if child == 0:
            try:
                with measure("child", session=session) as window:
                    pass
                os.write(write, b"own" if window.session is not session else b"parent's")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert os.read(read, 20) == b"own"
    session.settle(5.0)
    assert [record.name for record in recorder.records] == ["parent"]


def test_loaders_of_data_with_workers_are_measured_as_ever(start):
    torch = pytest.importorskip("torch")

    class Numbers(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, index):
            return torch.tensor([float(index)])

    session, recorder = start(two_gpus())
    session.find_meters()
    threads = threading.active_count()
    loader = torch.utils.data.DataLoader(
        Numbers(), batch_size=8, num_workers=2, multiprocessing_context=multiprocessing.get_context("fork")
    )
    with measure("epoch", session=session) as window:
        assert sum(float(batch.sum()) for batch in loader) == sum(range(64))
        time.sleep(0.3)
    record = window.settle()
    assert record.channels[1].energy.value_j == pytest.approx(200.0 * record.duration_s, rel=0.1)
    assert [each.name for each in recorder.records] == ["epoch"]
    assert threading.active_count() < threads + 10
