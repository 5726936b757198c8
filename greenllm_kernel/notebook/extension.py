"""Puts the notebook part into an IPython shell, and takes it out again."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenllm_kernel.accounting.budget import Budget
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.notebook import compare_display, compress_display, preferences, records, snapshot
from greenllm_kernel.notebook.below_cell import BelowCell
from greenllm_kernel.notebook.cell_display import CellDisplay
from greenllm_kernel.notebook.compare import CompareMagics
from greenllm_kernel.notebook.compress import CompressMagics
from greenllm_kernel.notebook.control import stop_answering
from greenllm_kernel.notebook.energyit import EnergyitMagics
from greenllm_kernel.notebook.live_line import LiveLine, live_line
from greenllm_kernel.notebook.magics import EnergyMagics
from greenllm_kernel.notebook.messages import Message, Messages
from greenllm_kernel.notebook.preferences import answer_preferences
from greenllm_kernel.notebook.records import answer_records
from greenllm_kernel.notebook.snapshot import answer_pages
from greenllm_kernel.notebook.stream import Stream, kernel_send
from greenllm_kernel.notebook.tracker import CellTracker
from greenllm_kernel.notebook.transform import energy_first_line
from greenllm_kernel.plugins import described

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Extension:
    """GreenLLM in one shell. Loading looks for no sensor and starts no thread; the first measured cell does.

    Args:
        shell: IPython's, in a kernel or in a terminal.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.session = Session.current()
        below_cell = BelowCell()
        self.session.budgets.say = below_cell.say
        self.tracker = CellTracker(shell, self._measuring_session, self._show, below_cell.follow, self._live, _complain)
        self._kernel: Any = getattr(shell, "kernel", None)
        self.messages = Messages(self.session, lambda: self.tracker.measures_every_cell)
        self._stream: Stream | None = None
        self._displays: dict[str, CellDisplay] = {}
        self._starting = threading.Lock()
        self._is_started = False

    def load(self) -> None:
        """Register magics and hooks, and measure every cell from the next one on."""
        self.shell.register_magics(EnergyMagics(self), EnergyitMagics(self), CompressMagics(self), CompareMagics(self))
        compress_display.register_display(self.shell)
        compare_display.register_display(self.shell)
        self.shell.input_transformers_cleanup.append(energy_first_line)
        self.tracker.register()
        if self._kernel is not None:
            answer_pages(self._kernel, self.session, self.messages)
            answer_preferences(self._kernel, self.session, lambda: self._tell(self.messages.hello))
            answer_records(self._kernel, self.session)
        self.measure_every_cell(True)

    def unload(self) -> None:
        """Take everything out again; what was measured is in the ledger."""
        self.tracker.unregister()
        self.shell.input_transformers_cleanup.remove(energy_first_line)
        for kind in ("line", "cell"):
            for name in ("energy", "energyit", "compress", "compare"):
                self.shell.magics_manager.magics[kind].pop(name, None)
        if self._kernel is not None:
            for request in (snapshot.REQUEST, preferences.REQUEST, records.REQUEST):
                stop_answering(self._kernel, request)
        if self._stream is not None:
            self._stream.close()
        self.session.close()
        Session.forget(self.session)

    @property
    def has_stream(self) -> bool:
        """Whether what is measured is told to pages, from the first measured cell on."""
        return self._kernel is not None

    def measure_every_cell(self, is_wanted: bool) -> None:
        """Measure all cells from the next one on, or only those that ask for it; tell the pages."""
        self.tracker.measures_every_cell = is_wanted
        self._tell(self.messages.hello)

    def set_budget(self, budget: Budget | None) -> None:
        """Set what the session is to draw at most, J, or no longer set anything; tell the pages."""
        self.session.budget = budget
        self._tell(self.messages.totals)

    @hookimpl
    def greenllm_record(self, record: Record) -> None:
        """Sharpen what stands below the cell once the record is settled."""
        display = self._displays.pop(record.run_id, None)
        if display is not None and display.can_change:
            display.show(_bundle(record))

    def _tell(self, make: Callable[[], Message]) -> None:
        """Tell the pages at once what the user has changed."""
        if self._kernel is not None:
            try:
                kernel_send(self._kernel)(make())
            except Exception as error:
                self.session.warn(f"the sidebar cannot be reached: {described(error)}")

    def _measuring_session(self) -> Session:
        """Return the session, with the stream and the displays following it; the first measured cell starts them."""
        if not self._is_started:
            with self._starting:
                if not self._is_started:
                    self._is_started = True
                    threading.Thread(target=self._start, name="greenllm-start", daemon=True).start()
        return self.session

    def _start(self) -> None:
        self.session.plugins.register(self, "displays")
        if self._kernel is not None:
            self._stream = Stream(self.session, self.messages, kernel_send(self._kernel))
            self._stream.start()

    def _show(self, run: Run) -> None:
        display = self._displays.setdefault(run.run_id, CellDisplay(self.shell, run.run_id))
        record = run.record
        display.show(_bundle(record))
        if record.settled:
            self._displays.pop(run.run_id, None)

    def _live(self, run: Run) -> LiveLine | None:
        display = CellDisplay(self.shell, run.run_id)
        line = live_line(self.shell, run, display)
        if line is not None:
            self._displays[run.run_id] = display  # the record comes to stand where the line stood
        return line


def _bundle(record: Record) -> dict[str, Any]:
    """Return a record's MIME bundle; what makes it is imported late."""
    from greenllm_kernel.notebook.display import bundle

    return bundle(record)


def _complain(sentence: str) -> None:
    print(f"GreenLLM: {sentence}", file=sys.stderr)
