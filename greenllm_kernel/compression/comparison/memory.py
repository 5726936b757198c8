"""How much memory a model takes at most while it works, beyond what was taken before."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

import torch

PROCESS = Path("/proc/self")
RESET_PEAK = "5"
"""Written into ``clear_refs``, it sets the peak of the resident memory back to its present size (proc(5))."""


def peak_growth_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Do some work, and return by how much memory grew at most meanwhile, bytes; None where that cannot be told.

    On a GPU it is what torch's allocator has given out (``torch.cuda.max_memory_allocated``). On a CPU it is the peak
    of the resident memory that Linux keeps, from where it stood before; what the allocator holds back of earlier work
    is given back first, or else it would be taken again without growth.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return max(0, int(torch.cuda.max_memory_allocated(device)) - before)
    _give_back()
    try:
        (PROCESS / "clear_refs").write_text(RESET_PEAK)
        before = _status_bytes("VmRSS")
    except (OSError, StopIteration, ValueError):
        work()
        return None
    work()
    try:
        return max(0, _status_bytes("VmHWM") - before)
    except (OSError, StopIteration, ValueError):
        return None


def _status_bytes(field: str) -> int:
    lines = (PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def _give_back() -> None:
    """Have glibc give back to the system what is free; elsewhere nothing happens."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
