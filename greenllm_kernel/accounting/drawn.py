"""What windows drew in all while more may come: gross, idle, net and this kernel's share.

A sum knows idle and share only where every part of it that has energy does: half of an idle energy is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from greenllm_kernel.accounting.known import ChannelPart, Known
from greenllm_kernel.accounting.overlap import Part
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.metering.idle.baseline import Basis
from greenllm_kernel.quantities import Energy


@dataclass(frozen=True)
class Drawn:
    """A sum so far.

    Attributes:
        energy: all that was drawn, J; None where nothing is known.
        idle: what the idle machine would have drawn, J; None unless known of every part with energy.
        share_j: this kernel's part of ``energy``, J; None likewise, parts of 0 J aside.
        baseline: what ``idle`` rests on; None where it is not known.
        known: the same of those parts that know theirs, where not all do.
    """

    energy: Energy | None = None
    idle: Energy | None = None
    share_j: float | None = None
    baseline: Basis | None = None
    known: Known = field(default_factory=Known)

    @classmethod
    def of_record(cls, record: Record) -> Drawn:
        """Return what one run drew."""
        return cls.of_part(Part(record))

    @classmethod
    def of_part(cls, part: Part) -> Drawn:
        """Return what of one run is to be added."""
        record = part.record
        return cls(part.of(record.gross), part.of(record.idle), part.share_j, record.baseline, part.known)

    @classmethod
    def of_channels(cls, channels: Iterable[ChannelPart]) -> Drawn:
        """Return what the channels of one window drew, those that others contain left out."""
        total = cls()
        for channel in channels:
            if channel.counted:
                basis = Basis.of([channel.baseline]) if channel.baseline else None
                total += cls(channel.energy, channel.idle, channel.share_j, basis, Known.of_channels([channel]))
        return total

    @property
    def net(self) -> Energy | None:
        """What was drawn beyond idle, J; may be below zero; None where either is not known."""
        return self.energy - self.idle if self.energy and self.idle else None

    def __add__(self, other: Drawn) -> Drawn:
        if self.energy is None or other.energy is None:
            return self if other.energy is None else other
        return Drawn(
            energy=self.energy + other.energy,
            idle=self.idle + other.idle if self.idle and other.idle else None,
            share_j=_shares(self, other),
            baseline=Basis.of([self.baseline, other.baseline]) if self.baseline and other.baseline else None,
            known=self.known + other.known,
        )


def _shares(*parts: Drawn) -> float | None:
    """Return the shares' sum; one that is not known does not matter where there was no energy to share."""
    shares_j = [part.share_j for part in parts if part.share_j is not None or (part.energy and part.energy.value_j > 0)]
    known = [share_j for share_j in shares_j if share_j is not None]
    return math.fsum(known) if known and len(known) == len(shares_j) else None
