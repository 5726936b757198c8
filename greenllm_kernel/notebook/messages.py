"""What is said to the sidebar, in the form of ``messages.schema.json``."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from greenllm_kernel import __version__
from greenllm_kernel.accounting.budget import budget_to_dict
from greenllm_kernel.accounting.channel_energy import by_provenance_to_dict
from greenllm_kernel.accounting.comparisons import Summary
from greenllm_kernel.accounting.record import SCHEMA
from greenllm_kernel.accounting.sampled import channels_now, power_now, shortened, unusable_now
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.stages import StageSum
from greenllm_kernel.notebook.cells import Cells, drawn_figures
from greenllm_kernel.quantities import CarbonIntensity, Provenance

KEPT_POWERS = 600
"""Power messages kept for pages that join: the last two and a half minutes of measuring."""

KEPT_COMPARISONS = 8
"""Comparisons kept for pages that join."""

MOST_SENTENCES = 6
"""Warnings and unusable meters in one hello, so that it stays below 8 KB; the kernel's own status has all."""

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
        self._comparisons: dict[str, Summary] = {}
        self._watchers: list[threading.Event] = []

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
                "channels": channels_now(sampler),
                "unusable": unusable_now(sampler, MOST_SENTENCES),
                "intensity": _intensity(session.intensity_lookup.found),
                "preferences_error": session.intensity_lookup.problem,
                "warnings": [shortened(warning) for warning in session.warnings[-MOST_SENTENCES:]],
            }
        )

    def power(self) -> Message:
        """Power now, and the session's sums."""
        session = self._session
        energy, _, _ = session.span.total()
        emissions = session.emissions_of(energy)
        message = self._with_head(
            {
                "kind": "power",
                **power_now(session.sampler),
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
        emissions = session.emissions_of(energy)
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
                    {"id": reading.channel_id, "label": shortened(reading.label), "coverage": reading.coverage}
                    for reading in readings.partial
                ],
                "mass_gco2e": emissions.mass_gco2e if emissions else None,
                "interval_gco2e": list(emissions.interval_gco2e) if emissions else None,
                "stages": [self._stage(one) for one in session.stages.sums()],
                **budget_to_dict(session.budget),
            }
        )

    def compared(self, summary: Summary) -> str:
        """Take in what a comparison has found, and return its id; the latest ones are kept for pages that join."""
        comparison_id = str(summary["comparison_id"])
        self._comparisons.pop(comparison_id, None)
        self._comparisons[comparison_id] = summary
        while len(self._comparisons) > KEPT_COMPARISONS:
            del self._comparisons[next(iter(self._comparisons))]
        return comparison_id

    def comparison(self, comparison_id: str) -> Message:
        """What a comparison of models has found."""
        return self._with_head({"kind": "comparison", "comparison": self._comparisons[comparison_id]})

    @property
    def comparisons(self) -> list[str]:
        """Ids of the comparisons that are kept, oldest first."""
        return list(self._comparisons)

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

    def watch(self, event: threading.Event) -> None:
        """Set ``event`` from now on whenever a message was sent: something has changed."""
        self._watchers.append(event)

    def unwatch(self, event: threading.Event) -> None:
        """No longer set ``event``."""
        self._watchers.remove(event)

    def sent(self) -> None:
        """Take note that a message was sent. Called by the stream."""
        for event in list(self._watchers):
            event.set()

    def past_powers(self) -> list[Message]:
        """Power messages already sent, oldest first."""
        return list(self._powers)

    def _stage(self, one: StageSum) -> Message:
        emissions = self._session.emissions_of(one.energy)
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

    def _with_head(self, content: Message) -> Message:
        head = {"schema": SCHEMA, "session_id": self._session.id, "seq": next(self._numbers)}
        return {**head, "at_ms": time.time() * 1e3, **content}


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
