"""The idle machine is learnt in pauses and measured on demand, and only where it was idle."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.session import baseline_path
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.idle import learner as idle_learner
from greenllm_kernel.metering.idle.baseline import How
from greenllm_kernel.metering.idle.stretch import IdleStretch
from greenllm_kernel.metering.meter import Usage
from greenllm_kernel.metering.profiles import Constant, Points, Sine
from greenllm_kernel.metering.virtual import VirtualMeter
from hosts import Proc, quiet_attribution

STRETCH_S = 1.8


class Used(VirtualMeter):
    """Its GPUs' use is told: somebody's processes keep them busy for a part of the time."""

    part = 0.0

    def usage(self, channel_ids, process_ids):
        now_ns = time.monotonic_ns()
        busy_s = self.part * (now_ns - self.epoch_ns) / 1e9
        return [Usage(channel_id, 0.0, busy_s, now_ns) for channel_id in channel_ids if channel_id.startswith("gpu")]


class Pod(VirtualMeter):
    """GPUs of which it cannot be told whose the use is; ``all_s``: how long they were busy, where that is known."""

    all_s = math.nan

    def usage(self, channel_ids, process_ids):
        now_ns = time.monotonic_ns()
        return [Usage(channel_id, math.nan, self.all_s, now_ns, "in a container") for channel_id in channel_ids]


@pytest.fixture
def quiet(start, tmp_path, monkeypatch):
    """Start sessions on a host that does nothing, with short stretches and pauses."""
    monkeypatch.setattr(idle_learner, "PAUSE_S", 0.3)
    monkeypatch.setattr(idle_learner, "STRETCH_S", STRETCH_S)
    (tmp_path / "proc").mkdir()

    def started(*meters, ledger="ledger.sqlite"):
        session, recorder = start(*meters, configuration=Configuration(ledger=tmp_path / ledger))
        # Before the first look; readers come to know it as they are made.
        session.sampler.attribution = quiet_attribution(tmp_path / "proc")
        return session, recorder

    return started


def stretch(session, how=How.MEASURED, seconds=STRETCH_S):
    session.find_meters()
    taken = IdleStretch(session.sampler, how)
    time.sleep(seconds)
    return {finding.channel.id: finding for finding in taken.end()}


def learnt(session, timeout_s=6.0):
    deadline = time.monotonic() + timeout_s
    channels = [trace.channel for trace in session.sampler.traces]
    while time.monotonic() < deadline:
        found = {channel.id: session.sampler.baselines.of(channel) for channel in channels}
        if any(found.values()):
            return found
        time.sleep(0.05)
    return {}


def busy_for(seconds=0.3, session=None):
    with measure("work", session=session) as run:
        time.sleep(seconds)
    return run.settle()


def test_after_the_last_window_the_idle_power_is_learnt_and_the_next_window_has_a_net(quiet, tmp_path):
    session, _ = quiet(Used([gpu(Constant(75.0), "gpu:0"), package(Constant(20.0), "cpu:0")]))
    session.find_meters()
    first = busy_for(session=session)
    assert first.net is None and first.idle is None and first.baseline is None
    found = learnt(session)
    assert found["gpu:0"].power_w == pytest.approx(75.0, rel=0.02)
    assert found["cpu:0"].power_w == pytest.approx(20.0, rel=0.02)
    assert found["gpu:0"].uncertainty_w == pytest.approx(0.05 * 75.0, rel=0.1)
    second = busy_for(1.0, session)
    assert second.idle.value_j == pytest.approx(95.0 * second.duration_s, rel=0.02)
    low, high = second.net.interval_j
    assert low < 0 < high
    assert second.baseline.how is How.LEARNT
    assert second.to_dict()["energy"]["net_j"] == pytest.approx(second.gross.value_j - second.idle.value_j)
    assert set(json.loads(baseline_path().read_text())["hosts"][session.host]) == {"gpu:0", "cpu:0"}


def test_net_is_what_was_drawn_beyond_idle(quiet):
    now_s = time.monotonic_ns() / 1e9
    profile = Points([(0.0, 75.0), (now_s + 4.0, 275.0)])
    session, _ = quiet(VirtualMeter([gpu(profile, "gpu:0")], epoch_ns=0))
    session.find_meters()
    session.keep_baselines(list(stretch(session).values()))
    time.sleep(max(0.0, now_s + 4.2 - time.monotonic()))
    record = busy_for(1.0, session)
    assert record.net.value_j == pytest.approx(200.0 * record.duration_s, rel=0.05)
    assert record.baseline.how is How.MEASURED
    channel = record.channels[0]
    assert channel.net.value_j == pytest.approx(record.net.value_j)
    assert channel.idle_j == pytest.approx(75.0 * record.duration_s, rel=0.02)


def test_a_channel_without_a_baseline_leaves_the_totals_net_unknown_and_not_the_others_own(quiet):
    slow = package(Constant(20.0), "cpu:0")
    slow = replace(slow, channel=replace(slow.channel, update_period_s=0.6))
    session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0"), slow]))
    session.find_meters()
    found = stretch(session)
    assert found["cpu:0"].baseline is None
    assert "0.6 s" in found["cpu:0"].note
    session.keep_baselines(list(found.values()))
    record = busy_for(2.5, session)
    by_id = {channel.channel_id: channel for channel in record.channels}
    assert by_id["gpu:0"].net is not None
    assert by_id["cpu:0"].energy is not None and by_id["cpu:0"].net is None
    assert record.net is None and record.idle is None and record.baseline is None


def test_a_busy_host_is_not_idle(quiet, tmp_path):
    session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0"), package(Constant(20.0), "cpu:0")]))
    session.find_meters()
    taken = IdleStretch(session.sampler, How.MEASURED)
    time.sleep(STRETCH_S)
    Proc(tmp_path / "proc").busy(5.0)
    findings = taken.end()
    assert all(finding.baseline is None for finding in findings)
    assert all("busy" in finding.note for finding in findings)


def test_a_gpu_that_swings_is_not_idle(quiet):
    session, _ = quiet(Used([gpu(Sine(200.0, 80.0, 1.1), "gpu:0")]))
    finding = stretch(session, How.LEARNT)["gpu:0"]
    assert finding.baseline is None
    assert "not steady" in finding.note


@pytest.mark.parametrize(("part", "is_idle"), [(0.5, False), (0.0, True)])
def test_a_gpu_on_which_another_users_job_runs_steadily_is_not_idle(quiet, part, is_idle):
    meter = Used([gpu(Constant(300.0), "gpu:0")])
    meter.part = part
    session, _ = quiet(meter)
    finding = stretch(session, How.LEARNT)["gpu:0"]
    assert (finding.baseline is not None) == is_idle
    assert ("processes used it" in finding.note) != is_idle


@pytest.mark.parametrize("meter", [VirtualMeter, Pod])
def test_a_gpu_of_which_nobody_tells_whether_it_was_used_is_not_learnt_but_measured_on_demand(quiet, meter):
    session, _ = quiet(meter([gpu(Constant(400.0), "gpu:0")]))
    finding = stretch(session, How.LEARNT)["gpu:0"]
    assert finding.baseline is None
    assert "not known" in finding.note
    assert not finding.can_be_learnt
    finding = stretch(session, How.MEASURED)["gpu:0"]
    assert finding.baseline.power_w == pytest.approx(400.0, rel=0.02)
    assert "not known" in finding.note


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_gpu_is_idle_where_its_card_says_so_whoever_uses_it(quiet, is_busy):
    class Card(Pod):
        @property
        def all_s(self):
            return (time.monotonic_ns() - self.epoch_ns) / 2e9 if is_busy else 0.0

    session, _ = quiet(Card([gpu(Constant(75.0), "gpu:0")]))
    finding = stretch(session, How.LEARNT)["gpu:0"]
    assert (finding.baseline is None) == is_busy
    assert ("processes used it for 50 %" in finding.note) == is_busy


def test_a_channel_that_cannot_be_learnt_does_not_have_the_others_learnt_again_and_again(quiet, monkeypatch):
    monkeypatch.setattr(idle_learner, "AGAIN_S", (0.1, 0.1))
    session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0"), package(Constant(20.0), "cpu:0")]))
    stretches = []
    monkeypatch.setattr(idle_learner, "IdleStretch", lambda *args: stretches.append(1) or IdleStretch(*args))
    session.find_meters()
    busy_for(session=session)
    assert [*learnt(session)] == ["gpu:0", "cpu:0"]
    time.sleep(1.0)
    assert len(stretches) == 1


def test_no_power_at_all_is_no_idle_power_of_a_gpu(quiet):
    now_s = time.monotonic_ns() / 1e9
    profile = Points([(0.0, 0.0), (now_s + 4.0, 75.0)])
    session, _ = quiet(Used([gpu(profile, "gpu:0")], epoch_ns=0))
    finding = stretch(session, How.MEASURED)["gpu:0"]
    assert finding.baseline is None
    assert "0 W" in finding.note
    time.sleep(max(0.0, now_s + 4.5 - time.monotonic()))
    assert stretch(session, How.LEARNT)["gpu:0"].baseline.power_w == pytest.approx(75.0, rel=0.02)


def test_where_a_gpu_drew_clearly_less_before_the_lower_level_is_learnt(quiet):
    now_s = time.monotonic_ns() / 1e9
    profile = Points([(0.0, 70.0), (now_s + 4.0, 115.0)])
    session, _ = quiet(Used([gpu(profile, "gpu:0")], epoch_ns=0))
    session.find_meters()
    busy_for(3.3, session)
    time.sleep(max(0.0, now_s + 4.5 - time.monotonic()))
    lower = stretch(session, How.LEARNT)["gpu:0"]
    assert lower.baseline.power_w == pytest.approx(70.0, rel=0.02)
    assert lower.note == "it drew 70 W before, and 115 W now"
    present = stretch(session, How.MEASURED)["gpu:0"]
    assert present.baseline.power_w == pytest.approx(115.0, rel=0.02)


def test_a_channel_that_fails_has_no_baseline(quiet):
    session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0", gaps_s=[(0.0, 1e9)])]))
    finding = stretch(session)["gpu:0"]
    assert finding.baseline is None
    assert "told not to answer" in finding.note


def test_a_run_that_opens_interrupts_the_learning_and_is_not_delayed(quiet):
    session, _ = quiet(Used([gpu(Constant(75.0), "gpu:0")]))
    session.find_meters()
    for _ in range(4):
        began = time.perf_counter()
        run = session.open("work")
        run.close()
        assert time.perf_counter() - began < 0.05
        run.settle()
        time.sleep(0.9)
    assert session.sampler.baselines.of(session.sampler.traces[0].channel) is None
    assert learnt(session)
    assert session.warnings == []


def test_learning_ends_and_the_sampler_rests(quiet):
    class Counting(Used):
        reads = 0

        def read(self, channel_ids):
            self.reads += 1
            return super().read(channel_ids)

    meter = Counting([gpu(Constant(75.0), "gpu:0")])
    session, _ = quiet(meter)
    session.find_meters()
    busy_for(session=session)
    assert learnt(session)
    time.sleep(0.4)
    reads = meter.reads
    time.sleep(1.2)
    assert meter.reads == reads


def test_a_disturbed_pause_is_tried_again_a_few_times_and_then_no_more(quiet, monkeypatch):
    monkeypatch.setattr(idle_learner, "AGAIN_S", (0.1, 0.1))
    session, _ = quiet(Used([gpu(Sine(200.0, 80.0, 0.6), "gpu:0")]))
    stretches = []
    monkeypatch.setattr(idle_learner, "IdleStretch", lambda *args: stretches.append(1) or IdleStretch(*args))
    session.find_meters()
    busy_for(session=session)
    time.sleep(8.0)
    assert len(stretches) == 3


def test_a_later_session_has_the_baselines_from_its_first_window_on(quiet):
    session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0")]))
    session.keep_baselines(list(stretch(session).values()))
    later, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0")]))
    record = busy_for(0.6, later)
    assert record.net is not None
    assert record.baseline.how is How.MEASURED


def test_a_folder_that_cannot_be_written_is_said_and_disturbs_nothing(quiet, tmp_path):
    session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0")]))
    baseline_path().mkdir(parents=True)
    session.keep_baselines(list(stretch(session).values()))
    assert any("cannot be kept" in warning for warning in session.warnings)
    assert busy_for(0.6, session).net is not None


def test_the_file_lies_in_jupyters_data_folder_wherever_the_ledger_is(quiet, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    for ledger in ("here.sqlite", "there.sqlite"):
        session, _ = quiet(VirtualMeter([gpu(Constant(75.0), "gpu:0")]), ledger=ledger)
        if ledger == "here.sqlite":
            session.keep_baselines(list(stretch(session).values()))
    assert busy_for(0.6, session).baseline.how is How.MEASURED
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("baselines.json")] == [
        "data/greenllm/baselines.json"
    ]
