"""``%%energy --live``: a line while the cell runs, and nothing but the record afterwards. Real kernels."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import nbclient
import nbformat
import pytest

from greenllm_kernel.accounting.record import MIME_TYPE
from live import VIRTUAL, LiveKernel

SLEEP = "import time\ntime.sleep(3)"

TERMINAL = f"""
from IPython.terminal.interactiveshell import TerminalInteractiveShell

shell = TerminalInteractiveShell.instance()
shell.extension_manager.load_extension("greenllm_kernel")
shell.run_cell({f"%%energy train --live{chr(10)}{SLEEP}"!r})
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("live"))
    yield live
    live.close()


def plain(shown: dict) -> str:
    return shown["data"]["text/plain"]


def test_a_line_is_changed_in_place_and_gives_way_to_the_record(kernel):
    outcome = kernel.run(f"%%energy train --live\nprint('working')\n{SLEEP}")
    assert len(outcome.displays) == 1
    display_id = outcome.displays[0]["transient"]["display_id"]
    assert {update["transient"]["display_id"] for update in outcome.updates} == {display_id}
    *lines, record = [*outcome.displays, *outcome.updates]
    assert 2 <= len(lines) <= 3 * 2 + 1
    assert all(plain(line).startswith("train: ") for line in lines)
    assert " so far" in plain(lines[-1]) and "±" in plain(lines[-1]) and " W now" in plain(lines[-1])
    assert set(lines[-1]["data"]) == {"text/plain", "text/html"}
    assert record["data"][MIME_TYPE]["name"] == "train"
    assert " so far" not in plain(record)
    kernel.listen_until_quiet()
    late = [update for update in kernel.updates() if update["transient"]["display_id"] == display_id]
    assert [update["data"][MIME_TYPE]["settled"] for update in late] == [True]


def test_the_line_tells_how_a_budget_stands(kernel):
    outcome = kernel.run(f"%%energy train --live --budget 1MJ\n{SLEEP}")
    assert "within its budget 1.00 MJ" in plain(outcome.updates[-2])


def test_a_cell_that_ends_soon_and_one_without_the_flag_have_the_record_alone(kernel):
    for cell in ("%%energy --live\n1 + 1", f"%%energy\n{SLEEP}"):
        outcome = kernel.run(cell)
        assert [set(shown["data"]) for shown in outcome.displays] == [{"text/plain", "text/html", MIME_TYPE}]
        assert outcome.updates == []


def test_what_the_cell_clears_away_comes_again(kernel):
    clear = "from IPython.display import clear_output\nimport time\nfor i in range(3):\n    clear_output()\n"
    outcome = kernel.run(f"%%energy train --live\n{clear}    time.sleep(0.8)\nclear_output()")
    assert len(outcome.displays) >= 3
    assert MIME_TYPE in outcome.displays[-1]["data"]


def test_an_error_leaves_the_record_too(kernel):
    outcome = kernel.run(f"%%energy train --live\n{SLEEP}\n1 / 0")
    assert outcome.error == "ZeroDivisionError"
    assert outcome.updates[-1]["data"][MIME_TYPE]["status"] == "error"


def test_an_interrupt_ends_the_line_and_leaves_the_record(kernel):
    request = kernel.client.execute("%%energy train --live\nimport time\ntime.sleep(60)")
    kernel.listen_until(lambda: any(" so far" in plain(shown) for shown in kernel.displays()))
    kernel.manager.interrupt_kernel()
    kernel.late.clear()
    outcome = kernel.collect(request)
    assert outcome.error == "KeyboardInterrupt"
    assert outcome.updates[-1]["data"][MIME_TYPE]["status"] == "interrupted"
    kernel.listen_until_quiet()
    late = [update["data"] for update in kernel.updates()]
    assert [data[MIME_TYPE]["settled"] for data in late] == [True]


def test_captured_displays_are_left_alone(kernel):
    outcome = kernel.run(f"%%capture out\n%%energy train --live\n{SLEEP}")
    assert [MIME_TYPE in shown["data"] for shown in outcome.displays] == [True]
    assert kernel.run("out.outputs").result == "[]"


def test_a_line_and_nothing_at_once_are_refused(kernel):
    outcome = kernel.run("%%energy --live -q\nran_quietly = True")
    assert "choose one of them" in outcome.stderr
    assert kernel.run("'ran_quietly' in globals()").result == "False"


def test_a_saved_notebook_has_the_record_and_nothing_else(tmp_path, monkeypatch):
    for name, value in {**VIRTUAL, "GREENLLM_LEDGER": str(tmp_path / "ledger.sqlite")}.items():
        monkeypatch.setenv(name, value)
    cells = ["%load_ext greenllm_kernel", f"%%energy train --live\n{SLEEP}", "1 + 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=60).execute()
    assert [list(output["data"]) for output in notebook.cells[1].outputs] == [[MIME_TYPE, "text/plain", "text/html"]]


def test_a_terminal_has_the_line_on_stderr_and_a_file_has_none(tmp_path):
    env = {**os.environ, **VIRTUAL, "IPYTHONDIR": str(tmp_path), "GREENLLM_LEDGER": str(tmp_path / "ledger.sqlite")}
    file = subprocess.run([sys.executable, "-c", TERMINAL], env=env, capture_output=True, text=True, timeout=60)
    assert file.stderr == ""
    assert "train: " in file.stdout
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", TERMINAL], env=env, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
        written = os.read(ours, 100_000).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert "\rtrain: " in written and " so far" in written
    assert "\n" not in written
    assert written.endswith(" \r")
