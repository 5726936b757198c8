"""What lies inside what, so that sums count each joule once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from greenllm_kernel.metering.meter import Channel, Component

COVERED_ENOUGH = 0.9
"""A platform that is known for less than this part of a window's time gives way to parts that are known for more."""


def counted(channels: Iterable[Channel], coverage: Mapping[str, float]) -> set[str]:
    """Return the ids of those that a sum adds up: neither inside another that is known, nor behind one in rank.

    Args:
        channels: all there are; of those without a figure too it is told whether a sum misses them.
        coverage: by channel that has a figure, for which part of the time it was known, 0 to 1.
    """
    channels = list(channels)
    if not any(channel.inside or channel.contains or channel.rank for channel in channels):
        return {channel.id for channel in channels}
    outer = _containers(channels)
    first: list[Channel] = []
    for channel in sorted((one for one in channels if one.id in coverage), key=lambda one: one.rank):
        if not any(_comes_first(other, channel) for other in first):
            first.append(channel)
    thin = _thin(first, outer, coverage)
    known = {channel.id for channel in first} - thin
    return {
        channel.id
        for channel in channels
        if channel.id not in thin
        and not _is_inside(channel.id, outer, known)
        and not any(_comes_first(other, channel) for other in first)
    }


def _thin(known: Sequence[Channel], outer: Mapping[str, Collection[str]], coverage: Mapping[str, float]) -> set[str]:
    """Return the platforms that give way: their processors are known for longer than they, and by nothing around."""
    parts = [channel for channel in known if Component.CPU in known_components([channel])]
    better = {
        channel.id: [
            part.id
            for part in parts
            if gives_way(channel, coverage[channel.id], coverage[part.id]) and _is_inside(part.id, outer, {channel.id})
        ]
        for channel in known
    }
    others = [channel.id for channel in known if not better[channel.id]]
    return {key for key, ids in better.items() if not all(_is_inside(part, outer, others) for part in ids)}


def gives_way(channel: Channel, coverage: float, coverage_of_part: float) -> bool:
    """Tell whether a channel was known for so little of the time that what it contains counts in its place."""
    # A processor never does: its cores are not all of it.
    return channel.component is Component.PLATFORM and coverage < min(COVERED_ENOUGH, coverage_of_part)


def around(channels: Iterable[Channel]) -> dict[str, list[str]]:
    """Return by channel the ids of those that may count in its place.

    They are the one it names, those that contain its component, and those of a lower rank that know it.
    Of two that each contain the other (a wall plug and a battery both have the whole machine), the first is around.
    """
    channels = list(channels)
    outer = _containers(channels)
    for channel in channels:
        outer[channel.id] += [other.id for other in channels if _comes_first(other, channel)]
    return outer


def _containers(channels: Sequence[Channel]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for channel in channels:
        # Of channels that each name the other, directly or in a ring, the last one contains the rest.
        container = channel.inside
        is_ring = container == channel.id or (container is not None and _is_inside(container, named, {channel.id}))
        named[channel.id] = [container] if container and not is_ring else []
    outer = {key: list(ids) for key, ids in named.items()}
    for number, channel in enumerate(channels):
        for place, other in enumerate(channels):
            if channel.component not in other.contains or other is channel:
                continue
            is_mutual = other.component in channel.contains
            if not _is_inside(other.id, named, {channel.id}) and (place < number or not is_mutual):
                outer[channel.id].append(other.id)
    return outer


def _comes_first(other: Channel, channel: Channel) -> bool:
    """Tell whether a channel is not counted where another is known; no estimate comes before a sensor."""
    is_worse = other.is_estimate and not channel.is_estimate
    own = _own_components(channel.component)
    return other.rank < channel.rank and not is_worse and not own.isdisjoint(known_components([other]))


def _is_inside(channel_id: str, outer: Mapping[str, Collection[str]], known: Collection[str]) -> bool:
    """Tell whether a channel's energy is already in that of a known one around it, however far out."""
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
    known = list(known)
    return any(
        channel.component in known_components([other])
        and (_is_surer(other, channel) and name != meter if other.is_estimate else not _is_behind(other, known))
        for name, other in known
    )


def _is_surer(other: Channel, channel: Channel) -> bool:
    return other.rank == 0 and other.model_uncertainty < channel.model_uncertainty


def _is_behind(channel: Channel, known: Iterable[tuple[str, Channel]]) -> bool:
    return any(_comes_first(other, channel) for _, other in known)


def known_components(channels: Iterable[Channel]) -> set[Component]:
    """Return the components that are known where these channels are: also those whose energy is in theirs."""
    known: set[Component] = set()
    for channel in channels:
        known |= {*_own_components(channel.component), *channel.contains}
    # A platform in another has its processors and memory there too.
    return known | (_own_components(Component.PLATFORM) if Component.PLATFORM in known else set())


def _own_components(component: Component) -> set[Component]:
    # A platform's figure has its processors and memory, whether it says so or not.
    is_platform = component is Component.PLATFORM
    return {component, Component.CPU, Component.DRAM} if is_platform else {component}
