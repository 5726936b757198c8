"""How one NVIDIA GPU gives its energy and power: by which of NVML's calls, found out by trying them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from greenllm_kernel.metering.meter import Kind

SHORT_WINDOW_S = 0.025
"""What power averages over on A100 and H100 (instant), s: a quarter of the period (arXiv:2312.02741)."""

LONG_WINDOW_S = 1.0
"""What ``nvmlDeviceGetPowerUsage`` averages over on Ampere (but A100) and newer, s (NVML's reference manual)."""

J_PER_MJ = 1e-3
W_PER_MW = 1e-3

Read = Callable[[], dict[Kind, float]]
"""One call, giving the values of some kinds, J or W."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How a card is read.

    Attributes:
        provides: what it gives.
        reads: the calls that give all of it.
        power: one that gives power alone, where there is a counter too: on an H100 (driver 580) the counter takes
            3 ms of processor time, and this 0.04 ms.
        averaging_window_s: what its power averages over, s; None where unknown.
    """

    provides: frozenset[Kind]
    reads: tuple[Read, ...]
    power: Read | None
    averaging_window_s: float | None


def ways(nvml: ModuleType, handle: Any) -> Ways:
    """Find out by trying how a card gives energy and power: by one call for both where it can."""
    fields = {
        kind: (field, scale)
        for kind, field, scale in (
            (Kind.COUNTER, nvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, J_PER_MJ),
            (Kind.POWER, nvml.NVML_FI_DEV_POWER_INSTANT, W_PER_MW),
        )
        if _works(nvml, partial(_field_values, nvml, handle, (field,)))
    }
    reads: list[Read] = []
    if fields:
        reads.append(_fields_read(nvml, handle, fields))
    kinds = set(fields)
    if Kind.COUNTER not in kinds and _works(nvml, partial(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)):
        reads.append(lambda: {Kind.COUNTER: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * J_PER_MJ})
        kinds.add(Kind.COUNTER)
    power: Read | None = None
    is_instant = Kind.POWER in kinds
    if is_instant:
        power = _fields_read(nvml, handle, {Kind.POWER: fields[Kind.POWER]})
    elif _works(nvml, partial(nvml.nvmlDeviceGetPowerUsage, handle)):
        power = lambda: {Kind.POWER: nvml.nvmlDeviceGetPowerUsage(handle) * W_PER_MW}  # noqa: E731
        reads.append(power)
        kinds.add(Kind.POWER)
    alone = power if Kind.COUNTER in kinds else None
    return Ways(frozenset(kinds), tuple(reads), alone, _averaging_window_s(nvml, handle, is_instant))


def limit(nvml: ModuleType, handle: Any) -> Callable[[], float]:
    """Return what asks for the power limit in force, W: the least of what the user, the board and the driver set."""
    return lambda: float(nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * W_PER_MW)


def _works(nvml: ModuleType, ask: Callable[[], object]) -> bool:
    try:
        ask()
    except nvml.NVMLError as error:
        return error.value not in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return True


def _fields_read(nvml: ModuleType, handle: Any, fields: dict[Kind, tuple[int, float]]) -> Read:
    kinds = tuple(fields)
    scales = tuple(scale for _, scale in fields.values())
    field_ids = tuple(field for field, _ in fields.values())

    def read() -> dict[Kind, float]:
        values = _field_values(nvml, handle, field_ids)
        return {kind: value * scale for kind, value, scale in zip(kinds, values, scales, strict=True)}

    return read


def _field_values(nvml: ModuleType, handle: Any, field_ids: Sequence[int]) -> list[float]:
    values: list[float] = []
    for field in nvml.nvmlDeviceGetFieldValues(handle, field_ids):
        if field.nvmlReturn != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(field.nvmlReturn)
        values.append(getattr(field.value, _VALUE_MEMBERS[field.valueType]))
    return values


_VALUE_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Members of ``nvmlValue_t`` in the order of ``nvmlValueType_t``."""


def _averaging_window_s(nvml: ModuleType, handle: Any, is_instant: bool) -> float | None:
    """Return what power is averaged over, s, where it is published for this kind of card."""
    try:
        architecture = nvml.nvmlDeviceGetArchitecture(handle)
        is_a100 = tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)) == (8, 0)
    except nvml.NVMLError:
        return None
    if is_a100 or (is_instant and architecture == nvml.NVML_DEVICE_ARCH_HOPPER):
        return SHORT_WINDOW_S
    if not is_instant and nvml.NVML_DEVICE_ARCH_AMPERE <= architecture < nvml.NVML_DEVICE_ARCH_UNKNOWN:
        return LONG_WINDOW_S
    return None
