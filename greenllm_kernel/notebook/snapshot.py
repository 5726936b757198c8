"""Answers a page that joins: all that was said so far, over the control channel, also in mid-cell."""

from __future__ import annotations

from typing import Any

from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.control import answer
from greenllm_kernel.notebook.messages import Message, Messages

REQUEST = "greenllm_snapshot_request"
REPLY = "greenllm_snapshot_reply"

PAGE_SIZE = 50
"""Messages in one reply."""


def page(session: Session, messages: Messages, number: int) -> Message:
    """Return one page of the snapshot: hello and totals, then comparisons, cells and past power."""
    cell_ids = messages.cells.ids
    powers = messages.past_powers()
    start, end = number * PAGE_SIZE, (number + 1) * PAGE_SIZE
    said = [messages.hello(), messages.totals(), *map(messages.comparison, messages.comparisons)] if number == 0 else []
    said += [messages.cell(cell_id) for cell_id in cell_ids[start:end]]
    said += powers[max(0, start - len(cell_ids)) : max(0, end - len(cell_ids))]
    return {
        "status": "ok",
        "schema": SCHEMA,
        "session_id": session.id,
        "messages": said,
        "next_page": number + 1 if end < len(cell_ids) + len(powers) else None,
    }


def answer_pages(kernel: Any, session: Session, messages: Messages) -> None:
    """Answer snapshot requests to ``kernel``, an ipykernel, from now on."""

    def make(asked: Message) -> Message:
        number = asked.get("page", 0)
        return page(session, messages, number if isinstance(number, int) and number >= 0 else 0)

    failed = {"status": "error", "schema": SCHEMA, "session_id": session.id, "messages": [], "next_page": None}
    answer(kernel, session, REQUEST, REPLY, make, failed)
