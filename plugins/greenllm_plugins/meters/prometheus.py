"""An exporter's page, for pods and hosts whose sensors the user cannot read: DCGM exporter, Kepler, Scaphandre.

The page is asked itself, not a Prometheus server, which would add its own scrape interval to the exporter's.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import ConfigurationError, MeterError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_plugins.meters.exporter_gpus import own
from greenllm_plugins.meters.exporter_page import HALF_GAIN, LEGACY_KEPLER, Figure, read_page
from greenllm_plugins.meters.scrape import Page

NAME = "prometheus"

REMARK = "not tried on real hardware yet"

OPTIONS = ("url", "match", "interval_s", "token_env")

PSYS_RANK = 2
"""A board's maker may not have wired psys, which cannot be tried out from here: packages on another page are surer."""


@hookimpl
def greenllm_meters(config: Configuration) -> Sequence[Meter | UnusableMeter]:
    """Fetch each page that ``[meters.prometheus] url`` names, and look for figures of energy."""
    options = config.meters.get(NAME)
    if options is None and NAME not in (config.use_meters or ()):
        return []
    try:
        urls = _checked(options or {})
    except ConfigurationError as error:
        return [UnusableMeter(NAME, str(error), "Correct [meters.prometheus].")]
    return [_opened(url, options or {}, os.environ) for url in urls]


class PrometheusMeter:
    """Reads the figures of one page.

    Args:
        page: that is fetched at each read.
        match: labels that a figure must have.
        channels: what was found on it.
        doubt: what cannot be told of them; empty where nothing.
    """

    name = NAME

    def __init__(self, page: Page, match: Mapping[str, str], channels: Sequence[Channel], doubt: str = "") -> None:
        self.remark = f"{REMARK}; {doubt}" if doubt else REMARK
        self._page = page
        self._match = match
        self._channels = {channel.id: channel for channel in channels}
        self._spacing_ns = max(channel.read_spacing_s for channel in channels) * 1e9
        self._fetched_ns: int | None = None
        self._figures: dict[tuple[str, Kind], float] | MeterError = {}

    def channels(self) -> Sequence[Channel]:
        """Return a channel for each sensor on the page, in its order."""
        return list(self._channels.values())

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        """Fetch the page, unless that has just been done, and take each channel's figures from it."""
        now_ns = time.monotonic_ns()
        if self._fetched_ns is None or now_ns - self._fetched_ns > self._spacing_ns / 2:
            self._fetched_ns, self._figures = now_ns, self._fetch()
        t_ns = self._fetched_ns
        return [
            self._reading(channel_id, kind, t_ns)
            for channel_id in channel_ids
            for kind in sorted(self._channels[channel_id].provides)
        ]

    def close(self) -> None:
        """End; each page has a connection of its own."""

    def _fetch(self) -> dict[tuple[str, Kind], float] | MeterError:
        try:
            figures = read_page(self._page.fetch(), self._match)
        except MeterError as error:
            return error
        return {(figure.channel_id, figure.kind): figure.value for figure in figures}

    def _reading(self, channel_id: str, kind: Kind, t_ns: int) -> Reading:
        if isinstance(self._figures, MeterError):
            return Reading(channel_id, kind, math.nan, t_ns, str(self._figures))
        value = self._figures.get((channel_id, kind))
        if value is None:
            return Reading(channel_id, kind, math.nan, t_ns, f"{self._page.url} no longer shows it")
        fault = None if math.isfinite(value) else f"{self._page.url} does not know it at present"
        return Reading(channel_id, kind, value if fault is None else math.nan, t_ns, fault)


def _checked(options: Mapping[str, Any]) -> list[str]:
    """Return the URLs.

    Raises:
        ConfigurationError: an option is unknown or has no value that can be used.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ConfigurationError(f"unknown option {unknown[0]!r}; the options are {', '.join(OPTIONS)}")
    urls = options.get("url", [])
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
        raise ConfigurationError('no page is named: set url = "http://HOST:PORT/metrics", or a list of such')
    match = options.get("match", {})
    if not isinstance(match, dict) or not all(isinstance(value, str) for value in match.values()):
        raise ConfigurationError(f'match = {match!r}: expected labels, such as {{Hostname = "node-7"}}')
    interval_s = options.get("interval_s", 1.0)
    if type(interval_s) not in (int, float) or not 0.0 < interval_s < math.inf:
        raise ConfigurationError(f"interval_s = {interval_s!r}: expected seconds")
    if not isinstance(options.get("token_env", ""), str):
        raise ConfigurationError("token_env: expected the name of an environment variable, not the token")
    return urls


def _opened(url: str, options: Mapping[str, Any], environment: Mapping[str, str]) -> Meter | UnusableMeter:
    match = options.get("match", {})
    try:
        page = Page(url, options.get("token_env"))
        text = page.fetch()
    except ConfigurationError as error:
        return UnusableMeter(NAME, str(error), "Correct [meters.prometheus].")
    except MeterError as error:
        return UnusableMeter(NAME, str(error), f"Look whether curl {url} gives a page from here.")
    figures = read_page(text, match)
    if not figures:
        return _without_figures(url, text, match)
    hosts = sorted({figure.host for figure in figures})
    if len(hosts) > 1:
        names = ", ".join(host or "one without name" for host in hosts)
        remedy = f'Choose one, such as match = {{Hostname = "{hosts[-1]}"}} under [meters.prometheus].'
        return UnusableMeter(NAME, f"{url} shows several hosts: {names}", remedy)
    shown, doubt = _own(figures, environment)
    if not shown:
        reason = f"{url} shows none of the GPUs in CUDA_VISIBLE_DEVICES or NVIDIA_VISIBLE_DEVICES"
        remedy = 'Choose the GPU, such as match = {gpu = "0"} under [meters.prometheus].' if doubt else ""
        return UnusableMeter(NAME, f"{reason}: {doubt}" if doubt else reason, remedy)
    return PrometheusMeter(page, match, _channels(shown, options.get("interval_s")), doubt)


def _without_figures(url: str, text: str, match: Mapping[str, str]) -> UnusableMeter:
    if match and read_page(text, {}):
        return UnusableMeter(NAME, f"{url} shows nothing with the labels {dict(match)}", "Correct match.")
    if LEGACY_KEPLER in text:
        reason = f"{url} is of Kepler before 0.10, which does not say where it only estimates"
        return UnusableMeter(NAME, reason, "Update Kepler.")
    reason = f"{url} shows no figure of energy of DCGM exporter, Kepler or Scaphandre"
    return UnusableMeter(NAME, reason, "Look whether the address is that of the exporter's page.")


def _own(figures: Sequence[Figure], environment: Mapping[str, str]) -> tuple[list[Figure], str]:
    """Leave out GPUs that programs started here cannot use; return also what cannot be told of them."""
    gpus = {figure.gpu.uuid: figure.gpu for figure in figures if figure.gpu is not None}
    uuids, doubt = own(list(gpus.values()), environment) if gpus else (set[str](), "")
    return [figure for figure in figures if figure.gpu is None or figure.gpu.uuid in uuids], doubt


def _channels(figures: Sequence[Figure], interval_s: float | None) -> list[Channel]:
    kinds: dict[str, set[Kind]] = {}
    for figure in figures:
        kinds.setdefault(figure.channel_id, set()).add(figure.kind)
    firsts = {figure.channel_id: figure for figure in reversed(figures)}
    return [
        Channel(
            id=channel_id,
            component=firsts[channel_id].component,
            label=firsts[channel_id].label,
            provides=frozenset(provided),
            update_period_s=interval_s or firsts[channel_id].exporter.update_period_s,
            gain_uncertainty=HALF_GAIN[firsts[channel_id].component] / math.sqrt(3.0),
            inside=firsts[channel_id].inside,
            rank=PSYS_RANK if firsts[channel_id].component is Component.PLATFORM else 1,
            read_spacing_s=firsts[channel_id].exporter.read_spacing_s,
        )
        for channel_id, provided in kinds.items()
    ]
