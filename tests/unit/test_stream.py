"""What the sidebar is sent in a run, four messages a second: each part of it in time, however many cells run."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from driven import gpu
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook import stream
from greenllm_kernel.notebook.messages import Messages
from greenllm_kernel.notebook.stream import Stream

FASTER = 10
"""How much faster than in a kernel everything comes."""


@pytest.fixture
def listen(start, monkeypatch):
    """Start a session whose stream sends into a list; return it, the list, and what waits until so many were sent."""
    for name in ("TICK_S", "CELL_EVERY_S", "ALL_EVERY_S"):
        monkeypatch.setattr(stream, name, getattr(stream, name) / FASTER)
    session, _ = start(VirtualMeter([gpu(Constant(200.0), "gpu:0")]))
    sent, news = [], threading.Condition()

    def take(message):
        with news:
            sent.append(message)
            news.notify_all()

    streams = Stream(session, Messages(session, lambda: True), take)
    streams.start()

    def until(count):
        with news:
            assert news.wait_for(lambda: len(sent) >= count, timeout=30), sent
            return sent[:count]

    yield session, sent, until
    streams.close()


def kinds(messages):
    return [message["kind"] for message in messages]


@pytest.mark.parametrize("count", [1, 4, 12])
def test_power_and_totals_come_however_many_cells_run(listen, count):
    session, _, until = listen
    runs = [session.open(f"worker-{index}", cell_id=f"cell-{index}", is_outermost=True) for index in range(count)]
    messages = until(4 * count + 24)
    for run in runs:
        run.close()
    said = kinds(messages)
    beside_rows = [kind for kind in said if kind != "cell"]
    powers = [index for index, kind in enumerate(said) if kind == "power"]
    assert powers[0] <= 6 and max(later - sooner for sooner, later in pairwise(powers)) <= 6
    assert {"hello", "totals"} <= set(beside_rows)
    rows = [message["cell_id"] for message in messages if message["kind"] == "cell"]
    assert list(dict.fromkeys(rows)) == [f"cell-{index}" for index in range(count)]
    assert min(rows.count(f"cell-{index}") for index in range(count)) >= 2


def test_a_cell_that_ends_is_told_of_while_others_run(listen):
    session, sent, until = listen
    runs = [session.open(f"worker-{index}", cell_id=f"cell-{index}", is_outermost=True) for index in range(8)]
    until(20)
    runs[3].close()
    assert runs[3].settle(10.0)
    messages = until(len(sent) + 24)[-24:]
    for run in runs:
        run.close()
    (last, *_) = [message for message in reversed(messages) if message.get("cell_id") == "cell-3"]
    assert (last["status"], last["settled"]) == ("ok", True)


def test_a_cell_that_begins_is_told_of_at_once_while_others_run(listen):
    session, sent, until = listen
    runs = [session.open(f"worker-{index}", cell_id=f"cell-{index}", is_outermost=True) for index in range(8)]
    until(24)
    runs.append(session.open("new", cell_id="cell-new", is_outermost=True))
    messages = until(len(sent) + 4)[-4:]
    for run in runs:
        run.close()
    assert "cell-new" in [message.get("cell_id") for message in messages]
