"""NVIDIA GPUs through NVML: an energy counter where the card has one (Volta and newer), and power always."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter, Usage
from greenllm_plugins.meters.nvml_processes import (
    CONTAINED,
    ELSEWHERE,
    ProcessUse,
    has_cuda_context,
    is_contained,
)
from greenllm_plugins.meters.nvml_sensors import Read, Ways, limit, ways
from greenllm_plugins.meters.visible_devices import Card, MigDevice, visible

NAME = "nvml"

UPDATE_PERIOD_S = 0.1
"""How often counter and power are refreshed on most cards, s (Yang et al., SC24, arXiv:2312.02741)."""

GAIN_UNCERTAINTY = 0.05 / math.sqrt(3.0)
"""Relative standard uncertainty of a card's sensor: within 5 %, taken as rectangular (arXiv:2312.02741; GUM 4.3.7)."""

REOPEN_S = 1.0
"""How often it is tried to start the library anew after the driver has gone, s."""

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

_DOUBT = " (perhaps not visible here: set CUDA_DEVICE_ORDER=PCI_BUS_ID)"

_SHOW_REMEDY = (
    "Correct it where the kernel is started and restart the kernel; "
    "or set all_devices = true under [meters.nvml] to measure all GPUs of this machine."
)


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Load the driver's library and look for the GPUs that programs started here can use.

    ``[meters.nvml] all_devices`` looks for all GPUs of the machine, whatever ``CUDA_VISIBLE_DEVICES`` says.
    """
    wants_all = config.meters.get(NAME, {}).get("all_devices", False)
    if not isinstance(wants_all, bool):
        return [UnusableMeter(NAME, f"all_devices = {wants_all!r}: expected true or false", "Correct [meters.nvml].")]
    try:
        import pynvml
    except ImportError as error:
        return [UnusableMeter(NAME, f"nvidia-ml-py cannot be imported: {error}", "pip install nvidia-ml-py")]
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return [_unusable(pynvml, error)]
    try:
        meter = NvmlMeter(pynvml, {} if wants_all else os.environ)
    except pynvml.NVMLError as error:
        pynvml.nvmlShutdown()
        return [_unusable(pynvml, error)]
    if any(device.ways and device.ways.reads for device in meter.devices):
        return [meter]
    meter.close()
    if meter.hidden:
        return [UnusableMeter(NAME, meter.hidden, _SHOW_REMEDY)]
    if not meter.devices:
        return [UnusableMeter(NAME, "the NVIDIA driver is loaded but shows no GPU", "")]
    return [UnusableMeter(NAME, "; ".join(f"{gpu.channel.label}: {gpu.blind}" for gpu in meter.devices), "")]


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU and how it is read.

    Attributes:
        channel: what it offers.
        ways: by which calls; None where it cannot be opened.
        use: whose use of it can be told; None where it cannot be opened.
        limit: asks for its power limit, W; None where it cannot be opened.
        blind: why it cannot be read at all; None where it can.
    """

    channel: Channel
    ways: Ways | None = None
    use: ProcessUse | None = None
    limit: Callable[[], float] | None = None
    blind: str | None = None


class NvmlMeter:
    """Reads the GPUs that NVML shows. ``nvmlInit`` has been called; ``close`` calls ``nvmlShutdown``.

    Args:
        nvml: the binding.
        environment: where CUDA looks which GPUs to use.

    Attributes:
        devices: the GPUs it reads.
        hidden: why it reads none although there are some; empty otherwise.
    """

    name = NAME

    def __init__(self, nvml: ModuleType, environment: Mapping[str, str]) -> None:
        self._nvml = nvml
        cards = [_card(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        shown = visible(cards, environment)
        doubt = "" if shown.is_certain else _DOUBT
        self.devices = [_device(nvml, index, (f" #{index}" if len(cards) > 1 else "") + doubt) for index in shown.cards]
        self.hidden = ""
        if cards and not self.devices:
            chosen = f"CUDA_VISIBLE_DEVICES={environment.get('CUDA_VISIBLE_DEVICES', '')!r}"
            self.hidden = f"{chosen} shows programs started here none of this machine's GPUs (there are {len(cards)})"
        self._by_id = {device.channel.id: device for device in self.devices}
        self._asked_about: frozenset[int] = frozenset()
        self._is_contained = is_contained()
        self._shows_own_processes = False
        self._reopen_at = 0.0

    def channels(self) -> Sequence[Channel]:
        """Return a channel for each GPU, in the driver's order."""
        return [device.channel for device in self.devices]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read the GPUs one after the other; one that fails gives faults and leaves the others alone."""
        readings: list[Reading] = []
        for channel_id in channel_ids:
            device = self._by_id[channel_id]
            readings.extend(self._read(device, device.ways.reads if device.ways else (), device.channel.provides))
        return readings

    def read_power(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read the power of those GPUs that have a counter too, which is left alone; one that fails gives a fault."""
        readings: list[Reading] = []
        for device in (self._by_id[channel_id] for channel_id in channel_ids):
            if device.blind is None and device.ways and device.ways.power:
                readings.extend(self._read(device, (device.ways.power,), {Kind.POWER}))
        return readings

    def usage(self, channel_ids: Sequence[str], process_ids: Collection[int]) -> Sequence[Usage]:
        """Tell by NVML's figures of single processes how long the GPUs were kept busy; one that fails gives a fault."""
        # A process that has ended since the last call is no longer among them, but its use is in the figures.
        own = self._asked_about | frozenset(process_ids)
        self._asked_about = frozenset(process_ids)
        fault = self._unknown_numbers(own)
        return [self._usage(self._by_id[channel_id], own, fault) for channel_id in channel_ids]

    def limits_w(self, channel_ids: Sequence[str]) -> Mapping[str, float]:
        """Return the limits that the driver enforces, W; a card that does not tell its own is left out."""
        limits_w: dict[str, float] = {}
        for device in (self._by_id[channel_id] for channel_id in channel_ids):
            with suppress(self._nvml.NVMLError):  # not every card has one, and of a lost one its readings speak
                limits_w.update({device.channel.id: device.limit()} if device.limit else {})
        return limits_w

    def close(self) -> None:
        """Give the driver's library back."""
        self._nvml.nvmlShutdown()

    def _usage(self, device: Device, own: Collection[int], fault: str | None) -> Usage:
        if device.use is None:
            return Usage(device.channel.id, math.nan, math.nan, time.monotonic_ns(), device.blind)
        try:
            return device.use.usage(own, self._is_contained, fault)
        except self._nvml.NVMLError as error:
            return device.use.fault(_described(self._nvml, error), time.monotonic_ns())

    def _unknown_numbers(self, own: Collection[int]) -> str | None:
        """Return why NVML's process ids cannot be taken for those of this process, if there is a reason to doubt it."""
        if self._shows_own_processes or not (self._is_contained or has_cuda_context()):
            return None
        for device in self.devices:
            try:
                self._shows_own_processes |= device.use is not None and not device.use.holders().isdisjoint(own)
            except self._nvml.NVMLError:
                continue  # it is this card's fault, and its own figure will say so
        if self._shows_own_processes:
            return None
        return CONTAINED if self._is_contained else ELSEWHERE

    def _read(self, device: Device, reads: Sequence[Read], kinds: Collection[Kind]) -> list[Reading]:
        channel = device.channel
        if device.blind is not None:
            t_ns = time.monotonic_ns()
            return [Reading(channel.id, kind, math.nan, t_ns, device.blind) for kind in kinds]
        readings: list[Reading] = []
        for read in reads:
            t_ns = time.monotonic_ns()
            try:
                values = read()
            except self._nvml.NVMLError as error:
                fault = _described(self._nvml, error)
                self._reopen_after(error)
                return [Reading(channel.id, kind, math.nan, t_ns, fault) for kind in kinds]
            readings.extend(Reading(channel.id, kind, value, t_ns) for kind, value in values.items())
        return readings

    def _reopen_after(self, error: Any) -> None:
        """Start the library anew where the driver was unloaded: from then on it answers no old handle."""
        if error.value not in (self._nvml.NVML_ERROR_UNINITIALIZED, self._nvml.NVML_ERROR_DRIVER_NOT_LOADED):
            return
        if time.monotonic() < self._reopen_at:
            return
        self._reopen_at = time.monotonic() + REOPEN_S
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()
        with suppress(self._nvml.NVMLError):  # it is not back yet, which each reading says
            self._nvml.nvmlInit()
            self.devices = [self._reopened(device) for device in self.devices]
            self._by_id = {device.channel.id: device for device in self.devices}

    def _reopened(self, device: Device) -> Device:
        if device.use is None:
            return device
        handle = self._nvml.nvmlDeviceGetHandleByUUID(device.channel.id.removeprefix("gpu:"))
        use = ProcessUse(self._nvml, handle, device.channel.id, _is_partitioned(self._nvml, handle))
        return replace(device, ways=ways(self._nvml, handle), use=use, limit=limit(self._nvml, handle))


def _device(nvml: ModuleType, index: int, suffix: str) -> Device:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError as error:
        channel = Channel(f"gpu:{index}", Component.GPU, f"NVIDIA GPU {index}", frozenset({Kind.POWER}))
        return Device(channel, blind=_described(nvml, error))
    is_partitioned = _is_partitioned(nvml, handle)
    use = ProcessUse(nvml, handle, f"gpu:{uuid}", is_partitioned)
    shared = " (whole card, shared by MIG)" if is_partitioned else " (whole card, shared)" if use.is_shared() else ""
    found = ways(nvml, handle)
    channel = Channel(
        id=f"gpu:{uuid}",
        component=Component.GPU,
        label=name + shared + suffix,
        provides=found.provides or frozenset({Kind.POWER}),
        update_period_s=UPDATE_PERIOD_S,
        averaging_window_s=found.averaging_window_s,
        gain_uncertainty=GAIN_UNCERTAINTY,
    )
    blind = None if found.reads else "this GPU reports neither energy nor power to NVML"
    return Device(channel, found, use, limit(nvml, handle), blind)


def _card(nvml: ModuleType, index: int) -> Card:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        name, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
    except nvml.NVMLError:  # the device made of it says why
        return Card(f"NVIDIA GPU {index}", None)
    return Card(name, uuid, _mig_devices(nvml, handle) if _is_partitioned(nvml, handle) else ())


def _mig_devices(nvml: ModuleType, handle: Any) -> list[MigDevice]:
    """Return what MIG has made of a card, as far as this user is told."""
    try:
        count = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except nvml.NVMLError:
        return []
    found = []
    for place in range(count):
        try:
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
            uuid = nvml.nvmlDeviceGetUUID(part)
            instances = nvml.nvmlDeviceGetGpuInstanceId(part), nvml.nvmlDeviceGetComputeInstanceId(part)
        except nvml.NVMLError:  # places may be empty, or another user's
            continue
        found.append(MigDevice(uuid, *instances))
    return found


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
