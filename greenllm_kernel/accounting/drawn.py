"""What windows drew in all while more may come: gross, idle, net and this kernel's share.

A sum knows idle and share only where every part of it that has energy does: half of an idle energy is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from greenllm_kernel.accounting.record import Record
from greenllm_kernel.metering.idle.baseline import Baseline, Basis
from greenllm_kernel.quantities import Energy


class ChannelPart(Protocol):
    """One channel's part in a window: a ``Draw``, or a ``ChannelEnergy``."""

    @property
    def counted(self) -> bool: ...
    @property
    def energy(self) -> Energy | None: ...
    @property
    def idle(self) -> Energy | None: ...
    @property
    def share_j(self) -> float | None: ...
    @property
    def baseline(self) -> Baseline | None: ...


@dataclass(frozen=True)
class Drawn:
    """A sum so far.

    Attributes:
        energy: all that was drawn, J; None where nothing is known.
        idle: what the idle machine would have drawn, J; None unless known of every part with energy.
        share_j: this kernel's part of ``energy``, J; None likewise.
        baseline: what ``idle`` rests on; None where it is not known.
    """

    energy: Energy | None = None
    idle: Energy | None = None
    share_j: float | None = None
    baseline: Basis | None = None

    @classmethod
    def of_record(cls, record: Record) -> Drawn:
        """Return what one run drew."""
        return cls(record.gross, record.idle, record.share_j, record.baseline)

    @classmethod
    def of_channels(cls, channels: Iterable[ChannelPart]) -> Drawn:
        """Return what the channels of one window drew, those that others contain left out."""
        total = cls()
        for channel in channels:
            if channel.counted:
                basis = Basis.of([channel.baseline]) if channel.baseline else None
                total += cls(channel.energy, channel.idle, channel.share_j, basis)
        return total

    @property
    def net(self) -> Energy | None:
        """What was drawn beyond idle, J; may be below zero; None where either is not known."""
        return self.energy - self.idle if self.energy and self.idle else None

    def __add__(self, other: Drawn) -> Drawn:
        if self.energy is None or other.energy is None:
            return self if other.energy is None else other
        is_shared = self.share_j is not None and other.share_j is not None
        return Drawn(
            energy=self.energy + other.energy,
            idle=self.idle + other.idle if self.idle and other.idle else None,
            share_j=(self.share_j or 0.0) + (other.share_j or 0.0) if is_shared else None,
            baseline=Basis.of([self.baseline, other.baseline]) if self.baseline and other.baseline else None,
        )
