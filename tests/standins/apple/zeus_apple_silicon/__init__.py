"""A stand-in of ``zeus-apple-silicon`` 1.1.0: its classes, arguments and errors, over counters that a test sets."""

from __future__ import annotations

import time
from typing import ClassVar

FIELDS = (
    "cpu_total_mj",
    "efficiency_cores_mj",
    "performance_cores_mj",
    "efficiency_cluster_mj",
    "performance_cluster_mj",
    "efficiency_core_manager_mj",
    "performance_core_manager_mj",
    "dram_mj",
    "gpu_mj",
    "gpu_sram_mj",
    "ane_mj",
)


class Chip:
    """What the stand-in's counters count: W by field, since then; a field left out is None, as on an old chip."""

    power_w: ClassVar[dict[str, float]] = {}
    error: Exception | None = None
    start_s = 0.0

    @classmethod
    def set(cls, power_w: dict[str, float], error: Exception | None = None) -> None:
        cls.power_w, cls.error, cls.start_s = power_w, error, time.monotonic()


class AppleEnergyMetrics:
    def __init__(self) -> None:
        for field in FIELDS:
            setattr(self, field, None)


class AppleEnergyMonitor:
    def __init__(self) -> None:
        if Chip.error is not None:
            raise Chip.error
        self._begun: dict[str, AppleEnergyMetrics] = {}

    def get_cumulative_energy(self) -> AppleEnergyMetrics:
        if Chip.error is not None:
            raise Chip.error
        metrics = AppleEnergyMetrics()
        for field, power_w in Chip.power_w.items():
            setattr(metrics, field, 5_000 + int(1e3 * power_w * (time.monotonic() - Chip.start_s)))
        return metrics

    def begin_window(self, key: str, restart: bool = False) -> None:
        if key in self._begun and not restart:
            raise RuntimeError("Measurement with specified key already exists.")
        self._begun[key] = self.get_cumulative_energy()

    def end_window(self, key: str) -> AppleEnergyMetrics:
        if key not in self._begun:
            raise RuntimeError("No measurement with provided key had been started.")
        before, now = self._begun.pop(key), self.get_cumulative_energy()
        for field in Chip.power_w:
            setattr(now, field, getattr(now, field) - getattr(before, field))
        return now
