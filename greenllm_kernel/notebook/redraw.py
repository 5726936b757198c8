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
        self._drawings: dict[int, Drawing] = {}
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
        self._drawings[id(drawing)] = drawing
        with self._lock:
            if not self._is_drawing:
                self._is_drawing = True
                self.messages.watch(self._wake)
                threading.Thread(target=self._run, name="greenllm-widgets", daemon=True).start()
        self._wake.set()

    def remove(self, drawing: Drawing) -> None:
        """Draw it no longer; without any the thread ends when there is something new.

        A widget is closed when it is collected as garbage, which comes at any point of any thread, also where that
        holds a lock: nothing is waited for here.
        """
        self._drawings.pop(id(drawing), None)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                if not self._drawings:
                    self._is_drawing = False
                    self.messages.unwatch(self._wake)
                    return
            time.sleep(max(EVERY_S, self._draw() / MOST_A_SECOND))

    def _draw(self) -> int:
        """Draw them all, and return how many they are."""
        drawings = list(self._drawings.values())
        for drawing in drawings:
            try:
                drawing.draw()
            except Exception as error:
                self.remove(drawing)
                self.session.warn(f"a widget is no longer live: {described(error)}")
        return len(drawings)


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
