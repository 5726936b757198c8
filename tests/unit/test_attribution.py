"""Whose energy: a kernel's share never exceeds the gross, nor do the shares of several kernels together."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.metering.attribution import use as use_module
from greenllm_kernel.metering.attribution.attribution import Attribution, share_j
from greenllm_kernel.metering.attribution.use import Cumulative, Use, UseLine
from greenllm_kernel.metering.meter import Usage
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from programs import started

S = 10**9

amounts = st.floats(0.0, 1e6)


def line(*looks: tuple[float, float, float], devices: int = 1, tick_s: float = 0.0) -> UseLine:
    """Return a line of looks: the instant, own and all use, s."""
    found = UseLine(devices, tick_s)
    for at_s, own_s, all_s in looks:
        found.add(int(at_s * S), own_s, int(at_s * S), all_s)
    return found


def use(found: UseLine, from_s: float, to_s: float) -> Use | None:
    return found.between(found.at(int(from_s * S)), found.at(int(to_s * S)), to_s - from_s)


def test_net_goes_by_use_and_idle_by_capacity():
    assert share_j(500.0, 100.0, Use(own_s=2.0, all_s=4.0, capacity_s=8.0)) == pytest.approx(400 / 2 + 100 / 4)
    assert share_j(500.0, None, Use(own_s=2.0, all_s=4.0, capacity_s=8.0)) == pytest.approx(250)
    assert share_j(500.0, 100.0, Use(0.0, 0.0, 8.0)) == 0.0


def test_own_that_is_counted_more_finely_than_all_is_not_more_than_all():
    assert share_j(100.0, None, Use(own_s=1.01, all_s=1.0, capacity_s=4.0)) == 100.0


@given(amounts, st.none() | amounts, st.lists(st.floats(0.0, 100.0), min_size=1, max_size=5), amounts, amounts)
def test_shares_of_all_kernels_never_add_up_to_more_than_the_gross(gross_j, idle_j, owns_s, others_s, spare_s):
    all_s = math.fsum(owns_s) + others_s
    shares = [share_j(gross_j, idle_j, Use(own_s, all_s, all_s + spare_s)) for own_s in owns_s]
    assert all(0.0 <= share <= gross_j * (1 + 1e-12) for share in shares)
    assert math.fsum(shares) <= gross_j * (1 + 1e-9)


@given(amounts, amounts, st.floats(0.001, 100.0), st.floats(0.001, 100.0))
def test_a_kernel_that_does_not_know_the_idle_power_leaves_the_other_its_share(gross_j, idle_j, one_s, other_s):
    whole = Use(one_s, one_s + other_s, 2 * (one_s + other_s)), Use(other_s, one_s + other_s, 2 * (one_s + other_s))
    assert share_j(gross_j, idle_j, whole[0]) + share_j(gross_j, None, whole[1]) <= gross_j * (1 + 1e-9)


def test_use_between_two_looks_is_taken_to_be_even():
    found = use(line((0, 0, 0), (1, 0.5, 1.0), (2, 1.5, 2.0), (3, 1.5, 3.0)), 0.9, 2.1)
    assert found.own_s == pytest.approx(0.05 + 1.0)
    assert found.all_s == pytest.approx(1.2)


def test_too_few_ticks_of_busy_time_tell_nothing_and_not_zero():
    looks = [(0, 0.0, 0.0), (1, 0.03, 0.05), (10, 0.03, 0.05)]
    assert use(line(*looks, tick_s=0.01), 0, 1) is None
    assert use(line((0, 0, 0), (1, 0.3, 0.5), tick_s=0.01), 0, 1).own_s == pytest.approx(0.3)


def test_busy_time_is_rounded_up_so_that_no_share_is_too_large_for_it():
    found = use(line((0, 0, 0), (1, 1.0, 1.0), devices=4, tick_s=0.01), 0, 1)
    assert found.all_s == pytest.approx(1.0 + 0.02 + 0.05)
    assert found.capacity_s == 4.0


def test_a_short_window_far_from_any_look_cannot_be_told_but_one_kernel_alone_can():
    shared = line((0, 0.0, 0.0), (1, 1.0, 1.0), (2, 1.0, 2.0), (3, 1.0, 2.2))
    assert use(shared, 0.8, 1.2) is None
    assert use(shared, 0.1, 2.9).own_s == pytest.approx(0.9)
    assert use(line((0, 0.0, 0.0), (1, 1.0, 1.0), (2, 2.0, 2.0)), 0.4, 0.6).own_s == pytest.approx(0.2)


def test_an_opening_that_was_seen_too_late_tells_nothing():
    held = line((0, 0.0, 0.0), (600, 0.0, 300.0), (660, 60.0, 361.0))
    assert use(held, 630.0, 661.0) is None
    assert line((5, 0, 0)).at(1 * S) is None


def test_a_count_that_begins_anew_forgets_what_was_before():
    count = Cumulative()
    for at_s, value_s in ((1, 5.0), (2, 6.0), (3, 0.5), (4, 1.0)):
        count.add(at_s * S, value_s)
    assert count.at(1 * S) is None
    assert count.at(4 * S).value_s == 1.0


def test_a_device_nobody_used_gives_no_share_and_a_short_window_cannot_say_so():
    found = line((0, 0, 0), (1, 0, 0), (2, 0, 0))
    assert share_j(100.0, 80.0, use(found, 0, 2)) == 0.0
    assert use(found, 0.5, 0.9) is None


def test_a_meter_whose_figures_lag_does_not_say_that_nobody_used_its_device():
    assert use(line((0, 0, 0), (1, 0, 0)), 0.5, 2.0) is None
    assert use(line((0, 0, 0), (1, 1, 1)), 0.0, 2.0).own_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    "usage",
    [
        Usage("gpu:0", math.nan, math.nan, 3 * S, "MIG is on"),
        Usage("gpu:0", 5.0, 3.0, 3 * S),
        Usage("gpu:0", math.nan, 3.0, 3 * S),
        Usage("gpu:0", -1.0, 3.0, 3 * S),
    ],
)
def test_what_a_meter_cannot_tell_or_tells_wrongly_is_a_fault_and_no_figure(usage):
    found = UseLine()
    found.take(Usage("gpu:0", 0.0, 0.0, 1 * S))
    found.take(Usage("gpu:0", 0.5, 0.5, 2 * S))
    assert use(found, 1, 2) is not None
    found.take(usage)
    assert found.fault
    assert use(found, 1, 2) is None
    found.take(Usage("gpu:0", 1.0, 1.0, 4 * S))
    assert found.fault is None


def test_how_busy_a_device_was_is_known_even_where_nobody_tells_by_whom():
    found = UseLine()
    for t_s, all_s in ((1, 0.0), (2, 0.5), (3, 0.5)):
        found.take(Usage("gpu:0", math.nan, all_s, t_s * S, "in a container"))
    assert found.busy_share(1 * S, 3 * S) == 0.25
    assert found.busy_share(2 * S, 3 * S) == 0.0
    assert use(found, 1, 3) is None
    found.take(Usage("gpu:0", math.nan, math.nan, 4 * S, "MIG is on"))
    assert found.busy_share(2 * S, 3 * S) is None


def test_processes_that_are_many_are_looked_at_less_often(monkeypatch):
    looking = Attribution()
    looking.look()
    assert looking.due_in_s([]) > 0.5
    assert looking.due_in_s([time.monotonic_ns()]) < 0.2
    monkeypatch.setattr(time, "thread_time", iter([0.0, 0.03, 0.0, 0.04, 0.0, 0.04]).__next__)
    looking.look()
    looking.look()
    looking.look()
    assert looking.due_in_s([time.monotonic_ns()]) > 9.0


def test_windows_far_apart_are_looked_at_without_waiting_however_many_the_processes_are(monkeypatch):
    looking = Attribution()
    looking.look()
    monkeypatch.setattr(time, "thread_time", itertools.cycle([0.0, 0.006]).__next__)
    looking.look()
    looking.look()
    looking.look()
    assert looking.due_in_s([time.monotonic_ns()]) < 0.2
    assert looking.due_in_s([]) > 3.0
    for _ in range(4):
        looking.look()
    assert looking.due_in_s([time.monotonic_ns()]) > 1.0


def test_cpu_times_that_cannot_be_read_leave_the_share_unknown():
    class Broken:
        process_ids = frozenset({1})

        def look(self):
            raise OSError("gone")

    looking = Attribution(Broken())
    looking.look()
    assert "gone" in looking.cpu.fault
    assert looking.cpu.at(time.monotonic_ns()) is None


# In real time, with real processes.

BURN = "import sys, time\nend = time.process_time() + float(sys.argv[1])\nwhile time.process_time() < end: pass"


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def virtual_package() -> VirtualMeter:
    return VirtualMeter([package(Constant(100.0), "cpu:0")])


def own_and_all(session, run) -> Use:
    found = session.sampler.attribution.cpu
    return found.between(found.at(run.opened_ns), found.at(run.closed_ns), run.duration_s)


@pytest.mark.skipif(sys.platform != "linux", reason="off Linux the time of children that have ended is lost")
def test_a_child_that_burns_cpu_counts_as_ours(start):
    session, _ = start(virtual_package())
    session.find_meters()
    with measure("child", session=session) as run:
        subprocess.run([sys.executable, "-c", BURN, "1.0"], check=True)
    record = run.settle()
    assert own_and_all(session, run).own_s == pytest.approx(1.05, abs=0.2)
    assert 0.0 < record.share_j <= record.gross.value_j
    assert record.channels[0].share_j == record.share_j


def test_a_strangers_process_is_the_hosts_and_not_ours(start):
    # A process that a shell started and left is below no kernel.
    shell = subprocess.Popen(
        ["sh", "-c", f"{sys.executable} -c '{BURN}' 1.5 & exec sleep 0"], stdout=subprocess.DEVNULL
    )
    shell.wait()
    session, _ = start(virtual_package())
    session.find_meters()
    with measure("asleep", session=session) as run:
        time.sleep(1.0)
    record = run.settle()
    told = own_and_all(session, run)
    assert told.all_s > 0.4
    assert told.own_s < 0.3
    assert record.share_j < 0.6 * record.gross.value_j


TWO = """
import json, sys, time
from driven import package
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from sessions import Recorder
plugins = Plugins(found=[])
plugins.register(Recorder(VirtualMeter([package(Constant(100.0), "cpu:0")])), "recorder")
session = Session(Configuration(ledger=path / "ledger.sqlite"), plugins)
session.find_meters()
first = session.open("warm"); time.sleep(0.3); first.close(); first.settle()
print("ready", flush=True)
while not (path / "go").exists(): time.sleep(0.002)
run, begun_s = session.open("work"), time.process_time()
end = time.monotonic() + 2.0
busy = float(sys.argv[3])
while time.monotonic() < end:
    until = time.monotonic() + 0.02 * busy
    while time.monotonic() < until: pass
    time.sleep(0.02 * (1 - busy))
used_s = time.process_time() - begun_s
run.close()
record = run.settle()
print(json.dumps([record.share_j, record.gross.value_j, used_s / record.duration_s]), flush=True)
session.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="busy time is counted too coarsely elsewhere")
@pytest.mark.parametrize("busy", [1.0, 0.4])
def test_two_kernels_at_once_never_have_more_than_the_host(tmp_path, busy):
    programs = [started(TWO, tmp_path, busy, PYTHONPATH=os.pathsep.join(sys.path)) for _ in range(2)]
    for program in programs:
        assert program.stdout.readline() == "ready\n", program.stderr.read()
    (tmp_path / "go").touch()
    told = [json.loads(program.communicate(timeout=60)[0].splitlines()[-1]) for program in programs]
    shares, grosses, _ = zip(*told, strict=True)
    # All processors together are busy for no longer than they are there, however much others do.
    assert all(share > 0.7 * gross * used / os.cpu_count() for share, gross, used in told)
    assert sum(shares) <= min(grosses)


def test_a_gpu_whose_meter_does_not_tell_has_no_share_and_so_the_total_has_none(start):
    session, _ = start(VirtualMeter([gpu(Constant(200.0), "gpu:0"), package(Constant(100.0), "cpu:0")]))
    session.find_meters()
    with measure(session=session) as run:
        burn(2.0)
    record = run.settle()
    shares = {channel.channel_id: channel.share_j for channel in record.channels}
    assert shares["gpu:0"] is None
    assert shares["cpu:0"] > 0
    assert record.share_j is None


class Telling(VirtualMeter):
    """A GPU meter that knows whose the use is: a third of the time busy, half of that by us."""

    fault: str | None = None
    asked: list[object]

    def usage(self, channel_ids, process_ids):
        self.asked = [*getattr(self, "asked", []), process_ids]
        if self.fault == "raise":
            raise RuntimeError("the driver is gone")
        now_ns = time.monotonic_ns()
        busy_s = (now_ns - self.epoch_ns) / 1e9 / 3
        return [Usage(channel_id, busy_s / 2, busy_s, now_ns, self.fault) for channel_id in channel_ids]


def test_a_gpus_share_goes_by_what_its_meter_tells_of_our_processes(start):
    meter = Telling([gpu(Constant(200.0), "gpu:0")])
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(1.2)
    record = run.settle()
    assert record.share_j == pytest.approx(record.gross.value_j / 2, rel=0.01)
    assert all(os.getpid() in process_ids for process_ids in meter.asked)
    assert len(meter.asked) < 15


class LateTelling(Telling):
    """It tells of use 0.8 s late, as NVML's samples do: the energy of a window is long known by then."""

    def usage(self, channel_ids, process_ids):
        return [
            Usage(u.channel_id, max(0.0, u.own_s - 0.8 / 6), max(0.0, u.all_s - 0.8 / 3), u.t_ns - 8 * S // 10)
            for u in super().usage(channel_ids, process_ids)
        ]


def test_the_sessions_total_waits_for_its_share_as_records_do(start):
    meter = LateTelling([gpu(Constant(200.0), "gpu:0")], epoch_ns=time.monotonic_ns() - 10 * S)
    session, recorder = start(meter)
    session.find_meters()
    for _ in range(2):
        with measure(session=session) as run:
            time.sleep(2.0)
        run.settle()
        deadline = time.monotonic() + 5
        while not session.span.is_settled and time.monotonic() < deadline:
            time.sleep(0.01)
    drawn, _, _ = session.span.drawn()
    shares = [record.share_j for record in recorder.records]
    assert len(shares) == 2
    assert drawn.share_j == pytest.approx(sum(shares), rel=1e-6)
    assert drawn.share_j == pytest.approx(drawn.energy.value_j / 2, rel=0.05)


@pytest.mark.parametrize("fault", ["MIG is on", "raise"])
def test_a_gpu_whose_use_cannot_be_told_is_measured_all_the_same(start, fault):
    meter = Telling([gpu(Constant(200.0), "gpu:0")])
    meter.fault = fault
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()
    assert record.gross.value_j == pytest.approx(100.0, rel=0.1)
    assert record.share_j is None
    assert session.sampler.attribution.line(record_channel(session)).fault


def record_channel(session):
    return session.sampler.traces[0].channel


def test_a_window_kept_open_longer_than_looks_are_kept_has_its_share(start, monkeypatch):
    monkeypatch.setattr(use_module, "KEPT_LOOKS", 4)
    meter = Telling([gpu(Constant(200.0), "gpu:0")])
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(7.5)
    record = run.settle()
    assert record.share_j == pytest.approx(record.gross.value_j / 2, rel=0.02)
