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


def peak_growth_bytes(first: Callable[[], object], work: Callable[[], object], device: torch.device) -> int | None:
    """Do something for the first time, then some work, and return how far the work's memory rises above the beginning.

    So what the first time makes and keeps (caches, compiled code) counts; what making it takes for a while does not.
    The few megabytes that a library takes for itself at its first use in a process count to whoever comes first.

    On a GPU it is what torch's allocator has given out (``torch.cuda.max_memory_allocated``). On a CPU it is the peak
    of the resident memory that Linux keeps; what the allocator holds back of what is done with is given back before
    either, or else it would be taken again without growth.

    Args:
        first: done once, before the work.
        work: during which the peak is taken.
        device: where it is done.

    Returns:
        Bytes, 0 or more; None where that cannot be told.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        first()
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return max(0, int(torch.cuda.max_memory_allocated(device)) - before)
    _give_back()
    resident = _status_bytes("VmRSS")
    first()
    _give_back()
    is_reset = _reset_peak()
    work()
    peak = _status_bytes("VmHWM")
    return max(0, peak - resident) if is_reset and peak is not None and resident is not None else None


def _reset_peak() -> bool:
    try:
        (PROCESS / "clear_refs").write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int | None:
    try:
        lines = (PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])
    except (OSError, StopIteration, ValueError):
        return None


def _give_back() -> None:
    """Have glibc give back to the system what is free; elsewhere nothing happens."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
