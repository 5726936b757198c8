"""What compressing a trained model does to its joules per token, its quality and its file; losing recipes too.

Where there is no sensor, joules are time times modelled power, and their labels say "(estimated)".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from figure import Figure
from process import run
from trained import MODELS, SIZES

DEPTH = {"way": "depth", "size": "100m", "tokens": 8_192, "pairs": 6}

DEEP = {"way": "deep", "size": "small", "tokens": 65_536, "pairs": 6}

LEAST_SAVING = 30.0
"""Percent of the joules of a token, where a quarter of the layers is gone, the rest is distilled and in 8 bits."""

LARGEST_LOSS = 1.0
"""Percent more bits per byte that this may take."""

TIMES_SMALLER = 10.0
"""At least, of a file under Deep Compression."""


def figures(folder: Path) -> list[Figure]:
    """Return, by recipe, the change of joules per token and of bits per byte, break-even, and sizes of files."""
    models = os.environ.get("GREENLLM_MODELS") or str(MODELS)
    return [
        *_deep(run("compressed.py", folder, models=models, **DEEP)),
        *_depth(run("compressed.py", folder, models=models, **DEPTH)),
    ]


def _depth(said: Mapping[str, Any]) -> Iterator[Figure]:
    comparison = said["comparison"]
    size = SIZES[DEPTH["size"]]
    seen = sum(steps * size.batch * size.length for steps in size.steps)
    title = f"a quarter of the layers gone, distilled, 8 bits ({DEPTH['size']})"
    for name in (contender["name"] for contender in comparison["contenders"][1:]):
        is_held = name == "distilled"
        what = title if is_held else f"  {name}"
        verdict = _verdict(comparison, name)
        yield Figure(
            f"{what}: less energy for a token",
            -100 * verdict["change"] if verdict["change"] is not None else float("nan"),
            "%",
            least=LEAST_SAVING if is_held else None,
            note=f"{verdict['verdict']}, {_range(verdict)}; {verdict['pairs']} pairs",
        )
        change = _contender(comparison, name)["bits_per_byte_change"]
        yield Figure(
            f"{what}: more bits per byte",
            100 * change,
            "%",
            LARGEST_LOSS if is_held else None,
            f"of a model trained on {seen:,} tokens, by {DEPTH['tokens']:,} more; compare with 'only trained'"
            if is_held
            else "",
        )
        for even in comparison["break_even"]:
            if even["contender"] == name and even["count"] is not None:
                yield Figure(f"{what}: paid back after", even["count"] / 1e3, "thousand tokens")


def _deep(said: Mapping[str, Any]) -> Iterator[Figure]:
    comparison = said["comparison"]
    before = comparison["contenders"][0]["file_bytes"]
    for name, saved in said["saved"].items():
        is_held = name == "trained"
        what = f"Deep Compression, trained ({DEEP['size']})" if is_held else f"  {name}"
        contender = _contender(comparison, name)
        yield Figure(
            f"{what}: times smaller file",
            before / contender["file_bytes"],
            "x",
            least=TIMES_SMALLER if is_held else None,
            note=f"{before / 1e6:.1f} MB before; loaded in {saved['loading_s']:.1f} s",
        )
        yield Figure(f"{what}: weights as they were encoded", saved["equal"], "of 1", least=1.0)
        verdict = _verdict(comparison, name)
        yield Figure(
            f"{what}: verdict is storage saving only",
            float(verdict["outcome"] == "storage_only"),
            "of 1",
            least=1.0 if is_held else None,
            note=f"{verdict['verdict']}, {_range(verdict)}",
        )
        yield Figure(f"{what}: more bits per byte", 100 * contender["bits_per_byte_change"], "%")


def _contender(comparison: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _only(comparison["contenders"], name=name)


def _verdict(comparison: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return _only(comparison["verdicts"], contender=name, phase="generate")


def _only(rows: Sequence[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def _range(verdict: Mapping[str, Any]) -> str:
    if verdict["interval"] is None:
        return verdict.get("gap") or "no interval"
    low, high = (100 * end for end in verdict["interval"])
    return f"{low:+.0f} to {high:+.0f} %"
