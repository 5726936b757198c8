"""What each cell cost over all its runs in this session: the rows of the sidebar's table.

Runs of one cell or name may overlap (threads, async cells). A row has each instant once: a run adds what it drew in the
time that no run of the row has before it (``overlap.py``), and leaves to runs that began earlier and are not settled
yet the time that they have in common.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from greenllm_kernel.accounting.budget import budget_to_dict
from greenllm_kernel.accounting.drawn import Drawn
from greenllm_kernel.accounting.overlap import Span, joined, length_s, outside, part_within, span_of
from greenllm_kernel.accounting.record import Record, basis_to_dict, known_net_to_dict
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Provenance

MOST_WINDOWS = 200
"""Rows for windows outside cells, one for each name; what comes after shares one row."""

OTHER_WINDOWS = "window (others)"

MOST_SPANS = 100
"""Spans of counted time kept for each row: the latest. Older ones matter only to a run that was not known while it was
open (too short to be seen) and is told of long after those that it overlapped with."""


@dataclass
class Sum:
    """What runs drew together, in how many seconds, and the latest of the time that is counted."""

    drawn: Drawn = field(default_factory=Drawn)
    duration_s: float = 0.0
    covered: list[Span] = field(default_factory=list)

    def add(self, record: Record, others: Iterable[Span] = ()) -> None:
        """Add a run in the time that is neither counted yet nor in ``others``."""
        span = span_of(record)
        taken = joined([*(counted for counted in self.covered if counted[1] > span[0]), *others])
        free = outside(span, taken) if taken else [span]
        part = part_within(record, free)
        if part.factor > 0:
            self.drawn += Drawn.of_part(part)
        self.duration_s += length_s(free) if taken else record.duration_s
        self.covered = joined([*self.covered, *free])[-MOST_SPANS:]


@dataclass
class Cell:
    """One cell: the sum of its settled runs, the runs that are not settled, and the latest record."""

    cell_id: str
    runs: int = 0
    sum: Sum = field(default_factory=Sum)
    latest: Record | None = None
    unsettled: dict[str, Run] = field(default_factory=dict)
    unavailable: set[str] = field(default_factory=set)


class Cells:
    """The cells of a session, in the order in which they first ran. Windows inside a cell belong to the cell."""

    def __init__(self) -> None:
        self._cells: dict[str, Cell] = {}
        self._windows = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def ids(self) -> list[str]:
        """Ids of all cells."""
        with self._lock:
            return list(self._cells)

    @property
    def running(self) -> list[str]:
        """Ids of the cells that are running now."""
        with self._lock:
            return [c.cell_id for c in self._cells.values() if any(run.is_open for run in c.unsettled.values())]

    @property
    def runs(self) -> int:
        """How many runs there were in all."""
        with self._lock:
            return sum(cell.runs for cell in self._cells.values())

    def began(self, run: Run) -> str | None:
        """Take in a run; return its cell's id where it is new, or None (also where it lies inside another run)."""
        if run.parent is not None:
            return None
        with self._lock:
            cell = self._cell(run.cell_id, run.name)
            if run.run_id in cell.unsettled:
                return None
            cell.runs += 1
            cell.unsettled[run.run_id] = run
            return cell.cell_id

    def settled(self, record: Record) -> str | None:
        """Add a run's final record, also of a run that was too short to be seen; return its cell's id."""
        if record.parent_run_id is not None:
            return None
        with self._lock:
            cell = self._cell(record.cell_id, record.name)
            if cell.unsettled.pop(record.run_id, None) is None:
                cell.runs += 1
            began_s = record.started_at.timestamp()
            earlier = takewhile(lambda span: span[0] < began_s, map(_span_so_far, cell.unsettled.values()))
            cell.sum.add(record, earlier)
            cell.unavailable |= set(record.unavailable)
            if cell.latest is None or record.started_at >= cell.latest.started_at:
                cell.latest = record
            return cell.cell_id

    def message(self, cell_id: str, intensity: CarbonIntensity | None, pue: float) -> dict[str, Any]:
        """Return the content of a ``cell`` message (without its head): all runs, those not ended included."""
        with self._lock:
            cell = self._cells[cell_id]
            unsettled, latest = list(cell.unsettled.values()), cell.latest
            so_far, unavailable, runs = replace(cell.sum), set(cell.unavailable), cell.runs
        is_running = False
        for run in sorted(unsettled, key=lambda run: run.started_at):
            record = run.record
            so_far.add(record)
            unavailable |= set(record.unavailable)
            if latest is None or record.started_at >= latest.started_at:
                latest, is_running = record, run.is_open
        assert latest is not None  # a cell has a run or a record from the beginning
        drawn = so_far.drawn
        emissions = Emissions.of(drawn.energy, intensity, pue) if drawn.energy and intensity else None
        return {
            "kind": "cell",
            "cell_id": cell_id,
            "name": "other windows" if cell_id == OTHER_WINDOWS else latest.name[:200],
            "stage": latest.stage[:200] if latest.stage else None,
            "run_id": latest.run_id,
            "execution_count": latest.execution_count,
            "status": "running" if is_running else latest.status.value,
            "settled": not unsettled,
            "runs": runs,
            "duration_s": so_far.duration_s,
            **drawn_figures(drawn),
            "unavailable": sorted(unavailable),
            "mass_gco2e": emissions.mass_gco2e if emissions else None,
            "interval_gco2e": list(emissions.interval_gco2e) if emissions else None,
            "last_energy_j": latest.gross.value_j if latest.gross else None,
            "last_interval_j": list(latest.gross.interval_j) if latest.gross else None,
            "last_mass_gco2e": latest.emissions.mass_gco2e if latest.emissions else None,
            "last_interval_gco2e": list(latest.emissions.interval_gco2e) if latest.emissions else None,
            **budget_to_dict(latest.budget),
            "started_at_ms": 1e3 * latest.started_at.timestamp(),
            "ended_at_ms": None if is_running else 1e3 * span_of(latest)[1],
        }

    def _cell(self, cell_id: str | None, name: str) -> Cell:
        """Return the row a run belongs to: its cell's, or for a window outside cells that of its name."""
        key = cell_id or f"window {name[:200]}"
        if key not in self._cells and cell_id is None:
            if self._windows >= MOST_WINDOWS:
                key = OTHER_WINDOWS
            self._windows += 1
        return self._cells.setdefault(key, Cell(key))


def _span_so_far(run: Run) -> Span:
    begin_s = run.started_at.timestamp()
    return begin_s, begin_s + run.duration_s


def drawn_figures(drawn: Drawn) -> dict[str, Any]:
    """Return gross, idle, net and share with intervals and provenance as messages have them; nulls where unknown.

    Idle and net are the whole's, and what is known of a part stands apart; the share is that of what it is known of.
    """
    energy, idle, net = drawn.energy, drawn.idle, drawn.net
    return {
        "energy_j": energy.value_j if energy else None,
        "interval_j": list(energy.interval_j) if energy else None,
        "provenance": (energy.provenance if energy else Provenance.UNAVAILABLE).value,
        "idle_j": idle.value_j if idle else None,
        "idle_interval_j": list(idle.interval_j) if idle else None,
        "net_j": net.value_j if net else None,
        "net_interval_j": list(net.interval_j) if net else None,
        "share_j": drawn.known.share_j,
        "share_of_j": drawn.known.shared.value_j if drawn.known.shared else None,
        "known_net": known_net_to_dict(drawn.known),
        "baseline": basis_to_dict(drawn.baseline) if drawn.baseline else None,
    }
