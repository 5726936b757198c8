"""Edges of windows wait for what is queued on the GPU, and its errors come out where the work was queued."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import types

import pytest

from greenllm_kernel.accounting.energyit import energyit
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.repeats import Repeats
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering import queued_work
from greenllm_kernel.metering.queued_work import told, wait_for_queued_work
from sessions import two_gpus
from standins import accelerator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent as POSIX has them")

ASSERTION = "CUDA error: device-side assert triggered"


@pytest.fixture
def torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys.modules.get("torch"))
    monkeypatch.setattr(queued_work, "_told", set())
    return accelerator.install(devices=3)


@pytest.fixture
def session(start):
    return start(two_gpus())[0]


def test_without_torch_there_is_nothing_to_wait_for(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert wait_for_queued_work() == {}
    assert "torch" not in sys.modules


@pytest.mark.parametrize(
    "strange",
    [
        types.ModuleType("torch"),
        types.SimpleNamespace(cuda=None),
        types.SimpleNamespace(cuda=types.SimpleNamespace(is_initialized=lambda: True)),
    ],
    ids=["being imported", "without cuda", "of another kind"],
)
def test_a_torch_that_is_not_as_expected_disturbs_nothing(monkeypatch, strange):
    monkeypatch.setitem(sys.modules, "torch", strange)
    assert wait_for_queued_work() == {}


def test_a_torch_that_has_not_started_cuda_is_left_alone(torch):
    torch.cuda.has_started = False
    torch.cuda.devices[0].has_context = True
    assert wait_for_queued_work() == {}
    assert torch.cuda.calls == []


def test_every_device_in_use_is_waited_for_and_no_other_is_started(torch):
    torch.cuda.devices[0].queue(0.1)
    torch.cuda.devices[2].queue(0.3)
    began = time.monotonic()
    assert wait_for_queued_work() == {}
    assert time.monotonic() - began >= 0.29
    assert torch.cuda.calls == [0, 2]
    assert not torch.cuda.devices[1].has_context


@pytest.mark.parametrize("place", ["this device", "another device", "torch's own stream"])
def test_a_capture_is_left_alone(torch, place):
    for device in torch.cuda.devices[:2]:
        device.has_context = True
    if place == "torch's own stream":
        torch.cuda.graph.default_capture_stream = torch.cuda.stream_captured = "of captures"
    else:
        torch.cuda.devices[place == "another device"].is_capturing = True
    assert wait_for_queued_work() == {}
    assert torch.cuda.calls == []


def test_torch_s_own_stream_for_captures_is_no_obstacle_while_there_is_no_capture(torch):
    torch.cuda.devices[0].has_context = True
    torch.cuda.graph.default_capture_stream = "of captures"
    assert wait_for_queued_work() == {}
    assert torch.cuda.calls == [0]


def test_an_error_that_a_capture_elsewhere_makes_is_not_the_works(torch, monkeypatch):
    torch.cuda.devices[0].has_context = torch.cuda.devices[0].is_capturing = True
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert wait_for_queued_work() == {}
    assert torch.cuda.calls == [0]


def test_an_error_that_stays_comes_again_until_it_has_been_told(torch):
    torch.cuda.devices[1].queue(0.0, fails=ASSERTION)
    for _ in range(2):
        errors = wait_for_queued_work()
        assert [*errors] == [("cuda", 1)]
    assert str(told(errors)) == ASSERTION
    assert wait_for_queued_work() == {}
    assert wait_for_queued_work() == {}


def test_an_error_is_told_again_where_all_was_well_in_between(torch):
    for _ in range(2):
        torch.cuda.devices[0].queue(0.0, fails="CUDA error: an error that passes", is_lasting=False)
        assert "that passes" in str(told(wait_for_queued_work()))
        assert wait_for_queued_work() == {}


def test_after_an_error_the_other_devices_are_still_waited_for(torch):
    torch.cuda.devices[0].queue(0.0, fails=ASSERTION)
    torch.cuda.devices[2].queue(0.3)
    began = time.monotonic()
    assert [*wait_for_queued_work()] == [("cuda", 0)]
    assert time.monotonic() - began >= 0.29


def test_the_torch_that_is_installed_has_what_is_asked_of_it():
    pytest.importorskip("torch")
    code = (
        "import torch\n"
        "from greenllm_kernel.metering.queued_work import wait_for_queued_work\n"
        "assert wait_for_queued_work() == {} or torch.cuda.is_initialized()\n"
        "for part in (torch.cuda, torch.xpu):\n"
        "    part.is_initialized, part.device_count, part.device, part.stream, part.synchronize\n"
        "torch.cuda.is_current_stream_capturing, torch.cuda.graph.default_capture_stream\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# measure()


def test_a_window_closes_when_the_work_queued_in_it_is_done(torch, session):
    with measure("queue", session=session) as window:
        torch.cuda.devices[0].queue(0.4)
    assert 0.4 <= window.duration_s < 2.0
    assert window.status is Status.OK


def test_a_window_opens_when_the_work_queued_before_is_done(torch, session):
    torch.cuda.devices[0].queue(0.4)
    with measure("nothing", session=session) as window:
        pass
    assert window.duration_s < 0.3


def test_each_call_of_a_decorated_function_waits(torch, session):
    @measure("step", session=session)
    def step():
        torch.cuda.devices[0].queue(0.1)

    @measure("later", session=session)
    async def later():
        torch.cuda.devices[0].queue(0.1)

    step()
    asyncio.run(later())
    session.settle(5.0)
    assert [record.duration_s >= 0.1 for record in session.records] == [True, True]


def test_an_error_of_the_work_leaves_the_block_as_its_own(torch, session):
    caught = pytest.raises(RuntimeError, match="device-side assert")
    with caught as raised, measure("train", units={"token": 5}, session=session) as window:
        torch.cuda.devices[0].queue(0.1, fails=ASSERTION)
    assert window.status is Status.ERROR
    assert window.duration_s >= 0.1
    assert any("when train ended" in note for note in raised.value.__notes__)


def test_an_error_of_work_queued_before_is_not_the_blocks(torch, session):
    torch.cuda.devices[0].queue(0.0, fails=ASSERTION)
    with measure("other", session=session) as window:
        pass
    assert window.status is Status.OK
    assert any("device-side assert" in warning for warning in session.warnings)


@pytest.mark.parametrize("is_lasting", [True, False])
def test_an_error_that_shows_where_an_inner_window_opens_is_the_outer_ones(torch, session, is_lasting):
    caught = pytest.raises(RuntimeError, match="device-side assert")
    with caught, measure("outer", session=session) as outer:
        torch.cuda.devices[0].queue(0.1, fails=ASSERTION, is_lasting=is_lasting)
        with measure("inner", session=session) as inner:
            pass
        has_gone_on = True
    assert has_gone_on
    assert (outer.status, inner.status) == (Status.ERROR, Status.OK)
    with measure("later", session=session) as later:
        pass
    assert later.status is Status.OK


def test_an_error_is_not_lost_to_a_window_that_another_thread_opens(torch, session):
    def other():
        with measure("elsewhere", session=session):
            pass

    caught = pytest.raises(RuntimeError, match="device-side assert")
    with caught, measure("train", session=session) as window:
        torch.cuda.devices[0].queue(0.1, fails=ASSERTION)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert window.status is Status.ERROR


def test_an_error_that_another_exception_came_before_is_the_outer_windows(torch, session):
    mine, caught = pytest.raises(ValueError, match="mine"), pytest.raises(RuntimeError, match="device-side assert")
    with caught, measure("outer", session=session), mine, measure("inner", session=session):
        torch.cuda.devices[0].queue(0.1, fails=ASSERTION, is_lasting=False)
        raise ValueError("mine")


@pytest.mark.parametrize("is_lasting", [True, False])
def test_an_error_that_the_user_has_caught_does_not_come_again(torch, session, is_lasting):
    caught = pytest.raises(RuntimeError, match="device-side assert")
    with measure("outer", session=session) as outer, caught, measure("inner", session=session):
        torch.cuda.devices[0].queue(0.1, fails=ASSERTION, is_lasting=is_lasting)
    assert outer.status is Status.OK


def test_an_error_of_what_prepares_a_repeat_is_raised(torch, session):
    def body(loops, mark):
        torch.cuda.devices[0].queue(0.0, fails=ASSERTION, is_lasting=False)
        mark()
        mark()

    with Repeats(session.sampler) as repeats, pytest.raises(RuntimeError, match="device-side assert"):
        repeats.make(body, 1)


def test_energyit_on_a_device_that_was_broken_before_measures_the_rest(torch, session):
    session.find_meters()
    torch.cuda.devices[0].queue(0.0, fails=ASSERTION)
    result = energyit(lambda: 6 * 7, repeats=1, loops=10, warm_up_s=0.0, session=session)
    assert result.status is Status.OK


def test_the_blocks_own_exception_comes_first(torch, session):
    with pytest.raises(ValueError, match="mine"), measure("train", session=session) as window:
        torch.cuda.devices[0].queue(0.2, fails=ASSERTION)
        raise ValueError("mine")
    assert window.status is Status.ERROR
    assert window.duration_s >= 0.2


def test_after_an_interrupt_nothing_is_waited_for(torch, session):
    with pytest.raises(KeyboardInterrupt), measure("train", session=session) as window:
        torch.cuda.devices[0].queue(3.0)
        raise KeyboardInterrupt
    assert window.status is Status.INTERRUPTED
    assert window.duration_s < 2.0


def test_an_interrupt_while_waiting_is_an_interrupt(torch, session):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), measure("train", session=session) as window:
        torch.cuda.devices[0].queue(0.6)
        timer.start()
    assert window.status is Status.INTERRUPTED
    assert not window.is_open


def test_a_window_during_a_capture_is_left_alone(torch, session):
    device = torch.cuda.devices[0]
    device.has_context = device.is_capturing = True
    with measure("capture", session=session) as window:
        pass
    assert window.status is Status.OK
    assert torch.cuda.calls == []


def test_waiting_can_be_switched_off(torch, start):
    session, _ = start(two_gpus(), configuration=Configuration(wait_for_gpu=False))
    torch.cuda.devices[0].has_context = True
    with measure("free", session=session):
        pass
    assert torch.cuda.calls == []
