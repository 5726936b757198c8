"""Reads a card's counter and both powers as often as asked, in a process of its own, by plain NVML calls.

It shares no code with what it is there to check. As a program it takes its arguments as JSON in ``argv[1]``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Recording:
    """What was read: before and after each call (``time.monotonic_ns``), J, W; NaN where the card has none."""

    before_ns: Array
    after_ns: Array
    counter_j: Array
    instant_w: Array
    average_w: Array

    @property
    def t_ns(self) -> Array:
        """The middle of each call."""
        return (self.before_ns + self.after_ns) / 2

    def between(self, from_ns: float, until_ns: float) -> Recording:
        """Return what was read within a span."""
        kept = (self.t_ns >= from_ns) & (self.t_ns <= until_ns)
        return Recording(**{column.name: getattr(self, column.name)[kept] for column in fields(self)})

    def samples(self, name: str) -> list[tuple[float, float]]:
        """Return instants and values of one column (``counter_j``, ...), without what is missing."""
        t_ns, values = self.t_ns, getattr(self, name)
        kept = np.isfinite(values)
        return list(zip(t_ns[kept].tolist(), values[kept].tolist(), strict=True))


class Recorder:
    """A recording under way.

    Args:
        index: of the card, in the driver's order.
        seconds: how long.
        spacing_s: from the beginning of one call to that of the next.
        folder: for its file.
    """

    def __init__(self, index: int, seconds: float, spacing_s: float, folder: Path) -> None:
        self._file = folder / f"recording-{time.monotonic_ns()}.npz"
        self._timeout_s = seconds + 20.0
        arguments = {"index": index, "seconds": seconds, "spacing_s": spacing_s, "file": str(self._file)}
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "recording":
            raise RuntimeError(f"the recorder did not start: {self._process.communicate()[1][-2000:]}")

    def finish(self) -> Recording:
        """Wait for its end and return what it read."""
        try:
            _, error = self._process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise RuntimeError("the recorder hangs: a call of NVML's does not return") from None
        if self._process.returncode != 0:
            raise RuntimeError(f"the recorder failed: {error[-2000:]}")
        with np.load(self._file) as columns:
            recording = Recording(**{name: columns[name] for name in columns.files})
        self._file.unlink()
        return recording


def main(index: int, seconds: float, spacing_s: float, file: str) -> None:
    """Record and write the columns into ``file``."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    read = reader(pynvml, handle)
    rows: list[tuple[float, ...]] = []
    print("recording", flush=True)
    due = began = time.monotonic()
    while due < began + seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        before_ns = time.monotonic_ns()
        values = read()
        rows.append((before_ns, time.monotonic_ns(), *values))
        due = max(due + spacing_s, time.monotonic())
    columns = np.array(rows, dtype=np.float64).T
    names = ("before_ns", "after_ns", "counter_j", "instant_w", "average_w")
    np.savez(file, **dict(zip(names, columns, strict=True)))


def reader(nvml: Any, handle: Any) -> Any:
    """Return a function that gives joules, instant watts and average watts in as few calls as the card needs."""
    wanted = [nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, nvml.NVML_FI_DEV_POWER_INSTANT, nvml.NVML_FI_DEV_POWER_AVERAGE]
    members = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")

    def by_fields() -> tuple[float, ...]:
        found = nvml.nvmlDeviceGetFieldValues(handle, wanted)
        return tuple(
            getattr(field.value, members[field.valueType]) / 1e3 if field.nvmlReturn == nvml.NVML_SUCCESS else np.nan
            for field in found
        )

    def by_functions() -> tuple[float, ...]:
        try:
            energy_j = nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
        except nvml.NVMLError_NotSupported:  # a card older than Volta
            energy_j = np.nan
        return energy_j, np.nan, nvml.nvmlDeviceGetPowerUsage(handle) / 1e3

    try:
        has_fields = bool(np.isfinite(by_fields()[0]))
    except nvml.NVMLError:
        has_fields = False
    return by_fields if has_fields else by_functions


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
