"""What a meter is: the protocol that every sensor plugin implements, and the values it speaks in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Component(StrEnum):
    """The part of the machine a channel is about."""

    PLATFORM = "platform"
    """The whole machine or board (RAPL's psys, a wall meter, a battery)."""
    CPU = "cpu"
    GPU = "gpu"
    DRAM = "dram"
    ACCELERATOR = "accelerator"
    """A processor made for neural networks that is neither CPU nor GPU (Apple's Neural Engine)."""


class Kind(StrEnum):
    """What a reading is of."""

    COUNTER = "counter"
    """Joules, cumulative since an arbitrary instant."""
    POWER = "power"
    """Watts, averaged over the channel's averaging window."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One thing a meter reads.

    Attributes:
        id: unique on the host and stable, of at most 200 characters, such as ``"gpu:GPU-4f2a..."``.
        component: the part of the machine.
        label: what a person calls it, such as ``"NVIDIA H200"``.
        provides: the kinds of reading it can give.
        update_period_s: how often the sensor's figure is refreshed, s; 0 where it is refreshed at each read.
        averaging_window_s: the span a power reading averages over, ending at its refresh, s; None where unknown.
        gain_uncertainty: relative standard uncertainty of the sensor's gain (0.03 is 3 %).
        model_uncertainty: relative standard uncertainty of the model; above 0 marks the channel as an estimate.
        wraps_at_j: the span of the counter, J, after which it starts at 0 again; None where it never does.
        inside: id of the channel that already contains this one's energy, so that sums count it once.
        contains: the parts of the machine all of which this channel's energy has in it, whichever meter reads them:
            a battery's has every part, a Grace Hopper module's its GPU. For what cannot be named by ``inside``.
        rank: where a channel of a lower rank knows the same component (for a platform, its processors or memory), this
            one is shown and not counted. 0: a sensor or a model of this machine; 1: an exporter's view of the sensors;
            2: a coarse or doubtful view of the platform, such as a battery's; 3: a cross-check.
        read_spacing_s: reads never come closer together than this, s; for what is asked over a network.
    """

    id: str
    component: Component
    label: str
    provides: frozenset[Kind]
    update_period_s: float = 0.1
    averaging_window_s: float | None = None
    gain_uncertainty: float = 0.0
    model_uncertainty: float = 0.0
    wraps_at_j: float | None = None
    inside: str | None = None
    contains: frozenset[Component] = frozenset()
    rank: int = 0
    read_spacing_s: float = 0.0

    @property
    def is_estimate(self) -> bool:
        """Whether its figures come from a model and not from a sensor."""
        return self.model_uncertainty > 0


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a channel at one instant.

    Attributes:
        channel_id: which channel.
        kind: joules of a counter, or watts.
        value: J or W; NaN with a fault.
        t_ns: ``time.monotonic_ns()`` taken just before the sensor was asked.
        fault: why there is no value, in words a user can act on; None for a good reading.
    """

    channel_id: str
    kind: Kind
    value: float
    t_ns: int
    fault: str | None = None


@runtime_checkable
class Meter(Protocol):
    """Reads one family of sensors. Called from one thread only; may block, but then delays only itself."""

    name: str

    def channels(self) -> Sequence[Channel]:
        """Return what can be read, in a stable order. Called once, before any ``read``."""

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read each channel once for each kind it provides.

        A sensor that fails alone gives a reading with a fault; raising marks all the meter's channels.
        """

    def close(self) -> None:
        """Give back what the meter holds. Called once; no ``read`` follows."""


@dataclass(frozen=True, slots=True)
class UnusableMeter:
    """A meter that cannot work on this host, and what to do about it.

    Attributes:
        name: of the meter.
        reason: what was found, such as ``"no /sys/class/powercap on this machine"``.
        remedy: what the user can do; empty where nothing can be done.
    """

    name: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """How long one channel's device has been kept busy until an instant, cumulative since an arbitrary one.

    Attributes:
        channel_id: which channel.
        own_s: by the processes that were asked about, s; NaN with a fault.
        all_s: by all processes, s; at least ``own_s``. May be told with a fault too: whether a device is idle does not
            depend on whose it is. NaN where it is not known.
        t_ns: ``time.monotonic_ns()`` up to which both count.
        fault: why it cannot be told whose the use was, in words a user can act on; None where it can.
        is_held: whether both count the time for which processes held the device, busy or not, for want of better.
    """

    channel_id: str
    own_s: float
    all_s: float
    t_ns: int
    fault: str | None = None
    is_held: bool = False


@runtime_checkable
class AttributingMeter(Meter, Protocol):
    """A meter that also knows which processes keep its devices busy (NVML's per-process figures)."""

    def usage(self, channel_ids: Sequence[str], process_ids: Collection[int]) -> Sequence[Usage]:
        """Return how long these processes, and all, have kept each channel's device busy.

        Args:
            channel_ids: of this meter's channels.
            process_ids: of the kernel and all it has started, as this process sees them.
        """


@runtime_checkable
class PowerMeter(Meter, Protocol):
    """A meter whose power alone is cheap to read, where its counters are not (NVML on an H100: 40 us beside 3 ms)."""

    def read_power(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Read the power of each channel that tells one, and nothing else.

        Called between calls of ``read`` where what those cost spaces them widely.

        Args:
            channel_ids: of this meter's channels.
        """


@runtime_checkable
class LimitedMeter(Meter, Protocol):
    """A meter that also knows which power its devices may draw at most (NVML's enforced limit, RAPL's constraints)."""

    def limits_w(self, channel_ids: Sequence[str]) -> Mapping[str, float]:
        """Return by channel the power limit in force now, W; of a channel left out there is none, or none is known.

        Called every ten seconds or so, while readings are wanted.

        Args:
            channel_ids: of this meter's channels.
        """
