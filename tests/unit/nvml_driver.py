"""A process in which the real nvidia-ml-py finds the stand-in of NVIDIA's library."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from standins import nvml
from standins.nvml import Machine

T = TypeVar("T")


@dataclass
class Driver:
    """A process in which nvidia-ml-py finds the stand-in, and the file that tells the stand-in what to be."""

    pool: ProcessPoolExecutor
    control: Path

    def on(self, machine: Machine, function: Callable[..., T], *arguments: Any) -> T:
        """Return what ``function`` gives on ``machine``."""
        machine.write(self.control)
        return self.pool.submit(function, *arguments).result(timeout=30)


def started(folder: Path) -> Driver:
    control = folder / "machine"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in nvml.environment(folder, control).items():
            patch.setenv(name, value)
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        pool.submit(os.getpid).result(timeout=30)
    return Driver(pool, control)
