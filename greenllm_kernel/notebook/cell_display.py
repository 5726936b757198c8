"""One output below a cell, shown once and then changed in place, from any thread, also when the cell has ended."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class CellDisplay:
    """The output of the cell that is running in this thread.

    Args:
        shell: that runs it.
        display_id: of the output; one that no other output has.
    """

    def __init__(self, shell: InteractiveShell, display_id: str) -> None:
        self._publisher: Any = shell.display_pub
        self._display_id = display_id
        self._is_shown = False
        self._lock = threading.Lock()
        self._header: Any = getattr(self._publisher, "parent_header", None)
        """Of the cell's request; a terminal, and whoever captures displays, has none."""

    @property
    def can_change(self) -> bool:
        """Whether what is shown can be changed in place: in a kernel, unless the cell's displays are captured."""
        return self._header is not None

    def show(self, bundle: dict[str, Any]) -> None:
        """Show this, in place of what was shown before; outside a kernel below it."""
        with self._lock:
            if self.can_change and hasattr(self._publisher, "set_thread_parent"):
                token = self._publisher.set_thread_parent(self._header)  # ipykernel 7: each thread has its own
            else:
                token = None
            try:
                update = {"update": True} if self._is_shown and self.can_change else {}
                self._publisher.publish(bundle, transient={"display_id": self._display_id}, **update)
                self._is_shown = True
            finally:
                if token is not None:
                    self._publisher.reset_thread_parent(token)

    def follow_clearing(self) -> None:
        """From now on show anew what the cell clears away (``clear_output``), where it does so in this thread."""
        if hasattr(self._publisher, "register_hook"):
            self._publisher.register_hook(self._note_clearing)

    def end_following(self) -> None:
        """No longer do so. To be called in the same thread."""
        if hasattr(self._publisher, "unregister_hook"):
            self._publisher.unregister_hook(self._note_clearing)

    def _note_clearing(self, message: Any) -> Any:
        if message["header"]["msg_type"] == "clear_output":
            self._is_shown = False
        return message
