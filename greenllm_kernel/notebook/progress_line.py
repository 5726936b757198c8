"""A line below the cell that says how far something is, and is gone when it has ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO, TypeVar

from greenllm_kernel.accounting.notation import relative_text

SHOWN_AFTER_S = 2.0
"""What ends sooner needs no progress."""

TELL_EVERY_S = 0.5
"""How often one is told how far something is, s: where lines are not written over one another, each is one more."""

BAR_WIDTH = 20
"""Characters of a bar."""


Told = TypeVar("Told")


def bar_text(doing: str, part: float, power_w: float | None) -> str:
    """Return how far something is with a bar, such as ``"step 1 of 2, prune_mlp ████░░░░ 45 %, 38 W"``.

    Args:
        doing: what is being done.
        part: that is done, 0 to 1.
        power_w: the mean so far, W; None where it is not known.
    """
    filled = round(part * BAR_WIDTH)
    power = "" if power_w is None else f", {power_w:.0f} W"
    return f"{doing} {'█' * filled}{'░' * (BAR_WIDTH - filled)} {100 * part:.0f} %{power}"


def paced(tell: Callable[[Told], object]) -> Callable[[Told], None]:
    """Return the same, passing over what comes sooner than :data:`TELL_EVERY_S` after what was told last."""
    told_at = -TELL_EVERY_S

    def tell_at_times(what: Told) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            tell(what)

    return tell_at_times


class ProgressLine:
    """Written over itself in a terminal and in a notebook; nothing is written into files and captured output.

    Args:
        stream: where it is written.
        name: of what is going on.
        is_quiet: whether nothing is to be written.
        after_s: how long nothing is shown, s.
        is_cut: whether a text is cut at the terminal's edge; one that went on in the next line would stay.
    """

    def __init__(
        self, stream: TextIO, name: str, is_quiet: bool = False, after_s: float = SHOWN_AFTER_S, is_cut: bool = False
    ) -> None:
        self._stream = stream
        self._name = name
        is_live = stream.isatty() or type(stream).__module__.startswith("ipykernel")
        self.is_wanted = is_live and not is_quiet
        self._is_cut = is_cut
        self._shown_at = time.monotonic() + after_s
        self._width = 0

    def tell(self, repeats: int, relative: float | None) -> None:
        """Say how many repeats there are, and half of the interval as a part of the energy, where it is known."""
        made = f"{repeats} repeat{'' if repeats == 1 else 's'} so far" if repeats else "warming up"
        self.say(made + ("" if relative is None else f", {relative_text(relative)}"))

    def say(self, text: str) -> None:
        """Say how far it is."""
        if self.is_wanted and time.monotonic() >= self._shown_at:
            self._write(f"{self._name}: {text}")

    def end(self) -> None:
        """Take it away."""
        if self._width:
            self._write("")
            self._stream.write("\r")
            self._stream.flush()
            self._width = 0

    def _write(self, text: str) -> None:
        if self._is_cut:
            text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = max(self._width, len(text))
