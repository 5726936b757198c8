"""The CPU time of a process tree: every second once, whoever used it and however it ended."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from greenllm_kernel.metering.attribution.process_tree import TICK_S, LinuxProcesses, ProcessTree
from hosts import Proc

BURN = """
import sys, time
end = time.process_time() + float(sys.argv[1])
while time.process_time() < end: pass
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def burning(seconds: float, then: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BURN + then, str(seconds)])


def test_this_process_counts_from_the_first_look_on():
    burn(0.1)
    tree = ProcessTree()
    assert tree.look() == 0.0
    burn(0.2)
    assert tree.look() == pytest.approx(0.2, abs=0.05)
    # Earlier tests in this process may have left children of their own (multiprocessing's resource tracker).
    assert os.getpid() in tree.process_ids


@on_linux
def test_a_child_counts_while_it_runs_and_no_second_time_once_it_was_waited_for():
    tree = ProcessTree()
    tree.look()
    child = burning(0.4, "time.sleep(60)")
    deadline = time.monotonic() + 30
    while tree.look() < 0.4 and time.monotonic() < deadline:
        time.sleep(0.05)
    running_s = tree.look()
    assert child.pid in tree.process_ids
    child.kill()
    time.sleep(0.1)
    as_zombie_s = tree.look()
    child.wait()
    assert running_s == pytest.approx(0.43, abs=0.1)
    assert as_zombie_s == pytest.approx(running_s, abs=0.05)
    assert tree.look() == pytest.approx(running_s, abs=0.05)
    assert tree.look() == pytest.approx(running_s, abs=0.05)
    assert child.pid not in tree.process_ids
    assert os.getpid() in tree.process_ids


@on_linux
def test_a_child_that_begins_and_ends_between_two_looks_counts():
    tree = ProcessTree()
    tree.look()
    burning(0.3).wait()
    assert tree.look() == pytest.approx(0.33, abs=0.1)


@on_linux
def test_a_pool_of_forked_workers_counts_once():
    tree = ProcessTree()
    tree.look()
    before_s = taken_s()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(burn, [0.2, 0.2, 0.2])
        while_it_ran_s = tree.look()
        pool.close()
        pool.join()
    assert while_it_ran_s == pytest.approx(0.6, abs=0.15)
    # Of a large process the forks take some time to end, too: the system knows what all of it was.
    assert tree.look() == pytest.approx(taken_s() - before_s, abs=0.1)


def taken_s() -> float:
    """Return the processor time of this process and of its children that have ended, s, as the system has it."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@on_linux
def test_a_daemon_whose_parent_has_ended_still_counts():
    tree = ProcessTree()
    tree.look()
    before = set(tree.process_ids)
    program = "import os, sys, time\nif os.fork(): time.sleep(0.5); sys.exit()\n" + BURN
    child = subprocess.Popen([sys.executable, "-c", program, "1.0"], start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while len(tree.process_ids - before) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
            tree.look()
        child.wait()
        orphan = next(iter(tree.process_ids - before - {child.pid}))
        time.sleep(0.2)
        tree.look()
        assert orphan in tree.process_ids
        while orphan in tree.process_ids and time.monotonic() < deadline + 20:
            time.sleep(0.05)
            used_s = tree.look()
        assert used_s == pytest.approx(1.05, abs=0.2)
    finally:
        os.killpg(child.pid, signal.SIGKILL) if child.poll() is None else None


@on_linux
def test_a_strangers_process_does_not_count():
    stranger = burning(0.5)
    theirs = ProcessTree(stranger.pid)
    theirs.look()
    ours = ProcessTree(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.6)"]).pid)
    ours.look()
    time.sleep(0.5)
    assert theirs.look() > 0.1
    assert ours.look() < 0.1
    stranger.wait()


@on_linux
def test_looking_costs_little_and_waits_for_nobodys_child():
    tree = ProcessTree()
    child = burning(0.0)
    time.sleep(0.2)
    began = time.thread_time()
    for _ in range(50):
        tree.look()
        tree.host_busy_s()
    assert (time.thread_time() - began) / 50 < 0.005
    assert child.wait() == 0


def test_a_child_that_ends_after_its_parent_was_looked_at_counts_once(tmp_path):
    proc = Proc(tmp_path)
    proc.process(10, 1, 1.0)
    proc.process(11, 10, 2.0)
    tree = proc.tree(10)
    tree.look()
    proc.process(11, 10, 3.0)
    assert tree.look() == pytest.approx(1.0)
    proc.end(11)
    assert tree.look() == pytest.approx(1.0)  # its time has not come to its parent yet
    proc.process(10, 1, 1.0, waited_s=3.5)
    assert tree.look() == pytest.approx(1.5)


def test_a_child_nobody_waits_for_takes_nothing_from_the_next_one(tmp_path):
    proc = Proc(tmp_path)
    proc.process(10, 1, 0.0)
    proc.process(11, 10, 2.0)
    tree = proc.tree(10)
    tree.look()
    proc.end(11)
    tree.look()
    tree.look()
    proc.process(10, 1, 0.0, waited_s=1.0)
    assert tree.look() == pytest.approx(1.0)


def test_a_whole_branch_that_ends_passes_to_the_nearest_living_ancestor(tmp_path):
    proc = Proc(tmp_path)
    proc.process(10, 1, 0.0)
    proc.process(11, 10, 1.0)
    proc.process(12, 11, 2.0)
    tree = proc.tree(10)
    tree.look()
    proc.end(11)
    proc.end(12)
    proc.process(10, 1, 0.0, waited_s=3.25)
    assert tree.look() == pytest.approx(0.25)


def test_a_number_that_was_given_to_another_process_is_not_ours(tmp_path):
    proc = Proc(tmp_path)
    proc.process(10, 1, 0.0)
    proc.process(11, 10, 1.0)
    tree = proc.tree(10)
    tree.look()
    proc.process(11, 1, 50.0, began=2000)
    assert tree.look() == pytest.approx(0.0)
    assert tree.process_ids == {10}


@pytest.mark.parametrize("lists_children", [True, False])
def test_descendants_are_found_with_and_without_the_lists_of_children(tmp_path, lists_children):
    proc = Proc(tmp_path, lists_children)
    proc.process(10, 1, 0.0)
    proc.process(11, 10, 0.0, name="a) S 1 (b")
    proc.process(12, 11, 0.0)
    proc.process(13, 1, 0.0)
    tree = proc.tree(10)
    tree.look()
    assert tree.process_ids == {10, 11, 12}


def test_the_host_is_busy_but_not_while_it_waits_or_is_stolen_from(tmp_path):
    proc = Proc(tmp_path)
    proc.busy(user_s=3.0, system_s=1.5)
    assert LinuxProcesses(tmp_path).host_busy_s() == pytest.approx(4.5, abs=TICK_S)


def test_psutil_tells_the_same_where_there_is_no_proc():
    from greenllm_kernel.metering.attribution.process_tree import OtherProcesses

    processes = OtherProcesses()
    child = burning(0.0, "time.sleep(30)")
    try:
        assert child.pid in processes.children([os.getpid()])
        assert processes.times(os.getpid()).own_s == pytest.approx(time.process_time(), abs=0.1)
        before = processes.host_busy_s()
        burn(0.1)
        assert processes.host_busy_s() > before
    finally:
        child.kill()
        child.wait()
    assert processes.times(child.pid) is None
