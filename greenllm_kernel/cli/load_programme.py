"""The loads that ``greenllm calibrate`` puts on the CPUs: which, on how many, and the processes that make them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from greenllm_kernel.cli.command_error import CommandError
from greenllm_kernel.cli.load_worker import KINDS
from greenllm_kernel.metering.calibration.fitting import IDLE

READY_TIMEOUT_S = 60.0
"""How long the workers of one step may take to begin, s: hundreds of them import numpy at once."""

BUFFER_B = 32 << 20
"""What a memory-bound worker copies, bytes: with a core's share of the largest caches (16 MB) left behind."""

MEMORY_SHARE = 0.25
"""All workers together take at most this part of the memory that is free."""

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""One worker is to load one CPU: BLAS libraries would take them all."""


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of load on some CPUs."""

    kind: str
    workers: int

    def __str__(self) -> str:
        if not self.workers:
            return self.kind
        return f"{self.kind}, {self.workers} {'CPU' if self.workers == 1 else 'CPUs'}"


def programme(cpus: int) -> list[Step]:
    """Return the steps: idle at both ends, and between them each kind of load on one, half and all of ``cpus``."""
    levels = sorted({1, max(1, cpus // 2), cpus})
    return [
        Step(IDLE, 0),
        *(Step(kind, workers) for kind in KINDS for workers in levels),
        Step(IDLE, 0),
    ]


def cpus_at_hand() -> int:
    """Return on how many CPUs this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def running(step: Step) -> Iterator[None]:
    """Have a step's load run meanwhile. Its processes end with the block, however it ends, and with this process.

    Raises:
        CommandError: a worker could not begin.
    """
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(step.workers):
            workers.append(_start(step))
        _wait_until_ready(workers, step)
        yield
        if any(worker.poll() is not None for worker in workers):
            raise CommandError(f"{step}: the load ended too early; {_said(workers)}")
    finally:
        _kill(workers)
        for worker in workers:
            worker.wait()
            for stream in (worker.stdin, worker.stdout, worker.stderr):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()


def _start(step: Step) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "greenllm_kernel.cli.load_worker", step.kind, str(_buffer_b(step.workers))]
    # A session of its own: Ctrl-C is for us, and we end the workers ourselves.
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **_ONE_THREAD},
        start_new_session=True,
    )


def _buffer_b(workers: int) -> int:
    import psutil

    free_b = psutil.virtual_memory().available
    return int(max(1 << 20, min(BUFFER_B, MEMORY_SHARE * free_b / (2 * workers))))


def _wait_until_ready(workers: Sequence[subprocess.Popen[bytes]], step: Step) -> None:
    # Killed workers end their output, and so this wait.
    watchdog = threading.Timer(READY_TIMEOUT_S, _kill, [workers])
    watchdog.start()
    try:
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline() != b"ready\n":
                raise CommandError(f"{step}: the load could not begin; {_said([worker])}")
    finally:
        watchdog.cancel()


def _kill(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.kill()


def _said(workers: Sequence[subprocess.Popen[bytes]]) -> str:
    """Return the last line of what the first worker that has ended said, or how it ended."""
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.wait(1.0)
        if worker.returncode is not None and worker.stderr is not None:
            lines = worker.stderr.read().decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"it ended with {worker.returncode} (out of memory?)"
    return "it did not answer"
