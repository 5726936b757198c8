"""Load on the card: PyTorch in a process of its own, or the wave that a simulated card is told to have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from standins.nvml import Machine, Process

WORKER = Path(__file__).with_name("load_worker.py")

START_TIMEOUT_S = 60.0
LATE_S = 20.0
"""How much later than planned a wave may end before the load counts as hung, s."""


@dataclass(frozen=True)
class Wave:
    """A square wave that was run: since when, its period, and when the card was on and off again, ns."""

    start_ns: float
    period_s: float
    on_ns: tuple[float, ...]
    off_ns: tuple[float, ...]

    @property
    def end_ns(self) -> float:
        """When its last period ended."""
        return self.start_ns + len(self.on_ns) * self.period_s * 1e9

    @property
    def duty(self) -> float:
        """Which part of the time the card was kept busy."""
        busy_ns = sum(off - on for on, off in zip(self.on_ns, self.off_ns, strict=True))
        return busy_ns / (len(self.on_ns) * self.period_s * 1e9)


class Load(Protocol):
    """Something that makes the card draw power."""

    def start(self) -> Mapping[str, Any]:
        """Be ready; return what is to be known of it."""

    def begin(self, period_s: float, duty: float, seconds: float) -> None:
        """Begin a square wave, and return at once."""

    def finish(self) -> Wave:
        """Wait for its end."""

    def process_id(self) -> int | None:
        """Return the process whose load it is."""

    def kill(self) -> None:
        """End at once."""


class TorchLoad:
    """Matrix products in a process of its own. PyTorch is imported at once, CUDA only at ``start``."""

    def __init__(self, uuid: str | None) -> None:
        visible = {} if uuid is None else {"CUDA_VISIBLE_DEVICES": uuid}
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **visible},
        )
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._due_s = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self) -> Mapping[str, Any]:
        self._say({"do": "start"})
        return self._answer(START_TIMEOUT_S)

    def begin(self, period_s: float, duty: float, seconds: float) -> None:
        self._due_s = seconds + LATE_S
        self._say({"do": "wave", "period_s": period_s, "duty": duty, "seconds": seconds})

    def finish(self) -> Wave:
        answer = self._answer(self._due_s)
        return Wave(answer["start_ns"], answer["period_s"], tuple(answer["on_ns"]), tuple(answer["off_ns"]))

    def process_id(self) -> int | None:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        assert self._process.stderr is not None
        self._answers.put(json.dumps({"error": self._process.stderr.read()[-2000:] or "the load has ended"}))

    def _say(self, command: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError(self._answer(5.0).get("error", "the load has ended")) from None

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(self._answers.get(timeout=timeout_s))
        except Empty:
            self.kill()
            raise RuntimeError(f"the load has not answered for {timeout_s:.0f} s and was ended") from None
        if "error" in answer:
            raise RuntimeError(f"the load failed: {answer['error']}")
        return answer


class SimulatedLoad:
    """The wave of a simulated card: rewrites what the stand-in is told, without a jump of its counter.

    Args:
        machine: as it is while idle.
        control: the stand-in's file.
        busy_w: what the card draws when busy, W.
    """

    def __init__(self, machine: Machine, control: Path, busy_w: float = 500.0) -> None:
        self.machine = machine
        self._control = control
        self._idle_w = machine.gpus[0].low_w
        self._busy_w = busy_w
        self._wave: Wave | None = None
        self._end_s = 0.0

    def start(self) -> Mapping[str, Any]:
        return {"device": "simulated", "idle_w": self._idle_w, "busy_w": self._busy_w}

    def begin(self, period_s: float, duty: float, seconds: float) -> None:
        start_ns = time.monotonic_ns()
        count = max(1, round(seconds / period_s))
        on_ns = [start_ns + number * period_s * 1e9 for number in range(count)]
        off_ns = [on + duty * period_s * 1e9 for on in on_ns]
        self._wave = Wave(start_ns, period_s, tuple(on_ns), tuple(off_ns))
        self._end_s = time.monotonic() + seconds
        self._become(start_ns, self._busy_w, period_s, duty)

    def finish(self) -> Wave:
        assert self._wave is not None
        time.sleep(max(0.0, self._end_s - time.monotonic()))
        self._become(time.monotonic_ns(), self._idle_w, 1.0, 0.5)
        return self._wave

    def process_id(self) -> int | None:
        return os.getpid()

    def kill(self) -> None:
        self._become(time.monotonic_ns(), self._idle_w, 1.0, 0.5)

    def _become(self, at_ns: int, high_w: float, period_s: float, duty: float) -> None:
        gpu, at_s = self.machine.gpus[0], (at_ns - self.machine.epoch_ns) / 1e9
        busy = (Process(os.getpid(), percent=100.0 * duty),) if high_w > self._idle_w else ()
        draft = replace(gpu, high_w=high_w, period_s=period_s, duty=duty, phase_s=at_s, processes=busy)
        shown_j = gpu.counter_offset_j + gpu.gain * _since_zero_j(gpu, at_s)
        changed = replace(draft, counter_offset_j=shown_j - gpu.gain * _since_zero_j(draft, at_s))
        self.machine = replace(self.machine, gpus=[changed, *self.machine.gpus[1:]])
        self.machine.write(self._control)


def _since_zero_j(gpu: Any, t_s: float) -> float:
    return float(gpu.energy_j(t_s) - gpu.energy_j(0.0))
