"""Widgets are drawn and let go whatever else happens in the same thread."""

from __future__ import annotations

import gc
import threading
import time

from greenllm_kernel.notebook.redraw import Redraw
from sessions import two_gpus


class Page:
    """Counts how often it was drawn, and closes when it is collected, as widgets do."""

    def __init__(self, redraw: Redraw) -> None:
        self.redraw = redraw
        self.is_drawn = threading.Event()
        self.itself = self  # only the collector of garbage finds it

    def draw(self) -> None:
        self.is_drawn.set()

    def __del__(self) -> None:
        self.redraw.remove(self)


def test_a_widget_that_is_collected_while_another_is_added_or_removed_holds_nobody_up(start, monkeypatch):
    session, _ = start(two_gpus())
    redraw = Redraw(session)
    watch = redraw.messages.watch

    def watch_amid_a_collection(event: threading.Event) -> None:
        Page(redraw)
        gc.collect()
        watch(event)

    monkeypatch.setattr(redraw.messages, "watch", watch_amid_a_collection)
    page = Page(redraw)
    adding = threading.Thread(target=redraw.add, args=(page,), daemon=True)
    adding.start()
    adding.join(10.0)
    assert not adding.is_alive()
    assert page.is_drawn.wait(10.0)


def test_without_a_widget_the_thread_ends_and_a_later_one_is_drawn_again(start):
    session, _ = start(two_gpus())
    redraw = Redraw(session)
    others = set(threading.enumerate())
    for _ in range(2):
        page = Page(redraw)
        redraw.add(page)
        assert page.is_drawn.wait(10.0)
        redraw.remove(page)
        until = time.monotonic() + 10.0
        while any(thread.name == "greenllm-widgets" for thread in set(threading.enumerate()) - others):
            assert time.monotonic() < until
            redraw.messages.sent()
            time.sleep(0.05)
