"""NVIDIA GPUs through NVML: an energy counter where the card has one (Volta and newer), and power always."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter

NAME = "nvml"

UPDATE_PERIOD_S = 0.1
"""How often counter and power are refreshed on most cards, s (Yang et al., SC24, arXiv:2312.02741)."""

SHORT_WINDOW_S = 0.025
"""What power averages over on A100 and H100 (instant), s: a quarter of the period (arXiv:2312.02741)."""

LONG_WINDOW_S = 1.0
"""What ``nvmlDeviceGetPowerUsage`` averages over on Ampere (but A100) and newer, s (NVML's reference manual)."""

GAIN_UNCERTAINTY = 0.05 / math.sqrt(3.0)
"""Relative standard uncertainty of a card's sensor: within 5 %, taken as rectangular (arXiv:2312.02741; GUM 4.3.7)."""

J_PER_MJ = 1e-3
W_PER_MW = 1e-3

_REMEDIES = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": (
        "there is no NVIDIA driver on this machine (its library NVML is not found)",
        "With an NVIDIA GPU: install its driver; in a container, start it with the GPU (docker run --gpus all).",
    ),
    "NVML_ERROR_DRIVER_NOT_LOADED": (
        "NVIDIA's library is there, but the driver is not loaded",
        "Load it (sudo modprobe nvidia) or restart; in a container, start it with the GPU.",
    ),
    "NVML_ERROR_NO_PERMISSION": (
        "this user may not talk to the NVIDIA driver",
        "Give the user access to /dev/nvidiactl and /dev/nvidia* (often the group video), then restart the kernel.",
    ),
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": (
        "NVIDIA's library and the loaded driver are of different versions",
        "Restart the machine: the driver was updated since it was loaded.",
    ),
}


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Load the driver's library and look for GPUs."""
    try:
        import pynvml
    except ImportError as error:
        return [UnusableMeter(NAME, f"nvidia-ml-py cannot be imported: {error}", "pip install nvidia-ml-py")]
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [_unusable(pynvml, error)]
    try:
        meter = NvmlMeter(pynvml)
    except pynvml.NVMLError as error:
        pynvml.nvmlShutdown()
        return [_unusable(pynvml, error)]
    if any(device.reads for device in meter.devices):
        return [meter]
    meter.close()
    if not meter.devices:
        return [UnusableMeter(NAME, "the NVIDIA driver is loaded but shows no GPU", "")]
    return [UnusableMeter(NAME, "; ".join(f"{gpu.channel.label}: {gpu.blind}" for gpu in meter.devices), "")]


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU and how it is read.

    Attributes:
        channel: what it offers.
        reads: one call each, giving the values of some kinds; most cards need one call for both.
        blind: why it cannot be read at all; None where it can.
    """

    channel: Channel
    reads: tuple[Callable[[], dict[Kind, float]], ...]
    blind: str | None = None


class NvmlMeter:
    """Reads the GPUs that NVML shows. ``nvmlInit`` has been called; ``close`` calls ``nvmlShutdown``."""

    name = NAME

    def __init__(self, nvml: ModuleType) -> None:
        self._nvml = nvml
        count = nvml.nvmlDeviceGetCount()
        self.devices = [_device(nvml, index, f" #{index}" if count > 1 else "") for index in range(count)]
        self._by_id = {device.channel.id: device for device in self.devices}

    def channels(self) -> Sequence[Channel]:
        """Return a channel for each GPU, in the driver's order."""
        return [device.channel for device in self.devices]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read the GPUs one after the other; one that fails gives faults and leaves the others alone."""
        readings: list[Reading] = []
        for channel_id in channel_ids:
            readings.extend(self._read(self._by_id[channel_id]))
        return readings

    def close(self) -> None:
        """Give the driver's library back."""
        self._nvml.nvmlShutdown()

    def _read(self, device: Device) -> list[Reading]:
        channel = device.channel
        if device.blind is not None:
            t_ns = time.monotonic_ns()
            return [Reading(channel.id, kind, math.nan, t_ns, device.blind) for kind in channel.provides]
        readings: list[Reading] = []
        for read in device.reads:
            t_ns = time.monotonic_ns()
            try:
                values = read()
            except self._nvml.NVMLError as error:
                fault = _described(self._nvml, error)
                return [Reading(channel.id, kind, math.nan, t_ns, fault) for kind in channel.provides]
            readings.extend(Reading(channel.id, kind, value, t_ns) for kind, value in values.items())
        return readings


def _device(nvml: ModuleType, index: int, suffix: str) -> Device:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError as error:
        channel = Channel(f"gpu:{index}", Component.GPU, f"NVIDIA GPU {index}", frozenset({Kind.POWER}))
        return Device(channel, (), _described(nvml, error))
    label = f"{name} (whole card, shared by MIG)" if _is_partitioned(nvml, handle) else name
    provides, reads, window_s = _ways(nvml, handle)
    channel = Channel(
        id=f"gpu:{uuid}",
        component=Component.GPU,
        label=label + suffix,
        provides=provides or frozenset({Kind.POWER}),
        update_period_s=UPDATE_PERIOD_S,
        averaging_window_s=window_s,
        gain_uncertainty=GAIN_UNCERTAINTY,
    )
    return Device(channel, reads, None if reads else "this GPU reports neither energy nor power to NVML")


Read = Callable[[], dict[Kind, float]]


def _ways(nvml: ModuleType, handle: Any) -> tuple[frozenset[Kind], tuple[Read, ...], float | None]:
    """Find out by trying how ``handle`` gives energy and power: by one call for both where it can."""
    fields = {
        kind: (field, scale)
        for kind, field, scale in (
            (Kind.COUNTER, nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, J_PER_MJ),
            (Kind.POWER, nvml.NVML_FI_DEV_POWER_INSTANT, W_PER_MW),
        )
        if _works(nvml, partial(_field_values, nvml, handle, (field,)))
    }
    reads: list[Read] = []
    if fields:
        reads.append(_fields_read(nvml, handle, fields))
    kinds = set(fields)
    if Kind.COUNTER not in kinds and _works(nvml, partial(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)):
        reads.append(lambda: {Kind.COUNTER: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * J_PER_MJ})
        kinds.add(Kind.COUNTER)
    is_instant = Kind.POWER in kinds
    if not is_instant and _works(nvml, partial(nvml.nvmlDeviceGetPowerUsage, handle)):
        reads.append(lambda: {Kind.POWER: nvml.nvmlDeviceGetPowerUsage(handle) * W_PER_MW})
        kinds.add(Kind.POWER)
    return frozenset(kinds), tuple(reads), _averaging_window_s(nvml, handle, is_instant)


def _works(nvml: ModuleType, ask: Callable[[], object]) -> bool:
    try:
        ask()
    except nvml.NVMLError as error:
        return error.value not in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return True


def _fields_read(nvml: ModuleType, handle: Any, fields: dict[Kind, tuple[int, float]]) -> Read:
    kinds = tuple(fields)
    scales = tuple(scale for _, scale in fields.values())
    field_ids = tuple(field for field, _ in fields.values())

    def read() -> dict[Kind, float]:
        values = _field_values(nvml, handle, field_ids)
        return {kind: value * scale for kind, value, scale in zip(kinds, values, scales, strict=True)}

    return read


def _field_values(nvml: ModuleType, handle: Any, field_ids: Sequence[int]) -> list[float]:
    values: list[float] = []
    for field in nvml.nvmlDeviceGetFieldValues(handle, field_ids):
        if field.nvmlReturn != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(field.nvmlReturn)
        values.append(getattr(field.value, _VALUE_MEMBERS[field.valueType]))
    return values


_VALUE_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Members of ``nvmlValue_t`` in the order of ``nvmlValueType_t``."""


def _averaging_window_s(nvml: ModuleType, handle: Any, is_instant: bool) -> float | None:
    """Return what power is averaged over, s, where it is published for this kind of card."""
    try:
        architecture = nvml.nvmlDeviceGetArchitecture(handle)
        is_a100 = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)) == (8, 0)
    except nvml.NVMLError:
        return None
    if is_a100 or (is_instant and architecture == nvml.NVML_DEVICE_ARCH_HOPPER):
        return SHORT_WINDOW_S
    if not is_instant and nvml.NVML_DEVICE_ARCH_AMPERE <= architecture < nvml.NVML_DEVICE_ARCH_UNKNOWN:
        return LONG_WINDOW_S
    return None


def _is_partitioned(nvml: ModuleType, handle: Any) -> bool:
    """Whether MIG is on: NVML's energy and power are then still those of the whole card."""
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE)
    except nvml.NVMLError:
        return False


def _unusable(nvml: ModuleType, error: Any) -> UnusableMeter:
    for name, (reason, remedy) in _REMEDIES.items():
        if error.value == getattr(nvml, name):
            return UnusableMeter(NAME, reason, remedy)
    return UnusableMeter(NAME, f"NVIDIA's library could not be started: {error}", "Try nvidia-smi in a terminal.")


def _described(nvml: ModuleType, error: Any) -> str:
    if error.value == nvml.NVML_ERROR_GPU_IS_LOST:
        return "the driver has lost this GPU (it fell off the bus or was reset); restart the machine"
    if error.value == nvml.NVML_ERROR_NO_PERMISSION:
        return "this user may not read this GPU"
    return f"NVML: {error}"
