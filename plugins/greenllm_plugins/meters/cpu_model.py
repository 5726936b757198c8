"""An estimate of what the CPUs draw, for machines where no sensor can be read.

Power is a sum of rates, those of time and of busy time at its operating point. So the energy since the start needs
only what has been counted, and it is the same however often it is read. (A bent line would not do: CPU times come in
steps of 10 ms, and the mean of a curve depends on the span one takes the load over.)
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.calibration.files import find
from greenllm_kernel.metering.calibration.fit import HostKind
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.cpu_activity import SLOWED, CpuActivity
from greenllm_plugins.meters.cpu_rating import FORMULAS, Rating, design_power, rate, rate_by_fits
from greenllm_plugins.meters.operating_point import SYSFS, Clocks, CoreVoltage
from greenllm_plugins.meters.processor import find_processor

NAME = "cpu_model"
CHANNEL_ID = "cpu:model"

UPDATE_PERIOD_S = 0.01
"""How often CPU times are counted, s (``USER_HZ`` of Linux)."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Return the estimate.

    ``[meters.cpu_model] tdp_w`` names the TDP of all this machine's CPUs together, and goes before any fit;
    ``sysfs`` names another folder than ``/sys``.
    """
    options = config.meters.get(NAME, {})
    tdp_w, sysfs = options.get("tdp_w"), options.get("sysfs", str(SYSFS))
    if tdp_w is not None and (type(tdp_w) not in (int, float) or not 0.0 < tdp_w < math.inf):
        return [UnusableMeter(NAME, f"tdp_w = {tdp_w!r}: expected watts", "Correct [meters.cpu_model].")]
    if not isinstance(sysfs, str):
        return [UnusableMeter(NAME, f"sysfs = {sysfs!r}: expected a folder's path", "Correct [meters.cpu_model].")]
    try:
        import psutil
    except ImportError as error:
        return [UnusableMeter(NAME, f"psutil cannot be imported: {error}", "pip install psutil")]
    processor = find_processor()
    threads = psutil.cpu_count() or os.cpu_count() or 1
    host = HostKind(processor.model, processor.vendor, processor.packages, threads, processor.is_virtual)
    clocks = Clocks.find(Path(sysfs), processor.model)
    activity = CpuActivity(clocks, CoreVoltage.find(Path(sysfs)), psutil.cpu_times)
    calibrated, faults = (None, []) if tdp_w is not None else _calibrated(host, activity.names)
    rating = calibrated or rate(design_power(processor, threads, tdp_w), threads, SLOWED in activity.names)
    return [CpuModel(rating, activity, host, faults)]


def _calibrated(host: HostKind, names: frozenset[str]) -> tuple[Rating | None, list[str]]:
    fits, faults = find(NAME)
    return rate_by_fits(fits, host, names), faults


class CpuModel:
    """Counts the modelled joules of all the CPUs since it was made.

    Args:
        rating: of the CPUs.
        activity: of the CPUs.
        host: the kind of this host.
        faults: why fits that were found are not used.
    """

    name = NAME
    formulas: Mapping[str, Sequence[str]] = FORMULAS

    def __init__(self, rating: Rating, activity: CpuActivity, host: HostKind, faults: Sequence[str] = ()) -> None:
        self.host = host
        self._coefficients_w = rating.coefficients_w
        self._activity = activity
        ignored = f"; not used: {'; '.join(faults)}" if faults else ""
        self._channel = Channel(
            id=CHANNEL_ID,
            component=Component.CPU,
            label=f"CPU, estimated ({rating.basis}{ignored})",
            provides=frozenset({Kind.COUNTER}),
            update_period_s=UPDATE_PERIOD_S,
            model_uncertainty=rating.uncertainty,
        )

    def channels(self) -> Sequence[Channel]:
        """Return the one channel: all CPUs of this machine."""
        return [self._channel]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Return the modelled joules since the start."""
        try:
            t_ns, features = self._activity.read()
        except (OSError, RuntimeError) as error:
            t_ns = self._activity.now_ns()
            fault = f"the CPU times cannot be read: {error}"
            return [Reading(channel_id, Kind.COUNTER, math.nan, t_ns, fault) for channel_id in channel_ids]
        energy_j = sum(watts * features[name] for name, watts in self._coefficients_w.items())
        return [Reading(channel_id, Kind.COUNTER, energy_j, t_ns) for channel_id in channel_ids]

    def features(self) -> Mapping[str, float]:
        """Return what a fit of its power may be a sum of.

        Raises:
            OSError: the CPU times cannot be read.
            RuntimeError: likewise.
        """
        return self._activity.read()[1]

    def close(self) -> None:
        """End; nothing is held."""
