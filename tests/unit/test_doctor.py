"""The doctor: the real command on machines without sensors, on simulated GPUs, and on RAPL trees of every kind."""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from command_line import POWER_W, CommandLine, Finished, finished
from greenllm_kernel.accounting.ledger import Ledger
from standins import nvml, rapl
from standins.nvml import Gpu, Machine
from standins.rapl import LAPTOP, SERVER, SPAN_UJ, Tree

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-ins are Linux's")


@pytest.fixture
def greenllm(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def findings(done: Finished) -> dict[str, Any]:
    """Return what the doctor said as JSON."""
    assert done.code in (0, 1), done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def channels(found: Mapping[str, Any], meter: str) -> dict[str, dict[str, Any]]:
    """Return a meter's channels by their ids."""
    (named,) = (one for one in found["meters"] if one["name"] == meter)
    return {channel["id"]: channel for channel in named["channels"]}


def warnings(found: Mapping[str, Any], meter: str) -> list[str]:
    return [warning for one in found["meters"] if one["name"] == meter for warning in one["warnings"]]


# What is not measured.


def test_doctor_reads_every_meter_and_says_what_is_wrong_with_the_others(greenllm: CommandLine) -> None:
    greenllm.env.pop("GREENLLM_CONFIG")
    done = greenllm.run("doctor", "--no-measure")
    assert done.code == 0
    assert re.search(r"✓ cpu_model: works|✓ rapl: works", done.out)
    assert re.search(r"\d W .*in 1\.\d s", done.out)
    assert "✓ ledger:" in done.out
    assert re.search(r"plugins: .*codecarbon_data, ", done.out)
    assert "place: world" in done.out
    assert "GREENLLM_PLACE" in done.out
    for word in ("kernel Python 3 (GreenLLM)", "sidebar"):
        assert word in done.out
    assert "a read takes" not in done.out
    assert "What measuring costs" not in done.out
    with Ledger(greenllm.ledger) as ledger:
        assert ledger.records() == []


def test_doctor_names_what_was_chosen_and_what_cannot_be_used(greenllm: CommandLine) -> None:
    (greenllm.folder / "file").write_text("")
    greenllm.env["GREENLLM_LEDGER"] = str(greenllm.folder / "file" / "ledger.sqlite")
    greenllm.env["GREENLLM_PLACE"] = "FRX"
    done = greenllm.run("doctor", "--no-measure")
    assert done.code == 0
    assert "✓ virtual: works" in done.out
    assert "use_meters = ['virtual']" in done.out
    assert "place = FRX" in done.out
    assert "did you mean 'FR' (France)" in done.out
    assert "✗ the ledger" in done.out


def test_doctor_fails_where_nothing_can_be_metered(greenllm: CommandLine) -> None:
    greenllm.env["GREENLLM_USE_METERS"] = "abacus"
    done = greenllm.run("doctor")
    assert done.code == 1
    assert "no meter was found" in done.out
    assert findings(greenllm.run("doctor", "--json", "--no-measure"))["meters"] == []


def test_doctor_goes_on_where_the_settings_are_broken(greenllm: CommandLine) -> None:
    (greenllm.folder / "greenllm.toml").write_text("colour = 'green'\nplace = 'FR'")
    done = greenllm.run("doctor", "--no-measure")
    assert "✗ unknown setting 'colour'" in done.out
    assert "place = FR" in done.out
    assert "✓ place: FR" in done.out


def test_doctor_does_not_tick_a_file_that_is_named_and_not_there_nor_a_place_that_is_not_known(
    greenllm: CommandLine,
) -> None:
    greenllm.env |= {"GREENLLM_CONFIG": str(greenllm.folder / "none.toml"), "GREENLLM_PLACE": "XX"}
    done = greenllm.run("doctor", "--no-measure")
    assert re.search(r"✗ there is no file .*none\.toml, which GREENLLM_CONFIG names", done.out)
    assert "✓ file" not in done.out
    assert "✗ place: XX is not known, so world is used" in done.out
    assert "✓ place" not in done.out


def test_doctor_tells_of_every_meter_and_which_there_are(greenllm: CommandLine) -> None:
    greenllm.env["GREENLLM_USE_METERS"] = "virtual,abacus"
    done = greenllm.run("doctor", "--no-measure")
    (silent,) = (line for line in done.out.splitlines() if "nothing of the kind here" in line)
    (unused,) = (line for line in done.out.splitlines() if "not in use_meters" in line)
    assert "battery" in silent
    assert "cpu_model" in unused
    (said,) = (line for line in done.out.splitlines() if "there is no meter 'abacus'" in line)
    for meter in ("amdsmi", "apple", "battery", "cpu_model", "hwmon", "nvml", "rapl", "virtual"):
        assert meter in said
        assert meter in done.out
    assert "ledger" not in said
    assert [line for line in done.out.splitlines() if line != line.rstrip()] == []


def test_a_meter_that_hangs_while_it_is_measured_is_said_and_does_not_hang_the_doctor(greenllm: CommandLine) -> None:
    # By then the session has looked for 3 s and measured its own cost for 1 s.
    epoch_ns = time.monotonic_ns()
    settings = greenllm.folder / "greenllm.toml"
    settings.write_text(
        settings.read_text().replace(
            "[[meters", f"[meters.virtual]\nepoch_ns = {epoch_ns}\nhangs_s = [[6.5, 300.0]]\n[[meters", 1
        )
    )
    began = time.monotonic()
    found = findings(greenllm.run("doctor", "--json"))
    assert time.monotonic() - began < 60
    assert channels(found, "virtual")["gpu:virtual"]["energy_j"] > 0
    said = warnings(found, "virtual")
    assert any("virtual did not answer for 5 s and was given up" in warning for warning in said)


# What is measured.


def test_the_virtual_meter_is_described_as_it_was_made_and_the_tool_states_its_own_cost(greenllm: CommandLine) -> None:
    done = greenllm.run("doctor")
    assert done.code == 0
    assert re.search(r"counter refreshed every +(99(\.\d)?|10[01]) ms, \S+ ms to \S+ ms \(100 ms\)", done.out)
    assert re.search(r"opening and closing a window: [\d.]+ .s in the cell's thread", done.out)
    assert re.search(r"reading while a window is open: [\d.]+ % of a core", done.out)
    power = re.search(r"gpu +([\d.]+) W ", done.out)
    assert power is not None
    assert float(power[1]) == pytest.approx(POWER_W, rel=0.1)
    with Ledger(greenllm.ledger) as ledger:
        assert ledger.records() == []


@LINUX
def test_a_machine_without_sensors_says_so_and_how_far_its_estimates_go(greenllm: CommandLine) -> None:
    library = greenllm.folder / nvml.LIBRARY
    library.write_text("not a library")
    powercap = greenllm.folder / "no" / "powercap"
    (greenllm.folder / "greenllm.toml").write_text(f'[meters.rapl]\nroot = "{powercap}"')
    greenllm.env |= {"LD_LIBRARY_PATH": str(greenllm.folder), "GREENLLM_USE_METERS": "nvml,rapl,cpu_model,ram_model"}
    done = greenllm.run("doctor")
    assert done.code == 0
    assert "✗ nvml: there is no NVIDIA driver on this machine" in done.out
    assert "install its driver" in done.out
    assert f"✗ rapl: there is no {powercap} on this machine" in done.out
    assert "the CPU is estimated instead" in done.out
    assert "estimated" in done.row("cpu:model")
    assert done.row("dram:model").split()[0] == "Memory,"
    assert "a read takes" in done.out
    assert "refreshed every" not in done.out
    assert "noise" not in done.out
    assert "✓ opening and closing a window" in done.out


@dataclass
class Simulated:
    """A machine with two GPUs: a busy one as its plugin expects it, and a steady one of another kind."""

    machine: Machine
    found: dict[str, Any] = field(default_factory=dict)

    def measured(self, index: int) -> dict[str, Any]:
        measured: dict[str, Any] = channels(self.found, "nvml")[self.machine.channel_id(index)]["measured"]
        return measured


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    folder = tmp_path_factory.mktemp("nvml")
    waves = {"sine": True, "low_w": 100.0, "high_w": 500.0, "period_s": 1.87}
    steady = {"low_w": 90.0, "high_w": 90.0, "counter_period_s": 0.02, "power_period_s": 0.02}
    machine = Machine([Gpu(**waves, latency_s=0.002, counter_phase_s=0.03), Gpu(**steady, mig=True)])
    machine.write(control := folder / "machine")
    standin = nvml.environment(nvml.build(folder), control)
    changed = {name: value for name, value in standin.items() if os.environ.get(name) != value}
    greenllm = CommandLine(folder, {**changed, "GREENLLM_USE_METERS": "nvml"})
    return Simulated(machine, findings(greenllm.run("doctor", "--json")))


@LINUX
def test_a_gpus_refresh_period_is_measured_beside_the_declared_one(simulated: Simulated) -> None:
    measured = simulated.measured(0)
    for kind in ("counter", "power"):
        assert measured[kind]["period_s"] == pytest.approx(0.1, rel=0.05)
        assert measured[kind]["low_s"] <= measured[kind]["period_s"] <= measured[kind]["high_s"]
    assert measured["declared"]["update_period_s"] == 0.1
    assert not any(" #0: " in warning for warning in warnings(simulated.found, "nvml"))


@LINUX
def test_how_long_a_read_takes_is_measured(simulated: Simulated) -> None:
    measured = simulated.measured(0)
    assert 0.002 <= measured["latency_s"] <= measured["latency_p95_s"]
    assert measured["latency_s"] < 0.006
    assert simulated.measured(1)["latency_s"] < 0.001


@LINUX
def test_the_counter_agrees_with_integrated_power_within_a_stated_interval(simulated: Simulated) -> None:
    agreement = simulated.measured(0)["agreement"]
    assert agreement["low"] < 1.0 < agreement["high"]
    assert agreement["ratio"] == pytest.approx(1.0, abs=0.05)
    assert agreement["high"] - agreement["low"] < 0.2
    steady = simulated.measured(1)["agreement"]
    assert steady["ratio"] == pytest.approx(1.0, abs=0.01)


@LINUX
def test_noise_is_told_apart_from_work(simulated: Simulated) -> None:
    busy, steady = simulated.measured(0), simulated.measured(1)
    assert busy["noise_w"] == pytest.approx(400 / 2 / 2**0.5, rel=0.15)
    assert busy["is_idle"] is False
    assert steady["noise_w"] == pytest.approx(0.0, abs=0.1)
    assert steady["mean_power_w"] == pytest.approx(90.0, rel=0.02)
    assert steady["smallest_step_j"] == pytest.approx(90.0 * 0.02, rel=0.01)


@LINUX
def test_what_contradicts_the_declaration_is_said(simulated: Simulated) -> None:
    (warning,) = warnings(simulated.found, "nvml")
    assert re.search(r"its counter is refreshed every (19\.\d|20(\.\d)?) ms, not every 100 ms", warning)


@LINUX
def test_the_label_says_that_the_figure_is_the_whole_cards(simulated: Simulated) -> None:
    labels = [channel["label"] for channel in channels(simulated.found, "nvml").values()]
    assert "whole card, shared by MIG" in labels[1]


@LINUX
def test_the_tools_own_cost_is_plausible(simulated: Simulated) -> None:
    cost = simulated.found["own_cost"]
    assert 1e-6 < cost["window_s"] < 0.02
    assert 0 < cost["sampler_share"] < 0.1


@contextmanager
def drawn(tree: Tree, power_w: Mapping[str, float], before_the_end_j: float) -> Iterator[list[float]]:
    """Let counters run at these powers, W, from shortly before their end on; give how long each round took, s."""
    span_j = SPAN_UJ * 1e-6
    over, rounds_s, start = threading.Event(), [], time.monotonic()

    def draw() -> None:
        before = time.monotonic()
        while not over.wait(0.004):
            for zone, zone_w in power_w.items():
                tree.set_j(zone, (span_j - before_the_end_j + zone_w * (time.monotonic() - start)) % span_j)
            before, last = time.monotonic(), before
            rounds_s.append(before - last)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        yield rounds_s
    finally:
        over.set()
        thread.join()


def on_tree(greenllm: CommandLine, tree: Tree) -> CommandLine:
    (greenllm.folder / "greenllm.toml").write_text(f'use_meters = ["rapl"]\n[meters.rapl]\nroot = "{tree.root}"')
    return greenllm


@LINUX
def test_a_board_with_its_package_is_measured_and_counted_once_over_wraps(greenllm: CommandLine) -> None:
    tree = rapl.build(greenllm.folder / "rapl", LAPTOP)
    power_w = {"intel-rapl:0": 20.0, "intel-rapl:0:0": 12.0, "intel-rapl:0:1": 2.0, "intel-rapl:1": 35.0}

    with drawn(tree, power_w, before_the_end_j=50.0) as rounds_s:
        found = findings(on_tree(greenllm, tree).run("doctor", "--json"))

    read = channels(found, "rapl")
    assert set(read) == {"cpu:package-0", "cpu:package-0:core", "cpu:package-0:uncore", "platform:psys"}
    for key, zone_w in {"cpu:package-0": 20.0, "cpu:package-0:core": 12.0, "platform:psys": 35.0}.items():
        assert read[key]["power_w"] == pytest.approx(zone_w, rel=0.05)
        assert read[key]["measured"]["mean_power_w"] == pytest.approx(zone_w, rel=0.05)
        assert read[key]["measured"]["setbacks"] == 0
        assert read[key]["measured"]["counter"]["period_s"] == pytest.approx(median(rounds_s), rel=0.3)
        assert read[key]["measured"]["agreement"] is None
    assert [key for key, channel in read.items() if channel["counted"]] == ["platform:psys"]
    assert any("not every 1 ms as its plugin declares" in warning for warning in warnings(found, "rapl"))


@LINUX
def test_a_counter_that_stands_still_is_said(greenllm: CommandLine) -> None:
    tree = rapl.build(greenllm.folder / "rapl", SERVER)
    with drawn(tree, {"intel-rapl:0": 20.0, "intel-rapl:0:0": 5.0, "intel-rapl:1": 20.0}, 1000.0):
        done = on_tree(greenllm, tree).run("doctor")
    assert done.code == 0
    assert "its counter stands still" in done.row("dram:package-1")
    assert "20.0 W" in done.row("cpu:package-0")


def without_roots_privileges() -> None:
    """Give up what lets root read what permissions forbid (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH; prctl(2))."""
    if os.geteuid() == 0:
        libc, drop = ctypes.CDLL(None), 24
        for capability in (1, 2):
            libc.prctl(drop, capability, 0, 0, 0)


def run_as_a_user(greenllm: CommandLine, *arguments: str) -> Finished:
    return finished(greenllm.start("doctor", *arguments, preexec_fn=without_roots_privileges))


@LINUX
def test_counters_that_may_not_be_read_come_with_the_rule_that_opens_them_and_the_risk(greenllm: CommandLine) -> None:
    tree = rapl.build(greenllm.folder / "rapl", SERVER)
    for zone in tree.zones.values():
        (zone / "energy_uj").chmod(0)
    done = run_as_a_user(on_tree(greenllm, tree))
    assert done.code == 1
    assert "only root may read it" in done.row("✗ rapl:")
    for fix in ("sudo chmod a+r", "/etc/udev/rules.d/70-rapl.rules", 'SUBSYSTEM=="powercap"', "group power"):
        assert fix in done.out
    assert "CVE-2020-8694" in done.out
    assert "✓ opening and closing a window" in done.out


@LINUX
def test_one_counter_that_may_not_be_read_comes_with_its_fix_while_the_others_work(greenllm: CommandLine) -> None:
    tree = rapl.build(greenllm.folder / "rapl", SERVER)
    (tree.zones["intel-rapl:0:0"] / "energy_uj").chmod(0)
    with drawn(tree, {"intel-rapl:0": 20.0, "intel-rapl:1": 20.0, "intel-rapl:1:0": 5.0}, 1000.0):
        found = findings(run_as_a_user(on_tree(greenllm, tree), "--json", "--no-measure"))
    read = channels(found, "rapl")
    assert read["dram:package-0"]["energy_j"] is None
    assert "only root may read it" in read["dram:package-0"]["fault"]
    assert read["cpu:package-0"]["energy_j"] > 0
    (meter,) = found["meters"]
    assert "70-rapl.rules" in meter["remedy"]
    assert "CVE-2020-8694" in meter["remedy"]
