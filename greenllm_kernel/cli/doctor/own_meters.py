"""Meters of the doctor's own, made by the plugins as for a session and read by nobody else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.metering.characterization.characterize import Characteristics, Polling
from greenllm_kernel.metering.meter import Channel, Meter

FIND_TIMEOUT_S = 5.0
"""How long plugins may look for their meters, s."""


@dataclass
class OwnMeter:
    """A meter, its channels, and what is to be said of it."""

    meter: Meter
    channels: Sequence[Channel]
    fault: str = ""
    is_stuck: bool = False

    @property
    def remark(self) -> str:
        """What its plugin wants a user to know."""
        return str(getattr(self.meter, "remark", None) or "")

    @property
    def remedy(self) -> str:
        """What opens those of its sensors that cannot be read."""
        return str(getattr(self.meter, "remedy", None) or "")


@dataclass
class _Search:
    """One plugin's search, on a thread of its own."""

    find: Callable[..., Any]
    config: Any
    found: list[OwnMeter] = field(default_factory=list)

    def run(self) -> None:
        for meter in self.find(config=self.config) or ():
            if isinstance(meter, Meter):
                self._take(meter)

    def _take(self, meter: Meter) -> None:
        try:
            self.found.append(OwnMeter(meter, list(meter.channels())))
        except Exception as error:
            self.found.append(OwnMeter(meter, (), f"{meter.name} failed: {type(error).__name__}: {error}"))


def find_own_meters(session: Session) -> list[OwnMeter]:
    """Return the meters that the session's plugins offer and its settings allow; a plugin that hangs is left out."""
    searches = [_Search(find, session.configuration) for _, find in session.plugins.implementations("greenllm_meters")]
    threads = [threading.Thread(target=search.run, daemon=True) for search in searches]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + FIND_TIMEOUT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    use = session.configuration.use_meters
    found = [own for search in searches for own in list(search.found)]
    wanted = [own for own in found if use is None or own.meter.name in use]
    close_all([own for own in found if own not in wanted])
    return wanted


def measure(
    own_meters: Sequence[OwnMeter], working: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Characteristics]:
    """Return what the working channels are like, by meter and channel id; all meters are read at the same time.

    Args:
        own_meters: those that are read.
        working: meter and id of the channels that a session uses and that gave it energy.
    """
    pollings: list[tuple[OwnMeter, Polling]] = []
    for own in own_meters:
        channels = [channel for channel in own.channels if (own.meter.name, channel.id) in working]
        if channels:
            pollings.append((own, Polling(own.meter, channels)))
    characteristics: dict[tuple[str, str], Characteristics] = {}
    for own, polling in pollings:
        own.is_stuck = not polling.wait()
        own.fault = polling.fault or own.fault
        for result in polling.results():
            characteristics.setdefault((own.meter.name, result.channel.id), result)
    return characteristics


def close_all(own_meters: Sequence[OwnMeter]) -> None:
    """Give the meters back, but for those that hang."""
    for own in own_meters:
        if own.is_stuck:
            continue
        try:
            own.meter.close()
        except Exception as error:
            own.fault = f"{own.meter.name} could not be closed: {type(error).__name__}: {error}"
