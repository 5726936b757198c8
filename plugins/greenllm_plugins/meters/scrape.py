"""Fetches an exporter's page over HTTP: within a second, of bounded size, from the host that was named and no other."""

from __future__ import annotations

import os
import time
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from greenllm_kernel.errors import ConfigurationError, MeterError

TIMEOUT_S = 1.0
"""How long a page may take, s."""

MOST_BYTES = 10_000_000
"""Larger pages are not read: a busy node's has a few hundred kilobytes."""

CHUNK_BYTES = 65_536


class Page:
    """A page that can be fetched again and again.

    Args:
        url: of the page, ``http`` or ``https``, without name and password.
        token_env: name of an environment variable that holds a bearer token; None: none is sent.

    Raises:
        ConfigurationError: the URL is none of these.
    """

    def __init__(self, url: str, token_env: str | None = None) -> None:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise ConfigurationError("the url holds a name or password: put a token into a variable, see token_env")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigurationError(f"url = {url!r}: expected http://HOST:PORT/metrics")
        self.url = url
        self._token_env = token_env
        self._opener = build_opener(_SameHost)

    def fetch(self) -> str:
        """Return the page.

        Raises:
            MeterError: it cannot be had; why, in words the user can act on, and never with the token.
        """
        request = Request(self.url, headers={"Accept": "text/plain; version=0.0.4", **self._authorization()})
        try:
            return self._read(request).decode("utf-8", errors="replace")
        except HTTPError as error:
            hint = "; name a token by token_env" if error.code in (401, 403) else ""
            raise MeterError(f"{self.url} answers {error.code} {error.reason}{hint}") from error
        except TimeoutError as error:
            raise MeterError(f"{self.url} has not answered within {TIMEOUT_S:g} s") from error
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise MeterError(f"{self.url} has not answered within {TIMEOUT_S:g} s") from error
            raise MeterError(f"{self.url} cannot be reached: {error.reason}") from error
        except (HTTPException, OSError, ValueError) as error:
            raise MeterError(f"{self.url} gives no page: {type(error).__name__}: {error}") from error

    def _read(self, request: Request) -> bytes:
        deadline = time.monotonic() + TIMEOUT_S
        page = bytearray()
        with self._opener.open(request, timeout=TIMEOUT_S) as answer:
            while chunk := answer.read1(CHUNK_BYTES):
                page += chunk
                if len(page) > MOST_BYTES:
                    raise MeterError(f"{self.url} is larger than {MOST_BYTES // 1_000_000} MB and no exporter's page")
                if time.monotonic() > deadline:
                    raise TimeoutError
        return bytes(page)

    def _authorization(self) -> dict[str, str]:
        if self._token_env is None:
            return {}
        token = os.environ.get(self._token_env)
        if not token:
            raise MeterError(f"the environment variable {self._token_env}, named by token_env, is not set")
        return {"Authorization": f"Bearer {token.strip()}"}


class _SameHost(HTTPRedirectHandler):
    """Follows no redirect to another host: the page, and the token, are for the one that was named."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise MeterError(f"{req.full_url} redirects to another host, {there.netloc}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
