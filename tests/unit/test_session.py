"""Sessions in real time: runs nest and overlap, and records come once and settled."""

from __future__ import annotations

import os
import threading
import time

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Channel, Component, Kind, UnusableMeter
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.quantities import Provenance
from sessions import two_gpus


def test_a_window_in_real_time_has_the_energy_of_its_channels(start):
    meter = two_gpus()
    session, _ = start(meter)
    session.find_meters()
    with measure("warm", session=session):
        time.sleep(0.6)
    with measure("work", stage="train", units={"token": 10}, session=session) as run:
        time.sleep(1.0)
    record = run.settle()
    assert record.settled
    for channel in record.channels:
        truth = meter.true_energy_j(channel.channel_id, run.opened_ns, run.closed_ns)
        low, high = channel.energy.interval_j
        assert low <= truth <= high
        assert channel.energy.value_j == pytest.approx(truth, rel=0.1)
    assert record.gross.value_j == pytest.approx(sum(c.energy.value_j for c in record.channels))
    assert record.provenance is Provenance.MEASURED
    assert record.units["token"].energy_j_per_unit == pytest.approx(record.gross.value_j / 10)
    assert record.emissions.mass_gco2e == pytest.approx(record.gross.value_j / 3.6e6 * 480.0)


def test_each_record_goes_to_the_recorders_once_and_settled(start):
    session, recorder = start(two_gpus())
    runs = [session.open(f"run {index}") for index in range(5)]
    for run in runs:
        run.close()
    session.close(5.0)
    assert sorted(record.run_id for record in recorder.records) == sorted(run.run_id for run in runs)
    assert all(record.settled for record in recorder.records)


def test_nested_and_overlapping_windows_leave_the_session_total_counted_once(start):
    meter = VirtualMeter([gpu(Constant(200.0), "gpu:0")])
    session, _ = start(meter)
    session.find_meters()
    outer = session.open("outer")
    time.sleep(0.3)
    inner = session.open("inner")
    time.sleep(0.5)
    outer.close()
    time.sleep(0.3)
    inner.close()
    session.settle(5.0)
    assert inner.record.parent_run_id == outer.run_id
    assert outer.record.gross.value_j + inner.record.gross.value_j > 300.0
    energy, duration_s, unavailable = session.span.total()
    truth = meter.true_energy_j("gpu:0", outer.opened_ns, inner.closed_ns)
    assert energy.value_j == pytest.approx(truth, rel=0.05)
    assert duration_s == pytest.approx(1.1, abs=0.1)
    assert unavailable == []


def test_a_contained_channel_is_shown_and_not_added(start):
    platform = Channel("psys", Component.PLATFORM, "psys", frozenset({Kind.COUNTER}), update_period_s=0.001)
    meter = VirtualMeter(
        [
            package(Constant(150.0), "psys"),
            package(Constant(80.0), "cpu:0", inside="psys"),
            package(Constant(30.0), "core:0", inside="cpu:0"),
        ]
    )
    assert platform.inside is None
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()
    assert {c.channel_id: c.counted for c in record.channels} == {"psys": True, "cpu:0": False, "core:0": False}
    assert record.gross.value_j == pytest.approx(75.0, rel=0.1)


def test_an_estimate_is_left_out_where_a_sensor_tells(start):
    sensor = VirtualMeter([package(Constant(80.0), "cpu:0")], name="sensor")
    estimate = VirtualMeter([package(Constant(60.0), "cpu:model", model_uncertainty=0.3)], name="estimate")
    session, _ = start(sensor, estimate)
    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()
    assert [channel.channel_id for channel in record.channels] == ["cpu:0"]
    assert record.gross.value_j == pytest.approx(40.0, rel=0.1)
    assert [reader.name for reader in session.sampler.readers] == ["sensor"]


def test_a_window_left_open_is_no_parent_once_it_has_closed(start):
    session, _ = start(two_gpus())
    leaked = session.open("leaked")
    inner = session.open("inner")
    leaked.close()
    after = session.open("after")
    inner.close()
    later = session.open("later")
    assert after.parent is inner
    assert later.parent is after
    assert session.open("cell", is_outermost=True).parent is None


def test_runs_of_two_sessions_of_one_id_are_told_apart(start):
    configuration = Configuration(session_id="one")
    ids = [start(two_gpus(), configuration=configuration)[0].open("x").run_id for _ in range(2)]
    assert ids[0] != ids[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_measures_for_itself():
    parent = Session.current()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"new" if Session.current() is not parent else b"same")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"new"
    Session.forget(parent)


def test_only_the_meters_that_were_chosen_are_used(start):
    session, _ = start(
        VirtualMeter([gpu(Constant(1.0), "gpu:0")], name="a"),
        VirtualMeter([gpu(Constant(1.0), "gpu:1")], name="b"),
        UnusableMeter("c", "none here"),
        configuration=Configuration(use_meters=frozenset({"b", "c"})),
    )
    session.find_meters()
    assert [reader.name for reader in session.sampler.readers] == ["b"]
    assert [meter.name for meter in session.sampler.unusable] == ["c"]


def test_with_no_meter_at_all_the_energy_is_unavailable_and_not_zero(start):
    session, _ = start()
    with measure(session=session) as run:
        time.sleep(0.05)
    record = run.settle()
    assert record.gross is None
    assert record.provenance is Provenance.UNAVAILABLE
    assert record.emissions is None
    assert record.to_dict()["energy"]["gross_j"] is None


def test_progress_of_an_open_run_is_told_every_few_seconds(start):
    session, recorder = start(two_gpus())
    with measure("long", session=session):
        time.sleep(4.5)
    partial = [record for record in recorder.progress if record.name == "long"]
    assert len(partial) >= 2
    assert all(record.status is Status.PARTIAL for record in partial)
    assert partial[-1].gross.value_j > partial[0].gross.value_j


def test_threads_have_windows_of_their_own(start):
    session, _ = start(two_gpus())
    runs = []

    def work(name):
        with measure(name, session=session) as run:
            time.sleep(0.1)
        runs.append(run)

    threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(run.record.parent_run_id is None for run in runs)
    assert all(run.settle().gross.value_j > 0 for run in runs)


def test_the_sampler_rests_when_nothing_is_measured(start):
    class Counting(VirtualMeter):
        reads = 0

        def read(self, channel_ids):
            self.reads += 1
            return super().read(channel_ids)

    meter = Counting([gpu(Constant(200.0), "gpu:0")])
    session, _ = start(meter)
    with measure(session=session) as run:
        time.sleep(0.3)
    run.settle()
    time.sleep(0.3)
    before = meter.reads
    time.sleep(0.6)
    assert meter.reads == before
    with measure(session=session) as again:
        time.sleep(0.3)
    assert again.settle().gross.value_j == pytest.approx(60.0, rel=0.2)


def test_a_power_series_comes_with_the_record(start):
    session, _ = start(VirtualMeter([gpu(Constant(200.0), "gpu:0")]))
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.8)
    series = run.settle().power()["gpu:0"]
    assert len(series) >= 4
    assert all(0 <= t_s <= 0.81 for t_s, _ in series)
    assert [power_w for _, power_w in series] == pytest.approx([200.0] * len(series), rel=0.05)


def test_measure_decorates_functions_and_says_how_they_ended(start):
    session, recorder = start(two_gpus())

    @measure(stage="evaluate", units={"text": lambda: 4}, session=session)
    def work(x):
        if x < 0:
            raise ValueError("negative")
        return x + 1

    assert work(1) == 2
    with pytest.raises(ValueError, match="negative"):
        work(-1)
    session.close()
    assert [record.status for record in recorder.records] == [Status.OK, Status.ERROR]
    assert recorder.records[0].name.endswith("work")
    assert recorder.records[0].units["text"].count == 4


def test_measure_without_parentheses_says_so():
    with pytest.raises(TypeError, match="parentheses"):

        @measure
        def work():
            pass
