"""Puts the handlers into a Jupyter server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join

from greenllm_kernel.accounting.ledger import ledger_path
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.server.history import HistoryHandler, SessionHandler

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

BASE = "greenllm/api"


def load(server: ServerApp) -> None:
    """Add the handlers. Reads the settings, and nothing else: the ledger and the sensors wait for the first request."""
    configuration, complaints = Configuration.load_usable()
    for complaint in complaints:
        server.log.warning("GreenLLM: %s", complaint)
    earlier = {"path": ledger_path(configuration)}

    def at(path: str) -> str:
        return url_path_join(server.web_app.settings["base_url"], BASE, path)

    server.web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$",
        [
            (at("history"), HistoryHandler, earlier),
            (at(r"history/([^/]+)"), SessionHandler, earlier),
        ],
    )
