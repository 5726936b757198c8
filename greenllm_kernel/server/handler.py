"""What all handlers of this part have in common."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler


class Handler(APIHandler):
    """Answers with JSON to whoever is authenticated and authorised for the resource ``greenllm``.

    A page asks again and again while its panel is open: that is no activity, and keeps no server from being culled.
    """

    auth_resource = "greenllm"
    _track_activity = False

    def answer(self, data: dict[str, Any]) -> None:
        """Send JSON; figures of the past change, so nobody keeps it."""
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(data, allow_nan=False))
