"""Shows how far a notebook is: a bar in a terminal, a line for each cell elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from greenllm_kernel.accounting.notation import duration_text

if TYPE_CHECKING:
    from rich.console import Console

SHOWN_CHARACTERS = 60
"""Of a cell's first line."""


class Progress:
    """A notebook's progress on stderr.

    Args:
        to: where to show it.
        cells: how many code cells there are.
    """

    def __init__(self, to: Console, cells: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._to = to
        self._cells = cells
        self._begun = 0
        self._began_at = 0.0
        columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=to, transient=True) if to.is_terminal else None
        self._task = self._bar.add_task("starting the kernel", total=cells) if self._bar else None

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, line: str) -> None:
        """A cell begins; ``line`` is its first one."""
        from rich.markup import escape

        self._begun += 1
        self._began_at = time.monotonic()
        self._line = line[:SHOWN_CHARACTERS]
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=escape(self._line))

    def end(self) -> None:
        """The cell has ended."""
        if self._bar and self._task is not None:
            self._bar.advance(self._task)
        else:
            took = duration_text(time.monotonic() - self._began_at)
            self._to.print(f"[{self._begun}/{self._cells}] {self._line}  ({took})", markup=False)

    def say(self, text: str) -> None:
        """Show in the bar what is going on between cells."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=text)
