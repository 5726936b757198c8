"""What a report shows of a comparison of models: a table of its verdicts, and energy against quality as drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from greenllm_kernel.accounting.comparisons import Summary
from greenllm_kernel.accounting.front_plot import Point, front_plot
from greenllm_kernel.accounting.notation import JOULES, Units, quantity_text


@dataclass(frozen=True)
class ComparisonPart:
    """A comparison as it is written.

    Attributes:
        title: when it began, and whether it was interrupted.
        columns: their titles.
        rows: a contender at a batch each, a text for each column.
        plots: SVG of each batch where two contenders or more have a quality.
        omitted: rows that there is no room for.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    plots: Sequence[str]
    omitted: int


NUMBERS = frozenset({"Batch", "Energy", "Bits", "Error"})
"""First words of the titles of columns that hold figures."""


def is_number(title: str) -> bool:
    """Tell whether a column holds figures."""
    return title.split()[0] in NUMBERS


def comparison_part(summary: Summary) -> ComparisonPart:
    """Return what is shown of a comparison, as ``comparisons.summary_of`` returns it in words."""
    unit, quality, rows = summary["unit"], summary["quality"], summary["rows"]
    columns = ["Contender", "Runtime", "Batch", f"Energy per {unit} (95 %)", "Verdict", "Front"]
    if quality:
        columns.insert(4, f"{quality.capitalize()} (95 %)")
    batches = dict.fromkeys(row["batch"] for row in rows)
    return ComparisonPart(
        title=f"Comparison of {_when(summary['started_at'])}{'' if summary['status'] == 'ok' else ', interrupted'}",
        columns=columns,
        rows=[_texts(row, bool(quality)) for row in rows],
        plots=[plot for batch in batches if (plot := _plot(summary, batch))],
        omitted=summary["omitted"],
    )


def _when(started_at: str) -> str:
    """Return the local time, or what stands there instead of one."""
    try:
        return f"{datetime.fromisoformat(started_at).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return started_at


def _texts(row: Summary, has_quality: bool) -> list[str]:
    texts = [row["contender"], row["runtime"], str(row["batch"]), _figure(row, "energy_j", "interval_j", JOULES)]
    if has_quality:
        texts.append(_figure(row, "quality", "quality_interval", ((1.0, ""),)).strip())
    return [*texts, row["verdict"], "yes" if row["on_front"] else ""]


def _figure(row: Summary, value: str, interval: str, units: Units) -> str:
    pair = row[interval]
    return quantity_text(row[value], (pair[0], pair[1]) if pair else None, units)


def _plot(summary: Summary, batch: int) -> str:
    rows = [row for row in summary["rows"] if row["batch"] == batch]
    known = [row for row in rows if None not in (row["on_front"], row["energy_j"], row["interval_j"], row["quality"])]
    if len(known) < 2:
        return ""
    points = [
        Point(
            row["contender"],
            (row["energy_j"], tuple(row["interval_j"])),
            (row["quality"], tuple(row["quality_interval"]) if row["quality_interval"] else None),
            row["on_front"],
            row is rows[0],
        )
        for row in known
    ]
    return front_plot(points, f"J per {summary['unit']}, batch {batch}", str(summary["quality"]))
