"""Asks plugins, once and on a thread of its own, for the carbon intensity of the place: nobody waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import CarbonIntensity

TIMEOUT_S = 5.0
"""How long records wait for plugins to tell the carbon intensity, s; later ones have it once it is known."""


class IntensityLookup:
    """The carbon intensity of one place.

    Args:
        plugins: who are asked; the first that answers wins.
        place: as configured; None, or one that no plugin knows: the world's average.
        warn: told, in a sentence for the user, why there is none.
        notify: called once the answer is there.
    """

    def __init__(
        self, plugins: Plugins, place: str | None, warn: Callable[[str], None], notify: Callable[[], None]
    ) -> None:
        self._plugins = plugins
        self._place = place
        self._warn = warn
        self._notify = notify
        self._known = threading.Event()
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._found: CarbonIntensity | None = None
        self._is_elsewhere = False

    @property
    def is_known(self) -> bool:
        """Whether plugins have answered, be it that they know none."""
        return self._known.is_set()

    @property
    def is_elsewhere(self) -> bool:
        """Whether what was found is not the configured place's, which no plugin knows."""
        return self._found is not None and self._is_elsewhere

    def ask(self) -> None:
        """Begin to ask, if that was not done before."""
        with self._lock:
            if self._asked_at is not None:
                return
            self._asked_at = time.monotonic()
        threading.Thread(target=self._run, name="greenllm-intensity", daemon=True).start()

    def now(self) -> CarbonIntensity | None:
        """Return what is known now."""
        self.ask()
        return self._found

    def wait(self, timeout_s: float = TIMEOUT_S) -> CarbonIntensity | None:
        """Return the answer once it is there, or what is known after ``timeout_s``."""
        self.ask()
        self._known.wait(timeout_s)
        return self._found

    def is_worth_waiting(self) -> bool:
        """Tell whether an answer may still come in time; the first time that it does not, the user is told."""
        self.ask()
        if self._known.is_set() or self._asked_at is None:
            return False
        if time.monotonic() - self._asked_at < TIMEOUT_S:
            return True
        self._warn(f"no plugin has told a carbon intensity in {TIMEOUT_S:.0f} s: emissions are unavailable")
        return False

    def _run(self) -> None:
        try:
            self._found = self._asked()
        finally:
            self._known.set()
            self._notify()

    def _asked(self) -> CarbonIntensity | None:
        at = datetime.now(UTC)
        for place in dict.fromkeys((self._place, None)):
            for name, look_up in self._plugins.implementations("greenllm_carbon_intensity"):
                found = look_up(place=place, at=at)
                if isinstance(found, CarbonIntensity):
                    self._is_elsewhere = place != self._place
                    return found
                if found is not None:
                    self._warn(f"plugin {name} gave {found!r:.80} where a carbon intensity was asked for")
        self._warn("no plugin knows a carbon intensity, so emissions are unavailable")
        return None
