"""What measuring costs, each figure beside the bare alternative in the same run: ``make bench``.

Prints a table, and exits with 1 where a figure is above its limit. Machines are shared and noisy: the figures are
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

import cells  # noqa: E402
import javascript  # noqa: E402
import loading  # noqa: E402
import sampling  # noqa: E402
import windows  # noqa: E402
from figure import Figure, table  # noqa: E402

PARTS = {
    "windows": windows.figures,
    "cells": cells.figures,
    "loading": loading.figures,
    "sampling": sampling.figures,
    "javascript": javascript.figures,
}


def main() -> int:
    """Run the chosen parts, print the table, and say by the exit code whether every limit holds."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="the parts to run; all where none is named")
    parser.add_argument("--json", type=Path, help="write the figures into this file too")
    chosen = parser.parse_args()
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.parts or PARTS:
            print(f"... {name}", file=sys.stderr, flush=True)
            found += PARTS[name](Path(folder))
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {platform.system()}")
    print(table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps([figure.as_dict() for figure in found], indent=2), encoding="utf-8")
    return 0 if all(figure.holds is not False for figure in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
