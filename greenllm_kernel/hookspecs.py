"""Every hook a plugin can implement. Register under the entry point group ``greenllm``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from greenllm_kernel.accounting.record import Record
    from greenllm_kernel.compression.compressor import Compressor
    from greenllm_kernel.compression.runtime import Runtime
    from greenllm_kernel.configuration import Configuration
    from greenllm_kernel.metering.meter import Meter, UnusableMeter
    from greenllm_kernel.quantities import CarbonIntensity

PROJECT_NAME = "greenllm"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:  # type: ignore[empty-body]
    """Return the meters that could work on this host, and for those that cannot, why not."""


@hookspec(firstresult=True)
def greenllm_carbon_intensity(place: str | None, at: datetime) -> CarbonIntensity | None:
    """Return the carbon intensity of electricity at a place; the first plugin that knows wins.

    ``place`` is None where the user named none. Raise ``PlaceError`` for a place that does not exist.
    """


@hookspec
def greenllm_compressors() -> Sequence[type[Compressor]]:  # type: ignore[empty-body]
    """Return the classes of methods that compress models; each stands in recipes under its name."""


@hookspec
def greenllm_runtimes() -> Sequence[type[Runtime]]:  # type: ignore[empty-body]
    """Return the classes of ways to deploy a model; each is known under its name."""


@hookspec
def greenllm_record(record: Record) -> None:
    """Observe a closed window, once, settled. Runs on a thread of GreenLLM's own."""


@hookspec
def greenllm_progress(record: Record) -> None:
    """Observe what is known so far of a window still open, every few seconds (status ``partial``)."""


@hookspec
def greenllm_comparison(comparison: Mapping[str, Any]) -> None:
    """Observe what a comparison of models has found, once, as JSON data (``Comparison.to_dict``)."""


@hookspec
def greenllm_end() -> None:
    """Write what is kept back: the session has handed its last record over."""
