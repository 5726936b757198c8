"""Widgets are live while a cell keeps the kernel busy, and silent while nothing is measured. Real kernels."""

from __future__ import annotations

import re
from typing import Any

import pytest

from live import LiveKernel, Outcome

VIEW = "application/vnd.jupyter.widget-view+json"
SLEEP = "import time\ntime.sleep(3)"
LOOP = "import time\nuntil = time.monotonic() + 3\nwhile time.monotonic() < until: pass"


@pytest.fixture(scope="module")
def measuring(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("widgets"))
    live.run("from greenllm_kernel import CellEnergy, LivePower\nfrom ipywidgets import Widget")
    yield live
    live.close()


@pytest.fixture
def kernel(measuring):
    """A kernel that measures, without widgets, and with nothing more to say of earlier cells."""
    measuring.run("Widget.close_all()")
    come_to_rest(measuring)
    measuring.late.clear()
    return measuring


def view_of(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """Return the widget's id in the page, and all that the cell showed of it."""
    data = outcome.displays[-1]["data"]
    return data[VIEW]["model_id"], data


def pages_of(outcome: Outcome, model_id: str) -> list[str]:
    """Return what a widget was told to show until its cell had ended, oldest first."""
    states = [comm["data"].get("state", {}) for comm in outcome.comms if comm["comm_id"] == model_id]
    return [state["value"] for state in states if "value" in state]


def late_pages_of(kernel: LiveKernel, model_id: str) -> list[str]:
    late = [message["content"] for message in kernel.late if message["msg_type"] == "comm_msg"]
    return pages_of(Outcome(comms=late), model_id)


def come_to_rest(kernel: LiveKernel) -> None:
    kernel.listen_until_quiet(quiet_s=1.5)


def tell_views(kernel: LiveKernel, model_id: str, count: int) -> None:
    """Say how many views a page has, as ipywidgets' front end does."""
    data = {"method": "update", "state": {"_view_count": count}, "buffer_paths": []}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": model_id, "data": data}))
    kernel.run("")


@pytest.mark.parametrize("cell", [SLEEP, LOOP])
def test_power_reaches_the_page_while_a_cell_blocks(kernel, cell):
    model_id, _ = view_of(kernel.run("display(LivePower())"))
    come_to_rest(kernel)
    outcome = kernel.run(cell)
    pages = pages_of(outcome, model_id)
    live = [page for page in pages if " W now" in page]
    assert len(live) >= 2
    assert len(pages) <= 3 * 2 + 2
    assert "Virtual GPU 0" in live[-1] and "measured" in live[-1]
    assert "<svg" in live[-1] and "<script" not in live[-1]
    assert re.search(r"This session: .*±.*J.*CO2e", live[-1])
    assert len(set(pages)) == len(pages)


def test_at_rest_a_widget_says_so_and_nothing_is_sent(kernel):
    model_id, _ = view_of(kernel.run("display(LivePower())"))
    kernel.run(SLEEP)
    come_to_rest(kernel)
    last = late_pages_of(kernel, model_id)[-1]
    assert "At rest" in last and "measured" in last
    kernel.late.clear()
    kernel.events.clear()
    kernel.listen(3.0)
    assert (kernel.late, kernel.events) == ([], [])


def test_the_table_of_cells_grows_while_they_run(kernel):
    model_id, _ = view_of(kernel.run("display(CellEnergy())"))
    named, _ = view_of(kernel.run("display(CellEnergy('train'))"))
    come_to_rest(kernel)
    outcome = kernel.run(f"%%energy train --stage train\n{SLEEP}")
    running = [page for page in pages_of(outcome, model_id) if "running" in page]
    assert len(running) >= 2
    assert "train" in running[-1] and "±" in running[-1]
    come_to_rest(kernel)
    only = late_pages_of(kernel, named)[-1]
    assert only.count("<tr>") == 2 and "[" in only and "train" in only and ">ok<" in only
    assert "display(CellEnergy" in late_pages_of(kernel, model_id)[-1]


def test_a_closed_widget_is_silent_and_others_go_on(kernel):
    first, _ = view_of(kernel.run("power = LivePower(); display(power)"))
    second, _ = view_of(kernel.run("display(LivePower())"))
    kernel.run("power.close()")
    come_to_rest(kernel)
    outcome = kernel.run(SLEEP)
    assert pages_of(outcome, first) == []
    assert len(pages_of(outcome, second)) >= 2
    kernel.run("Widget.close_all()")
    come_to_rest(kernel)
    assert kernel.run(SLEEP).comms == []
    threads = "import threading\n[t.name for t in threading.enumerate() if t.name == 'greenllm-widgets']"
    assert kernel.run(threads).result == "[]"
    again, _ = view_of(kernel.run("display(LivePower())"))
    assert len(pages_of(kernel.run(SLEEP), again)) >= 2


def test_a_widget_that_no_page_shows_any_more_rests(kernel):
    model_id, _ = view_of(kernel.run("power = LivePower(); display(power)"))
    tell_views(kernel, model_id, 1)
    tell_views(kernel, model_id, 0)
    come_to_rest(kernel)
    assert pages_of(kernel.run(SLEEP), model_id) == []
    tell_views(kernel, model_id, 1)
    assert len(pages_of(kernel.run(SLEEP), model_id)) >= 2


def test_widgets_that_no_page_shows_any_more_do_not_slow_down_one_that_is_seen(kernel):
    kernel.run("others = [LivePower() for _ in range(100)]")
    kernel.run("for other in others:\n    other._view_count = 1\n    other._view_count = 0")
    model_id, _ = view_of(kernel.run("display(LivePower())"))
    come_to_rest(kernel)
    assert len(pages_of(kernel.run(SLEEP), model_id)) >= 3


def test_pages_without_widgets_have_the_figures_and_are_told_that_they_are_not_live(kernel):
    kernel.run("%%energy '<img src=x onerror=alert(1)>'\nsum(range(9))")
    come_to_rest(kernel)
    for widget in ("LivePower()", "CellEnergy()"):
        _, data = view_of(kernel.run(f"display({widget})"))
        assert "Not live here" in data["text/html"]
        assert "<script" not in data["text/html"] and "<img" not in data["text/html"]
        assert "measured" in data["text/plain"] and "<" not in data["text/plain"].replace("<img src=x", "")
    assert "&lt;img" in data["text/html"]


def test_a_table_has_the_latest_cells_and_says_what_it_leaves_out(kernel):
    for number in range(4):
        kernel.run(f"%%energy 'cell {number}'\n{number}")
    come_to_rest(kernel)
    text = kernel.run("print(CellEnergy(rows=2))").stdout
    assert "cell 3" in text and "cell 1:" not in text
    assert re.search(r"\d earlier cells are not shown; %energy report has all", text)
    assert "ValueError" in kernel.run("CellEnergy(rows=0)").traceback


def test_without_the_extension_measured_windows_are_shown(tmp_path):
    kernel = LiveKernel(tmp_path, load=False)
    try:
        kernel.run("from greenllm_kernel import CellEnergy, measure")
        kernel.run("import time\nwith measure('before'): time.sleep(0.3)")
        model_id, _ = view_of(kernel.run("display(CellEnergy())"))
        outcome = kernel.run("with measure('epoch'): time.sleep(2)")
        assert any("epoch" in page and "running" in page for page in pages_of(outcome, model_id))
        assert all("before" in page for page in pages_of(outcome, model_id))
    finally:
        kernel.close()
