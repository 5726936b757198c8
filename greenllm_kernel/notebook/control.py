"""Answers requests of a page over the control channel, also in mid-cell. What a page sends may be anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.plugins import described

Content = dict[str, Any]


def answer(
    kernel: Any, session: Session, request: str, reply: str, make: Callable[[Content], Content], failed: Content
) -> None:
    """Answer to ``kernel``, an ipykernel, from now on.

    Args:
        kernel: whose control channel it is.
        session: that is told of an answer that failed.
        request: type of the message that is answered.
        reply: type of the answer.
        make: returns its content, given the request's.
        failed: its content where that fails.
    """

    def respond(stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        try:
            asked = parent.get("content")
            content = make(asked if isinstance(asked, dict) else {})
        except Exception as error:
            session.warn(f"a page could not be answered: {described(error)}")
            content = failed
        kernel.session.send(stream, reply, content, parent, ident=ident)

    kernel.control_handlers[request] = respond


def stop_answering(kernel: Any, request: str) -> None:
    """No longer answer."""
    kernel.control_handlers.pop(request, None)
