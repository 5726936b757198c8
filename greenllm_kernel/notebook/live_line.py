"""The line of ``%%energy --live``: what the cell that is running has cost so far, and draws now."""

from __future__ import annotations

import html
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.budget_watch import budget_text
from greenllm_kernel.accounting.notation import duration_text, energy_text, mass_text, power_text, provenance_text
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.sampled import power_now
from greenllm_kernel.notebook.cell_display import CellDisplay
from greenllm_kernel.notebook.progress_line import ProgressLine
from greenllm_kernel.plugins import described

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

EVERY_S = 0.5
"""How often the line is written at most, s."""

Say = Callable[[str], None]


class LiveLine:
    """Follows a run until it is told to end, in a thread of its own, so also while the cell keeps the main one busy.

    Args:
        run: what is followed.
        say: shows a line in place of the one before.
        take_away: takes the last line away again.
    """

    def __init__(self, run: Run, say: Say, take_away: Callable[[], None]) -> None:
        self._run = run
        self._say = say
        self._take_away = take_away
        self._lock = threading.Lock()
        self._has_ended = threading.Event()
        threading.Thread(target=self._follow, name="greenllm-live", daemon=True).start()

    def end(self) -> None:
        """Say nothing from now on; call it in the thread that runs the cell."""
        self._has_ended.set()
        with self._lock:  # a line that is being written comes before what takes its place
            self._take_away()

    def _follow(self) -> None:
        while not self._has_ended.wait(EVERY_S) and self._run.is_open:
            try:
                line = live_text(self._run)
                with self._lock:
                    if not self._has_ended.is_set():
                        self._say(line)
            except Exception as error:  # such as a page that is gone: the cell's record is not concerned
                self._run.session.warn(f"--live has ended early: {described(error)}")
                return


def live_text(run: Run) -> str:
    """Return what a run has cost so far, such as ``"1.23 ± 0.04 kJ so far, ..., measured; 312 W now"``."""
    record = run.record
    emissions = f"{mass_text(record.emissions)} CO2e ({record.emissions.intensity.place})" if record.emissions else ""
    parts = [
        f"{energy_text(record.gross)} so far" if record.gross else "waiting for the first reading",
        emissions,
        duration_text(record.duration_s),
        provenance_text(record.gross) if record.gross else "",
        budget_text(record.gross, record.emissions, record.budget, not record.unavailable) if record.budget else "",
    ]
    power_w = power_now(run.session.sampler)["total_w"]
    now = f"; {power_text(power_w)} now" if power_w is not None else ""
    return f"{', '.join(part for part in parts if part)}{now}"


def live_line(shell: InteractiveShell, run: Run, display: CellDisplay) -> LiveLine | None:
    """Return the line of the cell that is running in this thread; None where there is no place for one.

    In a kernel it stands where the record comes to stand. In a terminal it is one line on stderr, written over itself;
    in a file and in captured displays it would only be in the way.
    """
    if getattr(shell, "kernel", None) is None:
        line = ProgressLine(sys.stderr, run.name, after_s=0.0, is_cut=True)
        return LiveLine(run, line.say, line.end) if line.is_wanted else None
    if not display.can_change:
        return None
    display.follow_clearing()
    return LiveLine(run, lambda text: display.show(live_bundle(f"{run.name}: {text}")), display.end_following)


def live_bundle(text: str) -> dict[str, str]:
    """Return the MIME bundle of a line."""
    return {"text/plain": text, "text/html": f"<div>{html.escape(text)}</div>"}
