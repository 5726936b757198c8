"""Pushes messages to the pages that show this kernel, also while a cell keeps the main thread busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from greenllm_kernel.accounting.comparisons import Summary, summary_of
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.notebook.messages import Message, Messages
from greenllm_kernel.plugins import described

TICK_S = 0.25
"""One message is sent in this time at most, s: four a second."""

CELL_EVERY_S = 1.0
"""How often a running cell's row comes again, s; of many cells, as often as every other tick lets it."""

ALL_EVERY_S = 4.0
"""How often hello and the totals come again during a run, so that a page that missed them has them, s."""

FIRST_AFTER_S = 0.05
"""How long after a run began the first message is made, s: a short cell is over then, and was not disturbed."""

HELLO, TOTALS, POWER, CELL, COMPARISON = "hello", "totals", "power", "cell ", "comparison "

Send = Callable[[Message], None]


class Stream:
    """Sends while something is measured, and is silent else: each message counts as activity of the kernel.

    What has changed is noted in a table of what is due, and each tick sends one message of it, made then: whatever
    happens meanwhile is in it, and nothing piles up. Rows of cells and all else take turns, however many cells run;
    power fills the ticks that nothing else needs.

    A recorder like any other: it learns of settled records by the hook.

    Args:
        session: whose figures are sent.
        messages: makes them.
        send: passes one on to the pages.
        name: as which it listens for records.
    """

    def __init__(self, session: Session, messages: Messages, send: Send, name: str = "sidebar stream") -> None:
        self._session = session
        self._messages = messages
        self._send = send
        self._name = name
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._settled: list[Record] = []
        self._compared: list[Summary] = []
        self._due: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._was_row = False
        self._greeted = ""
        self._has_failed = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="greenllm-stream", daemon=True)

    def start(self) -> None:
        """Begin to follow the session."""
        self._session.plugins.register(self, self._name)
        self._session.watch(self._wake)
        self._thread.start()

    def close(self) -> None:
        """Stop sending."""
        self._is_closed = True
        self._wake.set()

    @hookimpl
    def greenllm_record(self, record: Record) -> None:
        """Send the final row of a cell, soon, from the stream's own thread."""
        with self._lock:
            self._settled.append(record)
        self._wake.set()

    @hookimpl
    def greenllm_comparison(self, comparison: Mapping[str, Any]) -> None:
        """Send what a comparison has found, soon, and to pages that join."""
        summary = summary_of(comparison)
        with self._lock:
            self._compared.append(summary)
        self._wake.set()

    def _run(self) -> None:
        while not self._is_closed:
            try:
                self._take_in()
                self._send_next()
            except Exception as error:
                self._session.warn(f"an error of GreenLLM's own, please report it: {described(error)}")
            if self._due or self._session.unsettled_runs:
                time.sleep(TICK_S)
            else:
                self._rest()

    def _rest(self) -> None:
        with self._lock:
            has_work = bool(self._settled or self._compared)
        if not has_work and not self._is_closed:
            self._said.clear()
            self._was_row = False
            self._wake.wait()
            time.sleep(FIRST_AFTER_S)
        self._wake.clear()

    def _take_in(self) -> None:
        """Note what has changed since the last tick, and what is to come again."""
        cells = self._messages.cells
        with self._lock:
            settled, self._settled = self._settled, []
            compared, self._compared = self._compared, []
        changed = [cells.began(run) for run in self._session.unsettled_runs]
        changed += [cells.settled(record) for record in settled]
        for cell_id in changed:
            if cell_id is not None:
                self._note(CELL + cell_id)
        for summary in compared:
            self._note(COMPARISON + self._messages.compared(summary))
        if settled:
            self._note(TOTALS)
        if self._messages.state != self._greeted:
            self._greeted = self._messages.state
            self._note(HELLO)
        if self._session.unsettled_runs:
            for key, every_s in self._repeated():
                if time.monotonic() - self._said.get(key, 0.0) >= every_s:
                    self._note(key)

    def _repeated(self) -> Iterator[tuple[str, float]]:
        yield from ((CELL + cell_id, CELL_EVERY_S) for cell_id in self._messages.cells.running)
        yield from ((HELLO, ALL_EVERY_S), (TOTALS, ALL_EVERY_S), (POWER, TICK_S))

    def _note(self, key: str) -> None:
        self._due.setdefault(key, time.monotonic())

    def _send_next(self) -> None:
        """Send what is due longest; rows and all else take turns, and rows of cells that have begun go first."""
        if not self._due:
            return
        begun = {CELL + cell_id for cell_id in self._messages.cells.running} - self._said.keys()
        key = min(self._due, key=lambda key: (_is_row(key) == self._was_row, key not in begun, self._due[key]))
        del self._due[key]
        self._was_row = _is_row(key)
        self._said[key] = time.monotonic()
        self._post(self._made(key))

    def _made(self, key: str) -> Message:
        if _is_row(key):
            return self._messages.cell(key.removeprefix(CELL))
        if key.startswith(COMPARISON):
            return self._messages.comparison(key.removeprefix(COMPARISON))
        return {HELLO: self._messages.hello, TOTALS: self._messages.totals, POWER: self._messages.power}[key]()

    def _post(self, message: Message) -> None:
        try:
            self._send(message)
        except Exception as error:
            if not self._has_failed:
                self._session.warn(f"the sidebar cannot be reached: {described(error)}")
            self._has_failed = True
        self._messages.sent()


def _is_row(key: str) -> bool:
    return key.startswith(CELL)


def kernel_send(kernel: Any) -> Send:
    """Return what sends a message to every page of an ipykernel.

    The message has an empty parent header: front ends that do not know its type then ignore it, whereas with one
    they would look for the cell that it belongs to.
    """

    def send(message: Message) -> None:
        kernel.session.send(kernel.iopub_socket, "greenllm_event", message)

    return send
