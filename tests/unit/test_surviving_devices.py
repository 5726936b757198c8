"""Drivers that are loaded anew and sensors that give nonsense, below whole sessions: real meters on stand-ins."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.plugins import Plugins
from greenllm_plugins.meters import nvml as nvml_plugin
from greenllm_plugins.meters.rapl import open_rapl
from nvml_driver import Driver, started
from sessions import Recorder
from standins import nvml
from standins.nvml import Gpu, Machine
from standins.rapl import INTEL, SERVER, SPAN_UJ, Tree, build

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-ins are Linux's")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    running = started(nvml.build(tmp_path_factory.mktemp("nvml")))
    running.on(Machine([Gpu()]), windows, str(running.control), (), (0.1,))  # what is imported there takes its time
    yield running
    running.pool.shutdown(cancel_futures=True)


@dataclass
class Measured:
    """A window: its record as JSON, and its edges."""

    record: dict[str, Any]
    opened_ns: int
    closed_ns: int

    def holds(self, truth_j: float) -> bool:
        low_j, high_j = self.record["energy"]["interval_j"]
        return bool(low_j <= truth_j <= high_j)


def windows(control: str, changes: Sequence[tuple[float, Machine]], seconds: Sequence[float]) -> list[Measured]:
    """Measure windows one after the other; in the first one the machine changes, so long after it opened."""
    plugins = Plugins(found=[])
    plugins.register(nvml_plugin, "nvml")
    session = Session(Configuration(), plugins)
    session.find_meters()
    found = []
    for number, duration_s in enumerate(seconds):
        with measure(session=session) as run:
            began = time.monotonic()
            for at_s, machine in changes if number == 0 else ():
                time.sleep(max(0.0, began + at_s - time.monotonic()))
                machine.write(Path(control))
            time.sleep(max(0.0, began + duration_s - time.monotonic()))
        found.append(Measured(run.settle(8.0).to_dict(), run.opened_ns, run.closed_ns or 0))
    session.close(3.0)
    return found


def test_a_driver_that_is_loaded_anew_is_read_again_and_what_it_hid_is_said(driver: Driver) -> None:
    machine = Machine([Gpu(low_w=150.0, high_w=250.0)], unloaded_s=(1.4, 2.4))
    during, after = driver.on(machine, windows, str(driver.control), (), (3.2, 0.8))
    assert during.holds(machine.true_energy_j(0, during.opened_ns, during.closed_ns))
    (channel,) = during.record["channels"]
    # It is tried anew each second, so that up to another second is lost.
    assert 0.35 < channel["coverage"] < 0.75
    assert "of the time only" in channel["fault"]
    assert during.record["energy"]["by_provenance_j"]["estimated"] > 0
    assert during.record["energy"]["unavailable"] == []
    truth_j = machine.true_energy_j(0, after.opened_ns, after.closed_ns)
    assert after.record["energy"]["gross_j"] == pytest.approx(truth_j, rel=0.05)
    assert after.record["energy"]["provenance"] == "measured"
    assert after.holds(truth_j)


def test_a_gpu_that_was_lost_and_returns_has_counted_on(driver: Driver) -> None:
    machine = Machine([Gpu(low_w=150.0, high_w=450.0, period_s=0.7)])
    lost = replace(machine, gpus=[replace(machine.gpus[0], lost_at_s=0.0)])
    (window,) = driver.on(machine, windows, str(driver.control), ((0.8, lost), (1.8, machine)), (2.6,))
    truth_j = machine.true_energy_j(0, window.opened_ns, window.closed_ns)
    assert window.record["energy"]["gross_j"] == pytest.approx(truth_j, rel=0.03)
    assert window.holds(truth_j)
    assert window.record["energy"]["provenance"] == "measured"


def test_a_gpu_that_shows_all_bits_set_is_not_believed(driver: Driver) -> None:
    absurd_w = 0xFFFFFFFF / 1e3
    machine = Machine([Gpu(low_w=absurd_w, high_w=absurd_w), Gpu(low_w=200.0, high_w=200.0)])
    (window,) = driver.on(machine, windows, str(driver.control), (), (1.5,))
    absurd, good = window.record["channels"]
    assert good["energy_j"] == pytest.approx(300.0, rel=0.05)
    assert absurd["energy_j"] is None or (absurd["provenance"] == "estimated" and absurd["energy_j"] < 1500.0)
    assert absurd["fault"]
    assert window.record["energy"]["unavailable"] == ([absurd["id"]] if absurd["energy_j"] is None else [])


# RAPL.

SHOW = "intel-rapl:0"


@contextmanager
def showing(tree: Tree, text_at: Callable[[float], str]) -> Iterator[None]:
    """Let a zone's counter show a text, by the seconds since now."""
    over = threading.Event()
    file = os.open(tree.zones[SHOW] / "energy_uj", os.O_WRONLY)
    began = time.monotonic()

    def show() -> None:
        text = text_at(time.monotonic() - began).encode()
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))

    def show_on() -> None:
        while not over.wait(0.001):
            show()

    show()
    thread = threading.Thread(target=show_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        os.close(file)


def in_uj(joules: float) -> str:
    return f"{int(joules * 1e6):015d}\n"


def package_record(tree: Tree, text_at: Callable[[float], str], seconds: float) -> Any:
    """Measure a window while the first package shows these texts; return its part of the record, and the length."""
    meter = open_rapl(tree.root, INTEL)
    plugins = Plugins(found=[])
    plugins.register(Recorder(meter), "recorder")
    session = Session(Configuration(), plugins)
    with showing(tree, text_at):
        session.find_meters()
        with measure(session=session) as run:
            time.sleep(seconds)
        record = run.settle()
        session.close(3.0)
    (package,) = [channel for channel in record.channels if channel.channel_id == "cpu:package-0"]
    return package, record.duration_s


@pytest.mark.parametrize("nonsense", ["", "-5\n", "99999999999999999999999\n", "0\n"])
def test_a_package_whose_file_holds_nonsense_for_a_while_is_right_all_the_same(tmp_path: Path, nonsense: str) -> None:
    tree = build(tmp_path, SERVER)
    package, duration_s = package_record(
        tree, lambda t_s: nonsense if 0.5 < t_s < 0.9 else in_uj(5000.0 + 80.0 * t_s), 1.3
    )
    assert package.energy.value_j == pytest.approx(80.0 * duration_s, rel=0.05)
    low_j, high_j = package.energy.interval_j
    assert low_j < 80.0 * duration_s < high_j


@pytest.mark.parametrize("span_uj", [None, 0])
def test_a_package_that_turns_without_saying_at_what_is_bridged(tmp_path: Path, span_uj: int | None) -> None:
    """``max_energy_range_uj`` is missing, or makes no sense: the counter's way back to 0 is then taken for a reset."""
    tree = build(tmp_path, SERVER, span_uj)
    turn_j = SPAN_UJ * 1e-6
    package, duration_s = package_record(tree, lambda t_s: in_uj((turn_j - 60.0 + 80.0 * t_s) % turn_j), 1.4)
    assert package.energy.value_j == pytest.approx(80.0 * duration_s, rel=0.1)
    low_j, high_j = package.energy.interval_j
    assert low_j < 80.0 * duration_s < high_j
    assert package.energy.provenance == "estimated"


def test_a_package_that_turns_where_it_says_is_measured(tmp_path: Path) -> None:
    tree = build(tmp_path, SERVER)
    turn_j = SPAN_UJ * 1e-6
    package, duration_s = package_record(tree, lambda t_s: in_uj((turn_j - 60.0 + 80.0 * t_s) % turn_j), 1.4)
    assert package.energy.value_j == pytest.approx(80.0 * duration_s, rel=0.05)
    assert package.energy.provenance == "measured"
    assert package.fault is None
