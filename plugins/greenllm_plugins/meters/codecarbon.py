"""CodeCarbon's own measurement, as a cross-check: shown beside the other meters, and counted only where it is alone.

CodeCarbon chooses how it measures this machine and does so; nothing of its tracker is used that writes files, asks the
network or logs.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.rocm import has_library

NAME = "codecarbon"

READ_EVERY_S = 1.0
"""How often CodeCarbon looks at power while it tracks, s (3.3, ``_scheduler_monitor_power``)."""

SHORTEST_S = 0.05
"""Readings that follow closer than this repeat the last one: CPU times come in steps of 10 ms."""

LONGEST_S = 3.0
"""After a longer pause it is started anew, and does not spread what it missed."""

MODEL_UNCERTAINTY = 0.40 / 1.96
"""Relative standard uncertainty of CodeCarbon's CPU model: errors of up to 40 % (Fischer 2025, arXiv:2509.22092)."""

GUESS_UNCERTAINTY = 1.0 / 1.96
"""The same of its model of memory, and of a CPU that is not in its table: 100 % at 95 %."""

THREAD_TDP_W = 4
"""What it takes a thread of a CPU to have that is not in its table, W (3.3, ``DEFAULT_POWER_PER_CORE``)."""

HALF_GAIN = 0.10
"""Half-width of the gain error of the sensors that it reads where it can (RAPL, NVML, AMD SMI), taken wide."""

NAME_OF_AMDSMI = "amdsmi"


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Have CodeCarbon look at this machine, where ``use_meters`` names it or ``[meters.codecarbon] enabled = true``."""
    enabled = config.meters.get(NAME, {}).get("enabled", NAME in (config.use_meters or ()))
    if not isinstance(enabled, bool):
        return [UnusableMeter(NAME, f"enabled = {enabled!r}: expected true or false", "Correct [meters.codecarbon].")]
    if not enabled:
        return []
    logging.getLogger(NAME).addFilter(_is_not_ours)
    try:
        with _quiet():
            return [CodeCarbonMeter(_hardware())]
    except ImportError as error:
        return [UnusableMeter(NAME, f"codecarbon cannot be imported: {error}", "pip install codecarbon")]
    except Exception as error:  # whatever a release of it that this was not written for may raise
        return [UnusableMeter(NAME, f"CodeCarbon could not be set up: {type(error).__name__}: {error}")]


@dataclass(slots=True)
class Part:
    """A piece of CodeCarbon's hardware, its channel, and when and what it last gave (W)."""

    hardware: Any
    channel: Channel
    since_ns: int
    power_w: float | None = None


class CodeCarbonMeter:
    """Asks CodeCarbon for the power of each part it tracks.

    Args:
        hardware: CodeCarbon's objects: ``RAM``, ``CPU``, ``GPU``, ...
    """

    name = NAME

    def __init__(self, hardware: Sequence[Any]) -> None:
        self._parts: dict[str, Part] = {}
        for piece in hardware:
            channel = _channel(piece)
            piece.start()
            self._parts[channel.id] = Part(piece, channel, time.monotonic_ns())

    def channels(self) -> Sequence[Channel]:
        """Return a channel for memory, CPUs and GPUs each, as far as CodeCarbon tracks them."""
        return [part.channel for part in self._parts.values()]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Return the mean power since the last reading; after a pause, over the shortest span from now on."""
        with _quiet():
            return self._read([self._parts[channel_id] for channel_id in channel_ids])

    def close(self) -> None:
        """End; CodeCarbon's pieces hold nothing."""

    def _read(self, parts: Sequence[Part]) -> list[Reading]:
        stale = [part for part in parts if time.monotonic_ns() - part.since_ns > LONGEST_S * 1e9]
        for part in stale:
            part.hardware.start()
            part.since_ns, part.power_w = time.monotonic_ns(), None
        if any(part.power_w is None for part in parts):
            time.sleep(SHORTEST_S)
        return [self._reading(part) for part in parts]

    def _reading(self, part: Part) -> Reading:
        t_ns = time.monotonic_ns()
        span_s = (t_ns - part.since_ns) / 1e9
        if part.power_w is not None and span_s < SHORTEST_S:
            return Reading(part.channel.id, Kind.POWER, part.power_w, t_ns)
        try:
            _, energy = part.hardware.measure_power_and_energy(last_duration=span_s)
        except Exception as error:  # it declares none
            fault = f"CodeCarbon failed: {type(error).__name__}: {error}"
            return Reading(part.channel.id, Kind.POWER, math.nan, t_ns, fault)
        part.since_ns, part.power_w = t_ns, energy.kWh * 3.6e6 / span_s
        return Reading(part.channel.id, Kind.POWER, part.power_w, t_ns)


def _hardware() -> list[Any]:
    """Return what CodeCarbon chooses to track on this machine."""
    with _without_empty_amdsmi():
        resource_tracker = import_module("codecarbon.core.resource_tracker")
        util = import_module("codecarbon.core.util")
    tracker = SimpleNamespace(
        _conf={"cpu_physical_count": util.count_physical_cpus()},
        _force_cpu_power=None,
        _force_ram_power=None,
        _gpu_ids=None,
        _hardware=[],
        _output_dir=os.devnull,
        _rapl_include_dram=False,
        _rapl_prefer_psys=False,
        _tracking_mode="machine",
    )
    choice = resource_tracker.ResourceTracker(tracker)
    choice.set_RAM_tracking()
    choice.set_CPU_tracking()
    choice.set_GPU_tracking()
    return list(tracker._hardware)


@contextmanager
def _without_empty_amdsmi() -> Iterator[None]:
    """Hide the package amdsmi from an import where it would print that its library is missing, and raise."""
    is_hidden = NAME_OF_AMDSMI not in sys.modules and not has_library()
    if is_hidden:
        sys.modules[NAME_OF_AMDSMI] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if is_hidden:
            sys.modules.pop(NAME_OF_AMDSMI, None)


def _channel(piece: Any) -> Channel:
    """Return the channel of one of CodeCarbon's pieces of hardware."""
    kind = type(piece).__name__
    part = getattr(piece, "chip_part", kind)
    component = {"RAM": Component.DRAM, "GPU": Component.GPU}.get(part, Component.CPU)
    way = str(getattr(piece, "_mode", "")).replace("_", " ")
    if kind == "RAM":
        way, uncertainty = "by its size", GUESS_UNCERTAINTY
    elif way in ("cpu load", "constant"):
        is_guess = way == "constant" or piece._is_generic_tdp or piece._tdp % (THREAD_TDP_W * piece._cpu_count) == 0
        uncertainty = GUESS_UNCERTAINTY if is_guess else MODEL_UNCERTAINTY
        way = f"{way}, TDP {piece._tdp:g} W{' guessed' if is_guess else ''}"
    elif kind == "AppleSiliconChip":
        way, uncertainty = "powermetrics", MODEL_UNCERTAINTY
    else:
        way, uncertainty = way or "its sensors", 0.0
    return Channel(
        id=f"{component}:codecarbon",
        component=component,
        label=f"{_WORDS[component]}, by CodeCarbon ({way})",
        provides=frozenset({Kind.POWER}),
        update_period_s=READ_EVERY_S,
        averaging_window_s=READ_EVERY_S,
        gain_uncertainty=0.0 if uncertainty else HALF_GAIN / math.sqrt(3.0),
        model_uncertainty=uncertainty,
        rank=3,
    )


_WORDS = {Component.CPU: "CPU", Component.DRAM: "Memory", Component.GPU: "GPUs"}


_here = threading.local()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the screen what CodeCarbon logs in this thread meanwhile; a tracker of the user's own still logs."""
    _here.is_quiet = True
    try:
        yield
    finally:
        _here.is_quiet = False


def _is_not_ours(record: logging.LogRecord) -> bool:
    return not getattr(_here, "is_quiet", False)
