"""A comparison as text: the contenders, then by batch and phase what they drew, and what that allows one to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from greenllm_kernel.accounting.notation import (
    COUNTS,
    SECONDS,
    duration_text,
    energy_text,
    quantity_text,
)
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.compression.comparison.break_even import BreakEven
from greenllm_kernel.compression.comparison.cell import Cell
from greenllm_kernel.compression.comparison.compared import Compared
from greenllm_kernel.compression.comparison.comparison import Comparison
from greenllm_kernel.compression.comparison.quality import Metric
from greenllm_kernel.compression.comparison.verdict import change_text
from greenllm_kernel.compression.result import ModelSize, bytes_text

MISSING: Final = "-"

CONTENDER_COLUMNS: Final = (
    *("Contender", "Runtime", "Parameters", "File", "Memory"),
    *("Bits per byte (95 %)", "Change of bits (95 %)", "Perplexity"),
    *("Accuracy (95 %)", "Change of accuracy (95 %)", "Compressing took", "Deploying took"),
)
CELL_COLUMNS: Final = (
    *("Contender", "J/unit (95 %)", "Net of idle", "Units/s", "First token", "p99", "Peak memory"),
    *("Change", "Verdict"),
)

ENDED_EARLY: Final = {Status.INTERRUPTED: ", interrupted", Status.ERROR: ", ended by an error"}

RATES = ((1.0, ""), (1e3, "k"), (1e6, "M"))


def comparison_text(comparison: Comparison) -> str:
    """Return all of a comparison as lines of text."""
    lines = [
        headline(comparison),
        *_table(CONTENDER_COLUMNS, [contender_row(comparison, each) for each in comparison.contenders]),
    ]
    for batch in comparison.batches:
        for phase in comparison.phases:
            rows = cell_rows(comparison, phase, batch)
            if rows:
                lines += [f"{phase}, batch {batch}", *_table(cell_columns(comparison, phase), rows)]
    return "\n  ".join([*lines, *notes(comparison)])


def headline(comparison: Comparison) -> str:
    """Return what was compared and how, in one line."""
    count = len(comparison.contenders)
    work = (
        f"prompts of {comparison.prompt_tokens} tokens and {comparison.new_tokens} new ones"
        if comparison.new_tokens
        else f"texts of {comparison.prompt_tokens} tokens"
    )
    status = ENDED_EARLY.get(comparison.status, "")
    took = f"{energy_text(comparison.record.gross)}, {duration_text(comparison.record.duration_s)}"
    return f"compared {count} models on {work}{status}: energy {comparison.provenance.value}; comparing took {took}"


def contender_row(comparison: Comparison, contender: Compared) -> Sequence[str]:
    """Return what is known of a contender apart from phase and batch, in texts, for :data:`CONTENDER_COLUMNS`."""
    text, accuracy = contender.text, contender.accuracy
    changes = comparison.text_change(contender), comparison.accuracy_change(contender)
    more_bits, more_right = (None, None) if contender is comparison.baseline else changes
    size = ModelSize(contender.parameters, contender.nonzero, contender.memory_bytes)
    return (
        contender.name,
        contender.runtime,
        size.parameters_text,
        bytes_text(contender.file_bytes) if contender.file_bytes is not None else "",
        bytes_text(contender.memory_bytes),
        quantity_text(text.bits_per_byte, text.interval_bits, ((1.0, ""),)) if text else "",
        change_text(*more_bits) if more_bits else "",
        f"{text.perplexity:.4g}" if text else "",
        quantity_text(100 * accuracy.value, _percents(accuracy.interval), ((1.0, "%"),)) if accuracy else "",
        change_text(*more_right, unit="points") if more_right else "",
        energy_text(contender.compressing) if contender.compressing else "",
        _deploying_text(contender),
    )


def cell_columns(comparison: Comparison, phase: str) -> Sequence[str]:
    """Return :data:`CELL_COLUMNS` with the unit of a phase in them."""
    unit = next(cell.unit for cell in comparison.cells if cell.phase == phase)
    return [name.replace("unit", unit).replace("Unit", unit.capitalize()) for name in CELL_COLUMNS]


def cell_rows(comparison: Comparison, phase: str, batch: int) -> Sequence[Sequence[str]]:
    """Return what was measured in a phase at a batch, in texts, for :data:`CELL_COLUMNS`."""
    rows = []
    for contender in comparison.contenders:
        cell = comparison.cell(contender.name, phase, batch)
        verdict = comparison.verdict(contender.name, phase, batch)
        if cell is None and verdict is None:
            continue
        said = (verdict.change_text, verdict.words) if verdict else ("", "")
        rows.append((contender.name, *_measured(cell), *said))
    return rows


def notes(comparison: Comparison) -> Sequence[str]:
    """Return what else is to be said, a line each."""
    lines = []
    for verdict in comparison.verdicts:
        if verdict.gap:
            lines.append(f"{verdict.contender}, {verdict.phase}, batch {verdict.batch}: {verdict.gap}")
    lines += [f"{contender.name}: {contender.failure}" for contender in comparison.contenders if contender.failure]
    lines += [f"{each.name}: {said}" for each in comparison.contenders for said in harness_texts(comparison, each)]
    lines += [f"{each.name}: {outcome}" for each in comparison.contenders for outcome in comparison.judged(each)]
    lines += [break_even_text(one) for one in comparison.break_even]
    if missing := sorted({label for cell in comparison.cells for label in cell.missing}):
        lines.append(f"without {'; '.join(missing)}: no readings throughout")
    return lines


def harness_texts(comparison: Comparison, contender: Compared) -> Sequence[str]:
    """Return what lm-eval said of a contender, a line for each task, with 95 % intervals where they are known."""
    lines = []
    for task, metrics in contender.harness.items():
        theirs = comparison.baseline.harness.get(task, {}) if contender is not comparison.baseline else {}
        told = [_metric_text(name, metric, theirs.get(name)) for name, metric in metrics.items()]
        if told:
            lines.append(f"lm-eval, {task}: {'; '.join(told)}")
    return lines


def _metric_text(name: str, metric: Metric, baseline: Metric | None) -> str:
    label, _, filtered = name.partition(",")
    where = "" if filtered == "none" else f" ({filtered})"
    if metric.value is None:
        return f"{label}{where} not finite"
    value = quantity_text(metric.value, metric.interval, ((1.0, ""),)).strip()
    change = metric.change(baseline)
    if change is None or change[1] is None:
        return f"{label}{where} {value}"
    return f"{label}{where} {value}, {change_text(*change, unit='points')}"


def break_even_text(one: BreakEven) -> str:
    """Return after how much use a contender has paid off, in a sentence."""
    where, costs = f"{one.contender}, batch {one.batch}", " and ".join(one.costs)
    if one.count is None or one.interval is None:
        return f"{where}: no saving is sure that would pay back what {costs} took"
    low, high = (quantity_text(end, None, COUNTS).strip() if end is not None else "never" for end in one.interval)
    count = quantity_text(one.count, None, COUNTS).strip()
    verb = "is" if len(one.costs) == 1 else "are"
    return f"{where}: {costs} {verb} paid back after {count} {one.unit}s ({low} to {high})"


def _measured(cell: Cell | None) -> Iterator[str]:
    if cell is None:
        return iter([MISSING] * (len(CELL_COLUMNS) - 3))
    return iter(
        [
            energy_text(cell.gross),
            energy_text(cell.net, beside=cell.gross) if cell.net else MISSING,
            quantity_text(cell.rate, cell.rate_interval, RATES).strip(),
            quantity_text(cell.first_token_s, None, SECONDS) if cell.first_token_s is not None else MISSING,
            quantity_text(cell.latency_p99_s, None, SECONDS) if cell.latency_p99_s is not None else MISSING,
            bytes_text(cell.peak_memory_bytes) if cell.peak_memory_bytes is not None else MISSING,
        ]
    )


def _deploying_text(contender: Compared) -> str:
    told = {batch: energy_text(energy) for batch, energy in contender.deploying.items()}
    if len(told) == 1:
        return next(iter(told.values()))
    return "; ".join(f"batch {batch}: {text}" for batch, text in told.items())


def _percents(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return (100 * interval[0], 100 * interval[1]) if interval else None


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    kept = [
        index for index in range(len(columns)) if index == 0 or any(row[index] not in ("", MISSING) for row in rows)
    ]
    table = [[row[index] for index in kept] for row in (columns, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(kept))]
    return [
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]
