"""What measuring costs and how true it is, each figure beside the alternatives in the same run: ``make bench``.

Prints a table, and exits with 1 where a figure is beyond its limit. Machines are shared and noisy: the figures are
medians of interleaved trials, and where two things are compared, of pairs that follow one another.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import accuracy  # noqa: E402
import alike  # noqa: E402
import browser  # noqa: E402
import cells  # noqa: E402
import compression  # noqa: E402
import coverage  # noqa: E402
import history  # noqa: E402
import javascript  # noqa: E402
import loading  # noqa: E402
import memory  # noqa: E402
import runtimes  # noqa: E402
import sampling  # noqa: E402
import studies  # noqa: E402
import verdict  # noqa: E402
import windows  # noqa: E402
from figure import Figure, table  # noqa: E402

PARTS = {
    "windows": windows.figures,
    "cells": cells.figures,
    "loading": loading.figures,
    "sampling": sampling.figures,
    "history": history.figures,
    "javascript": javascript.figures,
    "browser": browser.figures,
    "compression": compression.figures,
    "studies": studies.figures,
}

TRUTH_PARTS = {
    "accuracy": accuracy.figures,
    "coverage": coverage.figures,
    "memory": memory.figures,
    "verdict": verdict.figures,
    "alike": alike.figures,
    "runtimes": runtimes.figures,
}
"""Of what is said, how true it is; these take the options."""


def main() -> int:
    """Run the chosen parts, print the table, and say by the exit code whether every limit holds."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS, *TRUTH_PARTS], help="all where none is named")
    parser.add_argument("--json", type=Path, help="write the figures into this file too")
    parser.add_argument("--quick", action="store_true", help="fewer trials, where that is possible")
    parser.add_argument("--seed", type=int, default=1, help="of what is random")
    parser.add_argument(
        "--worst", type=int, default=0, help="accuracy, coverage: tell of so many that were off by most"
    )
    parser.add_argument("--simulated", action="store_true", help="accuracy: in simulated time, ours alone")
    scenarios = parser.add_argument_group("coverage")
    scenarios.add_argument("--scenarios", type=int, help="how many")
    scenarios.add_argument("--kind", action="append", help="only those with this in their name; may be repeated")
    scenarios.add_argument("--index", type=int, help="only the scenarios of this number; tells of each window")
    chosen = parser.parse_args()
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.parts or (*PARTS, *TRUTH_PARTS):
            print(f"... {name}", file=sys.stderr, flush=True)
            found += PARTS[name](Path(folder)) if name in PARTS else TRUTH_PARTS[name](Path(folder), chosen)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {platform.system()}")
    print(table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps([figure.as_dict() for figure in found], indent=2), encoding="utf-8")
    return 0 if all(figure.holds is not False for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
