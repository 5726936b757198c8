"""Answers a page that wants the whole record of a run, to keep it in its notebook."""

from __future__ import annotations

from typing import Any

from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.control import Content, answer

REQUEST = "greenllm_record_request"
REPLY = "greenllm_record_reply"


def answer_records(kernel: Any, session: Session) -> None:
    """Answer requests for records to ``kernel``, an ipykernel, from now on."""

    def make(asked: Content) -> Content:
        record = session.record_of(str(asked.get("run_id")))
        return _reply("ok", record.to_dict() if record else None)

    answer(kernel, session, REQUEST, REPLY, make, _reply("error", None))


def _reply(status: str, record: Content | None) -> Content:
    return {"status": status, "schema": SCHEMA, "record": record}
