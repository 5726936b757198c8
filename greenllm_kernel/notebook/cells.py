"""What each cell cost over all its runs in this session: the rows of the sidebar's table."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from greenllm_kernel.accounting.drawn import Drawn
from greenllm_kernel.accounting.record import Record, basis_to_dict
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Provenance

MOST_WINDOWS = 200
"""Rows for windows outside cells, one for each name; what comes after shares one row."""

OTHER_WINDOWS = "window (others)"


@dataclass
class Cell:
    """One cell: the sum of its settled runs, the runs that are not settled, and the latest record."""

    cell_id: str
    runs: int = 0
    drawn: Drawn = field(default_factory=Drawn)
    duration_s: float = 0.0
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
            cell.drawn += Drawn.of_record(record)
            cell.duration_s += record.duration_s
            cell.unavailable |= set(record.unavailable)
            if cell.latest is None or record.started_at >= cell.latest.started_at:
                cell.latest = record
            return cell.cell_id

    def message(self, cell_id: str, intensity: CarbonIntensity | None, pue: float) -> dict[str, Any]:
        """Return the content of a ``cell`` message (without its head): all runs, those not ended included."""
        with self._lock:
            cell = self._cells[cell_id]
            unsettled, latest = list(cell.unsettled.values()), cell.latest
            drawn, duration_s, unavailable, runs = cell.drawn, cell.duration_s, set(cell.unavailable), cell.runs
        is_running = False
        for run in unsettled:
            record = run.record
            drawn += Drawn.of_record(record)
            duration_s += record.duration_s
            unavailable |= set(record.unavailable)
            if latest is None or record.started_at >= latest.started_at:
                latest, is_running = record, run.is_open
        assert latest is not None  # a cell has a run or a record from the beginning
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
            "duration_s": duration_s,
            **drawn_figures(drawn),
            "unavailable": sorted(unavailable),
            "mass_gco2e": emissions.mass_gco2e if emissions else None,
            "interval_gco2e": list(emissions.interval_gco2e) if emissions else None,
            "last_energy_j": latest.gross.value_j if latest.gross else None,
            "last_interval_j": list(latest.gross.interval_j) if latest.gross else None,
        }

    def _cell(self, cell_id: str | None, name: str) -> Cell:
        """Return the row a run belongs to: its cell's, or for a window outside cells that of its name."""
        key = cell_id or f"window {name[:200]}"
        if key not in self._cells and cell_id is None:
            if self._windows >= MOST_WINDOWS:
                key = OTHER_WINDOWS
            self._windows += 1
        return self._cells.setdefault(key, Cell(key))


def drawn_figures(drawn: Drawn) -> dict[str, Any]:
    """Return gross, idle, net and share with intervals and provenance as messages have them; nulls where unknown."""
    energy, idle, net = drawn.energy, drawn.idle, drawn.net
    return {
        "energy_j": energy.value_j if energy else None,
        "interval_j": list(energy.interval_j) if energy else None,
        "provenance": (energy.provenance if energy else Provenance.UNAVAILABLE).value,
        "idle_j": idle.value_j if idle else None,
        "idle_interval_j": list(idle.interval_j) if idle else None,
        "net_j": net.value_j if net else None,
        "net_interval_j": list(net.interval_j) if net else None,
        "share_j": drawn.share_j,
        "baseline": basis_to_dict(drawn.baseline) if drawn.baseline else None,
    }
