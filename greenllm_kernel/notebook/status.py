"""What ``%energy status`` says."""

from __future__ import annotations

import time

from greenllm_kernel.accounting.budget_watch import session_budget_text
from greenllm_kernel.accounting.notation import energy_text, power_text, provenance_text
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.idle import baseline_text

LOOK_FOR_S = 5.0
"""How long the meters are looked for where no cell was measured yet, s."""


def status_text(session: Session, measures_every_cell: bool) -> str:
    """Return what is measured now, with which meters, at which place, and what is amiss."""
    session.find_meters(LOOK_FOR_S)
    sampler = session.sampler
    lines = ["Measuring: " + ("every cell" if measures_every_cell else "cells under %%energy, and measure()")]
    for reader in sampler.readers:
        for trace in reader.traces:
            state = trace.fault or trace.provenance.value
            power_w = trace.power_w(time.monotonic_ns())
            now = f", {power_text(power_w)}" if power_w is not None else ""
            limit_w = reader.limits.power_w(trace.channel.id)
            now += f" of {power_text(limit_w)} at most" if limit_w is not None else ""
            idle = baseline_text(trace.channel, sampler.baselines.of(trace.channel))
            lines.append(f"  {trace.channel.label} ({trace.channel.component}, {reader.name}): {state}{now}; {idle}")
    for meter in sampler.unusable:
        remedy = f". {meter.remedy}" if meter.remedy else ""
        lines.append(f"  {meter.name}: cannot be used: {meter.reason.rstrip('.') if remedy else meter.reason}{remedy}")
    if not sampler.readers:
        lines.append("  no meter works here: energy is unavailable")
    energy, duration_s, _ = session.span.total()
    # The cell that asks may be the only one so far.
    has_measured = energy is not None or session.records or any(not run.is_open for run in session.unsettled_runs)
    total = f"{energy_text(energy)} in {duration_s:.1f} s, {provenance_text(energy)}"
    lines.append(f"This session: {total if has_measured else 'nothing measured yet'}")
    if session.budget is not None:
        lines.append(session_budget_text(session))
    intensity = session.intensity_lookup.wait()
    if intensity is not None:
        low, high = intensity.interval_gco2e_per_kwh
        lines.append(
            f"Carbon intensity: {intensity.value_gco2e_per_kwh:.0f} [{low:.0f}, {high:.0f}] gCO2e/kWh, place "
            f"{intensity.place} ({intensity.source}, {intensity.vintage})"
        )
    lines.append(f"Own cost: {sampler.cpu_s:.2f} s of processor time for reading sensors")
    lines += [f"Warning: {warning}" for warning in session.warnings]
    return "\n".join(lines)
