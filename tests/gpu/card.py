"""The card under test as the driver shows it. Everything here only reads: no limit, clock or mode is ever set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NOT_THERE = 3
"""Exit code where there is no NVIDIA GPU."""


class NoCardError(Exception):
    """There is no NVIDIA GPU to measure; the message says why."""


@dataclass(frozen=True)
class Card:
    """One GPU: its number in the driver's order, its id, and what is to be known of a result that it gave."""

    index: int
    uuid: str
    facts: Mapping[str, Any]

    @property
    def slug(self) -> str:
        """Card and driver, fit for a file's name."""
        words = f"{self.facts['name']}-{self.facts['driver']}".lower()
        return re.sub(r"[^a-z0-9.]+", "-", words).strip("-")


def find_card(index: int | None) -> Card:
    """Return the card to measure: the one named, or the first that this process may use.

    Raises:
        NoCardError: there is none.
    """
    try:
        import pynvml
    except ImportError as error:
        raise NoCardError(f"nvidia-ml-py cannot be imported ({error}); pip install nvidia-ml-py") from error
    try:
        pynvml.nvmlInit()
        handle = _handle(pynvml, index)
        uuid = pynvml.nvmlDeviceGetUUID(handle)
        number = pynvml.nvmlDeviceGetIndex(handle)
    except pynvml.NVMLError as error:
        raise NoCardError(f"NVML shows no GPU to measure ({error})") from error
    return Card(number, uuid, _facts(pynvml, handle))


def _handle(nvml: Any, index: int | None) -> Any:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if index is None and visible.startswith("GPU-"):
        return nvml.nvmlDeviceGetHandleByUUID(visible)
    if index is None and visible.isdigit():
        index = int(visible)
    return nvml.nvmlDeviceGetHandleByIndex(index or 0)


def _facts(nvml: Any, handle: Any) -> dict[str, Any]:
    def asked(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except (nvml.NVMLError, AttributeError):
            return None

    def watts(ask: Callable[[], Any]) -> float | None:
        milliwatts = asked(ask)
        return None if milliwatts is None else milliwatts / 1e3

    return {
        "name": nvml.nvmlDeviceGetName(handle),
        "driver": nvml.nvmlSystemGetDriverVersion(),
        "nvml": asked(nvml.nvmlSystemGetNVMLVersion),
        "architecture": asked(lambda: nvml.nvmlDeviceGetArchitecture(handle)),
        "compute_capability": asked(lambda: list(nvml.nvmlDeviceGetCudaComputeCapability(handle))),
        "vbios": asked(lambda: nvml.nvmlDeviceGetVbiosVersion(handle)),
        "power_limit_w": watts(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle)),
        "persistence_mode": asked(lambda: nvml.nvmlDeviceGetPersistenceMode(handle)),
        "mig": asked(lambda: nvml.nvmlDeviceGetMigMode(handle)[0]),
        "temperature_c": asked(lambda: nvml.nvmlDeviceGetTemperature(handle, 0)),
        "performance_state": asked(lambda: nvml.nvmlDeviceGetPerformanceState(handle)),
    }
