"""Builds the NVML stand-in and writes what its machine is like; knows the true energy in closed form.

For example::

    machine = Machine([Gpu(), Gpu(period_s=2.63)])
    machine.write(control := tmp_path / "machine")
    subprocess.run(..., env=environment(build(tmp_path), control))
    machine.true_energy_j(0, start_ns, end_ns)
"""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml.c")

LIBRARY = "libnvidia-ml.so.1"

AMPERE, HOPPER, PASCAL = 7, 9, 4
"""Numbers of architectures, as in nvml.h."""

NO_PERMISSION, DRIVER_NOT_LOADED, VERSION_MISMATCH = 4, 9, 18
"""Numbers of errors, as in nvml.h, for ``Machine.init_error``."""


def build(folder: Path) -> Path:
    """Compile the library into ``folder``, once, beside a ``bin/nvidia-smi`` for tools that look for one."""
    library = folder / LIBRARY
    if not library.exists() or library.stat().st_mtime < SOURCE.stat().st_mtime:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}"]
        subprocess.run([*command, "-o", str(library), str(SOURCE), "-lm", "-lpthread"], check=True)
        smi = folder / "bin" / "nvidia-smi"
        smi.parent.mkdir(exist_ok=True)
        smi.write_text("#!/bin/sh\necho GPU 0\n", encoding="ascii")
        smi.chmod(0o755)
    return folder


def environment(folder: Path, control: Path) -> dict[str, str]:
    """Return this process's environment such that nvidia-ml-py loads the stand-in from ``folder``."""
    first = {"LD_LIBRARY_PATH": folder, "PATH": folder / "bin"}
    searches = {
        name: os.pathsep.join(filter(None, [str(place), os.environ.get(name, "")])) for name, place in first.items()
    }
    return {**os.environ, **searches, "NVML_STANDIN": str(control)}


@dataclass(frozen=True)
class Process:
    """A program that holds a GPU for a time, and how busy it keeps it; ``is_shown``: whether NVML tells of it."""

    pid: int
    percent: float = 100.0
    from_s: float = -math.inf
    until_s: float = math.inf
    is_shown: bool = True


@dataclass(frozen=True)
class Part:
    """A part of a GPU that MIG has made a device; ``place`` is its index among them."""

    uuid: str
    gpu_instance: int
    compute_instance: int = 0
    place: int = 0


@dataclass(frozen=True)
class Gpu:
    """One simulated GPU: a wave of power, and the sensor that shows it.

    Attributes:
        low_w, high_w, period_s, phase_s, duty: a square wave, high for the first ``duty`` of each period.
        sine: a sine between low and high instead.
        counter_period_s, counter_phase_s: when the energy counter is refreshed; period 0: at each read.
        power_period_s, power_phase_s, power_window_s: when instant power is refreshed, and what it averages over.
        gain: what the sensor shows over what is true.
        latency_s: how long a call takes (a real sleep); the sensor is read half-way through it.
        has_counter, has_power: what NVML supports; older cards than Volta have no counter.
        has_fields: whether they are to be had as field values too.
        lost_at_s: when the GPU falls off the bus.
        hang_at_s, hang_s: the first call after the instant takes that long.
        permitted: whether the user may use this GPU.
        limit_w: the power limit that the driver enforces; 0: NVML does not tell one.
        has_process_samples, sample_period_s: whether NVML tells how much single processes use it, and how often the
            driver looks.
        has_unwritten_samples: whether it then returns its whole buffer, most of it never written.
        processes: what runs on it.
        parts: what MIG has made of it.
    """

    name: str = "NVIDIA H200"
    uuid: str = ""
    low_w: float = 100.0
    high_w: float = 500.0
    period_s: float = 1.87
    phase_s: float = 0.0
    duty: float = 0.5
    sine: bool = False
    counter_period_s: float = 0.1
    counter_phase_s: float = 0.0
    counter_offset_j: float = 1000.0
    gain: float = 1.0
    power_period_s: float = 0.1
    power_phase_s: float = 0.0
    power_window_s: float = 0.025
    has_counter: bool = True
    has_power: bool = True
    has_fields: bool = True
    mig: bool = False
    architecture: int = HOPPER
    major: int = 9
    minor: int = 0
    latency_s: float = 0.0
    lost_at_s: float = math.inf
    hang_at_s: float = 0.0
    hang_s: float = 0.0
    permitted: bool = True
    limit_w: float = 700.0
    has_process_samples: bool = True
    sample_period_s: float = 1 / 6
    has_unwritten_samples: bool = False
    processes: Sequence[Process] = ()
    parts: Sequence[Part] = ()

    def energy_j(self, t_s: float) -> float:
        """Return the true energy since 0, J."""
        if self.sine:
            omega = math.tau / self.period_s
            swing_j = (self.high_w - self.low_w) / 2 / omega
            swung_j = swing_j * (math.cos(omega * self.phase_s) - math.cos(omega * (t_s - self.phase_s)))
            return (self.low_w + self.high_w) / 2 * t_s + swung_j
        whole, part = divmod(t_s - self.phase_s, self.period_s)
        high_s = whole * self.duty * self.period_s + min(part, self.duty * self.period_s)
        return self.low_w * t_s + (self.high_w - self.low_w) * high_s


@dataclass(frozen=True)
class Machine:
    """What NVML shows. All times count from ``epoch_ns`` of ``time.monotonic_ns()``.

    While the driver is loaded anew, ``unloaded_s`` (from and to), nothing answers; counters then begin at 0.
    """

    gpus: Sequence[Gpu] = (Gpu(),)
    init_error: int = 0
    unloaded_s: tuple[float, float] = (0.0, 0.0)
    epoch_ns: int = field(default_factory=time.monotonic_ns)

    def write(self, control: Path) -> None:
        """Make the stand-in behave like this machine, also one that runs already (within 50 ms)."""
        lines = [f"count {len(self.gpus)}", f"init_error {self.init_error}", f"epoch_ns {self.epoch_ns}"]
        lines += [f"unloaded_from_s {self.unloaded_s[0]}", f"unloaded_until_s {self.unloaded_s[1]}"]
        for index, gpu in enumerate(self.gpus):
            names = [column.name for column in fields(gpu) if column.name not in ("processes", "parts")]
            values = {name: getattr(gpu, name) for name in names}
            values["uuid"] = self.uuid(index)
            lines += [
                f"{index}.{key} {float(value) if isinstance(value, bool) else value}" for key, value in values.items()
            ]
            for process in gpu.processes:
                times = f"{process.from_s} {process.until_s} {int(process.is_shown)}"
                lines.append(f"{index}.process {process.pid} {process.percent} {times}")
            for part in gpu.parts:
                lines.append(f"{index}.part {part.place} {part.uuid} {part.gpu_instance} {part.compute_instance}")
        draft = control.with_name(control.name + ".draft")
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draft.replace(control)

    def uuid(self, index: int) -> str:
        """Return the UUID of a GPU."""
        return self.gpus[index].uuid or f"GPU-5caff01d-0000-4000-8000-{index:012x}"

    def channel_id(self, index: int) -> str:
        """Return the id of the channel that the meter makes of a GPU."""
        return f"gpu:{self.uuid(index)}"

    def true_energy_j(self, index: int, start_ns: int, end_ns: int) -> float:
        """Return what a GPU really drew between two instants of ``time.monotonic_ns()``, J."""
        gpu = self.gpus[index]
        return gpu.energy_j((end_ns - self.epoch_ns) / 1e9) - gpu.energy_j((start_ns - self.epoch_ns) / 1e9)
