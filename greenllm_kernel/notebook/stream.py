"""Pushes messages to the pages that show this kernel, also while a cell keeps the main thread busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.notebook.messages import Message, Messages
from greenllm_kernel.plugins import described

POWER_EVERY_S = 0.25
"""How often power is sent while something is measured, s."""

CELL_EVERY_S = 1.0
"""How often a running cell's row is sent, s."""

ALL_EVERY_S = 3.0
"""How often hello and the totals come again during a run, so that a page that missed them has them, s."""

FIRST_AFTER_S = 0.05
"""How long after a run began the first message is made, s: a short cell is over then, and was not disturbed."""

Send = Callable[[Message], None]


class Stream:
    """Sends while something is measured, and is silent else: each message counts as activity of the kernel.

    A recorder like any other: it learns of settled records by the hook.

    Args:
        session: whose figures are sent.
        messages: makes them.
        send: passes one on to the pages.
    """

    def __init__(self, session: Session, messages: Messages, send: Send) -> None:
        self._session = session
        self._messages = messages
        self._send = send
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._settled: list[Record] = []
        self._known_runs: set[str] = set()
        self._has_failed = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="greenllm-stream", daemon=True)

    def start(self) -> None:
        """Begin to follow the session."""
        self._session.plugins.register(self, "sidebar stream")
        self._session.watch(self._wake)
        self._thread.start()

    def close(self) -> None:
        """Stop sending."""
        self._is_closed = True
        self._wake.set()

    def greet(self) -> None:
        """Send hello: something about the measuring has changed."""
        self._post(self._messages.hello())

    @hookimpl
    def greenllm_record(self, record: Record) -> None:
        """Send the final row of a cell, soon, from the stream's own thread."""
        with self._lock:
            self._settled.append(record)
        self._wake.set()

    def _run(self) -> None:
        cell_at = all_at = 0.0
        greeted = ""
        while not self._is_closed:
            self._send_changes()
            now = time.monotonic()
            if (state := self._messages.state) != greeted:
                greeted = state
                self._post(self._messages.hello())
            if not self._session.unsettled_runs:
                self._wait_for_work()
                cell_at = all_at = 0.0
                continue
            if now >= all_at:
                self._post(self._messages.hello())
                self._post(self._messages.totals())
                greeted = self._messages.state
                all_at = now + ALL_EVERY_S
            if now >= cell_at:
                for cell_id in self._messages.running:
                    if cell_id in self._messages.cells.ids:
                        self._post(self._messages.cell(cell_id))
                cell_at = now + CELL_EVERY_S
            self._post(self._messages.power())
            self._pause(POWER_EVERY_S)

    def _wait_for_work(self) -> None:
        with self._lock:
            has_work = bool(self._settled)
        if not has_work and not self._is_closed:
            self._wake.wait()
            time.sleep(FIRST_AFTER_S)
            self._wake.clear()

    def _pause(self, seconds: float) -> None:
        """Wait, but send what changes at once: a cell that began, ended or was settled."""
        until = time.monotonic() + seconds
        while not self._is_closed and (left := until - time.monotonic()) > 0:
            if self._wake.wait(left):
                self._wake.clear()
                self._send_changes()

    def _send_changes(self) -> None:
        changed: dict[str, None] = {}
        for run in self._session.unsettled_runs:
            state = f"{run.run_id} {run.is_open}"
            if state not in self._known_runs:
                self._known_runs.add(state)
                cell_id = self._messages.cells.began(run)
                if cell_id is not None:
                    changed[cell_id] = None
        with self._lock:
            settled, self._settled = self._settled, []
        for record in settled:
            self._known_runs -= {f"{record.run_id} True", f"{record.run_id} False"}
            cell_id = self._messages.cells.settled(record)
            if cell_id is not None:
                changed[cell_id] = None
        for cell_id in changed:
            self._post(self._messages.cell(cell_id))
        if settled:
            self._post(self._messages.totals())

    def _post(self, message: Message) -> None:
        try:
            self._send(message)
        except Exception as error:
            if not self._has_failed:
                self._session.warn(f"the sidebar cannot be reached: {described(error)}")
            self._has_failed = True


def kernel_send(kernel: Any) -> Send:
    """Return what sends a message to every page of an ipykernel.

    The message has an empty parent header: front ends that do not know its type then ignore it, whereas with one
    they would look for the cell that it belongs to.
    """

    def send(message: Message) -> None:
        kernel.session.send(kernel.iopub_socket, "greenllm_event", message)

    return send
