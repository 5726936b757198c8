"""What stands below a report's tables: what its sums lack, what net rests on, and the carbon intensities."""

from __future__ import annotations

import math
from collections.abc import Sequence

from greenllm_kernel.accounting.notation import basis_text, duration_text, without_baseline
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.totals import Totals, intensities, outermost
from greenllm_kernel.metering.idle.baseline import Basis


def notes(records: Sequence[Record], totals: Totals) -> list[str]:
    """Return what a reader of the sums has to know about them."""
    found = _net_notes(outermost(records))
    if totals.runs_without_energy:
        found.append(f"{_runs(totals.runs_without_energy)} without any reading: the totals lack their energy.")
    if totals.runs_without_emissions > totals.runs_without_energy:
        lacking = totals.runs_without_emissions - totals.runs_without_energy
        found.append(f"{_runs(lacking)} without a carbon intensity: the totals lack their emissions.")
    if totals.overlap_s > 0:
        found.append(
            f"Windows overlapped for {duration_text(totals.overlap_s)}: what the machine drew then is in the sums of "
            "all of them, and in the total once."
        )
    partial = sum(record.status is Status.PARTIAL for record in outermost(records))
    if partial:
        found.append(f"{_runs(partial)} still open, or cut off: what was measured until then is shown.")
    spent_s = math.fsum(record.overhead_s for record in records)
    cpu_s = math.fsum(record.sampler_cpu_s for record in outermost(records))
    found.append(
        f"Measuring itself took {duration_text(spent_s)} of the runs' time and {duration_text(cpu_s)} of processor "
        "time beside them; what that drew is in the figures."
    )
    return found


def intensity_text(record: Record) -> str:
    """Return the carbon intensity behind a record's emissions, with its place, source and vintage."""
    assert record.emissions is not None
    found = record.emissions.intensity
    low, high = found.interval_gco2e_per_kwh
    pue = f", times a PUE of {record.emissions.pue:g}" if record.emissions.pue != 1 else ""
    return (
        f"{found.place}: {found.value_gco2e_per_kwh:.0f} [{low:.0f}, {high:.0f}] gCO2e/kWh{pue} "
        f"({found.vintage}; {found.source})"
    )


def intensity_rows(records: Sequence[Record]) -> list[Record]:
    """Return one record for each carbon intensity that was used, in the order of first use."""
    known = [record for record in records if record.emissions is not None]
    return [next(r for r in known if r.emissions and r.emissions.intensity == found) for found in intensities(known)]


def _net_notes(records: Sequence[Record]) -> list[str]:
    """Return what the net rests on, and what keeps it from being known."""
    found = []
    basis = Basis.of([record.baseline for record in records if record.baseline is not None])
    if basis is not None:
        found.append(f"Net is what was drawn beyond idle power, {basis_text(basis, records[-1].started_at)}.")
    lacking = [record for record in records if record.gross is not None and record.net is None]
    if lacking:
        parts = dict.fromkeys(label for record in lacking for label in without_baseline(record.channels))
        whose = f" of {_count(len(lacking))}" if basis else ""
        found.append(
            f"Net{whose} is not known: no idle power of {', '.join(parts)} was known then; in a notebook, "
            "%energy idle measures it."
        )
    return found


def _runs(count: int) -> str:
    return "One run is" if count == 1 else f"{count} runs are"


def _count(runs: int) -> str:
    return "one run" if runs == 1 else f"{runs} runs"
