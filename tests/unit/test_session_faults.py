"""Meters and plugins that fail, hang or lie in real time: they cost their own figures, and nobody else's."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.quantities import Provenance
from message_schema import SCHEMA, fits_schema
from sessions import WORLD, Recorder, two_gpus


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
    assert record.unavailable == []
    assert [reading.channel_id for reading in record.partial] == ["gpu:0"]


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


def test_a_record_has_no_more_units_and_no_longer_names_of_units_than_pages_take(start):
    session, _ = start(two_gpus())
    with measure("many", units={f"unit {number}": 1 for number in range(1000)}, session=session) as many:
        pass
    with measure("long", units={"x" * 201: 1, "y" * 200: 2}, session=session) as long:
        pass
    units = SCHEMA["$defs"]["record"]["properties"]["units"]
    for record in (many.settle().to_dict(), long.settle().to_dict()):
        fits_schema(record, "record")
    assert list(many.record.units) == [f"unit {number}" for number in range(units["maxProperties"])]
    assert list(long.record.units) == ["y" * units["propertyNames"]["maxLength"]]
    assert any("many: of 1000 units all but the first 32" in warning for warning in session.warnings)
    assert any("long: the unit xxx" in warning for warning in session.warnings)


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
    assert record.gross.value_j == pytest.approx(200.0 * record.duration_s, rel=0.3)
    assert "gave no reading" in session.sampler.faults["nonsense"]
