"""The CPU time of this process and all that it has started, however they end, and that of the whole host.

On Linux a process's own time and that of its children that have ended and been waited for stand in one line of
``/proc``; a child's time passes into its parent's the moment that it is waited for. Adding up the growth of each
process, less what passed on, counts every second once:

    own += for each living process: the growth of its own time
         + for each living process: the growth of its waited-for time, less what was counted of those waited for
         + for each new process: all its time

Processes that leave the tree (daemons whose parent has ended) still count: the kernel has started them. What a child
used between the last look and its end is lost where nobody waits for it (SIGCHLD ignored), and off Linux, where a
process does not tell what its children used. In a container the host's busy time is that of the host, unless LXCFS
puts the container's in its place.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 1.0 / 64
"""The step in which the host's busy time is counted, s (Linux: proc(5), /proc/stat; Windows: its clock's interrupt)."""

BUSY_FIELDS = (0, 1, 2, 5, 6)
"""Of the first line of ``/proc/stat``: user, nice, system, irq, softirq. Guests are inside user and nice; time stolen
by a hypervisor is time in which this machine did not run (proc(5))."""

BUSY_NAMES = ("user", "nice", "system", "irq", "softirq")
"""The same as psutil names them, where there is no ``/proc``."""


@dataclass(frozen=True, slots=True)
class Times:
    """What one process has used: itself, and its children that were waited for, s; and when it began (any scale)."""

    own_s: float
    waited_s: float
    parent: int
    began: float


class Processes(Protocol):
    """How an operating system tells of its processes."""

    def times(self, process_id: int) -> Times | None:
        """Return what a process has used, or None where it is gone."""

    def children(self, process_ids: Collection[int]) -> set[int]:
        """Return all processes below these."""

    def host_busy_s(self) -> float:
        """Return for how long all CPUs together have been busy, cumulative, s."""


class ProcessTree:
    """The CPU time of a process and all that it has started.

    Args:
        root: the process; its own figures are asked in the finer way that a process has for itself.
        processes: of the operating system.
    """

    def __init__(self, root: int | None = None, processes: Processes | None = None) -> None:
        self._root = os.getpid() if root is None else root
        self._is_self = self._root == os.getpid()
        self._processes = processes if processes is not None else _of_this_system()
        self._known: dict[int, Times] | None = None
        self._owed_s: dict[int, float] = {}
        self._used_s = 0.0
        self._first_at = 0.0

    @property
    def process_ids(self) -> frozenset[int]:
        """The process and all that it has started, as far as they were alive at the last :meth:`look`."""
        return frozenset(self._known or (self._root,))

    def look(self) -> float:
        """Return the CPU time used since the first look, s."""
        seen = self._seen()
        if self._known is None:
            self._known, self._first_at = seen, max((times.began for times in seen.values()), default=0.0)
            return 0.0
        before = self._known
        owed_s, self._owed_s = self._owed_s, {}
        for process_id, times in before.items():
            if process_id not in seen and (heir := self._heir(process_id, before, seen)) is not None:
                self._owed_s[heir] = self._owed_s.get(heir, 0.0) + times.own_s + times.waited_s
        for process_id, times in seen.items():
            last = before.get(process_id)
            if last is None:
                # One that began before the first look is a stranger that we were made the parent of.
                self._used_s += times.own_s + times.waited_s if times.began >= self._first_at else 0.0
                continue
            self._used_s += max(0.0, times.own_s - last.own_s)
            self._used_s += self._passed_on(process_id, max(0.0, times.waited_s - last.waited_s), owed_s)
        self._known = seen
        return self._used_s

    def host_busy_s(self) -> float:
        """Return for how long all CPUs of the host together have been busy, cumulative, s."""
        return self._processes.host_busy_s()

    def _passed_on(self, parent: int, grown_s: float, owed_before_s: dict[int, float]) -> float:
        """Return what is new of the growth of a parent's waited-for time.

        A child may have ended after its parent was looked at: then its time passes on by the next look only, so a
        debt is kept for one more look.
        """
        for owed_s in (owed_before_s, self._owed_s):
            known_s = min(grown_s, owed_s.get(parent, 0.0))
            if known_s:
                owed_s[parent] -= known_s
                grown_s -= known_s
        return grown_s

    @staticmethod
    def _heir(process_id: int, before: dict[int, Times], seen: dict[int, Times]) -> int | None:
        """Return the nearest living process above one that has ended."""
        above = before[process_id].parent
        for _ in before:
            if above in seen:
                return above
            if above not in before:
                return None
            above = before[above].parent
        return None

    def _seen(self) -> dict[int, Times]:
        """Look at every process; parents before their children, whose time may pass on meanwhile."""
        root = self._times_of_root()
        seen = {self._root: root} if root is not None else {}
        before = self._known or {}
        strays = [process_id for process_id in before if process_id != self._root]
        for process_id in strays:
            self._take(process_id, seen, before)
        if self._may_have_children() or strays:
            for process_id in sorted(self._processes.children(list(seen))):
                if process_id not in seen:
                    self._take(process_id, seen, before)
        return seen

    def _take(self, process_id: int, seen: dict[int, Times], before: dict[int, Times]) -> None:
        times = self._processes.times(process_id)
        if times is None:
            return
        last = before.get(process_id)
        if last is None or last.began == times.began:  # else the number was given to another process
            seen[process_id] = times

    def _times_of_root(self) -> Times | None:
        if not self._is_self:
            return self._processes.times(self._root)
        return Times(time.process_time(), _waited_s(), -1, 0.0)

    def _may_have_children(self) -> bool:
        """Ask, in one call and without waiting for any, whether this process has children at all."""
        if not self._is_self or not hasattr(os, "waitid"):
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True


class LinuxProcesses:
    """Processes as ``/proc`` shows them.

    Args:
        proc: where it is mounted.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self._lists_children = os.path.exists(f"{proc}/self/task/{os.getpid()}/children")

    def times(self, process_id: int) -> Times | None:
        try:
            text = _read(f"{self._proc}/{process_id}/stat")
            # The name, in brackets, may hold anything.
            fields = text[text.rindex(b")") + 2 :].split()
            own, waited = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
            return Times(own * TICK_S, waited * TICK_S, int(fields[1]), float(fields[19]))
        except (OSError, ValueError, IndexError):
            return None

    def children(self, process_ids: Collection[int]) -> set[int]:
        listed = self._listed if self._lists_children else self._scan().get
        found: set[int] = set()
        rest = list(process_ids)
        while rest:
            for child in listed(rest.pop()) or ():
                if child not in found:
                    found.add(child)
                    rest.append(child)
        return found

    def host_busy_s(self) -> float:
        fields = _read(f"{self._proc}/stat").split(b"\n", 1)[0].split()[1:]
        return sum(int(fields[index]) for index in BUSY_FIELDS) * TICK_S

    def _listed(self, process_id: int) -> Iterator[int]:
        """Yield the children that a process's threads have; a list may lack some while others end (proc(5))."""
        folder = f"{self._proc}/{process_id}/task"
        try:
            for thread_id in os.listdir(folder):
                yield from map(int, _read(f"{folder}/{thread_id}/children").split())
        except OSError:
            return

    def _scan(self) -> dict[int, list[int]]:
        below: dict[int, list[int]] = {}
        for name in os.listdir(self._proc):
            if name.isdigit() and (times := self.times(int(name))) is not None:
                below.setdefault(times.parent, []).append(int(name))
        return below


class OtherProcesses:
    """Processes as psutil shows them, off Linux."""

    def times(self, process_id: int) -> Times | None:
        import psutil

        try:
            process = psutil.Process(process_id)
            used = process.cpu_times()
            return Times(used.user + used.system, 0.0, process.ppid(), process.create_time())
        except psutil.Error:
            return None

    def children(self, process_ids: Collection[int]) -> set[int]:
        import psutil

        found: set[int] = set()
        for process_id in process_ids:
            try:
                found |= {child.pid for child in psutil.Process(process_id).children(recursive=True)}
            except psutil.Error:
                continue
        return found

    def host_busy_s(self) -> float:
        import psutil

        times = psutil.cpu_times()
        return float(sum(getattr(times, name, 0.0) for name in BUSY_NAMES))


def _of_this_system() -> Processes:
    return LinuxProcesses() if sys.platform == "linux" else OtherProcesses()


def _waited_s() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read() or b""
