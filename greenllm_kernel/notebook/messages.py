"""What is said to the sidebar, in the form of ``messages.schema.json``."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from greenllm_kernel import __version__
from greenllm_kernel.accounting.channel_energy import by_provenance_to_dict
from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.stages import StageSum
from greenllm_kernel.metering.containment import around, counted
from greenllm_kernel.metering.reader import Reader
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.tracing.trace import Trace
from greenllm_kernel.notebook.cells import Cells, drawn_figures
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Provenance

KEPT_POWERS = 600
"""Power messages kept for pages that join: the last two and a half minutes of measuring."""

MOST_SENTENCES = 6
"""Warnings and unusable meters in one hello, so that it stays below 8 KB; the kernel's own status has all."""

LONGEST_SENTENCE = 400
"""Characters of each."""

LONGEST_STAGE = 100
"""Characters of a stage's name: twelve stages are to fit into one message."""

Message = dict[str, Any]


class Messages:
    """Makes the messages of one session, numbered.

    Args:
        session: whose figures they are.
        measures_every_cell: whether the shell's cells are all measured now.
    """

    def __init__(self, session: Session, measures_every_cell: Callable[[], bool]) -> None:
        self.cells = Cells()
        self._session = session
        self._measures_every_cell = measures_every_cell
        self._numbers = itertools.count(1)
        self._powers: deque[Message] = deque(maxlen=KEPT_POWERS)

    def hello(self) -> Message:
        """Who measures, and with what."""
        session = self._session
        sampler = session.sampler
        return self._with_head(
            {
                "kind": "hello",
                "version": __version__,
                "host": session.host,
                "measuring": self._measures_every_cell(),
                "ready": sampler.has_found,
                "channels": _channels(sampler),
                "unusable": [
                    {"meter": meter.name, "reason": _cut(meter.reason), "remedy": _cut(meter.remedy)}
                    for meter in sampler.unusable[:MOST_SENTENCES]
                ],
                "intensity": _intensity(session.intensity_lookup.found),
                "preferences_error": session.intensity_lookup.problem,
                "warnings": [_cut(warning) for warning in session.warnings[-MOST_SENTENCES:]],
            }
        )

    def power(self) -> Message:
        """Power now, and the session's sums."""
        now_ns = time.monotonic_ns()
        traces = self._session.sampler.traces
        powers = {trace.channel.id: trace.power_w(now_ns) for trace in traces}
        energy, _, _ = self._session.span.total()
        emissions = self._emissions(energy)
        message = self._with_head(
            {
                "kind": "power",
                "power_w": powers,
                "utilization": self._session.sampler.attribution.utilization([trace.channel for trace in traces]),
                "total_w": _counted_once(traces, powers),
                "energy_j": energy.value_j if energy else None,
                "mass_gco2e": emissions.mass_gco2e if emissions else None,
                "running": self.cells.running,
            }
        )
        self._powers.append(message)
        return message

    def cell(self, cell_id: str) -> Message:
        """What a cell cost so far."""
        intensity = self._session.intensity
        return self._with_head(self.cells.message(cell_id, intensity, self._session.configuration.pue))

    def totals(self) -> Message:
        """What the session drew so far."""
        session = self._session
        drawn, duration_s, readings = session.span.drawn()
        energy = drawn.energy
        emissions = self._emissions(energy)
        return self._with_head(
            {
                "kind": "totals",
                "cells": len(self.cells),
                "runs": self.cells.runs,
                "duration_s": duration_s,
                **drawn_figures(drawn),
                "by_provenance_j": by_provenance_to_dict(energy),
                "unavailable": sorted(reading.channel_id for reading in readings.missing),
                "partial": [
                    {"id": reading.channel_id, "label": _cut(reading.label), "coverage": reading.coverage}
                    for reading in readings.partial
                ],
                "mass_gco2e": emissions.mass_gco2e if emissions else None,
                "interval_gco2e": list(emissions.interval_gco2e) if emissions else None,
                "stages": [self._stage(one) for one in session.stages.sums()],
                "budget_j": session.budget_j,
            }
        )

    @property
    def state(self) -> str:
        """What pages should be greeted anew about: it changes with the meters, their faults and the warnings."""
        session = self._session
        channels = [
            (trace.fault, reader.limits.power_w(trace.channel.id))
            for reader in session.sampler.readers
            for trace in reader.traces
        ]
        lookup = session.intensity_lookup
        intensity = lookup.is_known, lookup.found, lookup.problem
        return f"{session.sampler.has_found} {intensity} {channels} {len(session.warnings)}"

    def past_powers(self) -> list[Message]:
        """Power messages already sent, oldest first."""
        return list(self._powers)

    def _stage(self, one: StageSum) -> Message:
        emissions = self._emissions(one.energy)
        return {
            "stage": one.stage[:LONGEST_STAGE] if one.stage is not None else None,
            "runs": one.runs,
            "duration_s": one.duration_s,
            "energy_j": one.energy.value_j if one.energy else None,
            "interval_j": list(one.energy.interval_j) if one.energy else None,
            "provenance": (one.energy.provenance if one.energy else Provenance.UNAVAILABLE).value,
            "mass_gco2e": emissions.mass_gco2e if emissions else None,
            "interval_gco2e": list(emissions.interval_gco2e) if emissions else None,
        }

    def _emissions(self, energy: Any) -> Emissions | None:
        intensity = self._session.intensity if energy else None
        return Emissions.of(energy, intensity, self._session.configuration.pue) if intensity else None

    def _with_head(self, content: Message) -> Message:
        head = {"schema": SCHEMA, "session_id": self._session.id, "seq": next(self._numbers)}
        return {**head, "at_ms": time.time() * 1e3, **content}


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST_SENTENCE else sentence[: LONGEST_SENTENCE - 1] + "…"


def _channels(sampler: Sampler) -> list[Message]:
    channels = [trace.channel for trace in sampler.traces]
    known = {trace.channel.id: 1.0 for trace in sampler.traces if trace.fault is None}
    added = counted(channels, known)
    outer = {key: [] if key in added else ids for key, ids in around(channels).items()}
    return [
        _channel(trace, reader, next((key for key in outer.get(trace.channel.id, ()) if key in known), None))
        for reader in sampler.readers
        for trace in reader.traces
    ]


def _channel(trace: Trace, reader: Reader, inside: str | None) -> Message:
    channel = trace.channel
    return {
        "id": channel.id,
        "component": channel.component.value,
        "label": _cut(channel.label),
        "meter": reader.name,
        "provenance": (Provenance.UNAVAILABLE if trace.fault else trace.provenance).value,
        "inside": inside,
        "limit_w": reader.limits.power_w(channel.id),
        "fault": _cut(trace.fault) if trace.fault else None,
    }


def _intensity(intensity: CarbonIntensity | None) -> Message | None:
    if intensity is None:
        return None
    return {
        "value_gco2e_per_kwh": intensity.value_gco2e_per_kwh,
        "interval_gco2e_per_kwh": list(intensity.interval_gco2e_per_kwh),
        "place": intensity.place,
        "source": intensity.source,
        "vintage": intensity.vintage,
    }


def _counted_once(traces: list[Trace], powers: dict[str, float | None]) -> float | None:
    known = {channel_id: power_w for channel_id, power_w in powers.items() if power_w is not None}
    added = counted([trace.channel for trace in traces], dict.fromkeys(known, 1.0))
    parts = [power_w for channel_id, power_w in known.items() if channel_id in added]
    return sum(parts) if parts else None
