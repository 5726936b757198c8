"""For how long this machine has been suspended: time that no window has, though counters may have counted it."""

from __future__ import annotations

import time

NOTICED_S = 0.1
"""Less is the difference of two clocks that are read one after the other, and no suspension, s."""

PROMPT_NS = 1_000_000
"""Two clocks count as read together where it took less than this, ns."""

TRIES = 4


def asleep_s() -> float:
    """Return for how long the machine has been suspended since it was started, s.

    On Linux the monotonic clock stands still meanwhile and the boot-time clock goes on (clock_gettime(2)); elsewhere
    it cannot be told, and this is 0: Windows' monotonic clock goes on, so that a suspension is a gap in the readings.
    """
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_time is None:
        return 0.0
    best_ns, found_ns = -1, 0
    for _ in range(TRIES):
        before_ns = time.monotonic_ns()
        boot_ns = time.clock_gettime_ns(boot_time)
        taken_ns = time.monotonic_ns() - before_ns
        if best_ns < 0 or taken_ns < best_ns:
            best_ns, found_ns = taken_ns, boot_ns - before_ns
        if taken_ns < PROMPT_NS:
            break
    return found_ns / 1e9
