"""What of a comparison is told to pages and reports: its front, from the JSON data that the ledger keeps.

Anyone may have written what stands there, so nothing of it is taken unseen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from greenllm_kernel.quantities import Provenance

MOST_ROWS = 16
"""Contenders at batches that are told of: a message of the stream has at most 8 KB."""

LONGEST_NAME = 60
"""Characters of a name."""

MOST_COUNTED = 2**53 - 1
"""The largest number of sequences or tokens that JavaScript counts exactly."""

WHOLE = ("generate", "request")
"""The phases that are all of the work."""

OUTCOMES = ("saves", "costs", "unchanged", "storage_only", "inconclusive")

Summary = Mapping[str, Any]
"""As ``messages.schema.json``, ``$defs/comparisonSummary``, has it."""


def summary_of(comparison: Mapping[str, Any], most_rows: int = MOST_ROWS, in_words: bool = False) -> Summary:
    """Return what is told of a comparison, in the form of ``$defs/comparisonSummary``.

    Args:
        comparison: as ``Comparison.to_dict`` describes it.
        most_rows: that are told of.
        in_words: whether each row has its verdict as it is told, besides, as ``verdict``: pages have their own words.

    Raises:
        ValueError: it is something else.
    """
    try:
        rows = list(_rows(comparison, in_words))
        record = comparison["record"]
        unit = next((str(cell["unit"]) for cell in comparison["cells"]), "token")
        return {
            "comparison_id": _text(record["run_id"]),
            "session_id": _text(record["session_id"]),
            "started_at": _text(record["started_at"]),
            "status": "ok" if comparison["status"] == "ok" else "interrupted",
            "unit": "request" if unit == "request" else "token",
            "quality": comparison["quality"] if comparison["quality"] in ("bits per byte", "error rate") else None,
            "prompt_tokens": _count(comparison["prompt_tokens"]),
            "new_tokens": _count(comparison["new_tokens"]),
            "rows": rows[:most_rows],
            "omitted": max(0, len(rows) - most_rows),
        }
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"no comparison of this schema: {error}") from error


def summaries_of(
    comparisons: Sequence[Mapping[str, Any]], most_rows: int = MOST_ROWS, in_words: bool = False
) -> list[Summary]:
    """Return the same of several; what is none is left out."""
    found = []
    for comparison in comparisons:
        with suppress(ValueError):
            found.append(summary_of(comparison, most_rows, in_words))
    return found


def _rows(comparison: Mapping[str, Any], in_words: bool) -> Iterator[Summary]:
    """Yield each contender at each batch, in the order in which they were given."""
    runtimes = {one["name"]: one["runtime"] for one in comparison["contenders"]}
    verdicts = {_key(one): one for one in comparison["verdicts"] if one["phase"] in WHOLE}
    front = {_key(one): one for one in comparison["front"]}
    for cell in comparison["cells"]:
        if cell["phase"] not in WHOLE:
            continue
        verdict, point = verdicts.get(_key(cell), {}), front.get(_key(cell), {})
        yield {
            "contender": _text(cell["contender"]),
            "runtime": _text(runtimes.get(cell["contender"], "")),
            "batch": _count(cell["batch"], 1),
            "energy_j": _figure(cell["energy_j"]),
            "interval_j": _pair(cell["interval_j"]),
            "provenance": Provenance((verdict or cell)["provenance"]).value,
            "quality": _figure(point.get("quality")),
            "quality_interval": _pair(point.get("quality_interval")),
            "on_front": bool(point["is_on_front"]) if point else None,
            "outcome": verdict["outcome"] if verdict and verdict["outcome"] in OUTCOMES else None,
            "change": _figure(verdict.get("change")),
            "change_interval": _pair(verdict.get("interval")),
            **({"verdict": _text(verdict.get("verdict", "baseline"))} if in_words else {}),
        }


def _key(one: Mapping[str, Any]) -> tuple[str, int]:
    return str(one["contender"]), int(one["batch"])


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _count(value: Any, least: int = 0) -> int:
    if not isinstance(value, int) or not least <= value <= MOST_COUNTED:
        raise ValueError(f"{value!r} is no number from {least} to {MOST_COUNTED}")
    return int(value)


def _figure(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _pair(interval: Any) -> list[float] | None:
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return None
    ends = [_figure(end) for end in interval]
    return [end for end in ends if end is not None] if None not in ends else None
