"""``%energy idle`` measures the idle machine, says so, and can be interrupted. Real kernels."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from greenllm_kernel.accounting.record import MIME_TYPE
from live import LiveKernel

CONFIGURATION = """
[[meters.virtual.channels]]
id = "gpu:0"
component = "gpu"
label = "Virtual GPU"
gain_uncertainty = 0.02
profile = {shape = "constant", level_w = 75}
[[meters.virtual.channels]]
id = "gpu:1"
component = "gpu"
label = "Swinging GPU"
profile = {shape = "square", low_w = 100, high_w = 500, period_s = 0.7}
"""

QUIET = """
import sys
from pathlib import Path
sys.path.insert(0, {unit!r})
from hosts import quiet_attribution
from greenllm_kernel.accounting.session import Session
Session.current().sampler.attribution = quiet_attribution(Path({proc!r}))
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("idle")
    (folder / "greenllm.toml").write_text(CONFIGURATION)
    (folder / "proc").mkdir()
    live = LiveKernel(folder)
    unit = Path(__file__).parents[1] / "unit"
    assert live.run(QUIET.format(unit=str(unit), proc=str(folder / "proc"))).status == "ok"
    yield live
    live.close()


def test_what_was_not_measured_yet_is_not_known(kernel):
    assert "Virtual GPU (gpu, virtual): measured" in (status := kernel.run("%energy status").stdout)
    assert "idle power not known yet" in status


def test_it_measures_for_as_long_as_it_is_told_and_says_what_it_found(kernel):
    began = time.monotonic()
    outcome = kernel.run("%energy idle 3")
    assert 2.9 < time.monotonic() - began < 8
    assert outcome.error is None
    assert "3 s left" in outcome.stdout
    left = outcome.stdout.rpartition("\r")[2]
    assert "left" not in left
    assert "Virtual GPU: idle 75 ± 8 W, measured" in left
    assert "allow for idle power to drift by 5 %" in left
    assert "Swinging GPU: not measured: its power was not steady" in outcome.stdout
    status = kernel.run("%energy status").stdout
    assert "idle 75 ± 8 W, measured" in status
    kept = json.loads((kernel.ledger.parent / "data" / "greenllm" / "baselines.json").read_text())
    assert list(next(iter(kept["hosts"].values()))) == ["gpu:0"]


def test_an_interrupt_leaves_the_former_one(kernel):
    threading.Timer(1.5, kernel.manager.interrupt_kernel).start()
    outcome = kernel.run("%energy idle 60")
    assert outcome.error == "KeyboardInterrupt"
    assert "greenllm_kernel" not in outcome.traceback
    assert outcome.stdout.rpartition("\r")[2] == "Interrupted: the former idle power stays.\n"
    assert "idle 75 ± 8 W, measured" in kernel.run("%energy status").stdout
    assert kernel.run("1 + 1").result == "2"


def test_the_next_cells_record_rests_on_it(kernel):
    outcome = kernel.run("%%energy work\nimport time\ntime.sleep(0.6)")
    kernel.listen(2.0)
    display_id = outcome.displays[-1]["transient"]["display_id"]
    record = [u for u in kernel.updates() if u["transient"]["display_id"] == display_id][-1]["data"][MIME_TYPE]
    first, second = record["channels"]
    assert first["baseline"]["how"] == "measured"
    assert first["idle_j"] == pytest.approx(75 * record["duration_s"], rel=0.03)
    assert second["baseline"] is None
    assert record["energy"]["net_j"] is None


@pytest.mark.parametrize("line", ["idle now", "idle 1", "idle -5", "idle nan", "idle 5 6", "idle 1e9", "on 3"])
def test_a_duration_that_makes_no_sense_is_said_before_anything_is_measured(kernel, line):
    began = time.monotonic()
    outcome = kernel.run(f"%energy {line}")
    assert "%energy" in outcome.stderr + str(outcome.error) + outcome.traceback
    assert outcome.status == "error"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%energy idle 5 6", "idle takes at most one number"),
        ("%energy on now", "on takes nothing more"),
        ("%energy abacus", "is unknown"),
        ("%%energy -o if\n1", "expected the name of a variable"),
    ],
)
def test_what_cannot_be_done_is_said(kernel, line, said):
    assert said in kernel.run(line).stderr


def test_a_count_of_zero_is_said(kernel):
    outcome = kernel.run("%%energy --per token=0\nimport time\ntime.sleep(0.3)")
    kernel.listen(2.0)
    shown = [update["data"]["text/plain"] for update in (*outcome.displays, *kernel.updates())]
    assert "nothing can be told per token: the count is 0" in shown[-1]


def test_the_help_of_a_cells_magic_has_both_its_signs(kernel):
    kernel.run("help = get_ipython().find_cell_magic('energy').__doc__")
    assert "%%energy [--stage S]" in kernel.run("help").result
