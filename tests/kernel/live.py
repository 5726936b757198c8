"""A real kernel under test: runs cells as a front end does, and keeps what the kernel says."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

VIRTUAL = {"GREENLLM_USE_METERS": "virtual"}


@dataclass
class Outcome:
    """What one cell gave."""

    status: str = ""
    result: str | None = None
    stdout: str = ""
    stderr: str = ""
    error: str | None = None
    traceback: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    comms: list[dict[str, Any]] = field(default_factory=list)


class LiveKernel:
    """One ipykernel, with a configuration and a ledger of its own."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None, load: bool = True) -> None:
        self.events: list[dict[str, Any]] = []
        self.late: list[dict[str, Any]] = []
        self.ledger = folder / "ledger.sqlite"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GREENLLM_")}
        settings = folder / "greenllm.toml"
        settings.touch()
        environment |= {
            "GREENLLM_CONFIG": str(settings),
            "GREENLLM_LEDGER": str(self.ledger),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "IPYTHONDIR": str(folder / "ipython"),
            **VIRTUAL,
            **(env or {}),
        }
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        if load:
            self.run("%load_ext greenllm_kernel")

    def run(self, code: str, timeout: float = 60.0, **options: Any) -> Outcome:
        """Run a cell to its end."""
        request = self.client.execute(code, **options)
        outcome = self.collect(request, timeout)
        reply = self.client.get_shell_msg(timeout=timeout)
        while reply["parent_header"].get("msg_id") != request:  # a late answer to what was asked before
            reply = self.client.get_shell_msg(timeout=timeout)
        outcome.status = reply["content"]["status"]
        return outcome

    def collect(self, request: str, timeout: float = 60.0) -> Outcome:
        """Take what the cell says until it is over."""
        outcome = Outcome()
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=timeout)
            kind, content = message["msg_type"], message["content"]
            if kind == "greenllm_event":
                assert message["parent_header"] == {}
                self.events.append(content)
            elif message["parent_header"].get("msg_id") != request:
                self.late.append(message)
            elif kind == "status" and content["execution_state"] == "idle":
                return outcome
            else:
                self._take(outcome, kind, content)
        raise TimeoutError(f"the cell did not end in {timeout} s")

    def listen(self, seconds: float) -> None:
        """Take what comes without a cell."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self.client.get_iopub_msg(timeout=left)
            except queue.Empty:
                return
            if message["msg_type"] == "greenllm_event":
                self.events.append(message["content"])
            else:
                self.late.append(message)

    def listen_until_quiet(self, quiet_s: float = 0.7, most_s: float = 30.0) -> None:
        """Take what comes until nothing has come for a while: at four messages a second many cells take their time."""
        deadline = time.monotonic() + most_s
        heard = -1
        while heard != len(self.events) and time.monotonic() < deadline:
            heard = len(self.events)
            self.listen(quiet_s)

    def listen_until(self, has_come: Callable[[], bool], most_s: float = 30.0) -> None:
        """Take what comes until something has."""
        deadline = time.monotonic() + most_s
        while not has_come():
            assert time.monotonic() < deadline, f"it did not come in {most_s} s"
            self.listen(0.2)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of one kind so far."""
        return [event for event in self.events if event["kind"] == kind]

    def said(self) -> list[str]:
        """Return what was printed without a cell that is waited for."""
        return [message["content"]["text"] for message in self.late if message["msg_type"] == "stream"]

    def displays(self) -> list[dict[str, Any]]:
        """Return what was displayed, and changed, without a cell that is waited for."""
        kinds = ("display_data", "update_display_data")
        return [message["content"] for message in self.late if message["msg_type"] in kinds]

    def updates(self) -> list[dict[str, Any]]:
        """Return the displays that were updated after their cell."""
        return [message["content"] for message in self.late if message["msg_type"] == "update_display_data"]

    def snapshot(self, page: int = 0, timeout: float = 10.0) -> dict[str, Any]:
        """Ask for one page of the snapshot, as a page that joins does."""
        return self.ask("greenllm_snapshot", {"schema": 1, "page": page}, timeout)

    def ask(self, what: str, content: Any, timeout: float = 10.0) -> dict[str, Any]:
        """Ask the kernel something over the control channel, which it answers in mid-cell too."""
        message = self.client.session.msg(f"{what}_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    def close(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)

    def _take(self, outcome: Outcome, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            if content["name"] == "stdout":
                outcome.stdout += content["text"]
            else:
                outcome.stderr += content["text"]
        elif kind == "execute_result":
            outcome.result = content["data"]["text/plain"]
        elif kind == "display_data":
            outcome.displays.append(content)
        elif kind == "update_display_data":
            outcome.updates.append(content)
        elif kind in ("comm_open", "comm_msg", "comm_close"):
            outcome.comms.append(content)
        elif kind == "error":
            outcome.error = content["ename"]
            outcome.traceback = "\n".join(content["traceback"])
