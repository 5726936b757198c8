"""What a cell has queued on the GPU is the cell's own: its time, its errors, its interrupts. Real kernels."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import MIME_TYPE, Status
from live import LiveKernel

TESTS = Path(__file__).parents[1]

INSTALL = """%energy on
from standins import accelerator
torch = accelerator.install()
gpu = torch.cuda.devices[0]
gpu.queue(0.0)
"""


def started(folder: Path, **env: str) -> LiveKernel:
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
    return LiveKernel(folder, {"PYTHONPATH": path, **env})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    kernel = started(tmp_path_factory.mktemp("queued"))
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(running):
    """The kernel, with a new GPU."""
    running.run(INSTALL)
    return running


def shown(outcome) -> dict:
    return outcome.displays[-1]["data"][MIME_TYPE]


def interrupted_after(kernel, seconds: float, code: str):
    request = kernel.client.execute(code)
    threading.Timer(seconds, kernel.manager.interrupt_kernel).start()
    outcome = kernel.collect(request)
    outcome.status = kernel.client.get_shell_msg(timeout=10)["content"]["status"]
    return outcome


def recorded(folder: Path, code: str):
    """Return the record of a cell that is measured without ``%%energy``, in a kernel of its own."""
    kernel = started(folder)
    kernel.run(INSTALL)
    kernel.run(code)
    kernel.close()
    (record,) = [record for record in Ledger(kernel.ledger).records() if record.name == code.splitlines()[0]]
    return record


@pytest.mark.parametrize("body", ["gpu.queue(1.0)", "gpu.queue(1.0)\nimport asyncio\nawait asyncio.sleep(0)"])
def test_a_cell_ends_when_the_work_it_has_queued_is_done(kernel, body):
    outcome = kernel.run(f"%%energy\n{body}\n'value'")
    assert outcome.result == "'value'"
    assert 1.0 <= shown(outcome)["duration_s"] < 5.0
    assert shown(outcome)["status"] == "ok"


def test_so_does_a_cell_that_is_measured_without_being_asked_for(tmp_path):
    assert recorded(tmp_path, "gpu.queue(1.0)").duration_s >= 1.0


def test_work_queued_before_is_not_in_the_cell(kernel):
    kernel.run("%energy off")
    kernel.run("gpu.queue(1.5)")
    assert shown(kernel.run("%%energy\npass"))["duration_s"] < 1.0


@pytest.mark.parametrize("head", ["%%energy train\n", ""])
@pytest.mark.parametrize("tail", ["", "\nimport asyncio\nawait asyncio.sleep(0)"])
def test_an_error_of_the_work_is_the_cells_own(kernel, head, tail):
    failing = f"{head}gpu.queue(0.5, fails='CUDA error: device-side assert triggered'){tail}"
    first = kernel.client.execute(failing)
    behind = kernel.client.execute("has_run = True")
    outcome = kernel.collect(first)
    replies = {}
    while behind not in replies:
        reply = kernel.client.get_shell_msg(timeout=10)
        replies[reply["parent_header"]["msg_id"]] = reply["content"]

    assert outcome.error == "RuntimeError"
    assert "device-side assert" in outcome.traceback
    assert "It comes from work queued on the GPU" in outcome.traceback
    assert "greenllm" not in outcome.traceback
    assert (replies[first]["status"], replies[first]["ename"]) == ("error", "RuntimeError")
    assert "device-side assert" in "\n".join(replies[first]["traceback"])
    assert replies[behind]["status"] == "aborted"
    if head:
        assert shown(outcome)["status"] == "error"
        assert shown(outcome)["duration_s"] >= 0.5
    assert kernel.run("'has_run' in globals()").result == "False"


def test_the_record_of_a_cell_measured_without_being_asked_for_says_error(tmp_path):
    assert recorded(tmp_path, "gpu.queue(0.2, fails='CUDA error')").status is Status.ERROR


@pytest.mark.parametrize("is_lasting", [True, False])
def test_an_error_that_shows_at_a_window_inside_the_cell_is_still_the_cells(kernel, is_lasting):
    code = (
        "%%energy\nfrom greenllm_kernel import measure\n"
        f"gpu.queue(0.2, fails='CUDA error: device-side assert triggered', is_lasting={is_lasting})\n"
        "with measure('inner'):\n    pass\nprint('went on')"
    )
    outcome = kernel.run(code)
    assert outcome.stdout.startswith("went on")
    assert outcome.error == "RuntimeError"
    assert shown(outcome)["status"] == "error"


@pytest.mark.parametrize("is_lasting", [True, False])
def test_energyit_of_a_statement_whose_setup_fails_on_the_device_says_so(kernel, is_lasting):
    kernel.run("%energy off")
    setup = f"gpu.queue(0.0, fails='CUDA error', is_lasting={is_lasting})"
    assert kernel.run(f"%%energyit -r 1 -n 1 {setup}\n6 * 7").error == "RuntimeError"


def test_cells_after_a_broken_device_run_as_they_would_without_us(kernel):
    kernel.run("gpu.queue(0.0, fails='CUDA error: device-side assert triggered')")
    for _ in range(2):
        outcome = kernel.run("%%energy\n6 * 7")
        assert (outcome.status, outcome.result, outcome.error) == ("ok", "42", None)
    assert kernel.run("torch.cuda.synchronize(0)").error == "RuntimeError"


def test_a_cells_own_error_comes_first_and_alone(kernel):
    outcome = kernel.run("%%energy\ngpu.queue(0.5, fails='CUDA error')\nraise ValueError('mine')")
    assert outcome.error == "ValueError"
    assert "It comes from work queued" not in outcome.traceback
    assert shown(outcome)["duration_s"] >= 0.5
    assert kernel.run("1 + 1").result == "2"


def test_an_interrupt_while_the_cell_waits_at_its_end_is_the_cells(kernel):
    outcome = interrupted_after(kernel, 1.0, "%%energy\ngpu.queue(3.0)")
    assert (outcome.error, outcome.status) == ("KeyboardInterrupt", "error")
    assert shown(outcome)["status"] == "interrupted"
    assert kernel.run("1 + 1").result == "2"


@pytest.mark.parametrize("body", ["has_run = True", "#"])
def test_an_interrupt_while_a_cell_waits_at_its_beginning_keeps_it_from_running(kernel, body):
    kernel.run("%energy off")
    kernel.run("has_run = False\ngpu.queue(3.0)")
    kernel.client.execute("%energy on")
    kernel.client.get_shell_msg(timeout=10)
    outcome = interrupted_after(kernel, 1.0, body)
    assert outcome.error == "KeyboardInterrupt"
    assert "Error in callback" not in outcome.stdout
    assert kernel.run("has_run").result == "False"
    assert kernel.run("has_run = 'now'\nhas_run").result == "'now'"


def test_an_interrupt_of_a_cell_that_cannot_be_compiled_does_not_reach_the_next(kernel):
    kernel.run("%energy off")
    kernel.run("gpu.queue(2.0)")
    kernel.client.execute("%energy on")
    kernel.client.get_shell_msg(timeout=10)
    assert interrupted_after(kernel, 0.7, "def broken(:").error == "SyntaxError"
    assert kernel.run("'runs'").result == "'runs'"


def test_an_interrupt_of_the_cell_itself_does_not_wait(kernel):
    outcome = interrupted_after(kernel, 0.7, "%%energy\ngpu.queue(6.0)\nimport time\ntime.sleep(20)")
    assert outcome.error == "KeyboardInterrupt"
    assert shown(outcome)["duration_s"] < 5


def test_a_capture_that_goes_on_over_cells_is_left_alone(kernel):
    kernel.run("gpu.has_context = gpu.is_capturing = True\ntorch.cuda.calls.clear()")
    outcome = kernel.run("%%energy\n'captured'")
    assert outcome.result == "'captured'"
    assert shown(outcome)["status"] == "ok"
    assert kernel.run("torch.cuda.calls").result == "[]"


def test_waiting_can_be_switched_off(tmp_path):
    kernel = started(tmp_path, GREENLLM_WAIT_FOR_GPU="false")
    kernel.run(INSTALL)
    began = time.monotonic()
    kernel.run("%%energy\ngpu.queue(30.0)")
    assert time.monotonic() - began < 20
    assert kernel.run("torch.cuda.calls").result == "[]"
    kernel.close()
