"""What sums need of a run in the ledger, read without making a whole record of it: that is ten times as fast."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec

from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.quantities import CarbonIntensity, EnergySum, Interval, Provenance

COLUMNS = """
    started_at, rowid, run_id, session_id, host, name, stage, cell_id, duration_s, settled, status,
    CAST(json AS BLOB), parent_run_id IN (SELECT run_id FROM records)
"""
"""What :func:`run_of` takes."""

LONGEST_S: Final = 1e9
"""No run is longer, s: thirty years."""

Power = Callable[[str], Mapping[str, Sequence[tuple[float, float]]]]
"""Gives the power over time of the run with this id."""


class Uncertainty(msgspec.Struct, gc=False):
    """Standard uncertainty in parts, J."""

    random: float
    scale: float
    model: float


class Split(msgspec.Struct, gc=False):
    """Energy by provenance, J."""

    measured: float | None
    derived: float | None
    estimated: float | None


class Channel(msgspec.Struct, gc=False):
    """A channel's part; what stands last is missing where an earlier version has written it."""

    id: str
    counted: bool
    energy_j: float | None
    provenance: Provenance
    by_provenance_j: Split | None = None
    standard_uncertainty_j: Uncertainty | None = None


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


class Body(msgspec.Struct, gc=False):
    """The record as it is kept, as far as sums need it."""

    schema: Literal[1]
    channels: list[Channel]
    emissions: Factors | None


_NOTHING: Final = Body(1, [], None)


class LedgerRun(msgspec.Struct, array_like=True, gc=False):
    """One run: its labels, its time, and its record as it is kept, in the order of :data:`COLUMNS`.

    Attributes:
        settled: as it is kept, 0 or 1.
        json: its record.
        is_nested: whether it lies inside another run of the ledger, which has its energy.
        begin_s: when it began, s since 1970.
        body: what sums need of the record.
    """

    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    rowid: int
    run_id: str
    session_id: str
    host: str
    name: str
    stage: str | None
    cell_id: str | None
    duration_s: Annotated[float, msgspec.Meta(ge=0.0, le=LONGEST_S)]
    settled: int
    status: Status
    json: bytes
    is_nested: int | None
    begin_s: float = 0.0
    body: Body = msgspec.field(default_factory=lambda: _NOTHING)

    @property
    def is_final(self) -> bool:
        """Whether its record will not change any more."""
        return bool(self.settled) and self.status is not Status.PARTIAL

    def is_sure(self, before_s: float) -> bool:
        """Whether it is to be taken as it stands: it is over, or was given up, before an instant (s since 1970)."""
        return (self.begin_s if self.is_final else self.begin_s + self.duration_s) < before_s

    @property
    def state(self) -> tuple[float, int, str]:
        """What changes whenever its record does, as it is kept."""
        return self.duration_s, self.settled, self.status.value

    @property
    def energy_j(self) -> float | None:
        """What was drawn, J; None where no channel knows."""
        known_j = [c.energy_j for c in self.body.channels if c.counted and c.energy_j is not None]
        return sum(known_j) if known_j else None

    def add_to(self, total: EnergySum) -> None:
        """Add its whole energy, if any is known, to a sum."""
        for channel in self.body.channels:
            split, uncertainty = channel.by_provenance_j, channel.standard_uncertainty_j
            if channel.counted and channel.energy_j is not None and split and uncertainty:
                total.add_reading(
                    channel.id,
                    channel.provenance,
                    channel.energy_j,
                    uncertainty.random,
                    uncertainty.scale,
                    uncertainty.model,
                    split.measured or 0.0,
                    split.derived or 0.0,
                    split.estimated or 0.0,
                )

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
    try:
        run = msgspec.convert(row, LedgerRun)
        run.begin_s = run.started_at.timestamp()
        run.body = _DECODER.decode(run.json)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise ValueError(str(error)) from error
    for channel in run.body.channels:
        if channel.energy_j is not None and (channel.by_provenance_j is None or channel.standard_uncertainty_j is None):
            # Of an earlier version: the record knows how the parts of its uncertainty are told from its intervals.
            run.body.channels = [_recovered(channel) for channel in run.record().channels]
            break
    return run


def _recovered(channel: ChannelEnergy) -> Channel:
    energy = channel.energy
    if energy is None:
        return Channel(channel.channel_id, channel.counted, None, Provenance.UNAVAILABLE)
    parts_j = [
        energy.by_provenance_j.get(kind) for kind in (Provenance.MEASURED, Provenance.DERIVED, Provenance.ESTIMATED)
    ]
    return Channel(
        channel.channel_id,
        channel.counted,
        energy.value_j,
        energy.provenance,
        Split(*parts_j),
        Uncertainty(energy.random_j, math.hypot(*energy.scale_j.values()), math.hypot(*energy.model_j.values())),
    )


_DECODER: Final = msgspec.json.Decoder(Body)
