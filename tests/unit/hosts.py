"""Hosts that tests arrange: a folder shaped like ``/proc``, whose processes and busy time one sets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from greenllm_kernel.metering.attribution.attribution import Attribution
from greenllm_kernel.metering.attribution.process_tree import TICK_S, LinuxProcesses, ProcessTree


class Proc:
    """A ``/proc`` made of files; process 1 has begun everything."""

    def __init__(self, folder: Path, lists_children: bool = True) -> None:
        self.folder = folder
        self._lists_children = lists_children
        self._parents: dict[int, int] = {}
        self.busy(0.0)
        if lists_children:
            own = folder / "self" / "task" / str(os.getpid())
            own.mkdir(parents=True, exist_ok=True)
            (own / "children").write_text("")

    def busy(self, user_s: float, system_s: float = 0.0) -> None:
        """Say for how long the host has been busy so far."""
        ticks = [round(user_s / TICK_S), 0, round(system_s / TICK_S), 10**6, 500, 0, 0, 70, 0, 0]
        text = f"cpu  {' '.join(map(str, ticks))}\ncpu0 {' '.join(map(str, ticks))}\nintr 1 2 3\n"
        (self.folder / "stat").write_text(text)

    def process(
        self, number: int, parent: int, own_s: float, waited_s: float = 0.0, began: int = 1000, name: str = "python"
    ) -> None:
        """Have a process, with what it has used."""
        here = self.folder / str(number)
        (here / "task" / str(number)).mkdir(parents=True, exist_ok=True)
        used = [round(own_s / TICK_S), 0, round(waited_s / TICK_S), 0]
        fields = ["S", parent, 0, 0, 0, -1, 0, 0, 0, 0, 0, *used, 20, 0, 1, 0, began, 0, 0]
        (here / "stat").write_text(f"{number} ({name}) {' '.join(map(str, fields))}\n")
        self._parents[number] = parent
        self._list()

    def end(self, number: int) -> None:
        """Have a process be gone."""
        shutil.rmtree(self.folder / str(number))
        del self._parents[number]
        self._list()

    def tree(self, root: int) -> ProcessTree:
        """Return the tree below a process."""
        return ProcessTree(root, LinuxProcesses(self.folder))

    def _list(self) -> None:
        if not self._lists_children:
            return
        for number in self._parents:
            children = [child for child, parent in self._parents.items() if parent == number]
            path = self.folder / str(number) / "task" / str(number) / "children"
            path.write_text("".join(f"{child} " for child in children))


def quiet_attribution(folder: Path, busy_s: float = 0.0) -> Attribution:
    """Return what looks at a host that does nothing at all, whatever this machine does."""
    proc = Proc(folder)
    proc.busy(busy_s)
    return Attribution(ProcessTree(processes=LinuxProcesses(folder)))
