"""Draws the widgets of a session anew, from a thread of its own, whenever there is something new to show."""

from __future__ import annotations

import threading
import time
from typing import ClassVar, Protocol

import greenllm_kernel
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.messages import Messages
from greenllm_kernel.notebook.stream import Stream
from greenllm_kernel.plugins import described

EVERY_S = 0.5
"""How often the widgets are drawn at most, s."""

MOST_A_SECOND = 20
"""Widgets drawn in one second at most: where pages show many of them, each is drawn less often."""


class Drawing(Protocol):
    """A widget."""

    def draw(self) -> None:
        """Show what is known now."""


class Redraw:
    """Follows one session for its widgets, those of them that are to be drawn. The first one starts the thread.

    Args:
        session: whose figures the widgets show.
    """

    _current: ClassVar[Redraw | None] = None
    _making: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, session: Session) -> None:
        self.session = session
        self.messages = _messages_of(session)
        self._drawings: list[Drawing] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_drawing = False

    @classmethod
    def of(cls, session: Session) -> Redraw:
        """Return the one of this session, which is the process's."""
        with cls._making:
            if cls._current is None or cls._current.session is not session:
                cls._current = cls(session)
            return cls._current

    def add(self, drawing: Drawing) -> None:
        """Draw it from now on."""
        with self._lock:
            if not any(other is drawing for other in self._drawings):
                self._drawings.append(drawing)
            if not self._is_drawing:
                self._is_drawing = True
                self.messages.watch(self._wake)
                threading.Thread(target=self._run, name="greenllm-widgets", daemon=True).start()
        self._wake.set()

    def remove(self, drawing: Drawing) -> None:
        """Draw it no longer; without any the thread ends."""
        with self._lock:
            self._drawings = [other for other in self._drawings if other is not drawing]
        self._wake.set()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                drawings = list(self._drawings)
                if not drawings:
                    self._is_drawing = False
                    self.messages.unwatch(self._wake)
                    return
            for drawing in drawings:
                try:
                    drawing.draw()
                except Exception as error:
                    self.remove(drawing)
                    self.session.warn(f"a widget is no longer live: {described(error)}")
            time.sleep(max(EVERY_S, len(drawings) / MOST_A_SECOND))


def _messages_of(session: Session) -> Messages:
    """Return what the sidebar is told of the session; where nobody tells it, what the widgets alone are told."""
    for extension in greenllm_kernel._extensions.values():
        if extension.session is session and extension.has_stream:
            messages: Messages = extension.messages
            return messages
    messages = Messages(session, lambda: False)
    for record in session.records:
        messages.cells.settled(record)
    Stream(session, messages, lambda message: None, "widgets").start()
    return messages
