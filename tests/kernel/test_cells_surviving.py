"""A real kernel whose cells hold the interpreter in C, or fork: figures stay right, and the kernel goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import MIME_TYPE
from live import LiveKernel
from standins import nvml
from standins.rapl import SERVER, build

HELD_S = float(os.environ.get("GREENLLM_TEST_HELD_S", "8"))
"""How long a cell holds the interpreter, s; a minute is what it should survive."""

SHORTLY_S = min(HELD_S, 4.0)

HOLD = """
#include <time.h>

void hold(double seconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double until_s = now.tv_sec + now.tv_nsec * 1e-9 + seconds;
    while (now.tv_sec + now.tv_nsec * 1e-9 < until_s) clock_gettime(CLOCK_MONOTONIC, &now);
}
"""

AT_ONCE = "%%energy -o window held\nlibrary.hold(ctypes.c_double({}))"

AFTER_A_READING = "%%energy -o window held\ntime.sleep(0.3)\nlibrary.hold(ctypes.c_double({}))"


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> str:
    """Return a library whose function is busy without ever letting go of the interpreter."""
    folder = tmp_path_factory.mktemp("hold")
    (folder / "hold.c").write_text(HOLD)
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(folder / "hold.so"), str(folder / "hold.c")]
    subprocess.run(command, check=True)
    return str(folder / "hold.so")


@pytest.fixture
def started(tmp_path):
    kernels = []

    def start(**env) -> LiveKernel:
        kernels.append(LiveKernel(tmp_path, env))
        return kernels[-1]

    yield start
    for kernel in kernels:
        if kernel.manager.is_alive():
            kernel.close()


def load(kernel: LiveKernel, library: str) -> None:
    """Make the library known in the kernel, and have its meters found."""
    kernel.run(f"import ctypes, time; library = ctypes.PyDLL({library!r})")
    kernel.run("%%energy -q\ntime.sleep(1.0)")
    kernel.listen_until_quiet()


def settled(kernel: LiveKernel) -> dict:
    """Return the record of the last cell, once it is settled."""
    assert kernel.run("window.settle(10).settled").result == "True"
    return eval(kernel.run("window.record.to_dict()").result)


def true_energy_j(kernel: LiveKernel, machine: nvml.Machine) -> float:
    """Return what the first card really drew in the last cell, J."""
    opened_ns, closed_ns = eval(kernel.run("window.opened_ns, window.closed_ns").result)
    return machine.true_energy_j(0, opened_ns, closed_ns)


def assert_it_goes_on(kernel: LiveKernel) -> None:
    """The next cell is measured as ever, and the page is told of both, and of power."""
    kernel.events.clear()
    outcome = kernel.run("%%energy -o window after\ntime.sleep(2.5)")
    record = outcome.displays[-1]["data"][MIME_TYPE]
    assert record["energy"]["gross_j"] > 0
    kernel.listen_until_quiet()
    assert len(kernel.of_kind("power")) >= 2
    assert "after" in {event["name"] for event in kernel.of_kind("cell")}
    assert settled(kernel)["energy"]["unavailable"] == []


def test_a_cell_that_holds_the_interpreter_is_right_by_its_cards_counter(tmp_path, started, library):
    control = tmp_path / "control"
    machine = nvml.Machine([nvml.Gpu(low_w=100.0, high_w=500.0, period_s=3.3)])
    machine.write(control)
    environment = nvml.environment(nvml.build(tmp_path / "lib"), control)
    kernel = started(**environment, GREENLLM_USE_METERS="nvml")
    load(kernel, library)
    began = time.monotonic()
    kernel.run(AFTER_A_READING.format(HELD_S), timeout=HELD_S + 60.0)
    assert time.monotonic() - began < HELD_S + 5.0
    record, truth_j = settled(kernel), true_energy_j(kernel, machine)
    low_j, high_j = record["energy"]["interval_j"]
    assert record["energy"]["gross_j"] == pytest.approx(truth_j, rel=0.03)
    assert low_j <= truth_j <= high_j
    assert record["energy"]["provenance"] == "measured"
    assert record["energy"]["unavailable"] == []
    assert record["duration_s"] == pytest.approx(HELD_S + 0.3, abs=0.5)
    assert_it_goes_on(kernel)
    # Where nothing could be read before the interpreter was held, the counter's first value is of its end.
    kernel.listen_until_quiet()
    kernel.run(AT_ONCE.format(SHORTLY_S), timeout=HELD_S + 60.0)
    record, truth_j = settled(kernel), true_energy_j(kernel, machine)
    if record["energy"]["gross_j"] is not None:
        low_j, high_j = record["energy"]["interval_j"]
        assert low_j <= truth_j <= high_j
    is_read = record["energy"]["gross_j"] is not None
    assert record["energy"]["unavailable"] == ([] if is_read else [machine.channel_id(0)])


@contextmanager
def counting(tree, power_w: float) -> Iterator[None]:
    """Let the package's counter count, wrapping where it says it does."""
    over = threading.Event()
    file = os.open(tree.zones["intel-rapl:0"] / "energy_uj", os.O_WRONLY)
    span_uj = int((tree.zones["intel-rapl:0"] / "max_energy_range_uj").read_text())
    began = time.monotonic()

    def count() -> None:
        joules = 100.0 + power_w * (time.monotonic() - began)
        os.pwrite(file, f"{int(joules * 1e6) % span_uj:015d}\n".encode(), 0)

    def count_on() -> None:
        while not over.wait(0.001):
            count()

    count()
    thread = threading.Thread(target=count_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        os.close(file)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the tree is Linux's")
def test_turns_of_a_package_unseen_while_the_interpreter_is_held_widen_the_interval(tmp_path, started, library):
    names = {zone: name for zone, name in SERVER.items() if zone == "intel-rapl:0"}
    span_j = 100.0
    tree = build(tmp_path / "tree", names, span_uj=int(span_j * 1e6))
    (tmp_path / "greenllm.toml").write_text(f'use_meters = ["rapl"]\n[meters.rapl]\nroot = "{tree.root}"\n')
    power_w = 95.0
    with counting(tree, power_w):
        kernel = started(GREENLLM_USE_METERS="rapl")
        load(kernel, library)
        kernel.run(AFTER_A_READING.format(SHORTLY_S), timeout=HELD_S + 60.0)
        record = settled(kernel)
    truth_j = power_w * record["duration_s"]
    low_j, high_j = record["energy"]["interval_j"]
    assert low_j <= truth_j <= high_j
    assert high_j - low_j > span_j
    assert record["energy"]["provenance"] == "estimated"
    assert record["energy"]["unavailable"] == []
    assert record["channels"][0]["coverage"] < 0.2


def test_power_alone_says_that_it_knows_little_of_a_cell_that_holds_the_interpreter(tmp_path, started, library):
    control = tmp_path / "control"
    gpu = nvml.Gpu(low_w=60.0, high_w=240.0, period_s=5.0, architecture=nvml.PASCAL, major=6, has_counter=False)
    machine = nvml.Machine([gpu])
    machine.write(control)
    environment = nvml.environment(nvml.build(tmp_path / "lib"), control)
    kernel = started(**environment, GREENLLM_USE_METERS="nvml")
    load(kernel, library)
    kernel.run(AFTER_A_READING.format(SHORTLY_S), timeout=HELD_S + 60.0)
    record, truth_j = settled(kernel), true_energy_j(kernel, machine)
    is_read = record["energy"]["gross_j"] is not None
    assert record["energy"]["unavailable"] == ([] if is_read else [machine.channel_id(0)])
    assert record["channels"][0]["coverage"] < 0.2
    assert "of the time only" in record["channels"][0]["fault"] or record["energy"]["gross_j"] is None
    if record["energy"]["gross_j"] is not None:
        low_j, high_j = record["energy"]["interval_j"]
        assert low_j <= truth_j <= high_j
        assert record["energy"]["provenance"] == "estimated"


def test_a_cell_that_starts_processes_of_every_sort_is_measured_once(started):
    kernel = started(PYTHONWARNINGS="ignore::DeprecationWarning")
    kernel.run("%%energy -q\nimport multiprocessing, os, subprocess, sys, time\ntime.sleep(1.0)")
    outcome = kernel.run(
        "%%energy -o window forks\n"
        "from greenllm_kernel import measure\n"
        "def work(number):\n"
        "    with measure(f'child {number}'):\n"
        "        time.sleep(0.3)\n"
        "    return number\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    numbers = pool.map(work, range(4))\n"
        "    pool.close()\n"
        "    pool.join()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "subprocess.run([sys.executable, '-c', 'pass'], check=True)\n"
        "numbers",
        timeout=60.0,
    )
    assert outcome.result == "[0, 1, 2, 3]"
    record = settled(kernel)
    assert record["energy"]["unavailable"] == []
    kernel.close()
    records = {found.name: found for found in Ledger(kernel.ledger).records()}
    assert {"forks", *(f"child {number}" for number in range(4))} <= set(records)
    sessions = {found.session_id for name, found in records.items() if name.startswith("child")}
    assert record["session_id"] not in sessions
    assert records["forks"].session_id == record["session_id"]
