"""What a meter says is taken only where it makes sense: its channels once, its readings each time.

Nothing here raises, whatever a meter gives: what cannot be used is refused or replaced by a fault, with a reason.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading

LONGEST_PERIOD_S = 86400.0
"""Nothing is measured with a sensor that is refreshed less often, s."""

MOST_CHANNELS = 256
"""Channels of one host, as ``messages.schema.json`` has it."""

LONGEST_ID = 200
"""Characters of a channel's id, as there."""

OLDEST_S = 60.0
"""A reading that was true longer before it was asked for is not of this read, s."""

AHEAD_NS = 1_000_000
"""A reading may be dated ahead by what clocks and rounding do to it, ns."""

FUTURE = "its reading is dated {seconds:.3g} s ahead; t_ns is time.monotonic_ns() just before the sensor was asked"
PAST = "its reading is {seconds:.3g} s old"


def admitted(channels: object) -> tuple[list[Channel], list[str]]:
    """Return the channels that can be read, and why others cannot.

    Args:
        channels: what ``Meter.channels()`` has returned.
    """
    if isinstance(channels, (str, bytes)) or not isinstance(channels, Sequence):
        return [], [f"its channels are {_shown(channels)}, and no list of them"]
    taken: dict[str, Channel] = {}
    refusals: list[str] = []
    for channel in channels:
        reason = _contradiction(channel)
        if reason is None and channel.id in taken:
            reason = "there are two of this id"
        if reason is None:
            taken[channel.id] = channel
        else:
            refusals.append(f"its channel {_shown(getattr(channel, 'id', channel))} cannot be used: {reason}")
    return list(taken.values()), refusals


def checked(reading: Reading, channel: Channel, asked_ns: int, now_ns: int) -> Reading:
    """Return the reading, or in its place one with a fault where it makes no sense.

    Args:
        reading: as the meter gave it, of this channel.
        channel: as it was taken.
        asked_ns: when the meter was asked, ns.
        now_ns: when it had answered, ns.
    """
    kind = _kind(reading.kind)
    if kind is None or kind not in channel.provides:
        return _faulty(channel, None, asked_ns, f"it gave a reading of kind {_shown(reading.kind)}")
    t_ns = _whole(reading.t_ns)
    if t_ns is None:
        return _faulty(channel, kind, asked_ns, f"its reading is dated {_shown(reading.t_ns)}, and not in whole ns")
    if t_ns > now_ns + AHEAD_NS:
        return _faulty(channel, kind, asked_ns, FUTURE.format(seconds=(t_ns - now_ns) / 1e9))
    if t_ns < asked_ns - OLDEST_S * 1e9:
        return _faulty(channel, kind, asked_ns, PAST.format(seconds=(asked_ns - t_ns) / 1e9))
    if reading.fault is not None:
        return _faulty(channel, kind, t_ns, str(reading.fault) or "it gave no reason")
    value = _number(reading.value)
    if value is None:
        return _faulty(channel, kind, t_ns, f"the sensor gave {_shown(reading.value)}, which is no number")
    if value is reading.value and t_ns is reading.t_ns and kind is reading.kind:
        return reading
    return Reading(channel.id, kind, value, t_ns)


def _contradiction(channel: Any) -> str | None:
    """Return what is wrong with what a channel declares."""
    if not isinstance(channel, Channel):
        return "it is no Channel"
    if not isinstance(channel.id, str) or not channel.id:
        return "its id is no text"
    if len(channel.id) > LONGEST_ID:
        return f"its id has {len(channel.id)} characters, and may have {LONGEST_ID}"
    if not isinstance(channel.component, Component):
        return f"its component is {_shown(channel.component)}"
    if not isinstance(channel.label, str):
        return f"its label is {_shown(channel.label)}"
    if not isinstance(channel.provides, frozenset) or not channel.provides or not channel.provides <= frozenset(Kind):
        return f"it provides {_shown(channel.provides)}"
    if not isinstance(channel.contains, frozenset) or not channel.contains <= frozenset(Component):
        return f"it contains {_shown(channel.contains)}"
    if channel.inside is not None and not isinstance(channel.inside, str):
        return f"it lies inside {_shown(channel.inside)}"
    if not isinstance(channel.rank, int):
        return f"its rank is {_shown(channel.rank)}"
    return _absurd_figure(channel)


def _absurd_figure(channel: Channel) -> str | None:
    for name in ("update_period_s", "read_spacing_s", "averaging_window_s"):
        figure = getattr(channel, name)
        if not _is_within(figure, LONGEST_PERIOD_S) and not (name == "averaging_window_s" and figure is None):
            return f"its {name} is {_shown(figure)}"
    for name in ("gain_uncertainty", "model_uncertainty"):
        figure = getattr(channel, name)
        if not _is_within(figure, math.inf):
            return f"its {name} is {_shown(figure)}"
    span_j = channel.wraps_at_j
    if span_j is not None and not (_is_within(span_j, math.inf) and span_j > 0):
        return f"its wraps_at_j is {_shown(span_j)}; None is a counter that never wraps"
    return None


def _is_within(figure: object, most: float) -> bool:
    number = _number(figure)
    return number is not None and math.isfinite(number) and 0 <= number <= most


def _faulty(channel: Channel, kind: Kind | None, t_ns: int, reason: str) -> Reading:
    main = Kind.COUNTER if Kind.COUNTER in channel.provides else Kind.POWER
    return Reading(channel.id, kind or main, math.nan, t_ns, reason)


def _kind(kind: object) -> Kind | None:
    try:
        return Kind(kind)  # type: ignore[arg-type]
    except ValueError:
        return None


def _whole(number: object) -> int | None:
    try:
        return operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        return None


def _number(value: Any) -> float | None:
    if isinstance(value, (str, bytes, bytearray, bool)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _shown(thing: object) -> str:
    try:
        text = repr(thing)
    except Exception as error:
        return f"something that cannot be shown ({type(error).__name__})"
    return text if len(text) <= 80 else f"{text[:77]}..."
