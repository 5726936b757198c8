"""What single calls of NVML's cost and give: one after the other, on an idle card."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from greenllm_kernel.metering.characterization.refresh import quantile


def calls_ms(index: int, count: int) -> dict[str, Any]:
    """Return how long single calls take, ms: one after the other, with a short rest."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    energy, instant = pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, pynvml.NVML_FI_DEV_POWER_INSTANT
    calls: dict[str, Callable[[], object]] = {
        "total_energy_consumption": lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle),
        "power_usage": lambda: pynvml.nvmlDeviceGetPowerUsage(handle),
        "fields_energy": lambda: pynvml.nvmlDeviceGetFieldValues(handle, [energy]),
        "fields_instant": lambda: pynvml.nvmlDeviceGetFieldValues(handle, [instant]),
        "fields_energy_and_instant": lambda: pynvml.nvmlDeviceGetFieldValues(handle, [energy, instant]),
    }
    return {name: _timed(call, count) for name, call in calls.items()}


def _timed(call: Callable[[], object], count: int) -> dict[str, Any]:
    """Return how long a call takes, and what of it is processor time: a driver may wait or compute."""
    taken_ms, computed_ms = [], []
    try:
        for _ in range(count):
            time.sleep(0.002)
            began, began_cpu = time.perf_counter(), time.thread_time()
            call()
            computed_ms.append((time.thread_time() - began_cpu) * 1e3)
            taken_ms.append((time.perf_counter() - began) * 1e3)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {**spread(taken_ms), "processor_median": statistics.median(computed_ms)}


def power_samples(index: int) -> dict[str, Any]:
    """Return what the driver's buffer of power samples holds of an idle card: how many, and how far apart."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    _, samples = pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_TOTAL_POWER_SAMPLES, 0)
    apart_ms = [(later.timeStamp - sample.timeStamp) / 1e3 for sample, later in pairwise(samples)]
    return {"count": len(samples), "apart_ms": spread(apart_ms) if apart_ms else None}


def spread(values: Any) -> dict[str, Any]:
    """Return median, 95th percentile and maximum, and of how many."""
    found = [float(value) for value in values]
    return {"median": statistics.median(found), "p95": quantile(found, 0.95), "max": max(found), "count": len(found)}
