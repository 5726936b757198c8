"""What each cell cost over all its runs in this session: the rows of the sidebar's table."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, Provenance


@dataclass
class Cell:
    """One cell: what its settled runs drew, and the latest run."""

    cell_id: str
    latest: Run
    runs: int = 0
    settled: Energy | None = None
    settled_s: float = 0.0
    unsettled: list[Run] = field(default_factory=list)
    unavailable: set[str] = field(default_factory=set)


class Cells:
    """The cells of a session, in the order in which they first ran. Windows inside a cell belong to the cell."""

    def __init__(self) -> None:
        self._cells: dict[str, Cell] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def ids(self) -> list[str]:
        """Ids of all cells."""
        with self._lock:
            return list(self._cells)

    @property
    def runs(self) -> int:
        """How many runs there were in all."""
        with self._lock:
            return sum(cell.runs for cell in self._cells.values())

    def began(self, run: Run) -> str | None:
        """Take in a run; return its cell's id, or None where it lies inside another run."""
        if run.parent is not None:
            return None
        cell_id = cell_id_of(run)
        with self._lock:
            cell = self._cells.setdefault(cell_id, Cell(cell_id, run))
            if run not in cell.unsettled:
                cell.latest = run
                cell.runs += 1
                cell.unsettled.append(run)
        return cell_id

    def settled(self, record: Record) -> str | None:
        """Add a run's final record; return the id of the cell whose row it changed."""
        with self._lock:
            for cell in self._cells.values():
                for run in cell.unsettled:
                    if run.run_id == record.run_id:
                        cell.unsettled.remove(run)
                        cell.settled = _sum(cell.settled, record.gross)
                        cell.settled_s += record.duration_s
                        cell.unavailable |= set(record.unavailable)
                        return cell.cell_id
        return None

    def message(self, cell_id: str, intensity: CarbonIntensity | None, pue: float) -> dict[str, Any]:
        """Return the content of a ``cell`` message (without its head): all runs, those not ended included."""
        with self._lock:
            cell = self._cells[cell_id]
            latest, unsettled = cell.latest, list(cell.unsettled)
            energy, duration_s, unavailable = cell.settled, cell.settled_s, set(cell.unavailable)
        for run in unsettled:
            record = run.record
            energy = _sum(energy, record.gross)
            duration_s += record.duration_s
            unavailable |= set(record.unavailable)
        last = latest.record
        emissions = Emissions.of(energy, intensity, pue) if energy and intensity else None
        return {
            "kind": "cell",
            "cell_id": cell_id,
            "name": latest.name[:200],
            "stage": latest.stage,
            "run_id": latest.run_id,
            "execution_count": latest.execution_count,
            "status": "running" if latest.is_open else last.status.value,
            "settled": not unsettled,
            "runs": cell.runs,
            "duration_s": duration_s,
            **energy_figures(energy),
            "unavailable": sorted(unavailable),
            "mass_gco2e": emissions.mass_gco2e if emissions else None,
            "interval_gco2e": list(emissions.interval_gco2e) if emissions else None,
            "last_energy_j": last.gross.value_j if last.gross else None,
            "last_interval_j": list(last.gross.interval_j) if last.gross else None,
        }


def cell_id_of(run: Run) -> str:
    """Return the id of the row a run belongs to: its cell, or for a window outside cells its name."""
    return run.cell_id or f"window-{run.name}"


def energy_figures(energy: Energy | None) -> dict[str, Any]:
    """Return the energy, its interval and its provenance as messages have them; nulls where unknown."""
    return {
        "energy_j": energy.value_j if energy else None,
        "interval_j": list(energy.interval_j) if energy else None,
        "provenance": (energy.provenance if energy else Provenance.UNAVAILABLE).value,
    }


def _sum(left: Energy | None, right: Energy | None) -> Energy | None:
    return left + right if left and right else left or right
