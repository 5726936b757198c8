"""What was measured earlier, to take away: ``export``."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import date
from io import BufferedWriter, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from greenllm_kernel.accounting.export import Format, check, write_ledger, write_records
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.errors import ExportError, LedgerError
from greenllm_kernel.server.handler import Handler

CHUNK_BYTES = 64 * 1024
"""What is sent at once, bytes; a few of these wait at most while the browser is slow."""

MOST_WAITING = 4


class ExportHandler(Handler):
    """A download of runs or cells, sent while it is being written."""

    def initialize(self, path: Path) -> None:
        """Take the ledger's file."""
        self._path = path

    @authenticated
    @authorized
    async def get(self) -> None:
        """Send ``?format=csv|json|parquet``; ``session=ID``: only of that session; ``rows=cells``: cells, not runs."""
        rows = self.get_query_argument("rows", "records")
        session_id = self.get_query_argument("session", None)
        try:
            format = Format.of(self.get_query_argument("format", Format.CSV))
            check(format)
        except ExportError as error:
            raise HTTPError(400, str(error)) from error
        if rows not in ("records", "cells"):
            raise HTTPError(400, f"rows={rows!r}: there are records and cells")

        def write(to: BinaryIO) -> None:
            if not self._path.exists():
                write_records([], format, to)
                return
            with Ledger(self._path, read_only=True) as ledger:
                write_ledger(
                    ledger, format, to, cells=rows == "cells", session_id=session_id, on_unreadable=self._left_out
                )

        is_announced = False
        try:
            async with aclosing(written(write)) as chunks:
                async for chunk in chunks:
                    if not is_announced:
                        self._announce(format, rows, session_id)
                        is_announced = True
                    self.write(chunk)
                    await self.flush()
        except LedgerError as error:
            if not is_announced:
                raise HTTPError(500, str(error)) from error
            self.log.warning("GreenLLM: an export was broken off: %s", error)
            self.detach().close()  # so that what is not whole does not look whole
        except StreamClosedError:
            self.log.debug("GreenLLM: nobody waits for the export any more")
        else:
            self.finish(set_content_type=format.media_type)

    def _announce(self, format: Format, rows: str, session_id: str | None) -> None:
        of = f"-{re.sub('[^A-Za-z0-9]', '', session_id)[:12]}" if session_id else ""
        name = f"greenllm-{rows}{of}-{date.today():%Y-%m-%d}.{format}"
        self.set_header("Content-Type", format.media_type)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.set_header("Cache-Control", "no-store")

    def _left_out(self, error: LedgerError) -> None:
        self.log.warning("GreenLLM: left out of an export: %s", error)


async def written(write: Callable[[BinaryIO], None]) -> AsyncGenerator[bytes, None]:
    """Yield what ``write`` writes in a thread of its own, which waits while nobody takes what is there."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)
    is_wanted = threading.Event()
    is_wanted.set()

    def send(chunk: bytes | None) -> None:
        asyncio.run_coroutine_threadsafe(chunks.put(chunk), loop).result()

    def fill() -> None:
        try:
            with BufferedWriter(_Sink(send, is_wanted), CHUNK_BYTES) as sink:
                write(sink)
        finally:
            send(None)

    writing = loop.run_in_executor(None, fill)
    try:
        while (chunk := await chunks.get()) is not None:
            yield chunk
        await writing
    finally:
        is_wanted.clear()
        while not writing.done():
            while not chunks.empty():
                chunks.get_nowait()
            await asyncio.wait([writing], timeout=0.05)
        if not writing.cancelled():
            writing.exception()  # whoever has gone does not want to know


class _Sink(RawIOBase):
    """Passes on what is written to it, and knows how much that was (Parquet wants to)."""

    def __init__(self, send: Callable[[bytes], None], is_wanted: threading.Event) -> None:
        self._send = send
        self._is_wanted = is_wanted
        self._sent = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self._is_wanted.is_set():
            raise BrokenPipeError("nobody waits for it any more")
        chunk = bytes(data)
        self._send(chunk)
        self._sent += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        return self._sent
