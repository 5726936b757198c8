"""Sentences on stderr about a cell that is running, from a thread of our own: they come to stand below that cell."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenllm_kernel.accounting.run import Run

MOST_FOLLOWED = 100
"""Runs that are kept in mind; who has more than this open at a time reads of the oldest below the latest cell."""


class BelowCell:
    """Knows which cell's output belongs to which run."""

    def __init__(self) -> None:
        self._outputs: dict[str, tuple[Any, Any]] = {}

    def follow(self, run: Run) -> None:
        """Take note of where this thread writes: it runs the cell."""
        while len(self._outputs) >= MOST_FOLLOWED:
            self._outputs.pop(next(iter(self._outputs)), None)
        self._outputs[run.run_id] = sys.stderr, getattr(sys.stderr, "parent_header", None)

    def say(self, run: Run | None, sentence: str) -> None:
        """Write below the run's cell; where that is not known, or it is about the session, below the latest."""
        latest: tuple[Any, Any] = sys.stderr, None
        stream, header = latest if run is None else self._outputs.pop(run.run_id, latest)
        text = f"GreenLLM: {sentence}\n"
        if header is None or not hasattr(stream, "set_thread_parent"):
            stream.write(text)
            stream.flush()
            return
        token = stream.set_thread_parent(header)
        try:
            stream.write(text)
        finally:
            stream.reset_thread_parent(token)
