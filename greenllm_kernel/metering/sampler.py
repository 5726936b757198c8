"""The only thing that reads meters: a thread a meter, awake only while somebody wants readings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from greenllm_kernel.metering.admission import MOST_CHANNELS, admitted
from greenllm_kernel.metering.attribution.attribution import Attribution
from greenllm_kernel.metering.idle.baselines import Baselines
from greenllm_kernel.metering.meter import Channel, Meter, UnusableMeter
from greenllm_kernel.metering.reader import Reader
from greenllm_kernel.metering.tracing.trace import Trace

Find = Callable[[], Iterable[Meter | UnusableMeter] | None]
"""Looks for the meters of one plugin; may block, and may return None where it failed."""

FIND_TIMEOUT_S = 5.0
"""After this a search for meters that has not returned is no longer waited for."""


class Sampler:
    """Finds meters, reads them while held, and keeps a trace for each channel.

    Args:
        finds: by plugin, what looks for its meters; each runs on a thread of its own, once, at the first hold.
        use: names of the only meters to use; None: all.
        baselines: of the host's channels; None: new ones, which are not kept.
    """

    def __init__(
        self,
        finds: Callable[[], Sequence[tuple[str, Find]]],
        use: frozenset[str] | None = None,
        baselines: Baselines | None = None,
    ) -> None:
        self.attribution = Attribution()
        self.baselines = baselines or Baselines()
        self._finds = finds
        self._use = use
        self._lock = threading.Lock()
        self._holders = 0
        self._is_started = False
        self._is_closed = False
        self._pending = 0
        self._found = threading.Event()
        self._readers: list[Reader] = []
        self._unusable: list[UnusableMeter] = []
        self._names: set[str] = set()
        self._of_plugin: dict[str, list[Reader | UnusableMeter]] = {}

    def hold(self) -> None:
        """Want readings from now on, until :meth:`release`. Costs the caller microseconds."""
        with self._lock:
            self._holders += 1
            is_first = not self._is_started
            self._is_started = True
            readers = list(self._readers)
        if is_first:
            threading.Thread(target=self._find, name="greenllm-find", daemon=True).start()
        for reader in readers:
            reader.begin()

    def nudge(self) -> None:
        """Read soon: a window has closed and wants its closing edge."""
        for reader in self._readers:
            reader.begin()

    def release(self) -> None:
        """No longer want readings; when nobody does, the threads rest."""
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for reader in self._readers:
                    reader.rest()

    def wait_until_found(self, timeout_s: float) -> bool:
        """Wait until every search for meters has returned or was given up."""
        return self._found.wait(timeout_s)

    @property
    def has_found(self) -> bool:
        """Whether the meters have been looked for."""
        return self._found.is_set()

    @property
    def readers(self) -> list[Reader]:
        """One for each meter in use: an estimate is not, while a sensor tells all that it estimates."""
        known = self._known()
        return [reader for reader in self._readers if not reader.is_superseded_by(known)]

    @property
    def traces(self) -> list[Trace]:
        """One for each channel in use."""
        return [trace for reader in self.readers for trace in reader.traces]

    @property
    def names(self) -> set[str]:
        """Names of all meters that plugins have offered, used or not."""
        return set(self._names)

    @property
    def unusable(self) -> list[UnusableMeter]:
        """Meters that cannot work here, and why."""
        return list(self._unusable)

    @property
    def faults(self) -> dict[str, str]:
        """By meter, why it gives no readings at present."""
        return {reader.name: reader.fault for reader in self.readers if reader.fault}

    def found_by(self, plugin: str) -> tuple[list[str], list[str]]:
        """Return the labels of the channels that a plugin's meters read, and why others of its meters cannot."""
        found = list(self._of_plugin.get(plugin, ()))
        labels = [trace.channel.label for one in found if isinstance(one, Reader) for trace in one.traces]
        return labels, [one.reason for one in found if isinstance(one, UnusableMeter)]

    def drop(self, plugin: str) -> None:
        """Read a plugin's meters no more; windows that are open have nothing of them."""
        with self._lock:
            dropped = self._of_plugin.pop(plugin, [])
            self._readers = [reader for reader in self._readers if reader not in dropped]
            self._unusable = [meter for meter in self._unusable if meter not in dropped]
        for one in dropped:
            if isinstance(one, Reader):
                one.close()

    def add(self, plugin: str, find: Find) -> None:
        """Look for the meters of a plugin that came later; before the first hold there is nothing to do."""
        with self._lock:
            if not self._is_started or self._is_closed:
                return
            self._pending += 1
        self._look(plugin, find)

    def check(self, now_ns: int) -> None:
        """Mark the channels of meters that hang as unavailable, and let estimates rest that a sensor makes needless."""
        known = self._known()
        for reader in self._readers:
            reader.check(now_ns)
            if reader.is_superseded_by(known):
                reader.rest()
            elif self._holders > 0 and reader.is_resting:
                reader.begin()

    @property
    def cpu_s(self) -> float:
        """Processor time all reading has used so far, s."""
        return sum(reader.cpu_s for reader in self._readers) + self.attribution.cpu_s

    def close(self) -> None:
        """Stop reading and give the meters back."""
        with self._lock:
            self._is_closed = True
        for reader in self._readers:
            reader.close()

    def _find(self) -> None:
        finds = self._finds()
        self._pending = len(finds)
        if not finds:
            self._found.set()
        for plugin, find in finds:
            self._look(plugin, find)
        if not self._found.wait(FIND_TIMEOUT_S):
            self._found.set()

    def _look(self, plugin: str, find: Find) -> None:
        name = f"greenllm-find-{plugin}"
        threading.Thread(target=self._find_one, args=(plugin, find), name=name, daemon=True).start()

    def _find_one(self, plugin: str, find: Find) -> None:
        try:
            for meter in find() or ():
                self._take(plugin, meter)
        except (Exception, SystemExit) as error:
            self._cannot(plugin, UnusableMeter(plugin, f"looking for it failed: {type(error).__name__}: {error}"))
        finally:
            with self._lock:
                self._pending -= 1
                is_last = self._pending == 0
            if is_last:
                self._found.set()

    def _take(self, plugin: str, meter: object) -> None:
        name = getattr(meter, "name", None)
        if not isinstance(meter, (Meter, UnusableMeter)) or not isinstance(name, str):
            self._cannot(plugin, UnusableMeter(plugin, f"it gave something of type {type(meter).__name__} as a meter"))
            return
        self._names.add(name)
        if self._use is not None and name not in self._use:
            if isinstance(meter, Meter):
                self._give_back(meter)
            return
        if isinstance(meter, UnusableMeter):
            self._cannot(plugin, meter)
            return
        try:
            channels, refusals = admitted(meter.channels())
        except (Exception, SystemExit) as error:
            self._cannot(plugin, UnusableMeter(name, f"it failed: {type(error).__name__}: {error}"))
            self._give_back(meter)
            return
        for refusal in refusals:
            self._cannot(plugin, UnusableMeter(name, refusal))
        with self._lock:
            taken = {trace.channel.id for other in self._readers for trace in other.traces}
            free = [channel for channel in channels if channel.id not in taken]
            own = free[: MOST_CHANNELS - len(taken)]
            is_useful = (own or not (channels or refusals)) and not self._is_closed
            if is_useful:
                self._readers.append(reader := Reader(meter, own, self.attribution))
                self._of_plugin.setdefault(plugin, []).append(reader)
            is_wanted = self._holders > 0
        if len(own) < len(free):
            left_out = (
                f"{len(free) - len(own)} of its channels are left out: at most {MOST_CHANNELS} are read on a host"
            )
            self._cannot(plugin, UnusableMeter(name, left_out))
        if not is_useful:
            if channels and not free:
                self._cannot(plugin, UnusableMeter(name, "another meter reads the same sensors"))
            self._give_back(meter)
        elif is_wanted:
            reader.begin()

    def _cannot(self, plugin: str, meter: UnusableMeter) -> None:
        with self._lock:
            self._unusable.append(meter)
            self._of_plugin.setdefault(plugin, []).append(meter)

    def _give_back(self, meter: Meter) -> None:
        try:
            meter.close()
        except (Exception, SystemExit) as error:
            reason = f"it could not be closed: {type(error).__name__}: {error}"
            self._unusable.append(UnusableMeter(meter.name, reason))

    def _known(self) -> list[tuple[str, Channel]]:
        """Return the channels that give readings, each with its meter."""
        return [
            (reader.name, trace.channel)
            for reader in self._readers
            for trace in reader.traces
            if trace.has_given and trace.fault is None
        ]
