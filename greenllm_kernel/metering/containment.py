"""What lies inside what, so that sums count each joule once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from greenllm_kernel.metering.meter import Channel, Component


def around(channels: Iterable[Channel]) -> dict[str, list[str]]:
    """Return by channel the ids of those that count in its place.

    They are the one it names, those that contain its component, and those of a lower rank that know it.
    Of two that each contain the other (a wall plug and a battery both have the whole machine), the first is around.
    """
    channels = list(channels)
    named: dict[str, list[str]] = {}
    for channel in channels:
        # Of channels that each name the other, directly or in a ring, the last one contains the rest.
        container = channel.inside
        is_ring = container == channel.id or (container is not None and is_contained(container, named, {channel.id}))
        named[channel.id] = [container] if container and not is_ring else []
    outer = {key: list(ids) for key, ids in named.items()}
    for number, channel in enumerate(channels):
        for place, other in enumerate(channels):
            if channel.component not in other.contains or other is channel:
                continue
            is_mutual = other.component in channel.contains
            if not is_contained(other.id, named, {channel.id}) and (place < number or not is_mutual):
                outer[channel.id].append(other.id)
    for channel in channels:
        outer[channel.id] += [other.id for other in channels if _comes_first(other, channel)]
    return outer


def _comes_first(other: Channel, channel: Channel) -> bool:
    """Tell whether a channel is not counted where another is known; no estimate comes before a sensor."""
    is_worse = other.is_estimate and not channel.is_estimate
    return other.rank < channel.rank and not is_worse and channel.component in known_components([other])


def is_contained(channel_id: str, outer: Mapping[str, Collection[str]], known: Collection[str]) -> bool:
    """Tell whether a channel's energy is already in that of a known one around it.

    Args:
        channel_id: of the channel.
        outer: by channel, those right around it, as :func:`around` returns.
        known: the channels that have a figure.
    """
    seen = {channel_id}
    rest = [*outer.get(channel_id, ())]
    while rest:
        channel_id = rest.pop()
        if channel_id in seen:
            continue
        if channel_id in known:
            return True
        seen.add(channel_id)
        rest.extend(outer.get(channel_id, ()))
    return False


def is_superseded(channel: Channel, meter: str, known: Iterable[tuple[str, Channel]]) -> bool:
    """Tell whether an estimate is needless: a sensor knows its component, or another meter's surer estimate does.

    Args:
        channel: of which it is asked.
        meter: that it belongs to.
        known: the channels that have a figure, each with its meter.
    """
    if not channel.is_estimate or channel.rank > 0:
        return False
    return any(
        channel.component in known_components([other])
        and (not other.is_estimate or (name != meter and _is_surer(other, channel)))
        for name, other in known
    )


def _is_surer(other: Channel, channel: Channel) -> bool:
    return other.rank == 0 and other.model_uncertainty < channel.model_uncertainty


def known_components(channels: Iterable[Channel]) -> set[Component]:
    """Return the components that are known where these channels are: also those whose energy is in theirs."""
    known: set[Component] = set()
    for channel in channels:
        known |= {channel.component, *channel.contains}
    # A platform's figure has its processors and memory, whether it says so or not.
    return known | ({Component.CPU, Component.DRAM} if Component.PLATFORM in known else set())
