"""What ``%compare`` and ``compare()`` give, as tables and a plot below the cell: verdicts first."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from greenllm_kernel.accounting.front_plot import Point, front_plot
from greenllm_kernel.accounting.notation import PROVENANCE_MEANING, energy_text, quantity_text
from greenllm_kernel.notebook.html_table import known_columns, table_html

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenllm_kernel.compression.comparison.comparison import Comparison

VERDICT_COLUMNS = ("Contender", "Phase", "Batch", "Verdict", "Change of energy", "Confidence", "Pairs", "Provenance")


def register_display(shell: InteractiveShell) -> None:
    """Show comparisons as tables in this shell; nothing is imported before there is one."""
    formats: Any = shell.display_formatter
    formatter = formats.formatters["text/html"]
    formatter.for_type_by_name("greenllm_kernel.compression.comparison.comparison", "Comparison", comparison_html)


def comparison_html(comparison: Comparison) -> str:
    """Return a comparison as HTML that needs neither scripts nor styles from elsewhere."""
    from greenllm_kernel.compression.comparison.text import CONTENDER_COLUMNS, contender_row, headline, notes

    contenders = [contender_row(comparison, each) for each in comparison.contenders]
    return "".join(
        [
            f"<div><strong>{html.escape(headline(comparison))}</strong></div>",
            _verdicts(comparison),
            table_html(*known_columns(CONTENDER_COLUMNS, contenders)),
            *(_front(comparison, batch) for batch in comparison.batches),
            *(f"<div>{html.escape(line)}</div>" for line in notes(comparison)),
            _measured(comparison),
            f"<div><small>{html.escape(_provenance(comparison))}</small></div>",
        ]
    )


def _verdicts(comparison: Comparison) -> str:
    rows = [
        [
            verdict.contender,
            verdict.phase,
            str(verdict.batch),
            verdict.words,
            verdict.change_text,
            f"{100 * verdict.confidence:.3g} %" if verdict.interval else "",
            str(verdict.pairs),
            verdict.provenance.value,
        ]
        for verdict in comparison.verdicts
    ]
    said = f"Beside {comparison.baseline.name}, which is the baseline:"
    return f"<div>{html.escape(said)}</div>{table_html(VERDICT_COLUMNS, rows)}" if rows else ""


def _front(comparison: Comparison, batch: int) -> str:
    """Return the plane of energy and quality at a batch, and the same as a table behind it."""
    points = [point for point in comparison.front if point.batch == batch]
    if len(points) < 2:
        return ""
    unit = "new token" if comparison.new_tokens else "request"
    plot = front_plot(
        [
            Point(
                point.contender,
                (point.energy_j, point.interval_j),
                (point.quality, point.quality_interval),
                point.is_on_front,
                point.contender == comparison.baseline.name,
            )
            for point in points
        ],
        f"J per {unit}",
        comparison.quality_name,
    )
    rows = [
        [
            point.contender,
            quantity_text(point.energy_j, point.interval_j, ((1e-3, "mJ"), (1.0, "J"), (1e3, "kJ"))),
            quantity_text(point.quality, point.quality_interval, ((1.0, ""),)).strip(),
            "on the front" if point.is_on_front else "another is as good in both, and better in one",
        ]
        for point in points
    ]
    title = f"Energy and quality at batch {batch}"
    columns = ("Contender", f"Energy per {unit} (95 %)", f"{comparison.quality_name.capitalize()} (95 %)", "Front")
    return (
        f"<div>{html.escape(title)}: to the left less energy, further down better</div>{plot}"
        f"<details><summary>The same as a table</summary>{table_html(columns, rows)}</details>"
    )


def _measured(comparison: Comparison) -> str:
    """Return all figures, by batch and phase, folded away."""
    from greenllm_kernel.compression.comparison.text import cell_columns, cell_rows

    tables = []
    for batch in comparison.batches:
        for phase in comparison.phases:
            if rows := cell_rows(comparison, phase, batch):
                table = table_html(*known_columns(cell_columns(comparison, phase), [list(row) for row in rows]))
                tables.append(f"<div>{html.escape(f'{phase}, batch {batch}')}</div>{table}")
    if not tables:
        return "<div>Nothing was measured.</div>"
    return f"<details><summary>All figures, by batch and phase</summary>{''.join(tables)}</details>"


def _provenance(comparison: Comparison) -> str:
    """Return how the figures were come by, and on what."""
    record, host = comparison.record, comparison.host
    made = ", ".join(f"{name} {version}" for name, version in sorted(host.packages.items()))
    how = f"Energy {comparison.provenance.value}: {PROVENANCE_MEANING[comparison.provenance]}"
    trials = f"Interleaved trials, at most {comparison.pairs} pairs, seed {comparison.seed}"
    where = f"{record.host}, on {comparison.baseline.device}"
    took = f"comparing took {energy_text(record.gross)} on {where}, from {record.started_at:%Y-%m-%d %H:%M} UTC on"
    return f"{how}. {trials}; {took}. {made}"
