"""A real Jupyter server under test, with folders of its own: asks it as a page does, or as a stranger would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

TOKEN = "a-token-for-tests"

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Served:
    """One ``jupyter server`` with the extension, as ``pip install`` enables it.

    Args:
        folder: for its files; the ledger is ``folder / "ledger.sqlite"``.
        options: of its command line, more.
        env: more environment variables.
    """

    def __init__(self, folder: Path, *options: str, **env: str) -> None:
        self.ledger = folder / "ledger.sqlite"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GREENLLM_")}
        for name in ("config", "data", "runtime", "work"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        enabled = folder / "config" / "jupyter_server_config.d" / "greenllm.json"
        enabled.parent.mkdir(exist_ok=True)
        enabled.write_text((CHECKOUT / "greenllm_kernel" / "server" / "jupyter_server_config.json").read_text())
        self.log = folder / "server.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
                    *("--port=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder / 'work'}"),
                    *options,
                ],
                env=environment
                | {
                    "JUPYTER_CONFIG_DIR": str(folder / "config"),
                    "JUPYTER_DATA_DIR": str(folder / "data"),
                    "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
                    "IPYTHONDIR": str(folder / "ipython"),
                    "GREENLLM_CONFIG": "",
                    "GREENLLM_LEDGER": str(self.ledger),
                    "GREENLLM_USE_METERS": "virtual",
                }
                | env,
                stdout=log,
                stderr=log,
            )
        self.url = self._wait_for(folder / "runtime" / f"jpserver-{self._process.pid}.json")

    def get(self, path: str, token: str | None = TOKEN, method: str = "GET", **headers: str) -> Answer:
        """Ask for ``path`` below the server's address; underscores in ``headers`` are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given["Authorization"] = f"token {token}"
        request = Request(self.url + path, headers=given, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def api(self, path: str) -> Any:
        """Ask our part for ``path`` and return its JSON."""
        answer = self.get(f"greenllm/api/{path}")
        assert answer.status == 200, answer.body
        return answer.json

    def cookie(self) -> str:
        """Return the cookies that a browser has after it came with the token."""
        address = urlsplit(self.url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=30)
        connection.request("GET", f"{address.path}login?token={TOKEN}")
        found = SimpleCookie()
        for value in connection.getresponse().headers.get_all("Set-Cookie") or []:
            found.load(value)
        connection.close()
        return "; ".join(f"{name}={morsel.value}" for name, morsel in found.items())

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    def _wait_for(self, info: Path) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            try:
                url: str = json.loads(info.read_text())["url"]
                with urlopen(url + "api", timeout=5):
                    return url
            except (OSError, ValueError):
                time.sleep(0.05)
        self.close()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")
