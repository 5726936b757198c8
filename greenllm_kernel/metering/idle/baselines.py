"""The baselines of this host's channels: which of several holds, and the file that keeps them between sessions.

A baseline that was measured on demand holds for ``KEPT_S``. Of those learnt in the last ``RECENT_S`` the lowest holds,
since whatever disturbs a pause makes it draw more, never less; where none is as recent, the latest does. So a level
that was lower for a reason that has passed (a cold room, another driver) is forgotten in time.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from greenllm_kernel.metering.idle.baseline import Baseline, How, age_s
from greenllm_kernel.metering.meter import Channel

SCHEMA = 1

KEPT_S = 7 * 86400.0
"""A baseline older than this is not used, s."""

RECENT_S = 6 * 3600.0
"""The lowest baseline learnt in this time holds, s."""

MOST_CANDIDATES = 24
"""Learnt baselines kept of one channel."""

FILE_NAME = "baselines.json"


class Baselines:
    """What is known of the channels' idle power. May be used from any thread.

    Args:
        host: whose channels they are; one file may serve several hosts (a home folder on a network).
        find_path: tells the file once it is needed; None: nothing is kept.
    """

    def __init__(self, host: str = "", find_path: Callable[[], Path] | None = None) -> None:
        self.host = host
        self._find_path = find_path
        self._lock = threading.Lock()
        self._candidates: dict[tuple[str, str], list[Baseline]] = {}

    def of(self, channel: Channel) -> Baseline | None:
        """Return the baseline that holds for a channel, or None where there is none."""
        with self._lock:
            candidates = [b for b in self._candidates.get(_key(channel), ()) if age_s(b) < KEPT_S]
        measured = [baseline for baseline in candidates if baseline.how is How.MEASURED]
        if measured:
            return max(measured, key=lambda baseline: baseline.taken_at)
        recent = [baseline for baseline in candidates if age_s(baseline) < RECENT_S]
        if recent:
            return min(recent, key=lambda baseline: baseline.power_w)
        return max(candidates, key=lambda baseline: baseline.taken_at, default=None)

    def add(self, channel: Channel, baseline: Baseline) -> None:
        """Take in a baseline; one that was measured takes the place of all before it."""
        with self._lock:
            self._add(_key(channel), baseline)

    def load(self) -> None:
        """Take in what the file has of this host. One that is missing or damaged, or an entry that is, says nothing."""
        own = self._read().get(self.host)
        for channel_id, entry in own.items() if isinstance(own, dict) else ():
            with suppress(ValueError, TypeError, KeyError, OverflowError):
                label, found = _entry(entry)
                with self._lock:
                    self._merge((channel_id, label), found)

    def save(self) -> None:
        """Write to the file what holds here, beside what others have written; that of the same channels is taken in.

        Raises:
            OSError: it cannot be written; what was there stays.
        """
        if self._find_path is None:
            return
        path, hosts = self._find_path(), self._read()
        own = hosts.get(self.host)
        entries = dict(own) if isinstance(own, dict) else {}
        with self._lock:
            for channel_id, label in self._candidates:
                with suppress(ValueError, TypeError, KeyError, OverflowError):
                    written_label, found = _entry(entries[channel_id])
                    if written_label == label:
                        self._merge((channel_id, label), found)
                candidates = self._candidates[channel_id, label]
                kept = [_as_json(baseline) for baseline in candidates if age_s(baseline) < KEPT_S]
                entries[channel_id] = {"label": label, "baselines": kept}
        hosts[self.host] = entries
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            partial.write_text(json.dumps({"schema": SCHEMA, "hosts": hosts}, allow_nan=False), encoding="utf-8")
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def _merge(self, key: tuple[str, str], found: Sequence[Baseline]) -> None:
        """Take in what others have found, as if all had been found here, in the order in which it was."""
        known = {*self._candidates.get(key, ()), *found}
        self._candidates[key] = []
        for baseline in sorted(known, key=lambda baseline: baseline.taken_at):
            self._add(key, baseline)

    def _add(self, key: tuple[str, str], baseline: Baseline) -> None:
        candidates = self._candidates.setdefault(key, [])
        if baseline in candidates:
            return
        if baseline.how is How.MEASURED:
            candidates.clear()
        candidates.append(baseline)
        while len(candidates) > MOST_CANDIDATES:
            candidates.remove(next(b for b in candidates if b.how is How.LEARNT))

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self._find_path().read_text(encoding="utf-8")) if self._find_path is not None else {}
        except (OSError, ValueError, RecursionError):
            return {}
        hosts = data.get("hosts") if isinstance(data, dict) and data.get("schema") == SCHEMA else None
        return dict(hosts) if isinstance(hosts, dict) else {}


def _key(channel: Channel) -> tuple[str, str]:
    """A channel is the same as before only where its label is: another model of the CPU has another idle power."""
    return channel.id, channel.label


def _as_json(baseline: Baseline) -> Mapping[str, Any]:
    return {
        "power_w": baseline.power_w,
        "standard_uncertainty_w": baseline.uncertainty_w,
        "at": baseline.taken_at.isoformat(),
        "duration_s": baseline.duration_s,
        "how": baseline.how.value,
    }


def _entry(data: Mapping[str, Any]) -> tuple[str, list[Baseline]]:
    """Return the label and the baselines that the file has of a channel."""
    return str(data["label"]), [_baseline(item) for item in data["baselines"]]


def _baseline(data: Mapping[str, Any]) -> Baseline:
    figures: Sequence[float] = [float(data[key]) for key in ("power_w", "standard_uncertainty_w", "duration_s")]
    if not all(math.isfinite(figure) and figure >= 0 for figure in figures):
        raise ValueError(f"{data!r} is no baseline")
    taken_at = datetime.fromisoformat(data["at"])
    if taken_at.tzinfo is None:
        raise ValueError(f"{data['at']!r} has no time zone")
    return Baseline(figures[0], figures[1], taken_at.astimezone(UTC), figures[2], How(data["how"]))
