"""What is measured of a card, a phase each: it returns plain data, and raises where it cannot go on."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpu.calls import calls_ms, power_samples, spread
from gpu.card import Card
from gpu.load import Load, SimulatedLoad, Wave
from gpu.plan import Plan
from gpu.recorder import Recorder, Recording
from gpu.truth import Folded, lag_s, ticks
from gpu.windows import judged, measure_windows
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.characterization.agreement import agreement
from greenllm_kernel.metering.characterization.characterize import Polling
from greenllm_kernel.metering.characterization.refresh import refresh, refreshed
from greenllm_kernel.metering.meter import AttributingMeter, Channel, Meter, UnusableMeter

COST = Path(__file__).with_name("window_cost.py")

FINE_S = 0.001
"""Spacing of the reads that see a refresh, s."""

COARSE_S = 0.01
"""Spacing of the reads of an idle card, s: reading itself takes power."""

AVERAGE_WINDOW_S = 1.0
"""What AVERAGE power averages over, s (NVML's reference manual, nvmlDeviceGetPowerUsage)."""


@dataclass
class Bench:
    """The card, its load, and what phases leave for later ones.

    Attributes:
        card: under test.
        load: what makes it draw power.
        plan: how long things take.
        folder: for temporary files.
        periods_s: by column of a recording, its refresh period, s, as measured.
        load_facts: what the load said of itself when it started; None before.
    """

    card: Card
    load: Load
    plan: Plan
    folder: Path
    periods_s: dict[str, float] = field(default_factory=dict)
    load_facts: Mapping[str, Any] | None = None

    def loaded(self) -> Load:
        """Return the load, started."""
        if self.load_facts is None:
            self.load_facts = self.load.start()
        return self.load

    def record(self, seconds: float, spacing_s: float = FINE_S) -> Recorder:
        """Begin to record."""
        return Recorder(self.card.index, seconds, spacing_s, self.folder)

    @property
    def channel_id(self) -> str:
        """Id of the card's channel in our meter."""
        return f"gpu:{self.card.uuid}"


def idle(bench: Bench) -> dict[str, Any]:
    """Power of the idle card, before and after something has made a CUDA context on it."""
    before = _levels(bench.record(bench.plan.idle_s, COARSE_S).finish())
    bench.loaded()
    time.sleep(bench.plan.settle_s)
    return {
        "without_context": before,
        "with_context": _levels(bench.record(bench.plan.idle_s / 2, COARSE_S).finish()),
        "load": bench.load_facts,
    }


def sensor(bench: Bench) -> dict[str, Any]:
    """Refresh periods and latencies as our meter sees them, idle and under load, and of single calls of NVML's."""
    seconds = bench.plan.characterize_s
    data: dict[str, Any] = {
        "calls_ms": calls_ms(bench.card.index, bench.plan.calls),
        "samples": _tried(lambda: power_samples(bench.card.index)),
    }
    data["idle"] = _characterized(bench)
    load = bench.loaded()
    # A wave of an odd period: every refresh shows another power.
    load.begin(0.737, 0.5, 2 * seconds + bench.plan.settle_s + 1.0)
    time.sleep(bench.plan.settle_s / 2)
    data["loaded"] = _characterized(bench)
    under_load = bench.record(seconds).finish()
    wave = load.finish()
    under_load = under_load.between(wave.start_ns, wave.end_ns)
    data["recorded"] = {}
    for column in ("counter_j", "instant_w", "average_w"):
        found = refresh(under_load.samples(column))
        data["recorded"][column] = asdict(found)
        if found.period_s is not None:
            bench.periods_s[column] = found.period_s
    data["recorder_call_ms"] = spread((under_load.after_ns - under_load.before_ns) / 1e6)
    return data


def waves(bench: Bench) -> dict[str, Any]:
    """The counter against the integral of INSTANT and of AVERAGE power on square waves."""
    load, plan = bench.loaded(), bench.plan
    rows = []
    for period_s in plan.wave_periods_s:
        load.begin(period_s, 0.5, plan.wave_s)
        recording = bench.record(plan.wave_s - 0.2).finish()
        wave = load.finish()
        recording = recording.between(wave.start_ns + plan.settle_s * 1e9, wave.end_ns)
        counts = recording.samples("counter_j")
        row: dict[str, Any] = {"period_s": period_s, "duty": wave.duty}
        row["mean_power_w"] = _mean_w(counts)
        for name, window_s in (("instant_w", None), ("average_w", AVERAGE_WINDOW_S)):
            power_period_s = bench.periods_s.get(name, 0.1)
            found = agreement(
                counts,
                recording.samples(name),
                bench.periods_s.get("counter_j", 0.1),
                power_period_s,
                min(0.025, power_period_s) if window_s is None else window_s,
            )
            row[f"counter_over_{name.removesuffix('_w')}"] = asdict(found) if found else None
        rows.append(row)
    return {"waves": rows}


def coverage(bench: Bench) -> dict[str, Any]:
    """Our intervals for short windows against what the counter shows in the long run."""
    load, plan = bench.loaded(), bench.plan
    load.begin(plan.coverage_period_s, 0.5, plan.coverage_s)
    time.sleep(plan.settle_s)
    left_s = plan.coverage_s - plan.settle_s - 0.5
    recorder = bench.record(left_s)
    measured, unknown = measure_windows(bench.channel_id, plan.windows, left_s - 1.0)
    simulated = _truth_of(load)
    recording, wave = recorder.finish(), load.finish()
    found = ticks(recording.between(wave.start_ns, wave.end_ns))
    folded = Folded(found, plan.coverage_period_s, wave.start_ns)
    first_ns, last_ns = folded.span_ns
    inside = [window for window in measured if first_ns < window.opened_ns and window.closed_ns < last_ns]
    lags_s = _lags_s(folded, wave)
    late_ns = statistics.fmean(lags_s) * 1e9
    phases_s, power_w = folded.power_w()
    return {
        "period_s": plan.coverage_period_s,
        "duty": wave.duty,
        "mean_power_w": folded.mean_w,
        "ticks": len(found.t_ns),
        "tick_half_s": found.half_ns / 1e9,
        "scatter_j": folded.scatter_j,
        "lag_s": {"rise": lags_s[0], "fall": lags_s[1]},
        "unknown": unknown,
        "against_counter": judged(inside, folded.energy_j),
        "against_load": judged(inside, lambda start, end: folded.energy_j(start + late_ns, end + late_ns)),
        "fold": {"phase_s": phases_s.tolist(), "power_w": power_w.tolist()},
        "windows": [
            {**asdict(window), "truth_j": folded.energy_j(window.opened_ns, window.closed_ns)} for window in inside
        ],
        "simulated": simulated,
        "note": "windows overlap, so the sampler reads somewhat more often than for one alone",
    }


def overhead(bench: Bench) -> dict[str, Any]:
    """What opening and closing a window costs, cold: ours, two raw reads of the counter, and other tools."""
    plan = bench.plan
    rows: dict[str, Any] = {}
    for way in ("ours", "raw", *plan.others):
        if way in plan.others and importlib.util.find_spec(way) is None:
            rows[way] = {"error": "not installed"}
            continue
        arguments = {
            "way": way,
            "index": bench.card.index,
            "windows": plan.cost_windows,
            "pause_s": plan.cost_pause_s,
        }
        # Other tools number the cards themselves: they must see them all.
        env = {name: value for name, value in os.environ.items() if way == "ours" or name != "CUDA_VISIBLE_DEVICES"}
        done = subprocess.run(
            [sys.executable, str(COST), json.dumps(arguments)], env=env, capture_output=True, text=True, timeout=40
        )
        if done.returncode != 0:
            rows[way] = {"error": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it failed"}
        else:
            rows[way] = spread(json.loads(done.stdout.splitlines()[-1]))
    return {"window_ms": rows}


def share(bench: Bench) -> dict[str, Any]:
    """Whether the driver tells which process keeps the card busy, and knows ours by the id we know."""
    import pynvml

    load = bench.loaded()
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(bench.card.index)
    load.begin(bench.plan.share_s, 1.0, bench.plan.share_s)
    since_us = int((time.time() - 0.5) * 1e6)
    time.sleep(0.75 * bench.plan.share_s)
    pid = load.process_id()

    def utilization() -> list[dict[str, Any]]:
        samples = pynvml.nvmlDeviceGetProcessUtilization(handle, since_us)
        return [{"pid": sample.pid, "sm_percent": sample.smUtil, "t_us": sample.timeStamp} for sample in samples]

    def processes() -> list[dict[str, Any]]:
        running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        return [{"pid": process.pid, "memory_bytes": process.usedGpuMemory} for process in running]

    def usage() -> list[dict[str, Any]]:
        meter, channel = _meter(bench)
        try:
            if not isinstance(meter, AttributingMeter):
                raise RuntimeError("our NVML meter does not attribute")
            ids = [channel.id]
            before = meter.usage(ids, [pid or os.getpid()])
            time.sleep(0.2 * bench.plan.share_s)
            return [asdict(one) for one in (*before, *meter.usage(ids, [pid or os.getpid()]))]
        finally:
            meter.close()

    data = {
        "load_pid": pid,
        "utilization": _tried(utilization),
        "processes": _tried(processes),
        "accounting_mode": _tried(lambda: pynvml.nvmlDeviceGetAccountingMode(handle)),
        "our_usage": _tried(usage),
    }
    load.finish()
    seen = data["utilization"].get("value") or []
    data["works"] = bool(pid is not None and any(one["pid"] == pid and one["sm_percent"] > 0 for one in seen))
    return data


PHASES: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "idle": idle,
    "sensor": sensor,
    "waves": waves,
    "coverage": coverage,
    "overhead": overhead,
    "share": share,
}


def _meter(bench: Bench) -> tuple[Meter, Channel]:
    from greenllm_plugins.meters.nvml import greenllm_meters

    (meter,) = greenllm_meters(Configuration())
    if isinstance(meter, UnusableMeter):
        raise RuntimeError(f"{meter.reason} {meter.remedy}")
    channel = next((channel for channel in meter.channels() if channel.id == bench.channel_id), None)
    if channel is None:
        raise RuntimeError(f"our NVML meter has no channel {bench.channel_id}")
    return meter, channel


def _characterized(bench: Bench) -> dict[str, Any]:
    meter, channel = _meter(bench)
    polling = Polling(meter, [channel], bench.plan.characterize_s)
    if not polling.wait():
        raise RuntimeError(polling.fault)
    meter.close()
    (found,) = polling.results()
    return asdict(found)


def _tried(ask: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": ask()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _levels(recording: Recording) -> dict[str, Any]:
    counts = recording.samples("counter_j")
    levels: dict[str, Any] = {"counter_w": _mean_w(counts)}
    for column in ("instant_w", "average_w"):
        values = [value for _, value in recording.samples(column)]
        levels[column] = statistics.fmean(values) if values else None
        levels[column.replace("_w", "_noise_w")] = statistics.pstdev(values) if values else None
    return levels


def _mean_w(counts: list[tuple[float, float]]) -> float | None:
    """Return the mean power between the first and the last refresh of the counter, W."""
    steps = refreshed(counts)
    return (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0]) * 1e9 if len(steps) > 1 else None


def _lags_s(folded: Folded, wave: Wave) -> tuple[float, float]:
    """Return how much later than the load the counter's power rises and falls, s."""
    rise_s, fall_s = folded.bends_s()
    begun = [((on - wave.start_ns) / 1e9) % wave.period_s for on in wave.on_ns]
    ended = [((off - wave.start_ns) / 1e9) % wave.period_s for off in wave.off_ns]
    return (
        float(np.median([lag_s(rise_s, phase_s, wave.period_s) for phase_s in begun])),
        float(np.median([lag_s(fall_s, phase_s, wave.period_s) for phase_s in ended])),
    )


def _truth_of(load: Load) -> dict[str, Any] | None:
    """Return what a simulated card really draws at present."""
    if not isinstance(load, SimulatedLoad):
        return None
    return {"epoch_ns": load.machine.epoch_ns, "gpu": asdict(load.machine.gpus[0])}
