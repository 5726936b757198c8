"""Sessions in real time: runs nest and overlap, meters fail alone, records come once and settled."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading, UnusableMeter
from greenllm_kernel.metering.profiles import Constant, Square
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import CarbonIntensity, Provenance

WORLD = CarbonIntensity(480.0, (60.0, 710.0), "world", "a test", "2025")


class Recorder:
    def __init__(self, *meters):
        self.meters = meters
        self.records: list[Record] = []
        self.progress: list[Record] = []

    @hookimpl
    def greenllm_meters(self, config):
        return self.meters

    @hookimpl
    def greenllm_carbon_intensity(self, place, at):
        return WORLD

    @hookimpl
    def greenllm_record(self, record):
        self.records.append(record)

    @hookimpl
    def greenllm_progress(self, record):
        self.progress.append(record)


@pytest.fixture
def start():
    sessions = []

    def started(*meters, recorder=None, configuration=None):
        recorder = recorder or Recorder(*meters)
        plugins = Plugins(found=[])
        plugins.register(recorder, "recorder")
        session = Session(configuration or Configuration(), plugins)
        plugins._on_fault = session.warn
        sessions.append(session)
        return session, recorder

    yield started
    for session in sessions:
        session.close(3.0)


def two_gpus() -> VirtualMeter:
    return VirtualMeter(
        [
            gpu(Square(100.0, 500.0, 1.87), "gpu:0", counter_phase_s=0.013),
            gpu(Constant(200.0), "gpu:1", counter_phase_s=0.057),
        ]
    )


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


def test_where_the_containing_channel_fails_the_contained_one_counts(start):
    meter = VirtualMeter(
        [package(Constant(150.0), "psys", gaps_s=[(0.0, 1e9)]), package(Constant(80.0), "cpu:0", inside="psys")]
    )
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()
    assert record.gross.value_j == pytest.approx(40.0, rel=0.1)
    assert record.unavailable == ["psys"]


def test_a_meter_that_raises_marks_its_own_channels_only(start):
    good = VirtualMeter([gpu(Constant(200.0), "gpu:0")], name="good")
    bad = VirtualMeter([package(Constant(80.0), "cpu:0")], name="bad", raises_s=[(0.0, 1e9)])
    session, _ = start(good, bad)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()
    by_id = {channel.channel_id: channel for channel in record.channels}
    assert by_id["gpu:0"].energy.value_j == pytest.approx(100.0, rel=0.1)
    assert by_id["cpu:0"].energy is None
    assert "told to fail" in by_id["cpu:0"].fault
    assert record.unavailable == ["cpu:0"]


def test_a_meter_that_hangs_delays_nobody_and_is_said_to_hang(start):
    good = VirtualMeter([gpu(Constant(200.0), "gpu:0")], name="good")
    bad = VirtualMeter([package(Constant(80.0), "cpu:0")], name="bad", hangs_s=[(0.0, 10.0)])
    session, _ = start(good, bad)
    began = time.monotonic()
    with measure(session=session) as run:
        time.sleep(2.5)
    assert time.monotonic() - began < 3.0
    record = run.settle(6.0)
    assert record.settled
    by_id = {channel.channel_id: channel for channel in record.channels}
    assert by_id["gpu:0"].energy.value_j == pytest.approx(500.0, rel=0.15)
    assert by_id["cpu:0"].energy is None
    assert "not answered" in by_id["cpu:0"].fault


def test_a_search_for_meters_that_hangs_does_not_keep_the_others_waiting(start):
    class Hanging(Recorder):
        @hookimpl
        def greenllm_meters(self, config):
            time.sleep(9.0)

    session, _ = start(VirtualMeter([gpu(Constant(200.0), "gpu:0")]))
    session.plugins.register(Hanging(), "hanging")
    with measure(session=session) as run:
        time.sleep(0.4)
    assert run.settle(4.0).gross.value_j == pytest.approx(80.0, rel=0.4)


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


@pytest.mark.parametrize("fault", [{"gaps_s": [(0.0, 1e9)]}, {"frozen_s": [(0.0, 1e9)]}])
def test_an_estimate_serves_where_the_sensor_gives_nothing_but_faults(start, fault):
    sensor = VirtualMeter([package(Constant(80.0), "cpu:0", **fault)], name="sensor")
    estimate = VirtualMeter([package(Constant(60.0), "cpu:model", model_uncertainty=0.3)], name="estimate")
    session, _ = start(sensor, estimate)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(2.0)
    record = run.settle()
    by_id = {channel.channel_id: channel for channel in record.channels}
    assert by_id["cpu:0"].energy is None
    assert by_id["cpu:model"].energy.value_j > 0
    assert record.provenance is Provenance.ESTIMATED


def test_estimates_are_not_added_to_sensors_while_another_search_for_meters_hangs(start):
    class Hanging(Recorder):
        @hookimpl
        def greenllm_meters(self, config):
            time.sleep(9.0)

    sensor = VirtualMeter([package(Constant(100.0), "cpu:0")], name="sensor")
    estimate = VirtualMeter([package(Constant(100.0), "cpu:model", model_uncertainty=0.3)], name="estimate")
    session, _ = start(sensor, estimate)
    session.plugins.register(Hanging(), "hanging")
    with measure(session=session) as run:
        time.sleep(0.5)
    assert run.settle(5.0).gross.value_j == pytest.approx(50.0, rel=0.2)


def test_a_counter_that_stands_still_while_power_is_drawn_gives_way_to_the_power(start):
    meter = VirtualMeter([gpu(Constant(300.0), "gpu:0")])

    class Stuck(VirtualMeter):
        def read(self, channel_ids):
            return [
                replace(reading, value=1000.0) if reading.kind is Kind.COUNTER else reading
                for reading in meter.read(channel_ids)
            ]

    session, _ = start(Stuck([gpu(Constant(300.0), "gpu:0")]))
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(2.0)
    record = run.settle()
    assert record.gross.value_j == pytest.approx(600.0, rel=0.1)
    assert record.provenance is Provenance.DERIVED


def test_a_meter_found_late_leaves_a_gap_that_is_said(start):
    class Late(Recorder):
        @hookimpl
        def greenllm_meters(self, config):
            time.sleep(1.5)
            return self.meters

    session, _ = start(recorder=Late(VirtualMeter([gpu(Constant(200.0), "gpu:0")])))
    with measure(session=session) as run:
        time.sleep(2.0)
    record = run.settle()
    assert 0.2 < record.channels[0].coverage < 0.6
    assert record.unavailable == ["gpu:0"]


def test_a_plugin_that_does_not_tell_the_intensity_in_time_holds_nothing_up(start):
    class Slow(Recorder):
        @hookimpl
        def greenllm_carbon_intensity(self, place, at):
            time.sleep(12.0)

    session, _ = start(recorder=Slow(VirtualMeter([gpu(Constant(200.0), "gpu:0")])))
    began = time.monotonic()
    with measure(session=session) as run:
        time.sleep(0.2)
    assert run.record.emissions is None
    assert time.monotonic() - began < 0.5
    assert run.settle(8.0).settled
    assert time.monotonic() - began < 7.0
    assert "emissions are unavailable" in session.warnings[0]


@pytest.mark.parametrize("answer", [56.0, "FR", [WORLD]])
def test_an_intensity_of_the_wrong_type_is_refused(start, answer):
    class Wrong(Recorder):
        @hookimpl
        def greenllm_carbon_intensity(self, place, at):
            return answer

    session, _ = start(recorder=Wrong(VirtualMeter([gpu(Constant(200.0), "gpu:0")])))
    with measure(session=session) as run:
        time.sleep(0.1)
    assert run.settle().emissions is None
    assert "carbon intensity was asked for" in session.warnings[0]


def test_a_reading_of_the_wrong_type_costs_its_meter_a_fault_and_not_its_thread(start):
    class Wrong(VirtualMeter):
        reads = 0

        def read(self, channel_ids):
            self.reads += 1
            readings = super().read(channel_ids)
            return [replace(reading, value=None) for reading in readings] if self.reads == 3 else readings

    session, _ = start(Wrong([gpu(Constant(200.0), "gpu:0")]))
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(1.5)
    assert run.settle().gross.value_j == pytest.approx(300.0, rel=0.1)
    assert session.sampler.faults == {}


def test_a_search_that_fails_half_way_is_said(start):
    class Failing(Recorder):
        @hookimpl
        def greenllm_meters(self, config):
            yield self.meters[0]
            raise OSError("half-way")

    session, _ = start(recorder=Failing(VirtualMeter([gpu(Constant(200.0), "gpu:0")])))
    assert session.find_meters()
    assert [reader.name for reader in session.sampler.readers] == ["virtual"]
    assert "half-way" in session.sampler.unusable[0].reason


def test_of_two_meters_that_read_one_sensor_the_first_counts(start):
    first = VirtualMeter([gpu(Constant(100.0), "gpu:0")], name="first")
    second = VirtualMeter([gpu(Constant(100.0), "gpu:0"), gpu(Constant(100.0), "gpu:1")], name="second")
    session, _ = start(first, second)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()
    assert sorted((channel.channel_id, channel.meter) for channel in record.channels) == [
        ("gpu:0", "first"),
        ("gpu:1", "second"),
    ]
    assert record.gross.value_j == pytest.approx(100.0, rel=0.1)


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


def test_units_that_cannot_be_told_never_leave_a_window_open_or_hide_an_exception(start):
    session, _ = start(two_gpus())
    with pytest.raises(NameError), measure("a", units={"token": lambda: undefined}, session=session) as first:  # noqa: F821
        pass
    with pytest.raises(KeyError, match="mine"), measure("b", units={"token": None}, session=session) as second:
        raise KeyError("mine")
    assert not first.is_open
    assert not second.is_open
    with measure("c", units={"token": float("nan")}, session=session) as third:
        pass
    assert third.settle().units == {}
    assert any("nan tokens" in warning for warning in session.warnings)


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


def test_a_recorder_that_raises_is_reported_once_and_hinders_no_other(start):
    class Broken(Recorder):
        @hookimpl
        def greenllm_record(self, record):
            raise OSError("the disk is full")

    session, recorder = start(two_gpus())
    session.plugins.register(Broken(), "broken")
    for _ in range(2):
        with measure(session=session) as run:
            time.sleep(0.02)
        run.settle()
    session.close()
    assert len(recorder.records) == 2
    assert session.warnings == ["plugin broken failed in greenllm_record: OSError: the disk is full"]


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


def test_a_meter_that_speaks_nonsense_is_marked_and_survived(start):
    class Nonsense:
        name = "nonsense"

        def channels(self):
            return [Channel("x", Component.CPU, "X", frozenset({Kind.POWER}))]

        def read(self, channel_ids):
            return [Reading("someone else's", Kind.POWER, 1.0, time.monotonic_ns()), "not a reading"]

        def close(self):
            raise RuntimeError("no")

    session, _ = start(Nonsense(), VirtualMeter([gpu(Constant(200.0), "gpu:0")]))
    with measure(session=session) as run:
        time.sleep(0.3)
    record = run.settle()
    assert record.unavailable == ["x"]
    assert record.gross.value_j == pytest.approx(60.0, rel=0.3)
    assert "gave no reading" in session.sampler.faults["nonsense"]


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
