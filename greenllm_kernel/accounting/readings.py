"""For which part of the time each channel of a sum gave readings: which are missing from it, and which partly read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from greenllm_kernel.quantities import Energy


class ReadPart(Protocol):
    """One channel's part in a window: a ``Draw``, or a ``ChannelEnergy``."""

    @property
    def channel_id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def counted(self) -> bool: ...
    @property
    def energy(self) -> Energy | None: ...
    @property
    def coverage(self) -> float: ...
    @property
    def fault(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How far one channel was read.

    Attributes:
        channel_id: which.
        label: what a person calls it.
        is_known: whether there is any energy of it.
        is_whole: whether nothing of it is missing.
        covered_s: time with valid readings, s.
        duration_s: time for which it should have given readings, s.
    """

    channel_id: str
    label: str
    is_known: bool
    is_whole: bool
    covered_s: float
    duration_s: float

    @property
    def coverage(self) -> float:
        """The part of the time with valid readings, 0 to 1."""
        return min(1.0, self.covered_s / self.duration_s) if self.duration_s > 0 else float(self.is_whole)

    def __add__(self, other: Reading) -> Reading:
        return Reading(
            self.channel_id,
            self.label,
            self.is_known or other.is_known,
            self.is_whole and other.is_whole,
            self.covered_s + other.covered_s,
            self.duration_s + other.duration_s,
        )


@dataclass(frozen=True)
class Readings:
    """The readings of the channels that should count, by channel id."""

    by_id: Mapping[str, Reading] = field(default_factory=dict)

    @classmethod
    def of_channels(cls, channels: Iterable[ReadPart], duration_s: float) -> Readings:
        """Return what the channels of a window of so many seconds gave; those that others contain are left out."""
        return cls(
            {
                channel.channel_id: Reading(
                    channel.channel_id,
                    channel.label,
                    channel.energy is not None,
                    channel.energy is not None and not channel.fault,
                    # A channel without a fault misses nothing that matters.
                    duration_s if channel.energy is not None and not channel.fault else channel.coverage * duration_s,
                    duration_s,
                )
                for channel in channels
                if channel.counted
            }
        )

    @property
    def missing(self) -> list[Reading]:
        """The channels of which no energy is known: a sum lacks them."""
        return [reading for reading in self.by_id.values() if not reading.is_known]

    @property
    def partial(self) -> list[Reading]:
        """The channels that are in a sum and were read for part of the time only."""
        return [reading for reading in self.by_id.values() if reading.is_known and not reading.is_whole]

    def __add__(self, other: Readings) -> Readings:
        found = dict(self.by_id)
        for channel_id, reading in other.by_id.items():
            found[channel_id] = found[channel_id] + reading if channel_id in found else reading
        return Readings(found)
