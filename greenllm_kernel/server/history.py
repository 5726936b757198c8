"""What was measured earlier: ``history`` and ``history/ID``."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from greenllm_kernel.accounting.channel_energy import energy_to_dict, instant
from greenllm_kernel.accounting.history import HistoryReader, PastCell
from greenllm_kernel.accounting.history_sums import PastSession
from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.running_sum import PastSum
from greenllm_kernel.server.handler import Handler

LONGEST_TEXT = 2000
"""Characters of a text, as ``messages.schema.json`` has it."""


class HistoryHandler(Handler):
    """Sums of today and of all time, the sessions, and the latest comparisons of models."""

    def initialize(self, reader: HistoryReader) -> None:
        """Take what reads the ledger."""
        self._reader = reader

    @authenticated
    @authorized
    async def get(self) -> None:
        """Answer in the form of ``$defs/history``."""
        found = await asyncio.to_thread(self._reader.history)
        self.answer(
            {
                "schema": SCHEMA,
                "today": _sum(found.today),
                "all": _sum(found.all),
                "sessions": [_session(session) for session in found.sessions],
                "comparisons": list(found.comparisons),
                "problem": _cut(found.problem),
            }
        )


class SessionHandler(Handler):
    """The cells of one session."""

    def initialize(self, reader: HistoryReader) -> None:
        """Take what reads the ledger."""
        self._reader = reader

    @authenticated
    @authorized
    async def get(self, session_id: str) -> None:
        """Answer in the form of ``$defs/historySession``; of a session that the ledger does not have, with 404."""
        found = await asyncio.to_thread(self._reader.cells, session_id)
        if found is None:
            self.set_status(404)
            self.answer({"schema": SCHEMA, "message": "the ledger has no such session"})
            return
        cells, problem = found
        self.answer(
            {
                "schema": SCHEMA,
                "session_id": _cut(session_id),
                "cells": [_cell(cell) for cell in cells],
                "problem": _cut(problem),
            }
        )


def _sum(sum: PastSum) -> dict[str, Any]:
    energy = energy_to_dict(sum.energy)
    return {
        "energy_j": _finite(energy["energy_j"]),
        "interval_j": _finite_pair(energy["interval_j"]),
        "mass_gco2e": _finite(sum.mass_gco2e),
        "interval_gco2e": _finite_pair(sum.interval_gco2e),
        "duration_s": _finite(sum.duration_s) or 0.0,
        "runs": sum.runs,
        "provenance": energy["provenance"],
    }


def _session(session: PastSession) -> dict[str, Any]:
    return {
        "session_id": _cut(session.session_id),
        "host": _cut(session.host),
        "first_at": instant(session.first_at),
        "last_at": instant(session.last_at),
        "names": [_cut(name) for name in session.names],
        **_sum(session.sum),
    }


def _cell(cell: PastCell) -> dict[str, Any]:
    latest = cell.latest
    return {
        "name": _cut(latest.name),
        "stage": _cut(latest.stage),
        "cell_id": _cut(latest.cell_id),
        "status": latest.status.value,
        "started_at": instant(latest.started_at.astimezone(UTC)),
        **_sum(cell.sum),
    }


def _finite(value: float | None) -> float | None:
    # Figures in the ledger are whatever somebody has written there: together they may be beyond all numbers.
    return value if value is not None and math.isfinite(value) else None


def _finite_pair(interval: Sequence[float] | None) -> list[float] | None:
    return list(interval) if interval is not None and all(map(math.isfinite, interval)) else None


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
