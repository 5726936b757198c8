"""Rewrites the first line ``%%energy ...`` of a cell into one call, and leaves the rest of the cell to IPython.

So the cell stays what it was: its last expression has a value, ``await`` works, line numbers and tracebacks are
its own. A cell magic proper would run the body itself and lose all that.
"""

from __future__ import annotations

import re

from IPython.core.inputtransformer2 import cell_magic

FIRST_LINE = re.compile(r"%%energy(?:[ \t]+(?P<arguments>.*?))?[ \t]*\r?\n?\Z")


def energy_first_line(lines: list[str]) -> list[str]:
    """Return the cell's lines with ``%%energy`` replaced; any other cell unchanged. Pure, and never raises.

    A cell magic below (``%%time``, ``%%bash``, ...) is translated as IPython does for one on the first line.
    """
    match = FIRST_LINE.match(lines[0]) if lines else None
    if match is None or (len(lines) > 1 and lines[1].strip() in {"?", "??"}):
        return lines
    body = lines[1:]
    start = next((index for index, line in enumerate(body) if line.strip()), len(body))
    if body[start : start + 1] and body[start].startswith("%%"):
        body = [*body[:start], *cell_magic(body[start:])]
    return [call(match["arguments"] or ""), *body]


def call(arguments: str) -> str:
    """Return the line of Python that stands for ``%%energy arguments``."""
    return f"get_ipython().find_cell_magic('energy')({arguments!r}, None)\n"
