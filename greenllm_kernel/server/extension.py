"""Puts the handlers into a Jupyter server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join

from greenllm_kernel.accounting.history import HistoryReader
from greenllm_kernel.accounting.ledger import ledger_path
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.server.export import ExportHandler
from greenllm_kernel.server.history import HistoryHandler, SessionHandler
from greenllm_kernel.server.host import HostHandler, HostPower

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

BASE = "greenllm/api"


def load(server: ServerApp) -> None:
    """Add the handlers. Reads the settings, and nothing else: the ledger and the sensors wait for the first request."""
    complain = partial(server.log.warning, "GreenLLM: %s")
    configuration, complaints = Configuration.load_usable()
    for complaint in complaints:
        complain(complaint)
    path = ledger_path(configuration)
    earlier = {"reader": HistoryReader(path)}
    now = {"power": HostPower(configuration, complain)}

    def at(path: str) -> str:
        return url_path_join(server.web_app.settings["base_url"], BASE, path)

    server.web_app.add_handlers(  # type: ignore[no-untyped-call]
        ".*$",
        [
            (at("host"), HostHandler, now),
            (at("history"), HistoryHandler, earlier),
            (at(r"history/([^/]+)"), SessionHandler, earlier),
            (at("export"), ExportHandler, {"path": path}),
        ],
    )
