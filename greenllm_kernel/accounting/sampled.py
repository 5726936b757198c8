"""What a sampler knows at this moment, in the form of ``messages.schema.json``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.containment import around, counted
from greenllm_kernel.metering.reader import Reader
from greenllm_kernel.metering.sampler import Find, Sampler
from greenllm_kernel.metering.tracing.trace import Trace
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance

LONGEST_SENTENCE = 400
"""Characters of a label, a fault or a reason, so that several fit into one message."""

Message = dict[str, Any]


def searches(plugins: Plugins, configuration: Configuration) -> list[tuple[str, Find]]:
    """Return what looks for the meters of each plugin, as a sampler wants it."""
    hooks = plugins.implementations("greenllm_meters")
    return [(name, partial(find, config=configuration)) for name, find in hooks]


def channels_now(sampler: Sampler) -> list[Message]:
    """Return the channels in use, each as ``$defs/channel``."""
    channels = [trace.channel for trace in sampler.traces]
    known = {trace.channel.id: 1.0 for trace in sampler.traces if trace.fault is None}
    added = counted(channels, known)
    outer = {key: [] if key in added else ids for key, ids in around(channels).items()}
    return [
        _channel(trace, reader, next((key for key in outer.get(trace.channel.id, ()) if key in known), None))
        for reader in sampler.readers
        for trace in reader.traces
    ]


def power_now(sampler: Sampler) -> Message:
    """Return ``power_w`` and ``utilization`` by channel, W and 0 to 1, and ``total_w``: each joule counts once."""
    now_ns = time.monotonic_ns()
    traces = sampler.traces
    powers = {trace.channel.id: trace.power_w(now_ns) for trace in traces}
    utilization = sampler.attribution.utilization([trace.channel for trace in traces])
    return {"power_w": powers, "utilization": utilization, "total_w": counted_power_w(traces, powers)}


def unusable_now(sampler: Sampler, most: int) -> list[Message]:
    """Return the meters that cannot work here, each as ``$defs/unusableMeter``."""
    return [
        {"meter": shortened(meter.name), "reason": shortened(meter.reason), "remedy": shortened(meter.remedy)}
        for meter in sampler.unusable[:most]
    ]


def shortened(sentence: str) -> str:
    """Return a sentence short enough for a message."""
    return sentence if len(sentence) <= LONGEST_SENTENCE else sentence[: LONGEST_SENTENCE - 1] + "…"


def _channel(trace: Trace, reader: Reader, inside: str | None) -> Message:
    channel = trace.channel
    return {
        "id": channel.id,
        "component": channel.component.value,
        "label": shortened(channel.label),
        "meter": reader.name,
        "provenance": (Provenance.UNAVAILABLE if trace.fault else trace.provenance).value,
        "inside": inside,
        "limit_w": reader.limits.power_w(channel.id),
        "fault": shortened(trace.fault) if trace.fault else None,
    }


def counted_power_w(traces: Sequence[Trace], powers: Mapping[str, float | None]) -> float | None:
    """Return the sum of the powers that are known, W, each watt counted once; None where none is known."""
    known = {channel_id: power_w for channel_id, power_w in powers.items() if power_w is not None}
    added = counted([trace.channel for trace in traces], dict.fromkeys(known, 1.0))
    parts = [power_w for channel_id, power_w in known.items() if channel_id in added]
    return sum(parts) if parts else None
