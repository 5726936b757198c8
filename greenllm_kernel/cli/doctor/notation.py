"""How the doctor writes what it measured."""

from __future__ import annotations

from greenllm_kernel.accounting.notation import power_text
from greenllm_kernel.metering.characterization.agreement import Agreement
from greenllm_kernel.metering.characterization.characterize import Characteristics
from greenllm_kernel.metering.characterization.refresh import Refresh


def time_text(seconds: float) -> str:
    """Return a short time, such as ``"31 µs"``, ``"0.31 ms"``, ``"100 ms"`` or ``"2.5 s"``."""
    if seconds < 99.5e-6:
        return f"{seconds * 1e6:.2g} µs"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.{2 if seconds < 0.9995e-3 else 3}g} ms"
    return f"{seconds:.3g} s"


def refresh_text(found: Refresh | None, declared_s: float) -> str:
    """Return a refresh period with its spread and, in brackets, what the plugin declares."""
    if found is None:
        return "none"
    declared = f"({time_text(declared_s)})" if declared_s > 0 else "(each read)"
    if found.period_s is not None and found.low_s is not None and found.high_s is not None:
        spread = f"{time_text(found.low_s)} to {time_text(found.high_s)}"
        return f"{time_text(found.period_s)}, {spread} {declared}"
    if found.at_most_s is not None:
        return f"each read, {time_text(found.at_most_s)} {declared}"
    return f"not told: {found.reason} {declared}"


def latency_text(found: Characteristics) -> str:
    """Return how long one read takes: median, and the 95th percentile."""
    if found.latency_s is None or found.latency_p95_s is None:
        return "unknown"
    return f"{time_text(found.latency_s)}, p95 {time_text(found.latency_p95_s)}"


def agreement_text(found: Agreement | None) -> str:
    """Return the counter's energy over that of the power readings, with its 95 % interval."""
    if found is None:
        return "too little to compare"
    return f"{found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"


def noise_text(found: Characteristics) -> str:
    """Return the standard deviation of power, and whether the part was idle."""
    if found.noise_w is None:
        return "unknown"
    span = f" over {time_text(found.noise_span_s)}" if found.noise_span_s is not None else ""
    state = {True: "idle", False: "not idle", None: "idle or not is unknown"}[found.is_idle]
    return f"{power_text(found.noise_w)}{span}, {state}"
