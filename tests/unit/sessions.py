"""Sessions under test: a plugin with chosen meters that keeps the records it is handed."""

from __future__ import annotations

from driven import gpu
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.profiles import Constant, Square
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.quantities import CarbonIntensity

WORLD = CarbonIntensity(480.0, (60.0, 710.0), "world", "a test", "2025")


class Recorder:
    def __init__(self, *meters):
        self.meters = meters
        self.records: list[Record] = []
        self.progress: list[Record] = []

    @hookimpl
    def greenllm_meters(self, config):
        return self.meters

    @hookimpl
    def greenllm_carbon_intensity(self, place, at):
        return WORLD

    @hookimpl
    def greenllm_record(self, record):
        self.records.append(record)

    @hookimpl
    def greenllm_progress(self, record):
        self.progress.append(record)


def two_gpus() -> VirtualMeter:
    return VirtualMeter(
        [
            gpu(Square(100.0, 500.0, 1.87), "gpu:0", counter_phase_s=0.013),
            gpu(Constant(200.0), "gpu:1", counter_phase_s=0.057),
        ]
    )
