"""``python tests/gpu``: its analysis on a simulated card of known power, its load on a simulated CUDA, its exits."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu import load_worker
from gpu.load import TorchLoad
from gpu.plan import FULL, WHOLE_S
from gpu.recorder import Recording
from gpu.truth import Folded, lag_s, ticks
from gpu.windows import wilson
from standins import nvml
from standins.nvml import Gpu, Machine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in is a Linux library")

COMMAND = Path(__file__).parents[1] / "gpu"

PERIOD_S, WINDOW_S, LATENCY_S, BUSY_W, IDLE_W = 0.02, 0.01, 0.0004, 500.0, 90.0


@dataclass(frozen=True)
class Ended:
    """The command, run in short on a simulated card."""

    code: int
    said: str
    folder: Path
    result: dict[str, Any]

    def phase(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.result["phases"][name]
        assert found["status"] == "ok", found["error"]
        data: dict[str, Any] = found["data"]
        return data


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("gpu")
    card = {
        "counter_period_s": PERIOD_S,
        "power_period_s": PERIOD_S,
        "power_window_s": WINDOW_S,
        "latency_s": LATENCY_S,
        "low_w": IDLE_W,
        "high_w": IDLE_W,
    }
    command = [sys.executable, str(COMMAND), "--simulated", "--short", "--card", json.dumps(card)]
    done = subprocess.run([*command, "--output", str(folder)], capture_output=True, text=True, timeout=120)
    (written,) = folder.glob("*.json")
    return Ended(done.returncode, done.stdout + done.stderr, folder, json.loads(written.read_text()))


def test_every_phase_ends_well_and_the_results_are_named_after_card_driver_and_day(ended: Ended) -> None:
    assert ended.code == 0, ended.said
    assert list(ended.result["phases"]) == ["idle", "sensor", "waves", "coverage", "overhead", "share"]
    (written,) = ended.folder.glob("*.json")
    assert written.name.startswith("simulated-nvidia-h200-580.00.00-20")
    assert ended.result["simulated"] is True
    assert ended.result["card"]["name"] == "NVIDIA H200"


def test_there_is_a_picture_where_matplotlib_is(ended: Ended) -> None:
    pytest.importorskip("matplotlib")
    (picture,) = ended.folder.glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_idle_power_is_what_the_card_draws(ended: Ended) -> None:
    for levels in (ended.phase("idle")["without_context"], ended.phase("idle")["with_context"]):
        assert levels["counter_w"] == pytest.approx(IDLE_W, rel=0.05)
        assert levels["instant_w"] == pytest.approx(IDLE_W, rel=0.01)
        assert levels["average_w"] == pytest.approx(IDLE_W, rel=0.01)


def test_refresh_periods_and_latencies_are_those_of_the_card(ended: Ended) -> None:
    sensor = ended.phase("sensor")
    assert sensor["idle"]["counter"]["period_s"] == pytest.approx(PERIOD_S, rel=0.1)
    assert sensor["loaded"]["counter"]["period_s"] == pytest.approx(PERIOD_S, rel=0.1)
    assert sensor["recorded"]["counter_j"]["period_s"] == pytest.approx(PERIOD_S, rel=0.1)
    for call in sensor["calls_ms"].values():
        assert 1e3 * LATENCY_S <= call["median"] < 10 * 1e3 * LATENCY_S
    assert LATENCY_S <= sensor["idle"]["latency_s"] < 10 * LATENCY_S


def test_the_counter_agrees_with_averages_and_aliases_with_instants_as_the_sampling_theorem_has_it(
    ended: Ended,
) -> None:
    fast, slow = ended.phase("waves")["waves"]
    mean_w = (IDLE_W + BUSY_W) / 2
    assert fast["period_s"] == PERIOD_S
    assert fast["mean_power_w"] == pytest.approx(mean_w, rel=0.02)
    # INSTANT sees the same half of each period of a wave as fast as itself; what it shows depends on the phase.
    least, most = mean_w / BUSY_W, mean_w / IDLE_W
    assert 0.99 * least <= fast["counter_over_instant"]["ratio"] <= 1.01 * most
    assert fast["counter_over_average"]["ratio"] == pytest.approx(1.0, abs=0.01)
    for name in ("counter_over_instant", "counter_over_average"):
        assert slow[name]["low"] < 1.0 < slow[name]["high"]
        assert slow[name]["ratio"] == pytest.approx(1.0, abs=0.05)


def simulated_card(coverage: dict[str, Any]) -> Machine:
    described = {name: value for name, value in coverage["simulated"]["gpu"].items() if value is not None}
    known = {name: described[name] for name in ("low_w", "high_w", "period_s", "phase_s", "duty")}
    return Machine([Gpu(**known)], epoch_ns=coverage["simulated"]["epoch_ns"])


def test_the_truth_told_from_the_counter_is_the_truth(ended: Ended) -> None:
    coverage = ended.phase("coverage")
    machine = simulated_card(coverage)
    assert len(coverage["windows"]) > 20
    for window in coverage["windows"]:
        true_j = machine.true_energy_j(0, window["opened_ns"], window["closed_ns"])
        assert window["truth_j"] == pytest.approx(true_j, abs=1.2)


def test_the_counter_does_not_lag_behind_a_simulated_load(ended: Ended) -> None:
    lag = ended.phase("coverage")["lag_s"]
    assert lag["rise"] == pytest.approx(0.0, abs=0.004)
    assert lag["fall"] == pytest.approx(0.0, abs=0.004)


def test_windows_are_judged_by_length(ended: Ended) -> None:
    coverage = ended.phase("coverage")
    assert coverage["unknown"] == 0
    assert [row["length_s"] for row in coverage["against_counter"]] == [0.05, 0.2, 1.0]
    for row in coverage["against_counter"]:
        # Of so few windows a share of 95 % may well show as three quarters, and no less.
        assert row["coverage"] >= 0.7
        assert row["coverage_interval"][0] < row["coverage"] <= row["coverage_interval"][1] + 1e-9
        assert row["zero"] == 0
        assert row["error_median"] <= row["error_p90"] <= row["error_max"]
    assert coverage["against_counter"][-1]["error_median"] < 0.01


def test_a_windows_cost_is_taken_beside_raw_reads(ended: Ended) -> None:
    cost = ended.phase("overhead")["window_ms"]
    assert 0.001 < cost["ours"]["median"] < 10
    assert cost["raw"]["median"] >= 2 * 1e3 * LATENCY_S


def test_whose_use_of_the_card_it_is_can_be_told(ended: Ended) -> None:
    share = ended.phase("share")
    assert share["works"] is True
    assert any(one["pid"] == share["load_pid"] for one in share["utilization"]["value"])


# The truth from a long recording.


def recorded(seconds: float, period_s: float, lag: float = 0.0, drift_w: float = 0.0) -> Recording:
    """Return 1 ms reads of a counter refreshed every 0.1 s that shows, late, a square wave of 100 and 500 W."""
    before_s = np.arange(0.0, seconds, 0.001)
    tick_s = np.floor(before_s / 0.1) * 0.1 - lag
    whole, part = np.divmod(tick_s, period_s)
    high_s = whole * period_s / 2 + np.minimum(part, period_s / 2)
    joules = 100.0 * tick_s + 400.0 * high_s + drift_w / seconds * tick_s**2 / 2
    return Recording(before_s * 1e9, before_s * 1e9 + 1e5, joules, joules * np.nan, joules * np.nan)


@pytest.mark.parametrize("drift_w", [0.0, 20.0])
def test_a_coarse_counter_shows_a_wave_finely_in_the_long_run(drift_w: float) -> None:
    period_s = 0.731
    folded = Folded(ticks(recorded(150.0, period_s, drift_w=drift_w)), period_s, 0.0)
    assert folded.mean_w == pytest.approx(300.0 + drift_w / 2, rel=0.01)
    for start_s in np.linspace(20.0, 120.0, 60):
        for length_s in (0.05, 0.2, 1.0):
            whole, part = np.divmod([start_s, start_s + length_s], period_s)
            high_s = np.diff(whole * period_s / 2 + np.minimum(part, period_s / 2))[0]
            true_j = 100.0 * length_s + 400.0 * high_s + drift_w / 150.0 * (start_s + length_s / 2) * length_s
            assert folded.energy_j(start_s * 1e9, (start_s + length_s) * 1e9) == pytest.approx(true_j, abs=1.0)


def test_a_counter_that_is_late_is_found_out() -> None:
    folded = Folded(ticks(recorded(150.0, 0.731, lag=0.05)), 0.731, 0.0)
    rise_s, fall_s = folded.bends_s()
    assert lag_s(rise_s, 0.0, 0.731) == pytest.approx(0.05, abs=0.003)
    assert lag_s(fall_s, 0.731 / 2, 0.731) == pytest.approx(0.05, abs=0.003)


def test_a_counter_that_stands_still_is_no_truth() -> None:
    still = recorded(5.0, 0.731)
    with pytest.raises(ValueError, match="did not move"):
        ticks(Recording(still.before_ns, still.after_ns, still.counter_j * 0, still.instant_w, still.average_w))


def test_a_shares_interval_stays_within_bounds() -> None:
    low, high = wilson(20, 20)
    assert 0.8 < low < high <= 1.0
    low, high = wilson(95, 100)
    assert low < 0.95 < high and high - low == pytest.approx(0.09, abs=0.01)


# The load.

CUDA = '''
"""What the load needs of PyTorch, over a card whose work is only a time to wait for."""
import json, os, time
bfloat16, __version__ = "torch.bfloat16", "a stand-in"
PRODUCT_S = 0.0001
done_s, work_s = time.monotonic(), []

def randn(*size, device, dtype): return size
empty = randn

def mm(left, right, out):
    global done_s
    started_s = max(done_s, time.monotonic())
    done_s = started_s + PRODUCT_S
    work_s.append((started_s, done_s))

def _wait(until_s): time.sleep(max(0.0, until_s - time.monotonic()))

class cuda:
    def is_available(): return True
    def get_device_capability(index): return (9, 0)
    def get_device_name(index): return "a card of the mind"
    def synchronize(): _wait(done_s)
    class Event:
        def record(self): self.done_s = done_s
        def synchronize(self): _wait(self.done_s)
'''


@pytest.fixture
def simulated_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TorchLoad]:
    (tmp_path / "torch.py").write_text(textwrap.dedent(CUDA))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    load = TorchLoad(None)
    yield load
    load.kill()


@pytest.mark.parametrize("period_s", [0.01, 0.1])
def test_the_load_is_a_square_wave_on_its_grid(simulated_cuda: TorchLoad, period_s: float) -> None:
    facts = simulated_cuda.start()
    assert facts["dtype"] == "bfloat16"
    simulated_cuda.begin(period_s, 0.5, 1.0)
    wave = simulated_cuda.finish()
    assert len(wave.on_ns) == len(wave.off_ns) == round(1.0 / period_s)
    late_ms = [(on - wave.start_ns) / 1e6 - number * period_s * 1e3 for number, on in enumerate(wave.on_ns)]
    assert sorted(late_ms)[len(late_ms) // 2] < 1.0
    assert wave.duty == pytest.approx(0.5, abs=0.15)


def test_a_load_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = CUDA.replace("def is_available(): return True", "def is_available(): return False")
    (tmp_path / "torch.py").write_text(textwrap.dedent(broken))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    load = TorchLoad(None)
    with pytest.raises(RuntimeError, match="has no CUDA"):
        load.start()
    load.kill()


def test_a_load_without_pytorch_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    load = TorchLoad(None)
    with pytest.raises(RuntimeError, match="no torch here"):
        load.start()
    load.kill()


def test_the_load_waits_for_its_instants_to_a_fraction_of_a_millisecond() -> None:
    late_ms = []
    for _ in range(10):
        due_ns = time.monotonic_ns() + 3_000_000
        load_worker._wait_until(due_ns)
        late_ms.append((time.monotonic_ns() - due_ns) / 1e6)
    assert 0 <= sorted(late_ms)[5] < 0.5


# Its ends.


def test_without_a_card_it_says_so_and_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / nvml.LIBRARY).write_text("not a library")
    env = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, str(COMMAND)], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "There is nothing to measure" in done.stderr
    assert not (COMMAND / "results").exists() or not list((COMMAND / "results").glob("simulated*"))


def test_a_phase_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    # A card older than Volta has no energy counter: nothing to fold, and INSTANT is not there.
    card = json.dumps({"has_counter": False, "has_fields": False, "architecture": nvml.PASCAL, "major": 6})
    program = f"""
        import sys
        sys.path[:0] = [{str(COMMAND.parent)!r}, {str(COMMAND)!r}]
        import gpu.plan, runpy
        from dataclasses import replace
        gpu.plan.SHORT = replace(
            gpu.plan.SHORT, characterize_s=0.3, wave_periods_s=(0.5,), wave_s=1.6, coverage_s=4.0, windows={{0.2: 2}},
            budgets_s={{**gpu.plan.SHORT.budgets_s, "overhead": 0.2}},
        )
        sys.argv = ["gpu", "--short", "--simulated", "--output", {str(tmp_path)!r}, "--card", {card!r}]
        runpy.run_path({str(COMMAND / "__main__.py")!r}, run_name="__main__")
    """
    machine = Machine([Gpu(low_w=90.0, high_w=90.0, **json.loads(card))])
    machine.write(control := tmp_path / "machine")
    env = nvml.environment(nvml.build(tmp_path / "nvml"), control)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=env, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 1, done.stderr
    (written,) = tmp_path.glob("*.json")
    phases = json.loads(written.read_text())["phases"]
    assert phases["coverage"]["status"] == "failed"
    assert phases["overhead"]["status"] == "given up"
    assert "longer than 0 s" in phases["overhead"]["error"]
    assert phases["share"]["status"] == "ok"
    levels = phases["idle"]["data"]["without_context"]
    assert levels["counter_w"] is None
    assert levels["average_w"] == pytest.approx(90.0, rel=0.01)


def test_all_phases_together_stay_below_eight_minutes() -> None:
    assert sum(FULL.budgets_s.values()) <= WHOLE_S < 480
    assert math.isclose(sum(FULL.windows.values()), 255)


def test_only_reading_functions_of_the_driver_are_called() -> None:
    setting = ("nvmlDeviceSet", "nvmlDeviceReset", "nvmlDeviceClear", "nvmlDeviceModify", "nvidia-smi")
    for path in COMMAND.glob("*.py"):
        text = path.read_text(encoding="utf-8").replace("nvidia-smi's order", "")
        assert not [word for word in setting if word in text], path
