"""``greenllm run NOTEBOOK``: real kernels, real cells, real failures."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import pytest

from command_line import POWER_W, CommandLine, finished
from distribution import distribution
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.quantities import Provenance


@pytest.fixture
def greenllm(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def notebook(path: Path, *cells: str, **metadata: object) -> Path:
    """Write a notebook of these code cells, with some prose between them."""
    prose = nbformat.v4.new_markdown_cell("# Prose")
    code = [nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[prose, *code], metadata=metadata)))
    return path


def test_every_cell_is_measured_and_the_table_and_the_report_have_it(greenllm: CommandLine) -> None:
    path = notebook(
        greenllm.folder / "work" / "train.ipynb",
        "import os, time\nprint(os.getcwd())",
        """\
        %%energy train --stage train --per step=steps
        # the training
        steps = 20
        for _ in range(steps):
            time.sleep(0.05)""",
        "1 + 1",
    )
    before = path.read_bytes()
    done = greenllm.run("run", path, "--execute-to", "executed.ipynb")
    assert done.code == 0, done.err
    assert path.read_bytes() == before
    records = greenllm.records()
    assert [r.name for r in records] == ["import os, time", "train", "1 + 1"]
    assert all(r.settled and r.status is Status.OK for r in records)
    assert [r.cell_id for r in records] == [cell["id"] for cell in nbformat.read(path, 4).cells[1:]]
    assert records[1].gross is not None
    assert records[1].gross.value_j == pytest.approx(POWER_W * records[1].duration_s, rel=0.1)
    assert re.search(r"train\s+train\s+1\.\d+ s\s+\d+\.?\d* ± \d.* J .*measured\s+ok", done.row("train   "))
    assert "J/step" in done.out
    assert "total" in done.out
    assert "FR: 56 [30, 105] gCO2e/kWh" in done.out
    page = (path.parent / "train.energy.html").read_text()
    assert "<svg" in page
    assert "J/step" in page
    assert page.count("polyline") >= 2
    executed = json.loads((greenllm.folder / "executed.ipynb").read_text())
    outputs = ["".join(output.get("text", "")) for cell in executed["cells"][1:] for output in cell["outputs"]]
    assert f"{path.parent}\n" in outputs
    assert "[3/3] 1 + 1" in done.err


SLOW = """
import time
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.virtual import VirtualChannel, VirtualMeter

@hookimpl
def greenllm_meters(config):
    time.sleep(2)
    channel = Channel("gpu:0", Component.GPU, "Theirs", frozenset(Kind), 0.1, 0.025)
    return [VirtualMeter([VirtualChannel(channel, Constant(50.0))], name="theirs")]
"""


def test_the_first_cell_is_run_when_the_meters_have_been_found(greenllm: CommandLine) -> None:
    (folder := greenllm.folder / "theirs").mkdir()
    greenllm.env |= {"PYTHONPATH": distribution(folder, "theirs", SLOW), "GREENLLM_USE_METERS": "theirs"}
    path = notebook(greenllm.folder / "a.ipynb", "import time\ntime.sleep(0.5)")
    done = greenllm.run("run", path)
    assert done.code == 0, done.err
    (record,) = greenllm.records()
    assert record.gross is not None
    assert record.gross.by_provenance_j == {Provenance.MEASURED: record.gross.value_j}
    assert record.gross.value_j == pytest.approx(50.0 * record.duration_s, rel=0.1)


def test_a_cell_that_raises_ends_the_notebook_and_the_rest_is_reported(greenllm: CommandLine) -> None:
    path = notebook(greenllm.folder / "a.ipynb", "x = 0", "1 / x", "print('never')")
    done = greenllm.run("run", path, "--output", "elsewhere.html")
    assert done.code == 1
    assert "the cell '1 / x' raised ZeroDivisionError" in done.err
    assert done.err.count("ZeroDivisionError: division by zero") == 1
    assert "----> 1 1 / x" in done.err
    assert "\x1b" not in done.err
    assert [(r.name, r.status) for r in greenllm.records()] == [("x = 0", Status.OK), ("1 / x", Status.ERROR)]
    assert "error" in done.row("1 / x   ")
    assert (greenllm.folder / "elsewhere.html").exists()


def test_a_cell_that_may_raise_does_not_end_the_notebook(greenllm: CommandLine) -> None:
    path = notebook(greenllm.folder / "a.ipynb", "1 / 0", "print('after')")
    nb = nbformat.read(path, 4)
    nb.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(nb, path)
    done = greenllm.run("run", path)
    assert done.code == 0
    assert [r.status for r in greenllm.records()] == [Status.ERROR, Status.OK]


def test_a_cell_that_runs_too_long_is_interrupted_and_measured(greenllm: CommandLine) -> None:
    path = notebook(greenllm.folder / "a.ipynb", "import time", "time.sleep(60)")
    done = greenllm.run("run", path, "--timeout", 2)
    assert done.code == 1
    assert "the cell 'time.sleep(60)' ran for longer than 2 s" in done.err
    slow = greenllm.records()[-1]
    assert slow.status is Status.INTERRUPTED
    assert slow.settled
    assert 1.5 < slow.duration_s < 10


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_ends_the_running_cell_and_what_was_measured_is_shown(greenllm: CommandLine) -> None:
    path = notebook(greenllm.folder / "a.ipynb", "import time", "time.sleep(60)", "print('never')")
    process = greenllm.start("run", path)
    assert process.stderr is not None
    while "[1/3]" not in process.stderr.readline():
        pass
    wait_for_progress(greenllm, "time.sleep(60)")
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert done.code == 130
    assert "interrupted; what was measured until then follows" in done.err
    assert [(r.name, r.status) for r in greenllm.records()][1:] == [("time.sleep(60)", Status.INTERRUPTED)]
    assert "interrupted" in done.row("time.sleep(60)   ")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_interrupt_ends_a_cell_that_heeds_none(greenllm: CommandLine) -> None:
    stubborn = """
        import time
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                print("no")
    """
    process = greenllm.start("run", notebook(greenllm.folder / "a.ipynb", "1", stubborn))
    assert process.stderr is not None
    while "[1/2]" not in process.stderr.readline():
        pass
    wait_for_progress(greenllm, "import time")
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    done = finished(process, timeout_s=30)
    assert done.code == 130
    assert "partial" in done.row("import time   ")


def wait_for_progress(greenllm: CommandLine, name: str) -> None:
    """Wait until the running cell is journalled."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.1)
        if greenllm.ledger.exists():
            rows = sqlite3.connect(greenllm.ledger).execute("SELECT name, status FROM records").fetchall()
            if (name, "partial") in rows:
                return
    raise AssertionError("the running cell was not journalled")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_kernel_that_is_killed_loses_a_few_seconds_at_most(greenllm: CommandLine) -> None:
    killer = "import os, signal, time\ntime.sleep(5)\nos.kill(os.getpid(), signal.SIGKILL)"
    done = greenllm.run("run", notebook(greenllm.folder / "a.ipynb", "1", killer))
    assert done.code == 1
    assert "the kernel died in the cell 'import os, signal, time'" in done.err
    first, killed = greenllm.records()
    assert first.status is Status.OK
    assert killed.status is Status.PARTIAL
    assert killed.duration_s > 1
    assert killed.gross is not None
    assert "partial" in done.row("import os, signal, time   ")


def test_a_ledger_that_cannot_be_written_costs_nothing_but_the_ledger(greenllm: CommandLine) -> None:
    (greenllm.folder / "file").write_text("")
    greenllm.env["GREENLLM_LEDGER"] = str(greenllm.folder / "file" / "ledger.sqlite")
    done = greenllm.run("run", notebook(greenllm.folder / "a.ipynb", "print('ran')"))
    assert done.code == 0
    assert "This run is in its report only" in done.err
    assert "print('ran')" in done.out
    assert (greenllm.folder / "a.energy.html").exists()


def test_without_a_ledger_the_run_is_in_its_report_only(greenllm: CommandLine) -> None:
    greenllm.env["GREENLLM_DISABLE_PLUGINS"] = "ledger"
    done = greenllm.run("run", notebook(greenllm.folder / "a.ipynb", "print('ran')"))
    assert done.code == 0
    assert "print('ran')" in done.out
    assert not greenllm.ledger.exists()


def test_a_kernel_without_greenllm_says_how_to_install_it(greenllm: CommandLine) -> None:
    spec = greenllm.folder / "data" / "kernels" / "bare"
    spec.mkdir(parents=True)
    without = greenllm.folder / "without.py"
    launch = "from ipykernel import kernelapp\nkernelapp.launch_new_instance()"
    without.write_text(f"import sys\nsys.modules['greenllm_kernel'] = None\n{launch}")
    argv = [sys.executable, str(without), "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Bare", "language": "python"}))
    done = greenllm.run("run", notebook(greenllm.folder / "a.ipynb", "1"), "--kernel", "bare")
    assert done.code == 1
    assert f"the kernel 'bare' cannot load greenllm; install it there ({sys.executable} -m pip install" in done.err
    assert greenllm.records() == []


def test_a_notebook_whose_kernel_is_not_here_names_those_that_are(greenllm: CommandLine) -> None:
    path = notebook(greenllm.folder / "a.ipynb", "1", kernelspec={"name": "my-env", "display_name": "mine"})
    done = greenllm.run("run", path)
    assert done.code == 2
    assert re.search(r"no kernel 'my-env' here; choose one with --kernel \(there are: .*python3", done.err)


def test_a_file_that_is_no_notebook_is_named(greenllm: CommandLine) -> None:
    (greenllm.folder / "a.ipynb").write_text("not JSON")
    done = greenllm.run("run", "a.ipynb")
    assert done.code == 2
    assert "a.ipynb is not a notebook" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_in_a_terminal_a_bar_names_the_running_cell(greenllm: CommandLine) -> None:
    import os
    import pty

    leader, follower = pty.openpty()
    path = notebook(greenllm.folder / "a.ipynb", "import time\ntime.sleep(1)")
    greenllm.env |= {"TERM": "xterm-256color", "COLUMNS": "120"}
    process = greenllm.start("run", path, stderr=follower)
    os.close(follower)
    seen = b""
    while b"import time" not in seen:
        seen += os.read(leader, 4096)
    assert b"0/1" in seen
    process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0
