"""What was measured earlier: ``history`` and ``history/ID``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from greenllm_kernel.accounting.channel_energy import energy_to_dict, instant, pair
from greenllm_kernel.accounting.history import History, PastSession, cells, history
from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.totals import CellTotals, Totals, total
from greenllm_kernel.errors import LedgerError
from greenllm_kernel.server.handler import Handler

LONGEST_TEXT = 2000
"""Characters of a text, as ``messages.schema.json`` has it."""


class HistoryHandler(Handler):
    """Sums of today and of all time, and the sessions."""

    def initialize(self, path: Path) -> None:
        """Take the ledger's file."""
        self._path = path

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer in the form of ``$defs/history``."""
        try:
            found = await asyncio.to_thread(history, self._path)
        except LedgerError as error:
            found = History(total([]), total([]), [], str(error))
        self.answer(
            {
                "schema": SCHEMA,
                "today": _sum(found.today),
                "all": _sum(found.all),
                "sessions": [_session(session) for session in found.sessions],
                "problem": _cut(found.problem),
            }
        )


class SessionHandler(Handler):
    """The cells of one session."""

    def initialize(self, path: Path) -> None:
        """Take the ledger's file."""
        self._path = path

    @authenticated
    @authorized
    async def get(self, session_id: str) -> None:
        """Answer in the form of ``$defs/historySession``."""
        problem = None
        found: list[CellTotals] = []
        try:
            found = list(await asyncio.to_thread(cells, self._path, session_id))
        except LedgerError as error:
            problem = str(error)
        self.answer(
            {
                "schema": SCHEMA,
                "session_id": _cut(session_id),
                "cells": [_cell(cell) for cell in found],
                "problem": _cut(problem),
            }
        )


def _sum(totals: Totals) -> dict[str, Any]:
    energy = energy_to_dict(totals.energy)
    return {
        "energy_j": energy["energy_j"],
        "interval_j": energy["interval_j"],
        "mass_gco2e": totals.mass_gco2e,
        "interval_gco2e": pair(totals.interval_gco2e),
        "duration_s": totals.duration_s,
        "runs": totals.runs,
        "provenance": energy["provenance"],
    }


def _session(session: PastSession) -> dict[str, Any]:
    return {
        "session_id": _cut(session.session_id),
        "host": _cut(session.host),
        "first_at": instant(session.first_at),
        "last_at": instant(session.last_at),
        "names": [_cut(name) for name in session.names],
        **_sum(session.totals),
    }


def _cell(cell: CellTotals) -> dict[str, Any]:
    return {
        "name": _cut(cell.name),
        "stage": _cut(cell.stage),
        "cell_id": _cut(cell.latest.cell_id),
        "status": cell.status.value,
        "started_at": instant(cell.latest.started_at),
        **_sum(cell.totals),
    }


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
