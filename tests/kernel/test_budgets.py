"""``%%energy --budget`` and ``%energy budget`` say how a cell and the session stand to theirs, and stop nothing."""

from __future__ import annotations

import pytest

from greenllm_kernel.accounting.record import MIME_TYPE
from live import LiveKernel
from message_schema import fits_schema

SLEEP = "import time\ntime.sleep({seconds})\n'done'"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("budgets"))
    live.run("import time; time.sleep(0.5)")
    yield live
    live.close()


def test_a_cell_above_its_budget_is_told_once_while_it_runs_and_in_its_record(kernel):
    outcome = kernel.run("%%energy train --budget 20J\n" + SLEEP.format(seconds=3))
    assert outcome.result == "'done'"
    assert outcome.stderr.count("certainly exceeded") == 1
    assert "train: budget 20.0 J certainly exceeded" in outcome.stderr
    assert "it goes on" in outcome.stderr
    shown = outcome.displays[-1]["data"]
    assert shown[MIME_TYPE]["budget_j"] == 20.0
    assert "budget 20.0 J certainly exceeded" in shown["text/plain"]


def test_a_quiet_cell_above_its_budget_says_so_too(kernel):
    outcome = kernel.run("%%energy -q --budget 1J\n" + SLEEP.format(seconds=0.4))
    assert outcome.displays == []
    assert outcome.stderr.count("certainly exceeded") == 1


def test_a_cell_within_its_budget_says_nothing_on_stderr(kernel):
    outcome = kernel.run('%%energy --budget "2 kWh"\n' + SLEEP.format(seconds=0.3))
    assert outcome.stderr == ""
    assert "within its budget 7.20 MJ" in outcome.displays[-1]["data"]["text/plain"]


def test_a_budget_of_emissions_is_kept_in_grams(kernel):
    outcome = kernel.run("%%energy grams --budget 20g\n" + SLEEP.format(seconds=0.6))
    shown = outcome.displays[-1]["data"]
    assert (shown[MIME_TYPE]["budget_j"], shown[MIME_TYPE]["budget_gco2e"]) == (None, 20.0)
    assert "within its budget 20.0 g CO2e" in shown["text/plain"]
    kernel.events.clear()
    assert "budget 1.00 mg CO2e certainly exceeded" in kernel.run("%energy budget 1 mg").stdout
    assert kernel.of_kind("totals")[-1]["budget_gco2e"] == 1e-3
    kernel.run("%energy budget off")


def test_pages_are_told_a_cells_budget(kernel):
    kernel.events.clear()
    kernel.run("%%energy paged --budget 5kJ --stage train\n" + SLEEP.format(seconds=1.2))
    kernel.listen_until_quiet()
    rows = [event for event in kernel.of_kind("cell") if event["name"] == "paged"]
    assert rows[-1]["budget_j"] == 5000.0
    assert rows[-1]["ended_at_ms"] > rows[-1]["started_at_ms"]
    stages = {stage["stage"]: stage for stage in kernel.of_kind("totals")[-1]["stages"]}
    assert stages["train"]["runs"] == 1
    assert stages["train"]["energy_j"] == pytest.approx(rows[-1]["energy_j"], rel=0.05)
    for event in kernel.events:
        fits_schema(event)


@pytest.mark.parametrize("text", ["5", "much", "-1kJ", "0J", "5mj", "5 kW", "1e999J", "5,5kJ", "off off", "20gg"])
def test_what_is_no_budget_is_refused_and_changes_nothing(kernel, text):
    kernel.run("%energy budget 1 MWh")
    outcome = kernel.run(f"%energy budget {text}")
    assert "UsageError: %energy budget" in outcome.stderr
    assert "3.60 GJ" in kernel.run("%energy budget").stdout
    kernel.run("%energy budget off")


@pytest.mark.parametrize("flag", ["--budget", "--budget 5", "--budget much", "--budget -5kJ", "--budget 0J"])
def test_a_budget_of_a_cell_that_makes_no_sense_is_refused_before_anything_runs(kernel, flag):
    kernel.run("ran = False")
    outcome = kernel.run(f"%%energy name {flag}\nran = True")
    assert "UsageError" in outcome.stderr
    assert kernel.run("ran").result == "False"


def test_the_sessions_budget_is_set_shown_told_to_pages_exceeded_and_removed(kernel):
    assert "no budget" in kernel.run("%energy budget").stdout
    kernel.events.clear()
    assert "budget 100 J certainly exceeded" in kernel.run("%energy budget 100 J").stdout
    assert kernel.of_kind("totals")[-1]["budget_j"] == 100.0
    outcome = kernel.run(SLEEP.format(seconds=1.5))
    kernel.listen(1.0)
    late = [message["content"]["text"] for message in kernel.late if message["msg_type"] == "stream"]
    assert "this session: budget 100 J certainly exceeded" in outcome.stderr + "".join(late)
    kernel.late.clear()
    quiet = kernel.run(SLEEP.format(seconds=1.5))
    assert quiet.stderr == ""
    assert "no budget" in kernel.run("%energy budget off").stdout
    assert kernel.of_kind("totals")[-1]["budget_j"] is None
    assert kernel.run("%energy status").stdout.count("budget") == 0
