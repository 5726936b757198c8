"""The command line: what it measures, passes through, prints, and answers to bad input."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_line import POWER_W, CommandLine, finished
from greenllm_kernel import __version__
from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.cli import main
from made_records import measured, record

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def greenllm(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_the_version_is_printed_without_loading_jupyter(greenllm: CommandLine) -> None:
    done = greenllm.run("--version")
    assert (done.code, done.out.strip()) == (0, f"greenllm {__version__}")
    loaded = greenllm.python(
        """
        import sys
        from greenllm_kernel.cli import main
        try: main(["--help"])
        except SystemExit: pass
        heavy = {"jupyter_client", "nbformat", "rich", "codecarbon", "numpy", "sqlite3"} & set(sys.modules)
        print("heavy:", sorted(heavy))
        """
    )
    done_python = subprocess.run(loaded, env=greenllm.env, capture_output=True, text=True, check=True)
    assert "heavy: []" in done_python.stdout
    for command in ("doctor", "run", "report", "export", "calibrate", "tutorials"):
        assert command in done_python.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "give a notebook, or -- and a command"),
        (["run", "--"], "give a notebook, or -- and a command"),
        (["run", "train.py"], "greenllm run -- train.py"),
        (["run", "missing.ipynb"], "no notebook missing.ipynb"),
        (["run", "--kernel", "x", "--", "true"], "are for notebooks"),
        (["run", "--timeout", "soon", "a.ipynb"], "'soon' is not a whole number of seconds"),
        (["run", "--fast", "a.ipynb"], "unrecognized arguments: --fast"),
        (["calibrate", "--seconds", "long"], "'long' is not a whole number of seconds"),
        (["calibrate", "--import", "a.json", "--output", "b.json"], "--output is for a fit made here"),
        (["report", "--since", "yesterday"], "'yesterday' is not a day such as"),
        (["measure"], "invalid choice"),
        ([], "usage: greenllm"),
    ],
)
def test_bad_usage_is_answered_in_a_line_with_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(words)
    except SystemExit as left:
        code = left.code
    said = capsys.readouterr()
    assert code == 2
    assert message in said.err + said.out
    assert "Traceback" not in said.err


def test_a_setting_that_cannot_be_used_is_named(greenllm: CommandLine) -> None:
    greenllm.env["GREENLLM_PUE"] = "-1"
    done = greenllm.run("run", "--", "true")
    assert done.code == 2
    assert done.err == "greenllm: pue = '-1': a power usage effectiveness is a number from 1 to 10\n"


def test_a_program_is_measured_and_its_streams_and_exit_code_pass_through(greenllm: CommandLine) -> None:
    program = greenllm.python(
        """
        import sys, time
        time.sleep(1)
        print("to stdout"); print("to stderr", file=sys.stderr); print(sys.stdin.read()); sys.exit(7)
        """
    )
    done = greenllm.run("run", "--output", "report.html", "--", *program, text="from stdin")
    assert done.code == 7
    assert done.out == "to stdout\nfrom stdin\n"
    assert "to stderr" in done.err
    (kept,) = greenllm.records()
    assert kept.status is Status.ERROR
    assert kept.settled
    assert kept.gross is not None
    assert kept.gross.value_j == pytest.approx(POWER_W * kept.duration_s, rel=0.1)
    assert "measured" in done.err
    assert "±" in done.err
    assert "<svg" in (greenllm.folder / "report.html").read_text()


@POSIX
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, Status.INTERRUPTED), (signal.SIGINT, Status.INTERRUPTED)]
)
def test_signals_reach_the_program_and_its_end_is_still_reported(
    greenllm: CommandLine, number: signal.Signals, status: Status
) -> None:
    program = greenllm.python("print('ready', flush=True); import time; time.sleep(60)")
    process = greenllm.start("run", "--", *program, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    done = finished(process)
    # Python turns SIGINT into an exception and then dies by the signal itself.
    assert done.code == 128 + number
    assert "interrupted" in done.err
    assert greenllm.records()[0].status is Status.INTERRUPTED


@POSIX
def test_a_program_may_handle_a_signal_itself(greenllm: CommandLine) -> None:
    program = greenllm.python(
        """
        import signal, sys, time
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(5))
        print("ready", flush=True)
        time.sleep(60)
        """
    )
    process = greenllm.start("run", "--", *program)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGUSR1)
    assert finished(process).code == 5


@POSIX
def test_programs_that_cannot_run_have_the_codes_of_a_shell(greenllm: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no program")
    assert greenllm.run("run", "--", "sh", "-c", "kill -9 $$").code == 137
    done = greenllm.run("run", "--", "no-such-program")
    assert (done.code, done.err) == (127, "greenllm: no program 'no-such-program'; check its name, or PATH\n")
    assert greenllm.run("run", "--", tmp_path / "notes").code == 126
    assert len(greenllm.records()) == 1


def test_a_ledger_that_cannot_be_written_leaves_the_program_and_the_table_alone(greenllm: CommandLine) -> None:
    (greenllm.folder / "file").write_text("")
    greenllm.env["GREENLLM_LEDGER"] = str(greenllm.folder / "file" / "ledger.sqlite")
    done = greenllm.run("run", "--", *greenllm.python("print('done')"))
    assert (done.code, done.out) == (0, "done\n")
    assert "cannot be opened or written" in " ".join(done.err.split())
    assert "CO2e" in done.err


def filled(greenllm: CommandLine) -> None:
    with Ledger(greenllm.ledger) as ledger:
        ledger.write(record(measured(100, 1), name="older", session_id="aaa111"))
        ledger.write(record(measured(200, 1), name="train", session_id="bbb222", begin_s=90_000, stage="train"))
        ledger.write(record(measured(50, 1), name="evaluate", session_id="bbb222", begin_s=90_020, stage="evaluate"))


def test_report_shows_the_last_session_with_intervals_and_provenance(greenllm: CommandLine) -> None:
    filled(greenllm)
    done = greenllm.run("report")
    assert done.code == 0
    assert "older" not in done.out
    assert re.search(r"train\s+train\s+10\.0 s\s+200\.0 ± 2\.0 J\s+80 %.*measured\s+ok", done.out)
    assert re.search(r"total\s+20\.0 s\s+250\.0 ± 2\.8 J", done.out)
    assert "FR: 56 [30, 105] gCO2e/kWh" in done.out


def test_report_finds_sessions_by_the_beginning_of_their_id_and_by_day(greenllm: CommandLine) -> None:
    filled(greenllm)
    assert "older" in greenllm.run("report", "--session", "aaa").out
    everything = greenllm.run("report", "--session", "all", "--html", "all.html")
    assert "older" in everything.out
    assert "train" in everything.out
    assert "2 sessions" in (greenllm.folder / "all.html").read_text()
    assert "older" not in greenllm.run("report", "--session", "all", "--since", "2026-02-01").out
    done = greenllm.run("report", "--session", "zzz")
    assert done.code == 2
    assert "no session 'zzz'; the latest are bbb222" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing has been measured yet"),
        (["--since", "2036-01-01"], "nothing was recorded since 2036-01-01"),
        (["--html", "no/such/folder/x.html"], "cannot be written"),
    ],
)
def test_report_says_in_one_line_why_there_is_none(greenllm: CommandLine, words: list[str], message: str) -> None:
    if words:
        filled(greenllm)
    done = greenllm.run("report", *words)
    assert done.code == 1
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_damaged_ledger_is_reported_and_not_touched(greenllm: CommandLine) -> None:
    greenllm.ledger.write_text("notes " * 1000)
    done = greenllm.run("report")
    assert done.code == 1
    assert "damaged" in done.err
    assert "move the file away" in done.err
    assert greenllm.ledger.read_text().startswith("notes")


def test_what_was_measured_is_exported_in_the_format_of_the_files_name(greenllm: CommandLine) -> None:
    filled(greenllm)
    done = greenllm.run("export", "energy.csv")
    cells = greenllm.run("export", "-", "--format", "json", "--cells", "--session", "last")
    assert (done.code, done.out, done.err) == (0, "", "")
    lines = (greenllm.folder / "energy.csv").read_text().splitlines()
    assert lines[0].startswith("run_id,") and len(lines) == 1 + len(Ledger(greenllm.ledger).records())
    assert {cell["session_id"] for cell in json.loads(cells.out)} == {Ledger(greenllm.ledger).sessions()[-1].session_id}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["energy.xlsx"], 1, "'xlsx' is no format to export to; there is csv, json, parquet"),
        (["energy.csv", "--session", "none"], 2, "there is no session 'none'"),
        (["nowhere/energy.csv"], 1, "nowhere/energy.csv cannot be written"),
    ],
)
def test_an_export_says_in_one_line_why_there_is_none(
    greenllm: CommandLine, words: list[str], code: int, message: str
) -> None:
    filled(greenllm)
    done = greenllm.run("export", *words)
    assert (done.code, done.out) == (code, "")
    assert message in done.err and len(done.err.splitlines()) == 1


def test_tutorials_are_copied_and_changed_ones_are_kept(greenllm: CommandLine) -> None:
    done = greenllm.run("tutorials")
    assert done.code == 0
    notebook = greenllm.folder / "greenllm-tutorials" / "01-measure.ipynb"
    original = notebook.read_bytes()
    assert b'"cells"' in original
    notebook.write_text("my own work")
    kept = greenllm.run("tutorials")
    assert "it was changed; --force replaces it" in kept.out
    assert notebook.read_text() == "my own work"
    assert greenllm.run("tutorials", "--force").code == 0
    assert notebook.read_bytes() == original
    (greenllm.folder / "file").write_text("")
    refused = greenllm.run("tutorials", "file")
    assert refused.code == 1
    assert "choose another folder" in refused.err


def test_a_reader_that_leaves_early_is_no_error(greenllm: CommandLine) -> None:
    filled(greenllm)
    process = greenllm.start("report", "--session", "all")
    assert process.stdout is not None
    process.stdout.close()
    began = time.monotonic()
    process.wait(30)
    assert time.monotonic() - began < 30
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
