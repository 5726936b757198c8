"""Keeps every record in the ledger: while its window is open, so that a kill loses little, and when it is settled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from greenllm_kernel.accounting.ledger import Ledger, Row, ledger_path, row_of
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import LedgerError
from greenllm_kernel.hookspecs import hookimpl

WRITE_EVERY_S = 0.2
"""How often the ledger is written at most, s: many short windows share one transaction, and a kill loses no more."""

FULL_BATCH = 500
"""Waiting records that are written without waiting for more."""

FORK_PATIENCE_S = 1.0
"""How long a fork waits for a write to end, s: SQLite must not be forked in the middle of something."""

MOST_WAITING = 1000
"""Records kept in memory while the ledger cannot be written; beyond that the oldest are lost."""


class LedgerRecorder:
    """Writes records to the configured ledger, and holds on to those that could not be written.

    A record is written at once if none was written shortly before; otherwise a moment later, with those that come in
    between. The configuration is read at each write: loading GreenLLM opens no file, and who is told that the ledger
    cannot be written can set ``GREENLLM_LEDGER`` at once and loses nothing.
    """

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._waiting: dict[str, Row] = {}
        self._next_write_at = 0.0
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._forking: int | None = None
        self._inherited: list[Ledger] = []

    @hookimpl
    def greenllm_record(self, record: Record) -> None:
        """Write a settled record."""
        self._keep(record)

    @hookimpl
    def greenllm_progress(self, record: Record) -> None:
        """Write what is known so far of an open window."""
        self._keep(record)

    @hookimpl
    def greenllm_comparison(self, comparison: Mapping[str, Any]) -> None:
        """Write what a comparison has found; of its windows each has a record besides."""
        with self._lock:
            self._opened().write_comparison(comparison)

    @hookimpl
    def greenllm_end(self) -> None:
        """Write what waits."""
        self.close()

    @property
    def waiting(self) -> int:
        """How many records are not written yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Write what waits and let go of the ledger; a later record opens it again."""
        with self._lock:
            try:
                self._write()
            finally:
                self._let_go()

    def before_fork(self) -> None:
        """Let the write that is under way end."""
        if self._lock.acquire(timeout=FORK_PATIENCE_S):
            self._forking = threading.get_ident()

    def after_fork_here(self) -> None:
        """Go on, in the process that has forked."""
        if self._forking == threading.get_ident():
            self._forking = None
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: what waits is the parent's, and its connection may neither be used nor closed here.

        (https://www.sqlite.org/howtocorrupt.html, 2.6.)
        """
        self._lock, self._forking = threading.Lock(), None
        self._waiting, self._timer, self._next_write_at = {}, None, 0.0
        if self._ledger is not None:
            self._inherited.append(self._ledger)
            self._ledger = None

    def _keep(self, record: Record) -> None:
        row = row_of(record)  # a record that cannot be kept is refused here and holds up no other
        with self._lock:
            # Of one run only the latest state matters; it goes to the end, since the oldest are given up first.
            self._waiting.pop(record.run_id, None)
            self._waiting[record.run_id] = row
            while len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            if time.monotonic() >= self._next_write_at or len(self._waiting) == FULL_BATCH:
                self._write()
            elif self._timer is None:
                timer = threading.Timer(WRITE_EVERY_S, self._write_late)
                timer.daemon = True
                timer.start()
                self._timer = timer

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._waiting:
            return
        try:
            self._opened().write_rows(self._waiting.values())
            self._waiting.clear()
        finally:
            self._next_write_at = time.monotonic() + WRITE_EVERY_S

    def _write_late(self) -> None:
        with self._lock, suppress(LedgerError):  # the next record tries again, and from there the fault is told
            self._write()

    def _opened(self) -> Ledger:
        path = ledger_path(_configuration())
        if self._ledger is not None and self._ledger.path != path:
            self._let_go()
        if self._ledger is None:
            self._ledger = Ledger(path)
        return self._ledger

    def _let_go(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def _configuration() -> Configuration:
    configuration, _ = Configuration.load_usable()  # the session has said what cannot be used
    return configuration


_recorder = LedgerRecorder()
greenllm_record = _recorder.greenllm_record
greenllm_progress = _recorder.greenllm_progress
greenllm_comparison = _recorder.greenllm_comparison
greenllm_end = _recorder.greenllm_end

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_recorder.before_fork,
        after_in_parent=_recorder.after_fork_here,
        after_in_child=_recorder.after_fork_in_child,
    )
