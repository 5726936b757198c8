"""What of idle, net and this kernel's share is known where not every part of a sum knows them, and whose that is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from greenllm_kernel.metering.idle.baseline import Baseline, Basis
from greenllm_kernel.quantities import Energy


class ChannelPart(Protocol):
    """One channel's part in a window: a ``Draw``, or a ``ChannelEnergy``."""

    @property
    def label(self) -> str: ...
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
class Known:
    """Sums over those parts of an energy that know theirs.

    Attributes:
        idle: what the channels with a baseline would have drawn idle, J; None where none has one.
        net: what they drew beyond that, J; None likewise.
        baseline: what both rest on.
        of: labels of these channels.
        lacking: labels of the channels without a baseline; empty where idle and net are the whole's.
        share_j: this kernel's part of ``shared``, J; None where nothing can be told.
        shared: the energy of which the share can be told.
        untold: labels of the channels of which it cannot; empty where it is the whole's.
    """

    idle: Energy | None = None
    net: Energy | None = None
    baseline: Basis | None = None
    of: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    share_j: float | None = None
    shared: Energy | None = None
    untold: tuple[str, ...] = ()

    @classmethod
    def of_channels(cls, channels: Iterable[ChannelPart]) -> Known:
        """Return what the channels of one window know, those that others contain left out."""
        total = cls()
        for channel in channels:
            if channel.counted and channel.energy is not None:
                total += _of_channel(channel, channel.energy)
        return total

    @property
    def without(self) -> tuple[str, ...]:
        """What net and idle are not known of: labels, and where it is so for some of the windows only, that too."""
        return tuple(f"{label} for a time" if label in self.of else label for label in self.lacking)

    def __add__(self, other: Known) -> Known:
        baselines = [baseline for baseline in (self.baseline, other.baseline) if baseline is not None]
        shares_j = [share_j for share_j in (self.share_j, other.share_j) if share_j is not None]
        return Known(
            idle=_added(self.idle, other.idle),
            net=_added(self.net, other.net),
            baseline=Basis.of(baselines),
            of=_joined(self.of, other.of),
            lacking=_joined(self.lacking, other.lacking),
            share_j=math.fsum(shares_j) if shares_j else None,
            shared=_added(self.shared, other.shared),
            untold=_joined(self.untold, other.untold),
        )


def _of_channel(channel: ChannelPart, energy: Energy) -> Known:
    label = (channel.label,)
    has_idle, has_share = channel.idle is not None, channel.share_j is not None
    return Known(
        idle=channel.idle,
        net=energy - channel.idle if channel.idle is not None else None,
        baseline=Basis.of([channel.baseline]) if channel.baseline and has_idle else None,
        of=label if has_idle else (),
        lacking=() if has_idle else label,
        share_j=channel.share_j,
        shared=energy if has_share else None,
        # Of no energy there is nothing to tell.
        untold=() if has_share or energy.value_j == 0 else label,
    )


def _added(one: Energy | None, other: Energy | None) -> Energy | None:
    return Energy.sum(energy for energy in (one, other) if energy is not None)


def _joined(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return one if one == other else tuple(dict.fromkeys((*one, *other)))
