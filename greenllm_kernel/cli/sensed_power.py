"""The power of one component as a sensor tells it, for steps of a programme."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from greenllm_kernel.cli.command_error import CommandError
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading
from greenllm_kernel.metering.reader import Reader
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.window import SETTLE_TIMEOUT_S, Window

TRIAL_S = 3.0
"""How long the sensors have to give a first reading, s."""

LEAST_COVERAGE = 0.9
"""A step in which the sensor was silent for longer is no measurement."""

LOOK_EVERY_S = 0.1
"""How often a step's features are looked at, s; they are cumulative, but sample the CPUs' frequency."""


class SensedPower:
    """Measures with the best meter that senses a component and answers.

    Args:
        meters: those to choose from; all of them are closed with this.
        component: what is to be sensed.
    """

    def __init__(self, meters: Sequence[Meter], component: Component) -> None:
        self._parts = parts = [_Part(meter, component) for meter in meters]
        self._sampler = Sampler(lambda: [(part.name, partial(_only, part)) for part in parts])
        self._sampler.hold()
        self._sampler.wait_until_found(TRIAL_S)
        self._wait_for_readings()
        working = [reader for reader in self._sampler.readers if reader.traces and not _faults(reader)]
        self._reader = min(working, key=_rank, default=None)

    @property
    def works(self) -> bool:
        """Whether there is a sensor that answers."""
        return self._reader is not None

    @property
    def channels(self) -> Sequence[Channel]:
        """What is measured; none of it contains another."""
        return [trace.channel for trace in self._reader.traces] if self._reader else []

    @property
    def faults(self) -> list[str]:
        """Why sensors that were found do not answer, or cannot serve."""
        failed = [f"{meter.name}: {meter.reason}" for meter in self._sampler.unusable]
        mixed = [f"{label}: it has more in it than what is sensed" for part in self._parts for label in part.mixed]
        return [*failed, *mixed, *(fault for reader in self._sampler.readers for fault in _faults(reader))]

    @property
    def gain_uncertainty(self) -> float:
        """Relative standard uncertainty of the sum's gain, taken as common to all channels; the largest of them."""
        return max((channel.gain_uncertainty for channel in self.channels), default=0.0)

    def measure(self, seconds: float, look: Callable[[], None]) -> float:
        """Return the mean power over the next ``seconds``, W.

        Args:
            seconds: how long.
            look: called at the start, at the end, and now and then between them.

        Raises:
            CommandError: the sensor did not tell.
        """
        assert self._reader is not None
        window = Window(self._sampler)
        look()
        window.attend()
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0.0:
            time.sleep(min(LOOK_EVERY_S, left_s))
            if until_s > time.monotonic():
                look()
        window.shut()
        look()
        window.attend()
        self._wait_until_settled(window)
        try:
            return self._power_w(window)
        finally:
            window.finish()

    def close(self) -> None:
        """Give the meters back."""
        self._sampler.release()
        self._sampler.close()

    def _power_w(self, window: Window) -> float:
        assert self._reader is not None
        draws = [draw for draw in window.draws() if draw.meter == self._reader.name]
        energy_j = 0.0
        for draw in draws:
            if draw.energy is None or draw.coverage < LEAST_COVERAGE:
                raise CommandError(f"{draw.channel.label} could not be read: {draw.fault or 'readings are missing'}")
            energy_j += draw.energy.value_j / draw.coverage
        if len(draws) < len(self._reader.traces) or energy_j <= 0.0:
            raise CommandError(f"{self._reader.name} showed no energy; greenllm doctor tells more")
        return energy_j / window.duration_s

    def _wait_until_settled(self, window: Window) -> None:
        """Wait for this sensor's readings past the window's end; others may be lost and never settle."""
        assert self._reader is not None and window.closed_ns is not None
        until_s = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < until_s:
            self._sampler.check(time.monotonic_ns())
            if all(trace.is_settled(window.closed_ns) for trace in self._reader.traces):
                return
            time.sleep(0.005)

    def _wait_for_readings(self) -> None:
        until_s = time.monotonic() + TRIAL_S
        while time.monotonic() < until_s:
            self._sampler.check(time.monotonic_ns())
            traces = [trace for reader in self._sampler.readers for trace in reader.traces]
            if all(trace.has_given or trace.fault for trace in traces):
                return
            time.sleep(0.01)


class _Part:
    """A meter, of which only the outermost sensed channels of one component, and of no other beside it, are read.

    ``mixed`` has the labels of those with others: an estimate fitted to them would have these twice, once by their own.
    """

    def __init__(self, meter: Meter, component: Component) -> None:
        self.name = meter.name
        self._meter = meter
        self._component = component
        self.mixed: list[str] = []

    def channels(self) -> Sequence[Channel]:
        sensed = [
            channel
            for channel in self._meter.channels()
            if channel.component is self._component and not channel.is_estimate
        ]
        own = [channel for channel in sensed if channel.contains <= {self._component}]
        self.mixed = [channel.label for channel in sensed if channel not in own]
        ids = {channel.id for channel in own}
        return [channel for channel in own if channel.inside not in ids]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        return self._meter.read(channel_ids)

    def close(self) -> None:
        self._meter.close()


def _only(part: _Part) -> list[Meter]:
    return [part]


def _faults(reader: Reader) -> list[str]:
    return [
        f"{trace.channel.label}: {trace.fault or 'no reading'}"
        for trace in reader.traces
        if trace.fault or not trace.has_given
    ]


def _rank(reader: Reader) -> tuple[int, bool, float]:
    """Order meters: this machine's own sensors first, then counters, then by gain."""
    channels = [trace.channel for trace in reader.traces]
    return (
        max(channel.rank for channel in channels),
        not all(Kind.COUNTER in channel.provides for channel in channels),
        max(channel.gain_uncertainty for channel in channels),
    )
