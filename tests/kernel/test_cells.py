"""A cell under ``%%energy`` behaves as without it, and has a record afterwards. Real kernels."""

from __future__ import annotations

import json
import threading
import time

import pytest

from greenllm_kernel.accounting.record import MIME_TYPE
from live import LiveKernel
from message_schema import fits_schema


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("cells"))
    yield live
    live.close()


def shown(outcome) -> dict:
    return outcome.displays[-1]["data"][MIME_TYPE]


def test_the_value_of_the_last_expression_is_kept(kernel):
    outcome = kernel.run("%%energy sum\nx = 40\nx + 2")
    assert outcome.result == "42"
    assert kernel.run("_").result == "42"
    assert shown(outcome)["name"] == "sum"


def test_its_record_fits_the_schema_and_is_sharpened_in_place(kernel):
    outcome = kernel.run("%%energy work --stage train --per token=n -o window\nimport time\nn = 50\ntime.sleep(0.3)")
    record = shown(outcome)
    assert record["stage"] == "train"
    assert record["units"]["token"]["count"] == 50
    assert {"text/plain", "text/html", MIME_TYPE} == set(outcome.displays[-1]["data"])
    assert "<script" not in outcome.displays[-1]["data"]["text/html"]
    kernel.listen(1.0)
    display_id = outcome.displays[-1]["transient"]["display_id"]
    updates = [u for u in kernel.updates() if u["transient"]["display_id"] == display_id]
    assert updates[-1]["data"][MIME_TYPE]["settled"] is True
    assert kernel.run("window.settle().settled, window.record.stage").result == "(True, 'train')"


def test_await_works_at_the_top_level(kernel):
    assert kernel.run("%%energy\nimport asyncio\nawait asyncio.sleep(0.05)\n'awaited'").result == "'awaited'"


def test_an_exception_has_its_own_traceback_and_line_number(kernel):
    outcome = kernel.run("%%energy\n\nfirst = 1\nraise ValueError('mine')")
    assert outcome.error == "ValueError"
    assert "line 4" in outcome.traceback
    assert "greenllm" not in outcome.traceback
    assert shown(outcome)["status"] == "error"


def test_a_syntax_error_is_the_cells_own_and_nothing_is_run(kernel):
    outcome = kernel.run("%%energy\nran = True\ndef broken(:")
    assert outcome.error == "SyntaxError"
    assert kernel.run("'ran' in globals()").result == "False"


def test_an_interrupt_is_told_apart_from_an_error(kernel):
    request = kernel.client.execute("%%energy\nimport time\ntime.sleep(30)")
    threading.Timer(1.0, kernel.manager.interrupt_kernel).start()
    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)
    assert outcome.error == "KeyboardInterrupt"
    assert shown(outcome)["status"] == "interrupted"
    assert shown(outcome)["duration_s"] < 10


def test_an_awaited_cell_that_is_interrupted_counts_as_interrupted(kernel):
    request = kernel.client.execute(
        "%%energy\nimport asyncio\nawait asyncio.sleep(4)"
    )  # ipykernel 7.4 cancels it only when the sleep is over
    threading.Timer(0.5, kernel.manager.interrupt_kernel).start()
    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)
    assert shown(outcome)["status"] == "interrupted"


@pytest.mark.parametrize("flags", ["--foo", "--stage", "--per token", "--per token=)", "-o 3x", "--budget 5"])
def test_bad_flags_are_refused_before_any_statement_runs(kernel, flags):
    kernel.run("ran = False")
    outcome = kernel.run(f"%%energy name {flags}\nran = True")
    assert "UsageError" in outcome.stderr
    assert outcome.displays == []
    assert kernel.run("ran").result == "False"
    assert kernel.run("1 + 1").result == "2"


@pytest.mark.parametrize("line", ["abacus", "speed"])
def test_unknown_commands_are_named_with_those_there_are(kernel, line):
    outcome = kernel.run(f"%energy {line}")
    assert "UsageError" in outcome.stderr
    assert "on|off|status|report" in outcome.stderr


def test_a_command_that_takes_nothing_more_says_so(kernel):
    outcome = kernel.run("%energy on off")
    assert "UsageError" in outcome.stderr
    assert "takes nothing more" in outcome.stderr


def test_a_count_that_cannot_be_told_leaves_the_unit_out_and_the_cell_alone(kernel):
    outcome = kernel.run("%%energy --per token=missing\n'value'")
    assert outcome.result == "'value'"
    assert "--per token=missing: NameError" in outcome.stderr
    assert shown(outcome)["units"] == {}


def test_other_cell_magics_work_below_it(kernel):
    timed = kernel.run("%%energy timed\n%%time\ny = 5\ny")
    assert timed.result == "5"
    assert "Wall time" in timed.stdout
    assert kernel.run("y").result == "5"
    bash = kernel.run("%%energy shell\n\n%%bash\necho from bash")
    assert "from bash" in bash.stdout
    assert shown(bash)["name"] == "shell"


def test_other_cell_magics_work_above_it(kernel):
    timed = kernel.run("%%time\n%%energy inner\nz = 6\nz")
    assert timed.result == "6"
    assert shown(timed)["name"] == "inner"
    captured = kernel.run("%%capture out\n%%energy captured\nprint('swallowed')")
    assert captured.stdout == ""
    assert shown(captured)["name"] == "captured"
    assert kernel.run("out.stdout").result == "'swallowed\\n'"


def test_quiet_shows_nothing(kernel):
    assert kernel.run("%%energy -q\n1").displays == []


def test_help_and_completion_know_it(kernel):
    reply = kernel.client.execute_interactive("%%energy?", timeout=30, output_hook=lambda message: None)
    pages = [payload["data"]["text/plain"] for payload in reply["content"]["payload"]]
    assert "--per" in pages[0]
    kernel.client.complete("%%ener")
    assert "%%energy" in kernel.client.get_shell_msg(timeout=10)["content"]["matches"]


def test_variables_and_history_are_those_of_a_plain_cell(kernel):
    kernel.run("%%energy\nsecret = 7")
    assert kernel.run("secret").result == "7"
    assert "secret = 7" in kernel.run("In[-3]").result


def test_a_cell_that_runs_again_adds_up(kernel):
    kernel.events.clear()
    for _ in range(3):
        kernel.run("import time\ntime.sleep(0.2)  # again")
    kernel.listen_until_quiet()
    rows = [event for event in kernel.of_kind("cell") if event["name"].startswith("import time")]
    assert rows[-1]["runs"] == 3
    assert rows[-1]["energy_j"] > 2.4 * rows[-1]["last_energy_j"] * 0.5
    assert rows[-1]["settled"]


def test_off_measures_only_what_asks_for_it(kernel):
    kernel.run("%energy off")
    kernel.listen_until_quiet()
    kernel.events.clear()
    kernel.run("import time; time.sleep(0.6)")
    kernel.listen(0.6)
    assert kernel.events == []
    assert shown(kernel.run("%%energy asked\n1"))["name"] == "asked"
    kernel.run("%energy on")
    kernel.run("import time; time.sleep(0.5)")
    kernel.listen_until_quiet()
    assert any(event["name"].startswith("import time; time.sleep(0.5)") for event in kernel.of_kind("cell"))


def test_status_and_report_are_readable(kernel):
    status = kernel.run("%energy status").stdout
    assert "Measuring: every cell" in status
    assert "Virtual GPU 0 (gpu, virtual): measured" in status
    assert "world" in status
    kernel.run("%%energy reported -q\nsum(range(1000))")
    report = kernel.run("%energy report").displays[-1]["data"]["text/plain"]
    assert "reported" in report
    assert "±" in report
    assert "total" in report


def test_measure_inside_a_cell_is_part_of_the_cell(kernel):
    outcome = kernel.run(
        "%%energy outer -o outer\n"
        "from greenllm_kernel import measure\nimport time\n"
        "with measure('inner', stage='train', units={'token': 10}) as inner:\n    time.sleep(0.3)\n"
    )
    assert outcome.error is None
    assert kernel.run("inner.settle().parent_run_id == outer.run_id").result == "True"


def test_loading_twice_and_unloading_leave_the_shell_in_order(tmp_path):
    live = LiveKernel(tmp_path)
    try:
        assert "already loaded" in live.run("%load_ext greenllm_kernel").stdout
        live.run("%%energy\n1")
        assert live.run("%unload_ext greenllm_kernel").error is None
        assert "not found" in live.run("%energy status").stderr
        assert live.run("2 + 2").result == "4"
        assert live.run("%load_ext greenllm_kernel").error is None
        assert shown(live.run("%%energy again\n1"))["name"] == "again"
        live.run("%reload_ext greenllm_kernel")
        assert len(live.run("%%energy once\n1").displays) == 1
    finally:
        live.close()


def test_threads_and_stdin_free_code_are_not_disturbed(kernel):
    code = (
        "%%energy\nimport threading\nt = threading.Thread(target=lambda: print('from a thread'))\nt.start(); t.join()"
    )
    assert "from a thread" in kernel.run(code).stdout


def test_every_event_fits_the_schema(kernel):
    kernel.run("import time; time.sleep(1.2)")
    kernel.listen_until_quiet()
    assert {event["kind"] for event in kernel.events} == {"hello", "power", "cell", "totals"}
    for event in kernel.events:
        fits_schema(event)
        assert len(json.dumps(event)) < 8192
    numbers = [event["seq"] for event in kernel.events]
    assert numbers == sorted(numbers)


def test_the_stream_is_live_in_mid_cell_and_silent_afterwards(kernel):
    kernel.run("import time; time.sleep(0.5)")  # the meters are found by now
    kernel.listen_until_quiet()
    kernel.events.clear()
    request = kernel.client.execute("import time\nend = time.time() + 4.5\nwhile time.time() < end: pass")
    began = time.monotonic()
    kernel.listen(3.5)
    powers = kernel.of_kind("power")
    assert time.monotonic() - began < 4.0
    assert 6 <= len(powers) <= 15  # of 14 ticks the row takes 4, hello and the totals one each
    assert powers[-1]["running"]
    assert powers[-1]["energy_j"] > powers[0]["energy_j"]
    assert powers[-1]["mass_gco2e"] > powers[0]["mass_gco2e"]
    kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)
    kernel.listen_until_quiet()
    kernel.events.clear()
    kernel.listen(1.5)
    assert kernel.events == []


def test_a_page_that_joins_in_mid_cell_gets_the_snapshot(kernel):
    kernel.listen_until_quiet()
    request = kernel.client.execute("import time\ntime.sleep(2)  # joined")
    time.sleep(0.8)
    began = time.monotonic()
    first = kernel.snapshot()
    assert time.monotonic() - began < 1.0
    kinds = [message["kind"] for message in first["messages"]]
    assert kinds[:2] == ["hello", "totals"]
    messages, page = list(first["messages"]), first["next_page"]
    while page is not None:
        reply = kernel.snapshot(page)
        messages += reply["messages"]
        page = reply["next_page"]
    running = [message for message in messages if message["kind"] == "cell" and message["status"] == "running"]
    assert len(running) == 1
    assert any(message["kind"] == "power" for message in messages)
    kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)


def test_cells_too_short_to_be_seen_running_have_their_rows(kernel):
    kernel.listen_until_quiet()
    kernel.events.clear()
    for index in range(6):
        kernel.run(f"short_{index} = {index}")
    kernel.listen_until_quiet()
    rows = {event["name"]: event for event in kernel.of_kind("cell")}
    assert all(rows[f"short_{index} = {index}"]["runs"] == 1 for index in range(6))
    assert all(rows[f"short_{index} = {index}"]["energy_j"] > 0 for index in range(6))
    assert kernel.of_kind("totals")


def test_at_most_four_messages_a_second_are_sent_whatever_runs(kernel):
    kernel.listen_until_quiet()
    kernel.events.clear()
    kernel.run("from greenllm_kernel import measure\nimport time")
    for index in range(15):
        kernel.run(f"fast_{index} = {index}")
    kernel.run(
        "end = time.time() + 2\nindex = 0\n"
        "while time.time() < end:\n    index += 1\n    with measure(f'window {index}'):\n        time.sleep(0.005)\n"
    )
    kernel.listen(5.0)
    instants = [event["at_ms"] for event in kernel.events]
    assert len(instants) > 8
    # A message is made a quarter of a second after the one before it; a timer may come early by a little.
    assert all(later - earlier > 200 for earlier, later in zip(instants, instants[4:], strict=False))
    assert max(len([t for t in instants if 0 <= t - first < 1000]) for first in instants) <= 5
    assert all(len(json.dumps(event)) < 8192 for event in kernel.events)


def test_a_generator_that_holds_a_window_open_takes_no_later_cell_into_it(kernel):
    kernel.run(
        "from greenllm_kernel import measure\n"
        "def batches():\n    with measure('batches'):\n        yield 1\n        yield 2\n"
        "held = batches(); next(held)"
    )
    kernel.run("%%energy -o later -q\nx = 1")
    assert kernel.run("later.record.parent_run_id").result is None
    kernel.run("held.close()")


def test_a_slow_count_is_in_the_settled_record(kernel):
    kernel.run("def slow():\n    import time\n    time.sleep(0.5)\n    return 5")
    kernel.run("%%energy -o counted -q --per token=slow()\nx = 1")
    assert kernel.run("counted.settle().to_dict()['units']['token']['count']").result == "5.0"
