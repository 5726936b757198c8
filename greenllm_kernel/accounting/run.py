"""A window with a name: one run of a cell, a stage, a function; it becomes a record."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from greenllm_kernel.accounting.budget import Budget
from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.metering.queued_work import Device
from greenllm_kernel.metering.window import Draw, Window
from greenllm_kernel.quantities import Energy

if TYPE_CHECKING:
    from greenllm_kernel.accounting.session import Session

innermost: contextvars.ContextVar[Run | None] = contextvars.ContextVar("greenllm_innermost_run", default=None)
"""The innermost open run of the present thread or task: what a run opened there lies inside."""

MOST_UNITS = 32
"""Units of one record, as ``messages.schema.json`` has it."""

LONGEST_UNIT = 200
"""Characters of a unit's name, as there."""


class Run(Window):
    """One measured run. Made by :meth:`Session.open`; closed once.

    Attributes:
        run_id: its own id.
        name: what the user calls it; may still be changed while it is open.
        stage: preprocess, train, evaluate, deploy, or any other text; may still be set while it is open.
        counts: by unit, how many the energy was spent on.
        budget: what it is to draw or emit at most; None: no matter.
        failed_before: devices whose queued work had failed when it was opened: that is not this run's doing.
        failures: by device, the error of queued work that showed while it was open, for its closing to raise.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        stage: str | None = None,
        cell_id: str | None = None,
        is_outermost: bool = False,
    ) -> None:
        began = time.perf_counter()
        super().__init__(session.sampler)
        self.session: Session = session
        self.run_id = session.next_run_id()
        self.name = str(name)
        self._stage = str(stage or "") or None
        self.cell_id = cell_id
        self.execution_count: int | None = None
        self.counts: dict[str, float] = {}
        self.budget: Budget | None = None
        self.failed_before: frozenset[Device] = frozenset()
        self.failures: dict[Device, RuntimeError] = {}
        self.status = Status.PARTIAL
        self.started_at = session.labels.opened(self.opened_ns)
        self.parent = None if is_outermost else nearest_open(innermost.get(), session)
        innermost.set(self)
        self._settled: Record | None = None
        self._has_settled = threading.Event()
        self.overhead_s = time.perf_counter() - began

    @property
    def stage(self) -> str | None:
        return self._stage

    @stage.setter
    def stage(self, stage: str | None) -> None:
        former, self._stage = self._stage, str(stage or "") or None
        if self.is_open and self._stage != former and self.session.is_here:
            self.session.stages.changed(self, former)

    def close(
        self, status: Status = Status.OK, counts: Mapping[str, float] | None = None, closed_ns: int | None = None
    ) -> None:
        """Close the window; a second call has no effect.

        Args:
            status: how it ended.
            counts: by unit, how many the energy was spent on.
            closed_ns: the closing instant, where it was before now.
        """
        if not self.is_open or not self.session.is_here:
            return
        began = time.perf_counter()
        self._count(counts or {})
        self.status = status
        self.shut(closed_ns)
        if innermost.get() is self:
            innermost.set(self.parent)
        self.session.closed(self)
        self.overhead_s += time.perf_counter() - began

    def take_failures(self, failures: Mapping[Device, RuntimeError]) -> None:
        """Keep errors of queued work until the run is closed, but for those from before it was opened."""
        self.failures.update({at: error for at, error in failures.items() if at not in self.failed_before})

    def _count(self, counts: Mapping[str, float]) -> None:
        if len(counts) > MOST_UNITS:
            self.session.warn(f"{self.name}: of {len(counts)} units all but the first {MOST_UNITS} are left out")
        for unit, count in islice(counts.items(), MOST_UNITS):
            name = str(unit)
            if len(name) > LONGEST_UNIT:
                self.session.warn(
                    f"{self.name}: the unit {name[:20]}... has a name of {len(name)} characters, more than "
                    f"{LONGEST_UNIT}; it is left out"
                )
            elif math.isfinite(count) and count >= 0:
                self.counts[name] = float(count)
            else:
                self.session.warn(f"{self.name}: {count} {name}s cannot be counted; the unit is left out")

    @property
    def record(self) -> Record:
        """What is known now: of an open window so far, of a closed one until it is settled, then for good."""
        return self._settled or self._described(is_settled=False)

    def settle(self, timeout_s: float = 5.0) -> Record:
        """Wait until the readings after the closing have sharpened the record, and return it.

        Args:
            timeout_s: return what is known after this long, s.
        """
        if self.session.is_here:
            self._has_settled.wait(timeout_s)
        return self.record

    def fix(self) -> Record:
        """Make the record final, settled or (where the process ends) not. Called by the session, once."""
        record = self._settled = self._described(self.is_settled())
        self.finish()
        self._has_settled.set()
        return record

    def _described(self, is_settled: bool) -> Record:
        # Nothing is read in a forked child, and locks may be held there by threads that are not.
        if not self.session.is_here:
            draws: Sequence[Draw] = ()
        else:
            draws = self.session.settled_draws.of(self) if is_settled else self.draws()
        channels = [
            ChannelEnergy(
                channel_id=draw.channel.id,
                component=draw.channel.component,
                label=draw.channel.label,
                meter=draw.meter,
                energy=draw.energy,
                coverage=draw.coverage,
                counted=draw.counted,
                fault=draw.fault,
                idle=draw.idle,
                baseline=draw.baseline,
                share_j=draw.share_j,
            )
            for draw in draws
        ]
        gross = Energy.sum(c.energy for c in channels if c.counted and c.energy is not None)
        return Record(
            run_id=self.run_id,
            name=self.name,
            session_id=self.session.id,
            host=self.session.host,
            started_at=self.started_at,
            duration_s=self.duration_s,
            status=self.status,
            settled=is_settled,
            channels=channels,
            gross=gross,
            emissions=self.session.emissions_of(gross),
            stage=self.stage,
            parent_run_id=self.parent.run_id if self.parent else None,
            cell_id=self.cell_id,
            execution_count=self.execution_count,
            counts=dict(self.counts),
            budget=self.budget,
            overhead_s=self.overhead_s,
            sampler_cpu_s=self.sampler_cpu_s,
            series=self.power,
        )


def nearest_open(run: Run | None, session: Session) -> Run | None:
    """Return ``run``, or the nearest one around it, that is open in this session."""
    while run is not None and not (run.is_open and run.session is session):
        run = run.parent
    return run
