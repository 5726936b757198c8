"""Looks at this machine as a session does, then measures each sensor, and keeps what was found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.cli.doctor.contradictions import contradictions
from greenllm_kernel.cli.doctor.own_cost import OwnCost, cost_of_windows, share_of_sampler
from greenllm_kernel.cli.doctor.own_meters import OwnMeter, close_all, find_own_meters, measure
from greenllm_kernel.cli.doctor.surroundings import Finding, jupyter, settings
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.characterization.characterize import Characteristics
from greenllm_kernel.metering.meter import UnusableMeter

LOOK_S = 1.0
"""How long the channels are watched, s: ten ticks of an NVIDIA card's counter."""

SHARE_S = 2.0
"""How much longer they are watched to tell what the sampler costs, s."""

FIND_TIMEOUT_S = 10.0
SETTLE_TIMEOUT_S = 5.0

LEDGER_PLUGIN = "ledger"


@dataclass(frozen=True)
class Examined:
    """One meter that works, or should: its channels, and what they were like where that was measured.

    Attributes:
        name: of the meter.
        remark: what its plugin wants a user to know; empty where nothing.
        remedy: what opens the sensors that it cannot read; empty where nothing does, or where it reads all.
        channels: what each channel drew while the session looked.
        characteristics: by channel id, what was measured.
        warnings: where that contradicts what the plugin declares, and what went wrong.
    """

    name: str
    remark: str
    remedy: str
    channels: Sequence[ChannelEnergy]
    characteristics: dict[str, Characteristics]
    warnings: Sequence[str]

    @property
    def works(self) -> bool:
        """Whether any of its channels gave energy."""
        return any(channel.energy is not None for channel in self.channels)


@dataclass(frozen=True)
class Examination:
    """Everything that was found.

    Attributes:
        record: of the look at all meters together.
        meters: those that a session uses here.
        unusable: those that it cannot use.
        unused: names of those that the settings leave out.
        silent: names of the plugins for meters that have offered none.
        own_cost: what measuring costs; None where it was not measured.
        settings: the settings, the place, the ledger, the plugins.
        jupyter: whether the kernel and the sidebar are installed.
        notes: what else a user should know.
    """

    record: Record
    meters: Sequence[Examined]
    unusable: Sequence[UnusableMeter]
    unused: Sequence[str]
    silent: Sequence[str]
    own_cost: OwnCost | None
    settings: Sequence[Finding]
    jupyter: Sequence[Finding]
    notes: Sequence[str]


def examine(measures: bool) -> Examination:
    """Return what was found; it takes a second, and some more where it ``measures``."""
    configuration, complaints = Configuration.load_usable()
    # Watching is no work of the user's, so it does not go into the ledger.
    disabled = configuration.disable_plugins | {LEDGER_PLUGIN}
    session = Session(replace(configuration, disable_plugins=disabled))
    record, own_cost = _look(session, measures)
    unusable = list(session.sampler.unusable)
    use = configuration.use_meters
    own_meters = find_own_meters(session)
    try:
        characteristics = measure(own_meters, _working(record)) if measures else {}
        meters = _examined(record, own_meters, characteristics)
    finally:
        close_all(own_meters)
    return Examination(
        record=record,
        meters=meters,
        unusable=unusable,
        unused=sorted(set() if use is None else session.sampler.names - use),
        silent=sorted(session.meter_plugins - session.sampler.names - {meter.name for meter in unusable}),
        own_cost=own_cost,
        settings=settings(session, configuration, complaints, LEDGER_PLUGIN),
        jupyter=jupyter(),
        notes=list(session.warnings),
    )


def _look(session: Session, measures: bool) -> tuple[Record, OwnCost | None]:
    session.find_meters(FIND_TIMEOUT_S)
    window = session.open("doctor")
    time.sleep(LOOK_S)
    share = share_of_sampler(session, SHARE_S) if measures else None
    window.close()
    record = window.settle(SETTLE_TIMEOUT_S)
    own_cost = None if share is None else OwnCost(cost_of_windows(session), share, SHARE_S)
    # What went wrong is asked for before the meters are given back.
    session.close(SETTLE_TIMEOUT_S)
    return record, own_cost


def _working(record: Record) -> set[tuple[str, str]]:
    return {(channel.meter, channel.channel_id) for channel in record.channels if channel.energy is not None}


def _examined(
    record: Record, own_meters: Sequence[OwnMeter], characteristics: dict[tuple[str, str], Characteristics]
) -> list[Examined]:
    by_meter: dict[str, list[ChannelEnergy]] = {}
    for channel in record.channels:
        by_meter.setdefault(channel.meter, []).append(channel)
    own = {own_meter.meter.name: own_meter for own_meter in own_meters}
    meters = []
    for name, channels in by_meter.items():
        found = {key: value for (meter, key), value in characteristics.items() if meter == name}
        own_meter = own.get(name)
        is_blind = any(channel.energy is None for channel in channels)
        meters.append(
            Examined(
                name=name,
                remark=own_meter.remark if own_meter else "",
                remedy=own_meter.remedy if own_meter and is_blind else "",
                channels=channels,
                characteristics=found,
                warnings=[
                    *([own_meter.fault] if own_meter and own_meter.fault else []),
                    *(warning for found_one in found.values() for warning in contradictions(found_one)),
                ],
            )
        )
    return meters
