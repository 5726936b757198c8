"""Simulated time: stands where the metering has the module ``time``, and moves only when it is moved."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

START_NS = 10**12


class SimulatedTime:
    """Has the functions of the module ``time`` that measuring uses."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self.now_ns = start_ns
        self.cpu_s = 0.0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def perf_counter(self) -> float:
        return self.now_ns / 1e9

    def thread_time(self) -> float:
        return self.cpu_s

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(1e9 * seconds)


@contextmanager
def instead_of_real(simulated: SimulatedTime, package: str = "greenllm_kernel.metering") -> Iterator[None]:
    """Let every module of ``package`` that has imported ``time`` see the simulated one."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(package) and getattr(module, "time", None) is time
    ]
    for module in modules:
        module.time = simulated  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in modules:
            module.time = time  # type: ignore[attr-defined]
