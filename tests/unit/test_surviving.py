"""What a session survives: held interpreters, suspended machines, lost devices, a whole day, a clock that is set."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from greenllm_kernel.accounting import labels
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.totals import total
from greenllm_kernel.metering import reader, suspension, window
from greenllm_kernel.metering.meter import Kind
from greenllm_kernel.quantities import Provenance
from scenarios.loads import Pieces
from scenarios.simulated_time import SimulatedTime
from sessions import two_gpus
from simulated import GPU, PACKAGE, POWER_ONLY, drawn, holds, sensor

BUSY = Pieces([(0.0, 20.0), (5.0, 150.0), (13.0, 20.0)])
"""A load as that of a cell that holds the interpreter from 5 s to 13 s."""

HELD_S = (5.0, 13.0)

SMALL = replace(PACKAGE, wraps_at_j=1000.0)


def truth_j(load, span_s):
    return load.energy_j(span_s[1]) - load.energy_j(span_s[0])


# A cell that holds the interpreter.


@pytest.mark.parametrize("channel", [GPU, PACKAGE], ids=["GPU", "package"])
def test_a_cell_that_holds_the_interpreter_is_measured_by_its_counter(channel):
    cell_s = (4.98, 13.02)
    ((draw,),) = drawn({channel: sensor(BUSY, tick_s=channel.update_period_s)}, [cell_s], held_s=HELD_S)
    assert draw.energy.value_j == pytest.approx(truth_j(BUSY, cell_s), rel=0.01)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.coverage > 0.99
    assert draw.fault is None
    assert holds(draw, truth_j(BUSY, cell_s))


@pytest.mark.parametrize("wraps_at_j", [2000.0, 1000.0, 300.0])
@pytest.mark.parametrize("power_w", [20.0, 150.0, 400.0])
def test_turns_of_a_counter_that_nobody_saw_widen_the_interval(wraps_at_j, power_w):
    load = Pieces([(0.0, 20.0), (5.0, power_w), (13.0, 20.0)])
    channel = replace(PACKAGE, wraps_at_j=wraps_at_j)
    show = sensor(load, wraps_at_j=wraps_at_j, tick_s=0.001)
    ((draw,),) = drawn({channel: show}, [(2.0, 15.0)], held_s=HELD_S)
    low_j, high_j = draw.energy.interval_j
    assert holds(draw, truth_j(load, (2.0, 15.0)))
    assert high_j - low_j > wraps_at_j
    assert draw.energy.provenance is Provenance.ESTIMATED
    assert "of the time only" in draw.fault


def test_a_turn_that_fits_into_the_time_once_is_certain():
    load = Pieces([(0.0, 20.0), (5.0, 400.0), (13.0, 20.0)])
    show = sensor(load, offset_j=262000.0, wraps_at_j=262143.328, tick_s=0.001)
    ((draw,),) = drawn({PACKAGE: show}, [(2.0, 15.0)], held_s=HELD_S)
    assert draw.energy.value_j == pytest.approx(truth_j(load, (2.0, 15.0)), rel=0.01)
    assert draw.energy.provenance is Provenance.MEASURED


@pytest.mark.parametrize("power_w", [20.0, 150.0, 800.0])
def test_power_alone_cannot_know_a_cell_that_holds_the_interpreter_and_says_so(power_w):
    load = Pieces([(0.0, 20.0), (5.0, power_w), (13.0, 20.0)])
    whole, inside = drawn({POWER_ONLY: sensor(load)}, [(2.0, 15.0), (6.0, 7.0)], held_s=HELD_S)
    for (draw,), span_s in ((whole, (2.0, 15.0)), (inside, (6.0, 7.0))):
        assert holds(draw, truth_j(load, span_s))
        assert draw.energy.provenance is Provenance.ESTIMATED
        assert draw.coverage < 0.5
        assert "of the time only" in draw.fault


def test_a_window_closed_while_the_interpreter_is_held_waits_for_the_next_reading():
    ((draw,),) = drawn({GPU: sensor(BUSY)}, [(6.0, 7.0)], held_s=HELD_S)
    assert draw.energy.value_j == pytest.approx(150.0, rel=0.03)
    assert draw.fault is None


def test_after_the_interpreter_was_held_windows_are_as_sharp_as_before():
    ((draw,),) = drawn({GPU: sensor(BUSY)}, [(14.0, 15.0)], held_s=HELD_S)
    assert draw.energy.value_j == pytest.approx(20.0, rel=0.01)
    low_j, high_j = draw.energy.repeatability_interval_j
    assert high_j - low_j < 0.5


# Suspend and resume.


def suspended(monkeypatch, time, at_s, asleep_s=3600.0):
    """Have the machine be suspended at an instant of the simulated time, which stands still meanwhile."""
    start_ns = time.now_ns

    def asleep() -> float:
        return asleep_s if (time.now_ns - start_ns) / 1e9 >= at_s else 0.0

    for module in (reader, window):
        monkeypatch.setattr(module, "asleep_s", asleep)


@pytest.mark.parametrize("drawn_asleep_j", [0.0, 30.0, 7000.0, 1e6, None], ids=str)
@pytest.mark.parametrize("channel", [GPU, POWER_ONLY, PACKAGE, SMALL], ids=["GPU", "power", "package", "wrapping"])
def test_what_a_suspended_machine_draws_is_in_no_window(monkeypatch, channel, drawn_asleep_j):
    """The counter has gone on meanwhile by so much; None: it was reset."""
    clock = SimulatedTime()
    suspended(monkeypatch, clock, at_s=8.03)
    awake = sensor(BUSY, tick_s=channel.update_period_s)

    def show(t_s):
        shown = awake(t_s)
        if t_s >= 8.03 and drawn_asleep_j is not None:
            shown[Kind.COUNTER] += drawn_asleep_j
        elif t_s >= 8.03:
            shown[Kind.COUNTER] = max(0.0, truth_j(BUSY, (8.03, t_s)))
        if channel.wraps_at_j:
            shown[Kind.COUNTER] %= channel.wraps_at_j
        return shown

    spans_s = [(2.0, 15.0), (7.5, 9.0), (1.0, 3.0), (9.0, 10.0)]
    over, beside, before, after = (draw for (draw,) in drawn({channel: show}, spans_s, time=clock))
    for draw, span_s in ((over, spans_s[0]), (beside, spans_s[1]), (before, spans_s[2]), (after, spans_s[3])):
        assert holds(draw, truth_j(BUSY, span_s))
        assert draw.energy.value_j == pytest.approx(truth_j(BUSY, span_s), rel=0.1)
    assert over.energy.random_j < 60.0
    for draw in (over, beside):
        assert "suspended for 3600 s" in draw.fault
    for draw in (before, after):
        assert draw.fault is None


def test_where_the_monotonic_clock_goes_on_in_a_suspended_machine_it_is_a_gap():
    """As on Windows: nothing is read for an hour, and the counter is then reset, or has gone on."""
    load = Pieces([(0.0, 100.0), (8.0, 2.0), (3608.0, 100.0)])
    awake = sensor(load)

    def reset(t_s):
        shown = awake(t_s)
        return {**shown, Kind.COUNTER: truth_j(load, (3608.0, t_s))} if t_s >= 3608.0 else shown

    span_s = (2.0, 3620.0)
    for show, channel in ((awake, GPU), (reset, GPU), (awake, POWER_ONLY)):
        ((draw,),) = drawn({channel: show}, [span_s], held_s=(8.0, 3608.0))
        assert holds(draw, truth_j(load, span_s))
        if show is awake and channel is GPU:
            assert draw.energy.value_j == pytest.approx(truth_j(load, span_s), rel=0.01)
        else:
            assert draw.energy.provenance is Provenance.ESTIMATED
            assert draw.coverage < 0.02


def test_a_suspension_is_told_from_the_clock_that_goes_on_meanwhile(monkeypatch):
    clocks = SimpleNamespace(monotonic=10**12, boot=10**12 + 5 * 10**9)
    kept_waiting = iter([30 * 10**9, 0, 0, 0, 0])

    def monotonic_ns():
        return clocks.monotonic

    def clock_gettime_ns(_):
        shown = clocks.boot
        waited_ns = next(kept_waiting)
        clocks.monotonic += waited_ns
        clocks.boot += waited_ns
        return shown

    fake = SimpleNamespace(CLOCK_BOOTTIME=7, monotonic_ns=monotonic_ns, clock_gettime_ns=clock_gettime_ns)
    monkeypatch.setattr(suspension, "time", fake)
    assert suspension.asleep_s() == 5.0
    clocks.boot += 3600 * 10**9
    assert suspension.asleep_s() == 3605.0


def test_a_machine_that_was_not_suspended_shows_no_suspension():
    before_s = suspension.asleep_s()
    time.sleep(0.05)
    assert abs(suspension.asleep_s() - before_s) < suspension.NOTICED_S


# Devices that are lost and come back, drivers that are loaded anew.


@pytest.mark.parametrize("away_s", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("power_w", [20.0, 150.0, 800.0])
def test_a_counter_that_begins_anew_after_some_seconds_of_faults_is_bridged(away_s, power_w):
    load = Pieces([(0.0, 20.0), (5.0, power_w), (5.0 + away_s, 20.0)])
    good = sensor(load)

    def show(t_s):
        if 5.0 <= t_s < 5.0 + away_s:
            return dict.fromkeys(Kind, float("nan"))
        if t_s >= 5.0 + away_s:
            return {**good(t_s), Kind.COUNTER: max(0.0, truth_j(load, (5.0 + away_s, t_s // 0.1 * 0.1)))}
        return good(t_s)

    ((draw,),) = drawn({GPU: show}, [(2.0, 15.0)])
    if away_s > 1.0:
        assert holds(draw, truth_j(load, (2.0, 15.0)))
    assert draw.energy.provenance is Provenance.ESTIMATED
    assert draw.coverage == pytest.approx(1 - away_s / 13.0, abs=0.03)
    assert "of the time only" in draw.fault


@pytest.mark.parametrize("channel", [GPU, POWER_ONLY, PACKAGE], ids=["GPU", "power", "package"])
def test_what_a_device_draws_after_it_is_lost_may_be_anything_it_can_draw(channel):
    load = Pieces([(0.0, 20.0), (6.0, 450.0)])
    good = sensor(load, tick_s=channel.update_period_s)

    def show(t_s):
        return good(t_s) if t_s < 5.5 else dict.fromkeys(Kind, float("nan"))

    (whole,), (after,) = drawn({channel: show}, [(2.0, 15.0), (7.0, 12.0)])
    assert holds(whole, truth_j(load, (2.0, 15.0)))
    assert whole.energy.provenance is Provenance.ESTIMATED
    assert whole.coverage == pytest.approx(3.5 / 13.0, abs=0.03)
    assert "sensor gave nan" in whole.fault
    assert after.energy is None or holds(after, truth_j(load, (7.0, 12.0)))
    assert "sensor gave nan" in after.fault


# A day.

HOURS = float(os.environ.get("GREENLLM_TEST_HOURS", "0.5"))
"""How long a day is in these tests; 24 takes minutes."""


def test_a_day_at_ten_reads_a_second_is_right_to_its_interval():
    end_s = 3600.0 * HOURS
    load = Pieces([(60.0 * k, 60.0 + 40.0 * (k % 7)) for k in range(int(end_s / 60.0) + 2)])
    span_s = (3.0, end_s - 3.0)
    shows = {
        replace(GPU, id="gpu:old"): sensor(load, offset_j=4e9),
        replace(PACKAGE, wraps_at_j=65532.61): sensor(load, offset_j=65000.0, wraps_at_j=65532.61, tick_s=0.001),
    }
    (draws,) = drawn(shows, [span_s])
    for draw in draws:
        assert draw.energy.value_j == pytest.approx(truth_j(load, span_s), rel=1e-4)
        assert holds(draw, truth_j(load, span_s))
        assert draw.energy.provenance is Provenance.MEASURED
        assert draw.coverage > 0.999
        assert draw.fault is None


def test_a_counter_that_has_run_for_years_loses_no_step_to_rounding():
    """10^12 J in steps of a millijoule is what two cards of 1 kW show after 16 years."""
    load = Pieces([(0.0, 5.0)])
    fine = sensor(load, offset_j=1e12)

    def show(t_s):
        shown = fine(t_s)
        return {**shown, Kind.COUNTER: shown[Kind.COUNTER] // 0.001 * 0.001}

    ((draw,),) = drawn({GPU: show}, [(2.0, 12.0)])
    assert draw.energy.value_j == pytest.approx(50.0, rel=0.002)
    assert holds(draw, 50.0)


# A wall clock that is set.


class WallClock:
    """Stands where labels have the module ``time``; its wall clock can be set."""

    def __init__(self):
        self.set_by_s = 0.0

    def time_ns(self):
        return time.time_ns() + int(self.set_by_s * 1e9)


@pytest.fixture
def wall(monkeypatch):
    clock = WallClock()
    monkeypatch.setattr(labels, "time", clock)
    return clock


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, -0.3])
def test_setting_the_clock_between_runs_and_within_them_loses_nothing(start, wall, step_s):
    session, recorder = start(two_gpus())
    session.find_meters()
    with measure("a", session=session) as first:
        time.sleep(0.3)
        wall.set_by_s += step_s
        with measure("inside", session=session):
            time.sleep(0.2)
    wall.set_by_s += step_s
    with measure("b", session=session) as second:
        time.sleep(0.4)
        wall.set_by_s -= step_s
    with measure("c", session=session) as third:
        time.sleep(0.3)
    runs = [run.settle() for run in (first, second, third)]
    inside = next(record for record in recorder.records if record.name == "inside")
    for record, slept_s in zip(runs, (0.5, 0.4, 0.3), strict=True):
        assert record.duration_s == pytest.approx(slept_s, abs=0.1)
        assert record.channels[1].energy.value_j == pytest.approx(200.0 * record.duration_s, rel=0.1)
    for earlier, later in pairwise(runs):
        assert later.started_at >= earlier.started_at + timedelta(seconds=earlier.duration_s - 1e-3)
    assert runs[0].started_at <= inside.started_at
    sums = total(runs)
    assert sums.overlap_s == 0.0
    assert sums.duration_s == pytest.approx(sum(record.duration_s for record in runs))
    assert sums.energy.value_j == pytest.approx(sum(record.gross.value_j for record in runs))


def test_runs_that_overlap_are_seen_to_do_so_although_the_clock_was_set_between_their_beginnings(start, wall):
    session, _ = start(two_gpus())
    session.find_meters()
    first = session.open("a", is_outermost=True)
    time.sleep(0.2)
    wall.set_by_s += 3600.0
    second = session.open("b", is_outermost=True)
    time.sleep(0.2)
    first.close()
    time.sleep(0.2)
    second.close()
    sums = total([first.settle(), second.settle()])
    assert sums.overlap_s == pytest.approx(0.2, abs=0.05)
    assert sums.duration_s == pytest.approx(0.6, abs=0.1)


def test_labels_follow_the_clock_forwards_and_catch_up_after_it_was_set_back(wall):
    given = labels.Labels()

    def run(opened_s: float, closed_s: float) -> datetime:
        label = given.opened(int(opened_s * 1e9))
        given.closed(int(closed_s * 1e9))
        return label

    now = datetime.now(UTC)
    assert abs(run(100.0, 101.0) - now) < timedelta(seconds=1)
    wall.set_by_s = 600.0
    assert abs(run(101.0, 102.0) - now) > timedelta(seconds=599)
    wall.set_by_s = 0.0
    stuck = run(102.0, 105.0)
    assert stuck - now > timedelta(seconds=599)
    assert run(106.0, 107.0) == stuck + timedelta(seconds=3)
    wall.set_by_s = 700.0
    assert abs(run(107.0, 108.0) - now - timedelta(seconds=700)) < timedelta(seconds=2)
