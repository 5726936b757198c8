"""``LivePower()`` and ``CellEnergy()``: widgets for notebooks without our sidebar, live also while a cell runs.

What they show is drawn from a thread, which sends it as any change of a widget is sent. ipykernel passes that on while
the main thread is busy; only C code that keeps Python's lock holds it up.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import ipywidgets
from traitlets.utils.bunch import Bunch

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.messages import Messages
from greenllm_kernel.notebook.redraw import Redraw
from greenllm_kernel.notebook.widget_content import Content, cells_content, power_content

MOST_ROWS = 20
"""Rows of a table, unless told otherwise: each change sends them all."""

NOT_LIVE = "Not live here: this page shows no ipywidgets. As it was at {at}; run the cell again for newer figures."

VIEW = "application/vnd.jupyter.widget-view+json"


class LiveWidget(ipywidgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """A widget that is drawn anew, twice a second at most, while something is measured; at rest nothing is sent.

    It rests too while no page shows it any more (its cell was run again), and for good once it is closed.

    Args:
        content: what it is to show now.
    """

    def __init__(self, content: Callable[[Session, Messages], Content]) -> None:
        self._redraw = Redraw.of(Session.current())
        self._of = content
        super().__init__(value=self._content().html, _view_count=0)
        self.observe(self._views_changed, "_view_count")
        self._redraw.add(self)

    def draw(self) -> None:
        """Show what is known now."""
        if self.comm is not None:
            self.value = self._content().html

    def close(self) -> None:
        """Show nothing any more."""
        self._redraw.remove(self)
        super().close()

    def __repr__(self) -> str:
        return self._content().text

    def _content(self) -> Content:
        return self._of(self._redraw.session, self._redraw.messages)

    def _views_changed(self, change: Bunch) -> None:
        """Rest while no page shows it. Until pages have told of a first view, one is taken to be there."""
        if change["new"] != 0:
            self._redraw.add(self)
        else:
            self._redraw.remove(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> Mapping[str, Any]:
        """Return the view, and for pages without widgets what is known now, which says that it is not live."""
        content = self._content()
        note = NOT_LIVE.format(at=f"{datetime.now():%Y-%m-%d %H:%M:%S}")
        return {
            "text/plain": content.text,
            "text/html": f"{content.html}<div><em>{html.escape(note)}</em></div>",
            VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.model_id},
        }


class LivePower(LiveWidget):
    """Power now, in all and of each part, its course, and energy and emissions of the session with their intervals.

    ``close()`` ends it.
    """

    def __init__(self) -> None:
        super().__init__(power_content)


class CellEnergy(LiveWidget):
    """The session's cells with their energy and emissions over all their runs, growing as they run.

    Args:
        cell: name or id of the only one to show; None: all.
        rows: how many are shown at most, the latest ones.

    Raises:
        ValueError: ``rows`` is less than 1.
    """

    def __init__(self, cell: str | None = None, rows: int = MOST_ROWS) -> None:
        if rows < 1:
            raise ValueError(f"rows={rows}: at least 1 row must be shown")
        super().__init__(lambda _, messages: cells_content(messages, cell, rows))
