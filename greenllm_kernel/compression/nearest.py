"""What somebody may have meant who wrote a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 24
"""Named where none is near."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"did you mean 'exclude'?"``, or what there is where nothing is near."""
    known = sorted(names)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    if not known:
        return "there is none"
    more = ", ..." if len(known) > MOST_NAMES else ""
    return f"there is {', '.join(known[:MOST_NAMES])}{more}"
