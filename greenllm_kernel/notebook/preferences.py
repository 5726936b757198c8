"""Takes over what a page's settings ask of the kernel: the place, where the kernel's own configuration names none.

The place is in force for all that is told from then on: sums of the sidebar have the whole session at it, and records
that are settled later are computed with it; those settled before keep what they were computed with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.notebook.control import Content, answer

REQUEST = "greenllm_preferences_request"
REPLY = "greenllm_preferences_reply"

LONGEST_PLACE = 100
"""Characters of what a page may ask for."""

WAIT_S = 2.0
"""How long the answer waits for plugins to know the place, s; ``hello`` tells it later else."""


def answer_preferences(kernel: Any, session: Session, changed: Callable[[], None]) -> None:
    """Take preferences for ``kernel``, an ipykernel, from now on; ``changed`` is called when one has come in force."""

    def make(asked: Content) -> Content:
        if "place" not in asked or not _is_place(asked["place"]):
            return _reply("error", f"place: expected a text of at most {LONGEST_PLACE} characters, or null")
        place = (asked["place"] or "").strip().upper() or None
        lookup = session.intensity_lookup
        if lookup.prefer(place):
            lookup.wait(WAIT_S)
            changed()
        return _reply("ok", lookup.problem)

    answer(kernel, session, REQUEST, REPLY, make, _reply("error", "the kernel could not take the preferences over"))


def _is_place(place: object) -> bool:
    return place is None or (isinstance(place, str) and len(place) <= LONGEST_PLACE and place.isprintable())


def _reply(status: str, problem: str | None) -> Content:
    return {"status": status, "schema": SCHEMA, "problem": problem[:2000] if problem else None}
