"""Keeps every record in the ledger: while its window is open, so that a kill loses little, and when it is settled."""

from __future__ import annotations

from greenllm_kernel.accounting.ledger import Ledger, ledger_path
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl

MOST_WAITING = 1000
"""Records kept in memory while the ledger cannot be written; beyond that the oldest are lost."""


class LedgerRecorder:
    """Writes records to the configured ledger, and holds on to those that could not be written.

    Used from one thread. The configuration is read at each record: loading GreenLLM opens no file, and who is told that
    the ledger cannot be written can set ``GREENLLM_LEDGER`` at once and loses nothing.
    """

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._waiting: dict[str, Record] = {}

    @hookimpl
    def greenllm_record(self, record: Record) -> None:
        """Write a settled record."""
        self._write(record)

    @hookimpl
    def greenllm_progress(self, record: Record) -> None:
        """Write what is known so far of an open window."""
        self._write(record)

    @property
    def waiting(self) -> int:
        """How many records could not be written yet."""
        return len(self._waiting)

    def close(self) -> None:
        """Let go of the ledger; a later record opens it again."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def _write(self, record: Record) -> None:
        # Of one run only the latest state matters; it goes to the end, since the oldest are given up first.
        self._waiting.pop(record.run_id, None)
        self._waiting[record.run_id] = record
        while len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._opened().write_all(self._waiting.values())
        self._waiting.clear()

    def _opened(self) -> Ledger:
        path = ledger_path(Configuration.load())
        if self._ledger is not None and self._ledger.path != path:
            self.close()
        if self._ledger is None:
            self._ledger = Ledger(path)
        return self._ledger


_recorder = LedgerRecorder()
greenllm_record = _recorder.greenllm_record
greenllm_progress = _recorder.greenllm_progress
