"""A stand-in for torch on a machine with GPUs: devices that work a queue off while Python goes on.

It has what of ``torch.cuda`` concerns queues, with the same names, and behaves like it: ``synchronize`` lets other
threads run; an error of queued work shows at the next ``synchronize``, and one that breaks the device
(``is_lasting``) at every later one; to wait for a stream that is being captured is an error. Unlike there, an interrupt
comes at once and not only when the work is done. ``install`` makes it this process's ``torch``.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import types
from collections.abc import Iterator
from queue import Queue
from typing import Any


class Device:
    """One GPU. ``has_context``: whether this process has used it."""

    def __init__(self) -> None:
        self.has_context = False
        self.is_capturing = False
        self.error: str | None = None
        self.is_lasting = False
        self._jobs: Queue[tuple[float, str | None]] = Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def queue(self, duration_s: float, fails: str | None = None, is_lasting: bool = True) -> None:
        """Queue work that takes so long, and ends with an error where one is given."""
        self.has_context = True
        self.is_lasting = is_lasting
        self._jobs.put((duration_s, fails))

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        if self.is_capturing:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        self._jobs.join()
        error = self.error
        if not self.is_lasting:
            self.error = None
        if error is not None:
            raise RuntimeError(error)

    def _work(self) -> None:
        while True:
            duration_s, fails = self._jobs.get()
            time.sleep(duration_s)
            self.error = self.error or fails
            self._jobs.task_done()


class Cuda(types.ModuleType):
    """What stands in for ``torch.cuda``; ``calls`` has the devices that were waited for."""

    def __init__(self, devices: int) -> None:
        super().__init__("torch.cuda")
        self.devices = [Device() for _ in range(devices)]
        self.calls: list[int] = []
        self.has_started = True
        self.stream_captured: str | None = None
        self.graph = types.SimpleNamespace(default_capture_stream=None)
        self._current = 0
        self._stream = "current"

    def is_initialized(self) -> bool:
        return self.has_started

    def device_count(self) -> int:
        return len(self.devices)

    def synchronize(self, device: int) -> None:
        self.calls.append(device)
        self.devices[device].has_context = True
        self.devices[device].synchronize()

    def is_current_stream_capturing(self) -> bool:
        if self._stream == "current":
            return self.devices[self._current].is_capturing
        return self._stream == self.stream_captured

    @contextlib.contextmanager
    def device(self, device: int) -> Iterator[None]:
        before, self._current = self._current, device
        yield
        self._current = before

    @contextlib.contextmanager
    def stream(self, stream: str) -> Iterator[None]:
        before, self._stream = self._stream, stream
        yield
        self._stream = before


def install(devices: int = 1) -> Any:
    """Make a stand-in this process's ``torch``, and return it."""
    torch: Any = types.ModuleType("torch")
    torch.cuda = Cuda(devices)
    torch._C = types.SimpleNamespace(_cuda_hasPrimaryContext=lambda device: torch.cuda.devices[device].has_context)
    sys.modules["torch"] = torch
    return torch
