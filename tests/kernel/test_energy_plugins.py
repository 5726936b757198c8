"""``%energy plugins`` lists what is installed, and switches single plugins off and on for the session."""

from __future__ import annotations

import pytest

from greenllm_kernel.accounting.record import MIME_TYPE
from live import LiveKernel

WORK = "%%energy\nimport time\ntime.sleep(0.4)"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    live = LiveKernel(tmp_path_factory.mktemp("plugins"), {"GREENLLM_DISABLE_PLUGINS": "battery"})
    live.run("import time; time.sleep(0.5)")
    yield live
    live.close()


def line_of(kernel, name):
    lines = kernel.run("%energy plugins").stdout.splitlines()
    (found,) = [line for line in lines if line.split()[:1] == [name]]
    return found


def channels(outcome):
    return [channel["id"] for channel in outcome.displays[-1]["data"][MIME_TYPE]["channels"]]


def test_each_plugin_has_a_line_with_what_it_is_for_and_how_it_is(kernel):
    assert "meters: reads Virtual GPU 0, Virtual GPU 1, Virtual CPU package 0" in line_of(kernel, "virtual")
    assert "records: on" in line_of(kernel, "ledger")
    assert "carbon intensity: on" in line_of(kernel, "codecarbon_data")
    assert line_of(kernel, "battery").endswith(": off")


def test_a_meter_that_is_off_measures_no_later_cell_and_one_that_is_on_again_does(kernel):
    assert len(channels(kernel.run(WORK))) == 3
    assert kernel.run("%energy plugins off virtual").stdout == "virtual is off from now on, in this session.\n"
    assert line_of(kernel, "virtual").endswith(": off")
    off = kernel.run(WORK).displays[-1]["data"][MIME_TYPE]
    assert off["energy"]["gross_j"] is None
    assert off["energy"]["provenance"] == "unavailable"
    assert "already" in kernel.run("%energy plugins off virtual").stdout
    assert kernel.run("%energy plugins on virtual").status == "ok"
    kernel.run("import time; time.sleep(0.5)")
    assert len(channels(kernel.run(WORK))) == 3
    assert "reads Virtual GPU 0" in line_of(kernel, "virtual")


def test_one_that_the_configuration_leaves_out_can_be_switched_on(kernel):
    assert kernel.run("%energy plugins on battery").status == "ok"
    assert not line_of(kernel, "battery").endswith(": off")


def test_without_the_ledger_cells_are_measured_and_not_kept(kernel):
    kernel.run("%energy plugins off ledger")
    kernel.run("%%energy unkept -q\nimport time; time.sleep(0.3)")
    kernel.listen(2.0)
    kernel.run("%energy plugins on ledger")
    kernel.run("%%energy kept -q\nimport time; time.sleep(0.3)")
    kernel.listen(2.0)
    code = (
        "from pathlib import Path\nfrom greenllm_kernel.accounting.ledger import Ledger\n"
        f"sorted({{r.name for r in Ledger(Path({str(kernel.ledger)!r})).records()}} & {{'kept', 'unkept'}})"
    )
    assert kernel.run(code).result == "['kept']"


@pytest.mark.parametrize("words", ["off", "on", "off abacus", "off rapl nvml", "sideways rapl", "virtual"])
def test_what_cannot_be_switched_is_said(kernel, words):
    outcome = kernel.run(f"%energy plugins {words}")
    assert "UsageError: %energy plugins" in outcome.stderr
    assert "reads Virtual GPU 0" in line_of(kernel, "virtual")
