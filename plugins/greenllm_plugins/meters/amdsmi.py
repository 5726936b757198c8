"""AMD GPUs through AMD SMI, the library of ROCm: an energy counter where the card has one, and power."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.rocm import LIBRARY, has_library, start, stop

NAME = "amdsmi"

DRIVER = Path("/sys/module/amdgpu")
"""There while Linux has AMD's GPU driver loaded."""

UPDATE_PERIOD_S = 0.01
"""How often figures are refreshed, s. The driver reads the sensors at most every millisecond (AMD, in
github.com/ROCm/ROCm/issues/1649); they lag by a few more (McDaniel et al. 2026, arXiv:2604.06056)."""

GAIN_UNCERTAINTY = 0.10 / math.sqrt(3.0)
"""Relative standard uncertainty of a card's sensor: AMD publishes none; within 10 %, taken wide, as rectangular."""

J_PER_UJ = 1e-6
W_PER_UW = 1e-6

TWO_DIES = "MI250"
"""In the names of cards with two GPUs of which only the first has the sensors, of both (ml-energy/zeus, pull 203)."""

_REMEDY = "pip install amdsmi, in the version of this machine's ROCm."


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Load AMD SMI and look for GPUs; silent where nothing speaks of AMD's."""
    missing = _missing()
    if missing is not None:
        is_expected = DRIVER.exists() or NAME in (config.use_meters or ())
        return [missing] if is_expected else []
    try:
        import amdsmi
    except (ImportError, AttributeError, KeyError, OSError) as error:
        return [UnusableMeter(NAME, f"the package amdsmi does not fit this machine's {LIBRARY}: {error}", _REMEDY)]
    try:
        start(amdsmi)
    except amdsmi.AmdSmiException as error:
        remedy = "Load the driver (sudo modprobe amdgpu), and give this user the groups video and render."
        return [UnusableMeter(NAME, f"AMD SMI could not be started: {_described(error)}", remedy)]
    found = _found(amdsmi, os.environ)
    if isinstance(found, UnusableMeter):
        stop(amdsmi)
    return [found]


class AmdSmiMeter:
    """Reads AMD GPUs. The library has been opened; ``close`` gives it back."""

    name = NAME
    remark = "not tried on real hardware yet"

    def __init__(self, smi: ModuleType, handles: Mapping[Channel, Any]) -> None:
        self._smi = smi
        self._by_id = {channel.id: (channel, handle) for channel, handle in handles.items()}

    def channels(self) -> Sequence[Channel]:
        """Return a channel for each card."""
        return [channel for channel, _ in self._by_id.values()]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read the cards one after the other; one that fails gives faults and leaves the others alone."""
        return [
            self._read(channel, handle, kind)
            for channel, handle in (self._by_id[channel_id] for channel_id in channel_ids)
            for kind in sorted(channel.provides)
        ]

    def limits_w(self, channel_ids: Sequence[str]) -> Mapping[str, float]:
        """Return the cards' power caps, W; a card that does not tell its own is left out."""
        limits_w: dict[str, float] = {}
        for channel, handle in (self._by_id[channel_id] for channel_id in channel_ids):
            with suppress(self._smi.AmdSmiException):  # not every card has one
                cap_uw = self._smi.amdsmi_get_power_cap_info(handle)["power_cap"]
                is_told = isinstance(cap_uw, int) and cap_uw not in (2**32 - 1, 2**64 - 1)
                limits_w.update({channel.id: cap_uw * W_PER_UW} if is_told else {})
        return limits_w

    def close(self) -> None:
        """Give AMD's library back."""
        stop(self._smi)

    def _read(self, channel: Channel, handle: Any, kind: Kind) -> Reading:
        t_ns = time.monotonic_ns()
        try:
            value = _READ[kind](self._smi, handle)
        except self._smi.AmdSmiException as error:
            return Reading(channel.id, kind, math.nan, t_ns, f"AMD SMI: {_described(error)}")
        if value is None:
            return Reading(channel.id, kind, math.nan, t_ns, "AMD SMI gives no figure for this GPU")
        return Reading(channel.id, kind, value, t_ns)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as ROCm counts them, and the place among them of the one that has its sensors."""

    handle: Any
    uuid: str
    rocm_uuid: str
    name: str
    sensor: int


def visible(gpus: Sequence[Gpu], environment: Mapping[str, str]) -> list[Gpu]:
    """Return the GPUs a program sees: ROCr's choice, by number or UUID, then of these HIP's.

    As there, nothing after an entry that fits no GPU is seen (ROCm documentation, "GPU isolation techniques").
    """
    chosen = list(gpus)
    of_hip = environment.get("HIP_VISIBLE_DEVICES", environment.get("CUDA_VISIBLE_DEVICES"))
    for choice in (environment.get("ROCR_VISIBLE_DEVICES"), of_hip):
        if choice is None:
            continue
        picked: list[Gpu] = []
        for entry in choice.split(","):
            gpu = _named(entry.strip(), chosen)
            if gpu is None:
                break
            picked.append(gpu)
        chosen = picked
    return chosen


def _named(entry: str, gpus: Sequence[Gpu]) -> Gpu | None:
    if entry.isdecimal():
        return gpus[int(entry)] if int(entry) < len(gpus) else None
    return next((gpu for gpu in gpus if entry and gpu.rocm_uuid == entry.lower()), None)


def _missing() -> UnusableMeter | None:
    if find_spec(NAME) is None:
        return UnusableMeter(NAME, "the Python package amdsmi is not installed", _REMEDY)
    if not has_library():
        remedy = "Install ROCm's package amd-smi-lib, or set ROCM_PATH to where ROCm is."
        return UnusableMeter(NAME, f"ROCm's library {LIBRARY} is not found", remedy)
    return None


def _found(smi: ModuleType, environment: Mapping[str, str]) -> AmdSmiMeter | UnusableMeter:
    try:
        gpus = _gpus(smi)
    except smi.AmdSmiException as error:
        return UnusableMeter(NAME, f"AMD SMI: {_described(error)}")
    if not gpus:
        return UnusableMeter(NAME, "AMD SMI is there but shows no GPU")
    chosen = visible(gpus, environment)
    if not chosen:
        return UnusableMeter(NAME, "ROCR_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES hides every GPU")
    sensors = sorted({gpu.sensor for gpu in chosen})
    meter = AmdSmiMeter(smi, {_channel(smi, gpus, sensor): gpus[sensor].handle for sensor in sensors})
    faults = [reading.fault for reading in meter.read([channel.id for channel in meter.channels()])]
    return meter if None in faults else UnusableMeter(NAME, faults[0] or "")


def _gpus(smi: ModuleType) -> list[Gpu]:
    gpus: list[Gpu] = []
    boards: list[str] = []
    for number, handle in enumerate(smi.amdsmi_get_processor_handles()):
        asic = smi.amdsmi_get_gpu_asic_info(handle)
        # Partitions of one card are functions of one PCI device.
        board = smi.amdsmi_get_gpu_device_bdf(handle).rpartition(".")[0]
        boards.append(board)
        is_second_die = TWO_DIES in asic["market_name"] and number % 2 == 1
        gpus.append(
            Gpu(
                handle=handle,
                uuid=smi.amdsmi_get_gpu_device_uuid(handle),
                rocm_uuid=f"gpu-{asic['asic_serial'].lower().removeprefix('0x')}",
                name=asic["market_name"],
                sensor=number - 1 if is_second_die else boards.index(board),
            )
        )
    return gpus


def _channel(smi: ModuleType, gpus: Sequence[Gpu], sensor: int) -> Channel:
    gpu = gpus[sensor]
    is_shared = sum(other.sensor == sensor for other in gpus) > 1
    label = gpu.name if gpu.name != "N/A" else "AMD GPU"
    label += f" #{sensor}" if len(gpus) > 1 else ""
    kinds = frozenset(kind for kind in Kind if _works(smi, kind, gpu.handle))
    return Channel(
        id=f"gpu:{gpu.uuid}",
        component=Component.GPU,
        label=label + (" (whole card, shared by its dies or partitions)" if is_shared else ""),
        provides=kinds or frozenset({Kind.POWER}),
        update_period_s=UPDATE_PERIOD_S,
        gain_uncertainty=GAIN_UNCERTAINTY,
    )


def _works(smi: ModuleType, kind: Kind, handle: Any) -> bool:
    try:
        return _READ[kind](smi, handle) is not None
    except smi.AmdSmiException:
        return False


def _energy_j(smi: ModuleType, handle: Any) -> float | None:
    count = smi.amdsmi_get_energy_count(handle)
    ticks = count.get("energy_accumulator", count.get("power"))  # the second in ROCm 6.2 and older
    return None if ticks in (None, 2**64 - 1) else float(ticks * count["counter_resolution"] * J_PER_UJ)


def _power_w(smi: ModuleType, handle: Any) -> float | None:
    info = smi.amdsmi_get_power_info(handle)
    # MI300 and newer know the first, older cards the second; the other is "N/A", or all ones.
    powers = (info.get("current_socket_power"), info.get("average_socket_power"))
    return next((float(w) for w in powers if isinstance(w, int) and w not in (2**16 - 1, 2**32 - 1)), None)


_READ = {Kind.COUNTER: _energy_j, Kind.POWER: _power_w}


def _described(error: Exception) -> str:
    return " ".join(str(error).split())
