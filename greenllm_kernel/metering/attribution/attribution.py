"""Whose energy: the part of a channel's energy that this kernel, with all that it has started, is answerable for.

With *own* and *all* the time for which the kernel and everybody kept a device busy in a window, and *capacity* the
time for which it could have been kept busy,

    share = net x own / all + idle x own / capacity        where the idle power is known,
    share = gross x own / all                              else,

with net = gross - idle, at least 0, and idle at most gross. As the owns of several kernels add up to all at most, and
all is at most capacity, their shares add up to gross at most. (A kernel that another one has started is a part of
both.)

- CPU packages, memory and the platform: own is the CPU time of the process tree, all the busy time of the host's CPUs,
  capacity their number times the time. Busy time is counted in ticks (10 ms on Linux), and rounded up.
- GPUs: own and all are what their meter tells of processes (:class:`AttributingMeter`); capacity is the time.

How use is told from one look to the next stands in ``use.py``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence

from greenllm_kernel.metering.attribution.process_tree import TICK_S, ProcessTree
from greenllm_kernel.metering.attribution.use import Use, UseLine
from greenllm_kernel.metering.meter import Channel, Component, Usage

OWN_DEVICES = frozenset({Component.GPU, Component.ACCELERATOR})
"""What CPU time says nothing of."""

LOOK_EVERY_S = 1.0
"""How often use is looked at while a window is open, s."""

CPU_SHARE = 0.003
"""The part of a core that looking may cost at most; processes that are many are looked at less often."""

SAVED_S = 10.0
"""For how long looks that were not needed are saved up, s: windows far apart are looked at without waiting."""

SHORTEST_SPACING_S = 0.01
"""Looks are never closer together, s, however many windows open and close."""

REST_S = 0.01
"""How long after a window's edge its use is looked at, s: first the cell begins, or what is shown below it comes."""

PATIENCE_S = 1.5
"""How long after its closing a window waits for a look at its use, s: NVML's samples come up to 1.2 s late."""


def share_j(gross_j: float, idle_j: float | None, use: Use) -> float:
    """Return the kernel's part of an energy, J, from 0 to ``gross_j``.

    Args:
        gross_j: all that the channel drew, J.
        idle_j: what it would have drawn idle, J; None where that is not known.
        use: of the device in the same time.
    """
    own_s = min(use.own_s, use.capacity_s)
    part = own_s / max(use.all_s, own_s) if own_s > 0 else 0.0
    if idle_j is None:
        return gross_j * part
    idle_j = min(idle_j, gross_j)
    return (gross_j - idle_j) * part + idle_j * (own_s / use.capacity_s if own_s > 0 else 0.0)


class Attribution:
    """Looks at the use of the CPUs, and keeps the use of every other device.

    Args:
        tree: this process, and all that it has started; None: found at the first look.
    """

    def __init__(self, tree: ProcessTree | None = None) -> None:
        self.cpu = UseLine(os.cpu_count() or 1, TICK_S)
        self.cpu_s = 0.0
        """Processor time that looking has cost so far, s."""
        self._tree = tree
        self._lines: dict[str, UseLine] = {}
        self._looking = threading.Lock()
        self._looked_ns: int | None = None
        self._spent_s = 0.0
        self._cost_s = 0.0
        self._paid_s = time.monotonic() - SAVED_S

    @property
    def process_ids(self) -> frozenset[int]:
        """This process, and all that it has started."""
        return self._tree.process_ids if self._tree is not None else frozenset({os.getpid()})

    def line(self, channel: Channel) -> UseLine | None:
        """Return what is known of the use of a channel's device, or None where nothing is."""
        if channel.id in self._lines:
            return self._lines[channel.id]
        return None if channel.component in OWN_DEVICES else self.cpu

    def utilization(self, channels: Sequence[Channel]) -> dict[str, float | None]:
        """Return by channel for which part of the last second or so, 0 to 1, its device was busy; None where unknown.

        A channel without such a figure has no entry: memory, the platform, GPUs whose meter does not tell, and of CPUs
        all but the one around the others, as packages cannot be told apart by the CPU times of the host.
        """
        told = {channel.id: self._lines[channel.id] for channel in channels if channel.id in self._lines}
        ids = {channel.id for channel in channels if channel.component is Component.CPU}
        packages = [c.id for c in channels if c.id in ids and c.inside not in ids and c.id not in told]
        if len(packages) == 1:
            told[packages[0]] = self.cpu
        return {channel_id: line.latest_busy_share() for channel_id, line in told.items()}

    def take(self, usages: Iterable[Usage]) -> None:
        """Take in what a meter says of its devices (from that meter's thread)."""
        for usage in usages:
            line = self._lines.get(usage.channel_id)
            if line is None:
                line = self._lines[usage.channel_id] = UseLine()
            line.take(usage)

    def due_in_s(self, edges_ns: Iterable[int]) -> float:
        """Return how soon to look, s: each second, and soon after each of the edges of windows."""
        if self._looked_ns is None:
            return 0.0
        behind_ns = [edge_ns for edge_ns in edges_ns if edge_ns > self._looked_ns]
        if behind_ns:
            due_s = max(self._looked_ns / 1e9 + SHORTEST_SPACING_S, min(behind_ns) / 1e9 + REST_S)
        else:
            # Those of each second leave half of what looking may cost to the edges.
            due_s = self._looked_ns / 1e9 + max(LOOK_EVERY_S, 2 * self._cost_s / CPU_SHARE)
        return max(0.0, max(due_s, self._paid_s) - time.monotonic())

    def look(self) -> None:
        """Look at the CPUs' use now. What fails is a fault of theirs, and nothing else."""
        with self._looking:
            self._look()

    def is_settled(self, channel_ids: Iterable[str], at_ns: int) -> bool:
        """Tell whether the use of these channels is known up to an instant, or no longer waited for."""
        if time.monotonic_ns() - at_ns > PATIENCE_S * 1e9:
            return True
        if self._looked_ns is not None and not self.cpu.covers(at_ns):
            return False
        lines = [self._lines[channel_id] for channel_id in channel_ids if channel_id in self._lines]
        return all(line.covers(at_ns) for line in lines)

    def _look(self) -> None:
        began_s = time.thread_time()
        if self._tree is None:
            self._tree = ProcessTree()
        self._looked_ns = time.monotonic_ns()
        try:
            own_ns = time.monotonic_ns()
            own_s = self._tree.look()
            all_s = self._tree.host_busy_s()
            self.cpu.add(own_ns, own_s, time.monotonic_ns(), all_s)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            self.cpu.lose(f"the CPU times of processes cannot be read: {type(error).__name__}: {error}")
        spent_s = time.thread_time() - began_s
        self.cpu_s += spent_s
        # The first look after a while finds cold caches, and is no measure of those that follow.
        self._cost_s, self._spent_s = min(spent_s, self._spent_s), spent_s
        self._paid_s = max(self._paid_s, time.monotonic() - SAVED_S) + self._cost_s / CPU_SHARE
