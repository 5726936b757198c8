"""What GreenLLM itself costs on this machine."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from greenllm_kernel.accounting.session import Session

WINDOWS = 20
"""Windows that are opened and closed."""

PAUSE_S = 0.05
"""Between windows, s: a cell that begins finds resting threads and cold caches."""


@dataclass(frozen=True)
class OwnCost:
    """What measuring costs.

    Attributes:
        window_s: opening and closing a window, in the thread that does so, median, s.
        sampler_share: processor time of all reading while a window is open, as a part of one core.
        seconds: over how long that share was taken, s.
    """

    window_s: float
    sampler_share: float
    seconds: float


def share_of_sampler(session: Session, seconds: float) -> float:
    """Return which part of a core the session's reading takes; a window is open."""
    before_s, began = session.sampler.cpu_s, time.perf_counter()
    time.sleep(seconds)
    return (session.sampler.cpu_s - before_s) / (time.perf_counter() - began)


def cost_of_windows(session: Session) -> float:
    """Return the median time that opening and closing a window takes here, s."""
    taken_s = []
    for number in range(WINDOWS):
        time.sleep(PAUSE_S)
        began = time.perf_counter()
        session.open(f"doctor {number}").close()
        taken_s.append(time.perf_counter() - began)
    return statistics.median(taken_s)
