"""Asks plugins, on a thread of its own, for the carbon intensity of the place: nobody waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from greenllm_kernel.plugins import Plugins, described
from greenllm_kernel.quantities import CarbonIntensity

TIMEOUT_S = 5.0
"""How long records wait for plugins to tell the carbon intensity, s; later ones have it once it is known."""


class IntensityLookup:
    """The carbon intensity of one place: the configured one; where there is none, the one that is preferred.

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
        self._preferred: str | None = None
        self._warn = warn
        self._notify = notify
        self._known = threading.Event()
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._is_asking = False
        self._found: CarbonIntensity | None = None
        self._is_elsewhere = False
        self._problem: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether plugins have answered, be it that they know none."""
        return self._known.is_set()

    @property
    def is_elsewhere(self) -> bool:
        """Whether what was found is not the configured place's, which no plugin knows."""
        return self._found is not None and self._is_elsewhere

    @property
    def problem(self) -> str | None:
        """Why the preferred place is not in force; None where it is, or none was named."""
        return self._problem

    def ask(self) -> None:
        """Begin to ask, if that was not done before."""
        with self._lock:
            if self._asked_at is None:
                self._begin()

    def prefer(self, place: str | None) -> bool:
        """Take this place where the configuration names none; None: no place is preferred any more.

        What was found before stays in force until the answer is there, and where no plugin knows the place.

        Returns:
            Whether anything is to change: a place that was preferred already is not asked for again.
        """
        with self._lock:
            if place == self._preferred:
                return False
            self._preferred = place
            if self._place is None:
                self._begin()
                return True
            self._problem = self._conflict(place)
        return True

    @property
    def found(self) -> CarbonIntensity | None:
        """What is known now, without asking."""
        return self._found

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

    def _begin(self) -> None:
        """Ask anew, with the lock held: one thread does, however often the question changes meanwhile."""
        self._known.clear()
        self._asked_at = time.monotonic()
        if not self._is_asking:
            self._is_asking = True
            threading.Thread(target=self._run, name="greenllm-intensity", daemon=True).start()

    def _run(self) -> None:
        asked: tuple[float | None, str | None] | None = None
        while True:
            with self._lock:
                if asked == (self._asked_at, self._preferred):
                    self._is_asking = False
                    self._known.set()
                    break
                asked = self._asked_at, self._preferred
            try:
                self._ask_plugins(asked[1])
            except Exception as error:
                self._warn(f"the carbon intensity cannot be told: {described(error)}")
        self._notify()

    def _ask_plugins(self, preferred: str | None) -> None:
        problem = self._conflict(preferred)
        if preferred is not None and self._place is None:
            faults: list[str] = []
            found = self._asked(preferred, faults.append)
            if found is not None:
                self._found, self._is_elsewhere, self._problem = found, False, None
                return
            problem = "; ".join(faults) or f"no plugin knows a carbon intensity for {preferred}"
        for place in dict.fromkeys((self._place, None)):
            found = self._asked(place)
            if found is not None:
                self._found, self._is_elsewhere, self._problem = found, place != self._place, problem
                return
        self._found, self._is_elsewhere, self._problem = None, False, problem
        self._warn("no plugin knows a carbon intensity, so emissions are unavailable")

    def _conflict(self, preferred: str | None) -> str | None:
        if self._place is None or preferred in (None, self._place):
            return None
        return f"the kernel's own configuration sets the place: {self._place}"

    def _asked(self, place: str | None, on_fault: Callable[[str], None] | None = None) -> CarbonIntensity | None:
        at = datetime.now(UTC)
        for name, look_up in self._plugins.implementations("greenllm_carbon_intensity", on_fault):
            found = look_up(place=place, at=at)
            if isinstance(found, CarbonIntensity):
                return found
            if found is not None:
                (on_fault or self._warn)(f"plugin {name} gave {found!r:.80} where a carbon intensity was asked for")
        return None
