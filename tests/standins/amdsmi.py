"""Builds a stand-in of ROCm's libamd_smi.so that the real ``amdsmi`` package loads, and says what its GPUs answer.

For example::

    with loaded(tmp_path) as machine:
        machine.set([Gpu(power_w=300.0), Gpu(name="AMD Instinct MI210")])
        amdsmi.amdsmi_init()

Energy is that of ``power_w`` since the machine was set, whole steps of the counter, at each read.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

LIBRARY = "libamd_smi.so"

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, IO = 2, 10, 34, 12
"""Numbers of errors, as in amdsmi.h."""

RESOLUTION_UJ = 15.3
"""Of the energy counter, as the library gives it."""

IMPLEMENTED = """
#include <stdint.h>
#include <string.h>
#include <time.h>

#define GPUS 16
typedef struct { int status; size_t size; unsigned char data[4096]; } answer;
enum { ASIC, BDF, POWER, UUID, CAP, ANSWERS };
static answer answers[GPUS][ANSWERS];
static struct { int status; double power_w; double start_s; } energy[GPUS];
static uint32_t gpu_count;
static int init_status, open_count;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}
static int number(void *gpu) { return (int)(intptr_t)gpu - 1; }
static int answered(void *gpu, int what, void *to) {
  answer *a = &answers[number(gpu)][what];
  if (a->status == 0) memcpy(to, a->data, a->size);
  return a->status;
}

void standin_machine(uint32_t count, int status) { gpu_count = count; init_status = status; }
void standin_answer(int gpu, int what, int status, const void *data, size_t size) {
  answers[gpu][what].status = status;
  answers[gpu][what].size = size;
  memcpy(answers[gpu][what].data, data, size);
}
void standin_energy(int gpu, int status, double power_w) {
  energy[gpu].status = status;
  energy[gpu].power_w = power_w;
  energy[gpu].start_s = now_s();
}
int standin_open_count(void) { return open_count; }

int amdsmi_init(uint64_t flags) { (void)flags; open_count += init_status == 0; return init_status; }
int amdsmi_shut_down(void) { open_count--; return 0; }
int amdsmi_get_socket_handles(uint32_t *count, void **handles) {
  *count = 1;
  if (handles) handles[0] = (void *)1;
  return 0;
}
int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **handles) {
  (void)socket;
  *count = gpu_count;
  for (uint32_t i = 0; handles && i < gpu_count; i++) handles[i] = (void *)(intptr_t)(i + 1);
  return 0;
}
int amdsmi_get_gpu_asic_info(void *gpu, void *to) { return answered(gpu, ASIC, to); }
int amdsmi_get_gpu_device_bdf(void *gpu, void *to) { return answered(gpu, BDF, to); }
int amdsmi_get_power_info(void *gpu, void *to) { return answered(gpu, POWER, to); }
int amdsmi_get_power_cap_info(void *gpu, uint32_t sensor, void *to) { (void)sensor; return answered(gpu, CAP, to); }
int amdsmi_get_gpu_device_uuid(void *gpu, unsigned *length, char *to) {
  (void)length;
  return answered(gpu, UUID, to);
}
int amdsmi_get_energy_count(void *gpu, uint64_t *count, float *resolution, uint64_t *t_ns) {
  double t_s = now_s();
  *resolution = 15.3f;
  *t_ns = (uint64_t)(t_s * 1e9);
  *count = 1000000 + (uint64_t)(energy[number(gpu)].power_w * (t_s - energy[number(gpu)].start_s) / 15.3e-6);
  return energy[number(gpu)].status;
}
"""


@dataclass(frozen=True)
class Gpu:
    """What AMD SMI says of one GPU.

    Attributes:
        bdf: PCI domain, bus, device and function; None: a device of its own.
        current_w, average_w: 0xFFFF is what a card answers that does not know.
        power_w: that the energy counter counts.
        cap_w: its power cap; None: it tells none.
        power_status, energy_status: error numbers; 0: it answers.
    """

    name: str = "AMD Instinct MI300X"
    serial: int | None = None
    bdf: tuple[int, int, int, int] | None = None
    current_w: int = 300
    average_w: int = 0xFFFF
    power_w: float = 300.0
    cap_w: int | None = 750
    power_status: int = 0
    energy_status: int = 0


class Machine:
    """The stand-in's GPUs. ``amdsmi`` is imported and talks to them."""

    def __init__(self, library: ctypes.CDLL, wrapper: ModuleType) -> None:
        self._library = library
        self._wrapper = wrapper
        library.standin_energy.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_double]

    def set(self, gpus: Sequence[Gpu], init_status: int = 0) -> None:
        for number, gpu in enumerate(gpus):
            asic = self._wrapper.amdsmi_asic_info_t()
            asic.market_name = gpu.name.encode()
            asic.asic_serial = f"{number + 0xAB00 if gpu.serial is None else gpu.serial:016X}".encode()
            bdf = self._wrapper.amdsmi_bdf_t()
            place = gpu.bdf or (0, number + 1, 0, 0)
            parts = bdf.struct_amdsmi_bdf_t
            parts.domain_number, parts.bus_number, parts.device_number, parts.function_number = place
            power = self._wrapper.amdsmi_power_info_t()
            power.current_socket_power, power.average_socket_power = gpu.current_w, gpu.average_w
            uuid = ctypes.create_string_buffer(uuid_of(number).encode(), 38)
            cap = self._wrapper.amdsmi_power_cap_info_t()
            cap.power_cap = (gpu.cap_w or 0) * 1_000_000
            cap_status = NOT_SUPPORTED if gpu.cap_w is None else 0
            answers = ((0, asic), (0, bdf), (gpu.power_status, power), (0, uuid), (cap_status, cap))
            for what, (status, value) in enumerate(answers):
                self._library.standin_answer(number, what, status, ctypes.byref(value), ctypes.sizeof(value))
            self._library.standin_energy(number, gpu.energy_status, gpu.power_w)
        self._library.standin_machine(len(gpus), init_status)

    @property
    def open_count(self) -> int:
        """How often the library was started and not ended."""
        return int(self._library.standin_open_count())


def uuid_of(number: int) -> str:
    return f"{number:02x}ff74a0-0000-1000-80d6-7d1be1d51bc4"


@contextmanager
def loaded(folder: Path) -> Iterator[Machine]:
    """Build the library into ``folder``, have ROCM_PATH name it, and import the real package over it."""
    before = os.environ.get("ROCM_PATH")
    os.environ["ROCM_PATH"] = str(folder)
    try:
        library = build(folder)
        forget()
        from amdsmi import amdsmi_wrapper

        yield Machine(ctypes.CDLL(str(library)), amdsmi_wrapper)
    finally:
        forget()
        os.environ.pop("ROCM_PATH")
        if before is not None:
            os.environ["ROCM_PATH"] = before


def forget() -> None:
    """Unload the package: another test is to find it as it is on this machine."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "amdsmi"]:
        del sys.modules[name]


def build(folder: Path) -> Path:
    """Compile the library: what is not implemented here answers that it is not supported."""
    spec = find_spec("amdsmi")
    assert spec is not None and spec.origin is not None
    binding = Path(spec.origin).with_name("amdsmi_wrapper.py").read_text(encoding="utf-8")
    names = set(re.findall(r"_libraries\['libamd_smi\.so'\]\.(\w+)", binding))
    rest = names - set(re.findall(r"\b(amdsmi_\w+)\(", IMPLEMENTED))
    code = IMPLEMENTED + "".join(f"int {name}(void) {{ return {NOT_SUPPORTED}; }}\n" for name in sorted(rest))
    library = folder / "lib" / LIBRARY
    library.parent.mkdir(parents=True, exist_ok=True)
    source = folder / "standin.c"
    source.write_text(code, encoding="ascii")
    subprocess.run(["cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library
