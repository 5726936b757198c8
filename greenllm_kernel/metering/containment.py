"""What lies inside what, so that sums count each joule once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from greenllm_kernel.metering.meter import Component


def is_contained(channel_id: str, inside: Mapping[str, str | None], known: Collection[str]) -> bool:
    """Tell whether a channel's energy is already in that of a known one around it.

    Args:
        channel_id: of the channel.
        inside: by channel, the one right around it.
        known: the channels that have a figure.
    """
    seen = {channel_id}
    outer = inside.get(channel_id)
    while outer is not None and outer not in seen:
        if outer in known:
            return True
        seen.add(outer)
        outer = inside.get(outer)
    return False


def with_what_it_contains(components: set[Component]) -> set[Component]:
    """Return the components that are known where these are: a platform's figure has its processors and memory."""
    return components | ({Component.CPU, Component.DRAM} if Component.PLATFORM in components else set())
