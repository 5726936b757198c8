"""What sums need of a run in the ledger, read without making a whole record of it: that is ten times as fast."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

import msgspec

from greenllm_kernel.accounting.overlap import Span
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.quantities import CarbonIntensity, EnergySum, Interval, Provenance

COLUMNS = """
    started_at, rowid, run_id, session_id, host, name, stage, cell_id, duration_s, settled, status,
    CAST(json AS BLOB), parent_run_id IN (SELECT run_id FROM records)
"""
"""What :func:`run_of` takes."""

Power = Callable[[str], Mapping[str, Sequence[tuple[float, float]]]]
"""Gives the power over time of the run with this id."""


class Uncertainty(msgspec.Struct):
    """Standard uncertainty in parts, J."""

    random: float
    scale: float
    model: float


class Split(msgspec.Struct):
    """Energy by provenance, J."""

    measured: float | None
    derived: float | None
    estimated: float | None


class Channel(msgspec.Struct):
    """A channel's part; the last two are missing where an earlier version has written it."""

    id: str
    counted: bool
    energy_j: float | None
    provenance: Literal["measured", "derived", "estimated", "unavailable"]
    by_provenance_j: Split | None = None
    standard_uncertainty_j: Uncertainty | None = None

    def add_to(self, total: EnergySum, split: Split, uncertainty: Uncertainty) -> None:
        """Add its energy to a sum."""
        total.add_reading(
            self.id,
            self.energy_j or 0.0,
            uncertainty.random,
            uncertainty.scale,
            uncertainty.model,
            [
                (kind, part_j or 0.0)
                for kind, part_j in (
                    (Provenance.MEASURED, split.measured),
                    (Provenance.DERIVED, split.derived),
                    (Provenance.ESTIMATED, split.estimated),
                )
                if part_j or kind == self.provenance
            ],
        )


class Factors(msgspec.Struct, frozen=True):
    """What emissions were computed with."""

    intensity_gco2e_per_kwh: float
    intensity_interval_gco2e_per_kwh: Interval
    place: str
    source: str
    vintage: str
    pue: float

    @property
    def intensity(self) -> CarbonIntensity:
        """The carbon intensity of electricity."""
        return CarbonIntensity(
            self.intensity_gco2e_per_kwh,
            self.intensity_interval_gco2e_per_kwh,
            self.place,
            self.source,
            self.vintage,
        )


class Body(msgspec.Struct):
    """The record as it is kept, as far as sums need it."""

    schema: Literal[1]
    channels: list[Channel]
    emissions: Factors | None


@dataclass(slots=True)
class LedgerRun:
    """One run: its labels, its time, and its record as it is kept.

    Attributes:
        begin_s: when it began, s since 1970.
        is_nested: whether it lies inside another run of the ledger, which has its energy.
        settled: as it is kept, 0 or 1.
    """

    run_id: str
    session_id: str
    host: str
    name: str
    stage: str | None
    cell_id: str | None
    status: Status
    begin_s: float
    duration_s: float
    is_nested: bool
    settled: int
    json: bytes
    body: Body

    @property
    def span(self) -> Span:
        """Its beginning and its end, s since 1970."""
        return self.begin_s, self.begin_s + self.duration_s

    @property
    def is_final(self) -> bool:
        """Whether its record will not change any more."""
        return bool(self.settled) and self.status is not Status.PARTIAL

    def is_sure(self, before_s: float) -> bool:
        """Whether it is to be taken as it stands: it is over, or was given up, before an instant (s since 1970)."""
        return self.span[0 if self.is_final else 1] < before_s

    @property
    def state(self) -> tuple[float, int, str]:
        """What changes whenever its record does, as it is kept."""
        return self.duration_s, self.settled, self.status.value

    @property
    def energy_j(self) -> float | None:
        """What was drawn, J; None where no channel knows."""
        known_j = [c.energy_j for c in self.body.channels if c.counted and c.energy_j is not None]
        return math.fsum(known_j) if known_j else None

    def add_to(self, total: EnergySum) -> None:
        """Add its whole energy, if any is known, to a sum.

        Raises:
            ValueError: its record cannot be read.
        """
        known = [channel for channel in self.body.channels if channel.counted and channel.energy_j is not None]
        if all(channel.by_provenance_j and channel.standard_uncertainty_j for channel in known):
            for channel in known:
                assert channel.by_provenance_j and channel.standard_uncertainty_j
                channel.add_to(total, channel.by_provenance_j, channel.standard_uncertainty_j)
        elif (gross := self.record().gross) is not None:  # which knows how to recover what earlier versions left out
            total.add(gross)

    def record(self, power: Power | None = None) -> Record:
        """Return the whole record, with its power over time where ``power`` gives it.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            record = Record.from_dict(json.loads(self.json))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record: {error!r}") from error
        return record if power is None else replace(record, series=partial(power, self.run_id))


def run_of(row: Sequence[Any]) -> LedgerRun:
    """Return the run that a row of :data:`COLUMNS` describes.

    Raises:
        ValueError: it is no record of this schema.
    """
    started_at, _, run_id, session_id, host, name, stage, cell_id, duration_s, settled, status, body, nested = row
    for text in (run_id, session_id, host, name, started_at, stage or "", cell_id or ""):
        if not isinstance(text, str):
            raise ValueError(f"{text!r} where a text should be")
    if not isinstance(duration_s, (int, float)) or not 0.0 <= duration_s < math.inf:
        raise ValueError(f"{duration_s!r} where a duration should be")
    begin = datetime.fromisoformat(started_at)
    if begin.tzinfo is None:
        raise ValueError(f"{started_at!r} has no time zone")
    try:
        decoded = _DECODER.decode(body)
    except (msgspec.MsgspecError, TypeError) as error:
        raise ValueError(str(error)) from error
    return LedgerRun(
        run_id=run_id,
        session_id=session_id,
        host=host,
        name=name,
        stage=stage,
        cell_id=cell_id,
        status=Status(status),
        begin_s=begin.timestamp(),
        duration_s=float(duration_s),
        is_nested=bool(nested),
        settled=settled,
        json=body,
        body=decoded,
    )


_DECODER = msgspec.json.Decoder(Body)
