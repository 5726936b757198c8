"""What stands below a report's tables: what its sums lack, what net rests on, and the carbon intensities."""

from __future__ import annotations

import math
from collections.abc import Sequence

from greenllm_kernel.accounting.notation import HOW_TO_KNOW, basis_text, duration_text, list_text, partly_text
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.totals import Totals, intensities, outermost


def notes(records: Sequence[Record], totals: Totals) -> list[str]:
    """Return what a reader of the sums has to know about them."""
    found = _net_notes(outermost(records), totals)
    if totals.readings.partial:
        found.append(f"Partly read: {partly_text(totals.readings.partial)}.")
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


def _net_notes(records: Sequence[Record], totals: Totals) -> list[str]:
    """Return what the net rests on, and what keeps it from being known."""
    found = []
    known = totals.known
    if known.baseline is not None:
        whose = f" of {list_text(known.of)}" if known.lacking else ""
        taken = basis_text(known.baseline, records[-1].started_at)
        found.append(f"Net is what was drawn beyond idle power{whose}, {taken}.")
    if known.lacking:
        lacking = sum(bool(record.known.lacking) for record in records)
        runs = f" in {_count(lacking)}" if known.baseline and lacking < len(records) else ""
        whose = list_text(known.lacking)
        found.append(f"Net is not known of {whose}{runs}: no idle power was known then; in a notebook, {HOW_TO_KNOW}.")
    if known.share_j is not None and known.untold:
        found.append(f"Whose energy it was could not be told everywhere of {list_text(known.untold)}.")
    return found


def _runs(count: int) -> str:
    return "One run is" if count == 1 else f"{count} runs are"


def _count(runs: int) -> str:
    return "one run" if runs == 1 else f"{runs} runs"
