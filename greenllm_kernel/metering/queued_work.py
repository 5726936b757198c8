"""Waits, at the edges of a window, for the work that PyTorch has queued on accelerators in this process.

An accelerator works its queue off while Python goes on. Without waiting, what one cell has queued would count in the
next one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

ACCELERATORS = ("cuda", "xpu")
"""The parts of torch whose devices have queues: those of NVIDIA and AMD (both ``torch.cuda``), and of Intel.

Apple's is left out: torch cannot tell whether a process uses it without starting it there.
"""

Device = tuple[str, int]
"""One of torch's devices: the part of torch, and its number there."""

_told: set[Device] = set()


def wait_for_queued_work() -> dict[Device, RuntimeError]:
    """Wait until the devices that torch uses in this process have done what is queued, on all their streams.

    Where torch is not imported, or uses no device, this costs a look into a dictionary and little more. While a graph
    is being captured nothing is waited for, since that would spoil the capture: on a stream that is current in this
    thread, or on the one that ``torch.cuda.graph`` captures on unless told otherwise.

    Returns:
        By device, the error that queued work has run into. One that breaks the device for the rest of the process
        comes again at each later edge, and is returned until it has been :func:`told`.

    Raises:
        KeyboardInterrupt: the user's. As in ``torch.cuda.synchronize``, it comes when the work is done.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    errors: dict[Device, RuntimeError] = {}
    for name in ACCELERATORS:
        devices = _used_devices(torch, name)
        if any(_is_capturing(getattr(torch, name), device) for device in devices):
            continue
        for device in devices:
            error = _waited(getattr(torch, name), device)
            if error is None:
                _told.discard((name, device))
            elif (name, device) not in _told:
                errors[name, device] = error
    return errors


def told(errors: Mapping[Device, RuntimeError]) -> RuntimeError:
    """Take note that the user is told of these errors, and return the first of them, to be raised."""
    _told.update(errors)
    return next(iter(errors.values()))


def _used_devices(torch: ModuleType, name: str) -> Sequence[int]:
    """Return the devices that may have queues: to ask torch for another one would start it."""
    try:
        accelerator = getattr(torch, name)
        if not accelerator.is_initialized():
            return ()
        has_context = getattr(torch._C, f"_{name}_hasPrimaryContext", lambda device: True)
        return [device for device in range(accelerator.device_count()) if has_context(device)]
    except Exception:  # a torch without this part, or one that is being imported just now: nothing is queued
        return ()


def _is_capturing(accelerator: Any, device: int) -> bool:
    """Tell whether a graph is being captured; a device that is broken cannot say, and its queue will."""
    try:
        is_capturing = accelerator.is_current_stream_capturing
        with accelerator.device(device):
            if is_capturing():
                return True
        usual = accelerator.graph.default_capture_stream
        if usual is None:
            return False
        with accelerator.stream(usual):
            return bool(is_capturing())
    except (AttributeError, RuntimeError):
        return False


def _waited(accelerator: Any, device: int) -> RuntimeError | None:
    try:
        accelerator.synchronize(device)
    except RuntimeError as error:  # what torch raises for all errors of its devices
        # One that another thread's capture makes of our asking is not the work's.
        return None if "captur" in str(error) else error
    return None
