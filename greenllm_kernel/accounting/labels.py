"""Wall-clock labels for the runs of one session: they never go back, whatever is done to the wall clock.

Sums tell from labels and durations which runs overlapped (``overlap.py``). While any run is open, labels go with the
monotonic clock, so that runs lie to one another as they really did. Where none is open the wall clock is looked at
anew; if it was set back meanwhile, labels go on from the end of the last run until it has caught up.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)


class Labels:
    """Gives each run of a session the wall-clock instant of its beginning. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._ahead_ns = 0
        self._latest_ns: int | None = None

    def opened(self, opened_ns: int) -> datetime:
        """Return the label of a run that opens at this instant of the monotonic clock, in UTC."""
        with self._lock:
            if self._open == 0:
                self._ahead_ns = time.time_ns() - opened_ns
                if self._latest_ns is not None:
                    self._ahead_ns = max(self._ahead_ns, self._latest_ns - opened_ns)
            self._open += 1
            return EPOCH + timedelta(microseconds=(opened_ns + self._ahead_ns) // 1000)

    def closed(self, closed_ns: int) -> None:
        """Take note that a run has closed at this instant of the monotonic clock."""
        with self._lock:
            self._open -= 1
            ended_ns = closed_ns + self._ahead_ns
            self._latest_ns = ended_ns if self._latest_ns is None else max(self._latest_ns, ended_ns)
