"""``%energyit`` in a real kernel: it repeats as ``%timeit`` does, and leaves the user's variables as they were."""

from __future__ import annotations

import json
import re
import threading

import pytest

from command_line import POWER_W, SETTINGS
from greenllm_kernel.accounting.ledger import Ledger
from live import LiveKernel

QUICK = "-r 2 -n 2 --warm-up 0"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("energyit")
    (folder / "greenllm.toml").write_text(SETTINGS)
    live = LiveKernel(folder)
    live.run("import json, time")
    yield live
    live.close()


def test_it_repeats_until_the_interval_is_narrow_and_prints_what_a_loop_costs(kernel):
    outcome = kernel.run("result = %energyit -o --max-time 20 time.sleep(0.05)")

    said = outcome.stdout.rpartition("\r")[2]
    assert " per loop (95 %; repeatability ± " in said
    assert re.search(r", (99\.\d|100|100\.0|101) W, measured\n", said)
    assert "CO2e per loop (FR)" in said
    figures = "[result.time_s_per_loop, result.energy_j_per_loop, *result.repeatability_interval_j, result.repeats]"
    time_s, energy_j, low_j, high_j, repeats = json.loads(kernel.run(f"print(json.dumps({figures}))").stdout)
    assert low_j <= POWER_W * time_s <= high_j
    assert (high_j - low_j) / 2 <= 0.05 * energy_j * 1.0001
    assert repeats >= 7
    assert (
        kernel.run("result.is_precise, str(result.provenance), result.unavailable").result == "(True, 'measured', ())"
    )


def test_its_progress_is_shown_and_taken_away(kernel):
    outcome = kernel.run("%energyit -n 4 -r 8 time.sleep(0.1)")

    assert re.search(r"\renergyit: \d repeats so far, ± \d", outcome.stdout)
    blank, said = outcome.stdout.split("\r")[-2:]
    assert blank.strip() == ""
    assert "8 repeats of 4 loops" in said


def test_the_cell_has_one_record_as_any_other(kernel):
    kernel.run(f"%energyit {QUICK} time.sleep(0.02)  # alone")
    kernel.listen(1.5)

    records = [record for record in Ledger(kernel.ledger).records() if "# alone" in record.name]
    assert len(records) == 1
    parts = [record for record in Ledger(kernel.ledger).records() if record.parent_run_id == records[0].run_id]
    assert parts == []


def test_o_returns_the_result_and_q_prints_nothing(kernel):
    assert kernel.run(f"%energyit {QUICK} -q time.sleep(0.01)").stdout == ""
    outcome = kernel.run(f"%energyit {QUICK} -oq time.sleep(0.01)")
    assert outcome.stdout == ""
    assert outcome.result.startswith("<EnergyitResult: ")
    outcome = kernel.run(f"%energyit {QUICK} time.sleep(0.01)")
    assert outcome.result is None
    assert "2 repeats of 2 loops" in outcome.stdout


def test_captured_output_is_the_result_alone(kernel):
    kernel.run("%%capture captured\n%energyit -n 2 -r 3 --warm-up 2.1 time.sleep(0.1)")

    said = kernel.run("captured.stdout").result
    assert "\\r" not in said
    assert "so far" not in said
    assert "3 repeats of 2 loops" in said


def test_the_setup_runs_before_each_repeat_and_is_not_measured(kernel):
    kernel.run("setups = []")
    setup = "setups.append(1); pause = 0.05; time.sleep(0.4)"

    kernel.run(f"%%energyit {QUICK} -oq {setup}\ntime.sleep(pause)\ntime.sleep(pause)")

    said = kernel.run("kept = _; print(json.dumps([len(setups), kept.time_s_per_loop, *kept.interval_j]))").stdout
    runs, time_s, low_j, high_j = json.loads(said)
    assert runs == 2
    assert 0.1 <= time_s < 0.3
    assert low_j <= POWER_W * time_s <= high_j


def test_variables_are_seen_and_none_is_left_over(kernel):
    kernel.run("pause, counted = 0.001, []")

    outcome = kernel.run(f"%%energyit {QUICK} -q made_in_setup = 5\ncounted.append(made_in_setup)\npause = 1\nleft = 2")

    assert outcome.error is None, outcome.traceback
    names = "('made_in_setup' in dir(), 'left' in dir(), pause, counted)"
    assert kernel.run(names).result == "(False, False, 0.001, [5, 5, 5, 5])"


def test_variables_of_the_function_it_stands_in_are_seen(kernel):
    outcome = kernel.run(f"def inner(mine):\n    %energyit {QUICK} -q seen.append(mine)\nseen = []\ninner(7)\nseen")

    assert outcome.result == "[7, 7, 7, 7]"
    assert kernel.run("'mine' in dir()").result == "False"


def test_python_of_the_notebook_works_in_it(kernel):
    outcome = kernel.run(f"%%energyit {QUICK} -q\nanswer = !echo 42\nassert answer == ['42']")

    assert outcome.error is None, outcome.traceback


def test_the_collector_is_off_meanwhile_and_on_again_afterwards(kernel):
    kernel.run("import gc; states = []")
    kernel.run(f"%energyit {QUICK} -q states.append(gc.isenabled())")
    kernel.run(f"%energyit {QUICK} -q 1 / 0")
    assert kernel.run("set(states), gc.isenabled()").result == "({False}, True)"


def test_an_error_is_the_statements_own(kernel):
    source = f"%%energyit {QUICK} x = [1, 2]\nfor index in range(5):\n    x[index]"

    outcome = kernel.run(source)

    assert outcome.error == "IndexError"
    assert ":3" in outcome.traceback and "x = [" in outcome.traceback
    assert "greenllm_kernel" not in outcome.traceback
    assert outcome.stdout == ""


def test_the_cause_of_an_error_is_kept(kernel):
    kernel.run("def fails():\n    raise ValueError('mine') from KeyError('cause')")

    outcome = kernel.run(f"%energyit {QUICK} fails()")

    assert outcome.error == "ValueError"
    assert "KeyError" in outcome.traceback and "direct cause" in outcome.traceback


@pytest.mark.parametrize("statement", ["return 5", "yield 1", "x =", "break"])
def test_what_is_no_statement_is_a_syntax_error_and_runs_nothing(kernel, statement):
    kernel.run("ran = False")

    assert kernel.run(f"%%energyit\nran = True\n{statement}").error == "SyntaxError"
    assert kernel.run("ran").result == "False"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%energyit await f()", "%energyit cannot await, as %timeit cannot"),
        ("%%energyit\nasync with lock:\n    pass", "%energyit cannot await, as %timeit cannot"),
        ("%energyit -n many f()", "-n many: expected a whole number"),
        ("%energyit --precision 5 f()", "precision is 5.0: expected a part of the energy, such as 0.05 for 5 %"),
        ("%energyit", "what is to be measured?"),
        ("%energyit -o", "what is to be measured?"),
    ],
)
def test_what_cannot_be_done_is_said(kernel, line, said):
    outcome = kernel.run(line)

    assert said in outcome.stderr
    assert outcome.stdout == ""


def test_a_coroutine_function_may_be_defined_in_it(kernel):
    source = f"%%energyit {QUICK} -q\nasync def later():\n    await None\nlater"

    assert kernel.run(source).error is None


def test_an_interrupt_ends_it_with_what_is_known(kernel):
    request = kernel.client.execute("%energyit -n 10 -r 100 --warm-up 0.1 time.sleep(0.05)")
    threading.Timer(4.0, kernel.manager.interrupt_kernel).start()

    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)

    assert outcome.error == "KeyboardInterrupt"
    assert "greenllm_kernel" not in outcome.traceback
    said = outcome.stdout.rpartition("\r")[2]
    assert "per loop (95 %; repeatability ± " in said
    assert "interrupted after " in said
    kernel.listen(1.0)
    records = [record for record in Ledger(kernel.ledger).records() if "-r 100" in record.name]
    assert [str(record.status) for record in records] == ["interrupted"]


def test_an_interrupt_of_the_first_repeats_tells_no_repeatability_and_gives_no_advice(kernel):
    threading.Timer(3.0, kernel.manager.interrupt_kernel).start()
    said = kernel.run("%energyit -n 1 --warm-up 0 time.sleep(2.0)").stdout.rpartition("\r")[2]

    assert "interrupted after 1 repeat" in said
    assert "(95 %; 1 repeat of 1 loop)" in said
    assert "repeatability" not in said
    assert "--max-time" not in said


def test_an_interrupt_before_the_first_repeat_says_that_nothing_is_known(kernel):
    request = kernel.client.execute("%energyit time.sleep(30)")
    threading.Timer(1.0, kernel.manager.interrupt_kernel).start()

    outcome = kernel.collect(request)
    kernel.client.get_shell_msg(timeout=10)

    assert outcome.error == "KeyboardInterrupt"
    assert "nothing is known" in outcome.stdout


def test_it_stands_below_energy_as_any_cell_magic(kernel):
    outcome = kernel.run(f"%%energy both --stage evaluate\n%%energyit {QUICK}\ntime.sleep(0.02)")

    assert "2 repeats of 2 loops" in outcome.stdout
    assert "both: " in outcome.displays[-1]["data"]["text/plain"]


def test_it_measures_where_cells_are_not(kernel):
    kernel.run("%energy off")
    try:
        kernel.run(f"result = %energyit {QUICK} -oq time.sleep(0.2 + 0.01)")
        assert kernel.run("80 < result.power_w < 120").result == "True"
        kernel.listen(1.5)
        names = [record.name for record in Ledger(kernel.ledger).records()]
        assert names.count("energyit time.sleep(0.2 + 0.01)") == 1
    finally:
        kernel.run("%energy on")


def test_without_a_meter_the_time_is_still_given(tmp_path):
    (tmp_path / "greenllm.toml").write_text('use_meters = ["none"]')
    live = LiveKernel(tmp_path, {"GREENLLM_USE_METERS": "nvml", "GREENLLM_DISABLE_PLUGINS": "nvml"})
    try:
        said = live.run(f"import time\n%energyit {QUICK} time.sleep(0.01)").stdout
    finally:
        live.close()
    assert re.match(r"energy unavailable, \d\d(\.\d)? ms per loop \(2 repeats of 2 loops\)\n", said)
    assert "greenllm doctor tells why" in said


def test_unloading_takes_it_away(tmp_path):
    live = LiveKernel(tmp_path)
    try:
        live.run("%unload_ext greenllm_kernel")
        assert "`%energyit` not found" in live.run("%energyit 1").stderr
    finally:
        live.close()
