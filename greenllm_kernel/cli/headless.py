"""Executes a notebook's cells in a kernel that measures them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenllm_kernel.cli.command_error import CommandError
from greenllm_kernel.cli.progress import Progress

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbformat import NotebookNode

EXTENSION = "greenllm_kernel"

FIND_METERS = f"__import__('{EXTENSION}.accounting.session', fromlist=['Session']).Session.current().find_meters()"
"""Python that returns when the kernel has found its meters, or looked for them for long enough."""

STARTUP_TIMEOUT_S = 120
"""A kernel that has not answered by then is given up, s; a busy cluster may take its time."""

SHUTDOWN_TIMEOUT_S = 15.0
"""A kernel is given this long to settle and write its last records, s."""

GRACE_S = 5.0
"""An interrupted cell is given this long to end, s."""

INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """How it went: the exit code, and what to tell the user where not everything ran."""

    code: int = 0
    message: str = ""
    traceback: str = ""


def execute(
    notebook: NotebookNode,
    path: Path,
    kernel_name: str,
    env: Mapping[str, str],
    timeout_s: int | None,
    progress: Progress,
) -> Outcome:
    """Execute every code cell in order; outputs go into ``notebook``. Returns when the kernel has gone.

    The first signal to interrupt ends the running cell and the notebook; the second kills the kernel.

    Args:
        notebook: format 4.5 (its cells have ids).
        path: where it is from; its folder is the kernel's.
        kernel_name: name of a Python kernelspec.
        env: the kernel's environment.
        timeout_s: longest time for one cell, s; None: no limit.
        progress: told of each cell.

    Raises:
        CommandError: the kernel does not start, or has no GreenLLM.
    """
    return asyncio.run(_Execution(notebook, path, kernel_name, env, timeout_s, progress).run())


def first_line(source: str) -> str:
    """Return a cell's first line that says what it does: no ``%%energy``, and a comment only where there is no code."""
    lines = [line.strip() for line in source.splitlines()]
    telling = [line for line in lines if line and not line.startswith("%%energy")]
    return next((line for line in telling if not line.startswith("#")), telling[0] if telling else "")


class _Execution:
    def __init__(
        self,
        notebook: NotebookNode,
        path: Path,
        kernel_name: str,
        env: Mapping[str, str],
        timeout_s: int | None,
        progress: Progress,
    ) -> None:
        from jupyter_client.manager import AsyncKernelManager

        self.notebook = notebook
        self.folder = path.absolute().parent
        self.env = env
        self.timeout_s = timeout_s
        self.progress = progress
        self.manager: AsyncKernelManager = AsyncKernelManager(kernel_name=kernel_name)
        self.manager.shutdown_wait_time = SHUTDOWN_TIMEOUT_S
        if self.manager.has_trait("transport_encryption"):
            # Newer kernels warn where theirs could be encrypted and is not.
            self.manager.set_trait("transport_encryption", "auto")
        self.interrupts = 0

    async def run(self) -> Outcome:
        with self._interrupts_handled():
            client = await self._started()
            try:
                await self._check_extension(client)
                await self._asked(client, FIND_METERS)  # a first cell that is short would be over by then
                return await self._cells(client)
            finally:
                self.progress.say("settling the last records")
                await self._stop(client)

    async def _started(self) -> NotebookClient:
        from nbclient import NotebookClient

        self.progress.say("starting the kernel")
        arguments = [f"--ext={EXTENSION}", "--HistoryManager.hist_file=:memory:"]
        try:
            await self.manager.start_kernel(extra_arguments=arguments, env=dict(self.env), cwd=str(self.folder))
            client = NotebookClient(self.notebook, km=self.manager, timeout=self.timeout_s)
            client.kc = self.manager.client()
            client.kc.start_channels()
            await client.kc.wait_for_ready(timeout=STARTUP_TIMEOUT_S)
        except (OSError, RuntimeError) as error:
            if self.manager.has_kernel:
                await self.manager.shutdown_kernel(now=True)
            name = self.manager.kernel_name
            raise CommandError(f"the kernel {name!r} does not start ({error}); see jupyter kernelspec list") from error
        client.kc.allow_stdin = False
        client.reset_execution_trackers()
        return client

    async def _check_extension(self, client: NotebookClient) -> None:
        if await self._asked(client, f"'{EXTENSION}' in get_ipython().extension_manager.loaded") == "True":
            return
        spec = self.manager.kernel_spec
        python = spec.argv[0] if spec and spec.argv else "python"
        raise CommandError(
            f"the kernel {self.manager.kernel_name!r} cannot load greenllm; install it there "
            f"({python} -m pip install greenllm) or choose another kernel with --kernel"
        )

    async def _asked(self, client: NotebookClient, expression: str) -> str | None:
        """Return what an expression comes to in the kernel, as text; None where it raises."""
        asked: Any = client.kc
        # Kept out of the history, so that the first cell is number 1.
        sent = asked.execute("", silent=True, store_history=False, user_expressions={"asked": expression})
        reply = await client.async_wait_for_reply(sent)
        answer = (reply or {}).get("content", {}).get("user_expressions", {}).get("asked", {})
        text: str | None = answer.get("data", {}).get("text/plain")
        return text

    async def _cells(self, client: NotebookClient) -> Outcome:
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

        asked: Any = client.kc
        for index, cell in enumerate(self.notebook.cells):
            if self.interrupts:
                break
            is_run = cell.cell_type == "code" and cell.source.strip()
            where = f"cell {cell.get('id')}"
            if is_run:
                where = f"the cell {first_line(cell.source)!r}"
                self.progress.begin(first_line(cell.source))
                # The kernel finds the cell's id where JupyterLab puts it; nbclient sends none.
                asked.session.metadata = {"cellId": cell["id"]}
            try:
                await client.async_execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
            except CellExecutionError as error:
                if self.interrupts:
                    break
                return Outcome(1, f"{where} raised {error.ename}", _traceback(cell) or error.traceback)
            except CellTimeoutError:
                await self._end_cell(client)
                return Outcome(1, f"{where} ran for longer than {self.timeout_s} s and was interrupted")
            except DeadKernelError:
                if self.interrupts:
                    break
                return Outcome(1, f"the kernel died in {where}; it may have been out of memory")
            if is_run:
                self.progress.end()
        if self.interrupts:
            return Outcome(INTERRUPTED, "interrupted; what was measured until then follows")
        return Outcome()

    async def _end_cell(self, client: NotebookClient) -> None:
        """Interrupt the running cell and wait until the kernel answers again, so that its record can settle."""
        await self.manager.interrupt_kernel()
        asked: Any = client.kc
        with suppress(TimeoutError):
            await asyncio.wait_for(client.async_wait_for_reply(asked.kernel_info()), GRACE_S)

    async def _stop(self, client: NotebookClient) -> None:
        if await self.manager.is_alive():
            await self.manager.shutdown_kernel(now=self.interrupts > 1)
        await self.manager.cleanup_resources()
        if client.kc is not None:
            client.kc.stop_channels()

    @contextmanager
    def _interrupts_handled(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def interrupt() -> None:
            self.interrupts += 1
            task = loop.create_task(self._interrupt())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        restore = [_on_signal(loop, number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            yield
        finally:
            for undo in restore:
                undo()

    async def _interrupt(self) -> None:
        if not self.manager.has_kernel:
            return
        if self.interrupts == 1:
            await self.manager.interrupt_kernel()
        else:
            await self.manager.shutdown_kernel(now=True)


def _traceback(cell: NotebookNode) -> str:
    """Return the cell's traceback as a page would show it."""
    return "\n".join(line for out in cell.outputs if out.output_type == "error" for line in out.traceback)


def _on_signal(loop: asyncio.AbstractEventLoop, number: signal.Signals, act: Callable[[], None]) -> Callable[[], None]:
    try:
        loop.add_signal_handler(number, act)
    except NotImplementedError:  # Windows
        before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))
        return lambda: (signal.signal(number, before), None)[1]
    return lambda: (loop.remove_signal_handler(number), None)[1]
