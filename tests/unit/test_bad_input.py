"""What cannot be true becomes a reason, a wider interval or nothing at all: never a false figure."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.admission import admitted
from greenllm_kernel.metering.containment import counted
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import Provenance
from scenarios.loads import Pieces
from sessions import Recorder
from simulated import GPU, PACKAGE, POWER_ONLY, drawn, holds, sensor

STEPS = Pieces([(0.0, 100.0), (4.0, 300.0), (7.0, 150.0)])

SPAN_S = (2.0, 10.0)

TRUTH_J = STEPS.energy_j(SPAN_S[1]) - STEPS.energy_j(SPAN_S[0])

COUNTERS = pytest.mark.parametrize("channel", [GPU, PACKAGE], ids=["GPU", "package"])


def shown(channel, counter=lambda value_j, t_s: value_j, power=lambda value_w, t_s: value_w):
    """Measure a window over a sensor whose counter and power are distorted; return its draw."""
    good = sensor(STEPS, tick_s=channel.update_period_s, wraps_at_j=channel.wraps_at_j)

    def show(t_s):
        values = good(t_s)
        return {Kind.COUNTER: counter(values[Kind.COUNTER], t_s), Kind.POWER: power(values[Kind.POWER], t_s)}

    ((draw,),) = drawn({channel: show}, [SPAN_S])
    return draw


# Counters.


@COUNTERS
def test_a_counter_that_slips_back_a_little_is_right_all_the_same(channel):
    """The sum of several dies is not read at one instant."""
    draw = shown(channel, lambda value_j, t_s: value_j - 0.4 * (int(t_s * 1e3) % 7 == 0))
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.002)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.fault is None


@COUNTERS
@pytest.mark.parametrize("apart_j", [30.0, 1000.0, 40_000.0])
def test_a_counter_that_shows_now_one_die_and_now_the_other_does_not_add_up_what_lies_between(channel, apart_j):
    reads = iter(range(10**9))
    draw = shown(channel, lambda value_j, t_s: value_j + apart_j * (next(reads) % 2))
    assert holds(draw, TRUTH_J)
    assert draw.energy.value_j < 3 * TRUTH_J or draw.energy.provenance is Provenance.ESTIMATED


@COUNTERS
@pytest.mark.parametrize("jump_j", [2**32 * 1e-6, 2**32 * 1e-3, 1e12, -2000.0, -4500.0])
def test_a_counter_that_jumps_for_good_widens_the_interval_and_says_so(channel, jump_j):
    draw = shown(replace(channel, wraps_at_j=None), lambda value_j, t_s: value_j + jump_j * (t_s > 5.02))
    assert holds(draw, TRUTH_J)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.02)
    assert draw.energy.by_provenance_j[Provenance.ESTIMATED] > 0


@COUNTERS
@pytest.mark.parametrize("nonsense_j", [0.0, -1.0, math.nan, math.inf, 2.0**64 / 1e3, 2**32 * 1e-6])
@pytest.mark.parametrize("reads", [1, 3])
def test_a_counter_that_gives_nonsense_for_a_moment_and_returns_is_right_all_the_same(channel, nonsense_j, reads):
    left = [0] * reads

    def counter(value_j, t_s):
        if t_s > 5.0 and left:
            return nonsense_j + left.pop()
        return value_j

    draw = shown(replace(channel, wraps_at_j=None), counter)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.01)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.coverage > 0.99
    assert holds(draw, TRUTH_J)


@COUNTERS
def test_a_counter_that_gives_nonsense_at_every_third_read_is_still_right_to_its_interval(channel):
    reads = iter(range(10**9))
    draw = shown(channel, lambda value_j, t_s: 0.0 if next(reads) % 3 == 2 else value_j)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.1)
    assert holds(draw, TRUTH_J)


def test_a_counter_of_nothing_but_nonsense_gives_way_to_power():
    draw = shown(GPU, lambda value_j, t_s: -1.0)
    assert draw.energy is None or draw.energy.provenance is not Provenance.MEASURED
    assert draw.energy is None or holds(draw, TRUTH_J)
    lost = shown(GPU, lambda value_j, t_s: math.nan if t_s > 3.0 else value_j)
    assert holds(lost, TRUTH_J)
    assert lost.energy.value_j == pytest.approx(TRUTH_J, rel=0.03)
    assert lost.energy.provenance is Provenance.DERIVED


def test_a_counter_of_nothing_but_nonsense_beside_no_power_is_unavailable():
    draw = shown(PACKAGE, lambda value_j, t_s: (value_j * 7919.0 * (1 + t_s)) % 262143.0)
    assert draw.energy is None or (holds(draw, TRUTH_J) and draw.energy.provenance is Provenance.ESTIMATED)
    assert draw.fault is not None
    empty = shown(PACKAGE, lambda value_j, t_s: math.nan)
    assert empty.energy is None
    assert "sensor gave nan" in empty.fault


def test_a_counter_that_freezes_for_good_is_known_up_to_there():
    draw = shown(PACKAGE, lambda value_j, t_s: 5000.0 + STEPS.energy_j(min(t_s, 5.0)))
    assert draw.coverage == pytest.approx(3.0 / 8.0, abs=0.05)
    assert draw.fault == "its counter stands still"
    assert draw.energy.provenance is Provenance.ESTIMATED
    assert holds(draw, TRUTH_J)


def test_a_counter_that_exceeds_its_own_range_is_not_believed():
    draw = shown(replace(PACKAGE, wraps_at_j=1000.0), lambda value_j, t_s: 5000.0 + STEPS.energy_j(t_s))
    assert draw.energy is None
    assert "more than its range of 1000 J" in draw.fault


def test_a_counter_that_only_jumps_is_never_said_to_have_drawn_nothing_for_certain():
    draw = shown(PACKAGE, lambda value_j, t_s: int(t_s * 10) * 200_000.0 % 262143.0)
    assert draw.energy is None or draw.energy.interval_j[1] > 100.0
    assert draw.fault is not None


# Power.


@pytest.mark.parametrize("nonsense_w", [12.5e6, 0xFFFFFFFF * 1e-3, 50e3, -5.0, math.nan, -math.inf])
@pytest.mark.parametrize("after_s", [0.0, 5.0])
def test_absurd_power_beside_a_good_counter_changes_nothing(nonsense_w, after_s):
    draw = shown(GPU, power=lambda value_w, t_s: nonsense_w if t_s >= after_s else value_w)
    assert draw.energy.value_j == pytest.approx(TRUTH_J, rel=0.01)
    assert draw.energy.provenance is Provenance.MEASURED
    assert draw.fault is None
    assert holds(draw, TRUTH_J)


@pytest.mark.parametrize("nonsense_w", [12.5e6, 50e3, -5.0, math.nan])
def test_absurd_power_alone_is_left_out_and_what_it_hides_is_said(nonsense_w):
    now_and_then = shown(POWER_ONLY, power=lambda value_w, t_s: nonsense_w if int(t_s * 10) % 9 == 0 else value_w)
    assert holds(now_and_then, TRUTH_J)
    assert now_and_then.energy.value_j == pytest.approx(TRUTH_J, rel=0.05)
    for_good = shown(POWER_ONLY, power=lambda value_w, t_s: nonsense_w if t_s > 6.0 else value_w)
    assert holds(for_good, TRUTH_J)
    assert "the sensor gave" in for_good.fault
    assert for_good.energy.provenance is Provenance.ESTIMATED
    always = shown(POWER_ONLY, power=lambda value_w, t_s: nonsense_w)
    assert always.energy is None
    assert "the sensor gave" in always.fault


# What meters declare.

GOOD = Channel("x", Component.CPU, "X", frozenset({Kind.POWER}))


@pytest.mark.parametrize(
    "lie",
    [
        {"update_period_s": -1.0},
        {"update_period_s": math.nan},
        {"update_period_s": math.inf},
        {"update_period_s": 1e12},
        {"update_period_s": None},
        {"averaging_window_s": -0.1},
        {"averaging_window_s": math.nan},
        {"gain_uncertainty": -0.05},
        {"gain_uncertainty": math.nan},
        {"model_uncertainty": math.inf},
        {"wraps_at_j": 0.0},
        {"wraps_at_j": -1.0},
        {"wraps_at_j": math.nan},
        {"wraps_at_j": "262143"},
        {"read_spacing_s": math.nan},
        {"id": ""},
        {"id": None},
        {"id": "y" * 201},
        {"component": "abacus"},
        {"label": 7},
        {"provides": frozenset()},
        {"provides": frozenset({"joules"})},
        {"provides": Kind.POWER},
        {"contains": ["gpu"]},
        {"inside": 3},
        {"rank": None},
    ],
    ids=lambda lie: "{}={!r}".format(*next(iter(lie.items()))),
)
def test_a_channel_that_cannot_be_true_is_refused_with_a_reason(lie):
    taken, refusals = admitted([GOOD, replace(GOOD, **({"id": "y"} | lie))])
    assert taken == [GOOD]
    (refusal,) = refusals
    assert "cannot be used" in refusal


@pytest.mark.parametrize(
    "channels",
    [None, "channels", 7, {"x": GOOD}, (c for c in [GOOD])],
    ids=lambda channels: type(channels).__name__,
)
def test_channels_that_are_no_list_are_refused(channels):
    taken, refusals = admitted(channels)
    assert not taken
    assert "no list" in refusals[0]


def test_of_two_channels_of_one_id_the_first_is_taken():
    taken, refusals = admitted([GOOD, replace(GOOD, label="again"), "no channel"])
    assert taken == [GOOD]
    assert "two of this id" in refusals[0]
    assert "no Channel" in refusals[1]


def test_a_meter_that_declares_nonsense_costs_only_its_own_figures(start):
    class Lying(VirtualMeter):
        def channels(self):
            good, *_ = super().channels()
            return [good, replace(good, id="b", wraps_at_j=-1.0), None]

    class Nameless:
        def channels(self):
            return [GOOD]

    class Unclosable(VirtualMeter):
        def channels(self):
            raise OSError("no channels")

        def close(self):
            raise OSError("no end")

    lying = Lying([package(Constant(50.0), "cpu:0")], name="lying")
    unclosable = Unclosable([package(Constant(50.0), "cpu:1")], name="unclosable")
    good = VirtualMeter([gpu(Constant(200.0), "gpu:0")], name="good")
    session, _ = start("a text", None, Nameless(), unclosable, lying, good)
    assert session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.4)
    record = run.settle()
    assert {channel.channel_id for channel in record.channels} == {"cpu:0", "gpu:0"}
    assert record.gross.value_j == pytest.approx(250.0 * record.duration_s, rel=0.2)
    reasons = " ".join(f"{meter.name}: {meter.reason};" for meter in session.sampler.unusable)
    for reason in ("type str", "type NoneType", "type Nameless", "no channels", "no end", "wraps_at_j is -1.0"):
        assert reason in reasons


@pytest.mark.parametrize(
    "inside",
    [
        {"a": "a"},
        {"a": "b", "b": "a"},
        {"a": "b", "b": "c", "c": "a"},
        {"a": "b", "b": "c", "c": "b"},
        {"a": "nobody"},
    ],
    ids=str,
)
def test_channels_that_lie_inside_each_other_are_counted_once_and_not_never(inside):
    names = sorted({*inside, *inside.values()} - {"nobody"})
    channels = [replace(GOOD, id=name, inside=inside.get(name)) for name in names]
    assert len(counted(channels, dict.fromkeys(names, 1.0))) == 1


# What meters answer.


class Answering(VirtualMeter):
    """Gives good readings but for a while, in which ``answer`` says what is made of them."""

    def __init__(self, answer, name="", spoilt_s=(0.4, 0.8)):
        channels = [package(Constant(100.0), f"bad {name}"), package(Constant(40.0), f"good {name}")]
        super().__init__(channels, name=f"meter {name}")
        self.answer = answer
        self.spoilt_s = spoilt_s
        self.began_ns = None
        self.reads = 0

    def read(self, channel_ids):
        now_ns = time.monotonic_ns()
        self.began_ns = self.began_ns or now_ns
        self.reads += 1
        readings = list(super().read(channel_ids))
        is_spoilt = self.spoilt_s[0] <= (now_ns - self.began_ns) / 1e9 < self.spoilt_s[1]
        return self.answer(readings) if is_spoilt else readings


def is_bad(reading):
    return reading.channel_id.startswith("bad")


def each(**changes):
    """Return what changes each reading of the first channel so."""

    def answer(readings):
        return [
            replace(r, **{name: change(r) for name, change in changes.items()}) if is_bad(r) else r for r in readings
        ]

    return answer


NONSENSE = {
    "None": lambda readings: None,
    "a text": lambda readings: "12 J",
    "a dict": lambda readings: {r.channel_id: r.value for r in readings},
    "nothing": lambda readings: [r for r in readings if not is_bad(r)],
    "no readings": lambda readings: [None, 7, "x", *(r for r in readings if not is_bad(r))],
    "somebody else's": each(channel_id=lambda r: "somebody else's"),
    "an id that is none": each(channel_id=lambda r: ["bad"]),
    "value None": each(value=lambda r: None),
    "value a text": each(value=lambda r: f"{r.value}"),
    "value NaN": each(value=lambda r: math.nan),
    "value infinite": each(value=lambda r: math.inf),
    "value too large for a float": each(value=lambda r: 10**400),
    "value True": each(value=lambda r: True),
    "kind unknown": each(kind=lambda r: "volts"),
    "kind not provided": each(kind=lambda r: Kind.POWER),
    "kind None": each(kind=lambda r: None),
    "dated ahead": each(t_ns=lambda r: r.t_ns + 5 * 10**9),
    "dated by the wall clock": each(t_ns=lambda r: time.time_ns()),
    "dated long ago": each(t_ns=lambda r: 0),
    "dated backwards": each(t_ns=lambda r: r.t_ns - 2 * 10**9),
    "dated None": each(t_ns=lambda r: None),
    "dated in fractions": each(t_ns=lambda r: r.t_ns / 1e9),
    "fault of no text": each(fault=lambda r: OSError("gone")),
    "fault of no words": each(fault=lambda r: "", value=lambda r: math.nan),
}

HARMLESS = {
    "twice the same": lambda readings: [*readings, *readings],
    "backwards": lambda readings: readings[::-1],
    "a tuple": tuple,
    "a kind by its name": each(kind=lambda r: r.kind.value),
    "a Decimal": each(value=lambda r: Decimal(r.value)),
    "more than asked for": lambda readings: [*readings, Reading("other", Kind.COUNTER, 5.0, readings[0].t_ns)],
    "some ms old": each(t_ns=lambda r: r.t_ns - 1),
}


@dataclass
class Answered:
    """What a session found of meters that answer oddly."""

    session: Session
    record: Record
    channels: dict[str, ChannelEnergy]


def answered(answers, spoilt_s):
    """Measure a window with a meter for each of the answers, all at once."""
    recorder = Recorder(*(Answering(answer, name, spoilt_s) for name, answer in answers.items()))
    plugins = Plugins(found=[])
    plugins.register(recorder, "recorder")
    session = Session(Configuration(), plugins)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(1.6)
    record = run.settle(6.0)
    assert record.settled
    assert all(reader._thread.is_alive() for reader in session.sampler.readers)
    faults = session.sampler.faults
    session.close(3.0)
    return Answered(session, record, {channel.channel_id: channel for channel in record.channels}), faults


@pytest.fixture(scope="module")
def for_a_while():
    return answered(NONSENSE | HARMLESS, (0.4, 0.8))


@pytest.fixture(scope="module")
def all_the_time():
    return answered(NONSENSE, (0.0, math.inf))


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_for_a_while_makes_a_gap_that_the_counter_heals(for_a_while, name):
    found, faults = for_a_while
    bad, good = found.channels[f"bad {name}"].energy, found.channels[f"good {name}"].energy
    low_j, high_j = bad.interval_j
    assert low_j - 1.0 <= 100.0 * found.record.duration_s <= high_j + 1.0
    assert bad.value_j == pytest.approx(100.0 * found.record.duration_s, rel=0.05)
    assert good.value_j == pytest.approx(40.0 * found.record.duration_s, rel=0.05)
    assert f"meter {name}" not in faults


@pytest.mark.parametrize("name", [name for name in NONSENSE if name != "dated backwards"])
def test_nothing_but_nonsense_is_unavailable_with_a_reason_and_others_of_the_meter_are_not(all_the_time, name):
    found, faults = all_the_time
    assert found.channels[f"bad {name}"].energy is None
    assert found.channels[f"bad {name}"].fault
    assert f"bad {name}" in found.record.unavailable
    assert faults[f"meter {name}"]
    if name not in ("None", "a text", "a dict"):
        assert found.channels[f"good {name}"].energy.value_j == pytest.approx(40.0 * found.record.duration_s, rel=0.05)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_only_odd_is_taken(for_a_while, name):
    found, _ = for_a_while
    for key, power_w in (("bad", 100.0), ("good", 40.0)):
        channel = found.channels[f"{key} {name}"]
        assert channel.energy.value_j == pytest.approx(power_w * found.record.duration_s, rel=0.05)
        assert channel.fault is None


def test_a_meter_whose_readings_are_all_old_is_not_asked_without_end(start):
    meter = Answering(each(t_ns=lambda r: r.t_ns - 10**9), spoilt_s=(0.0, math.inf))
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session):
        time.sleep(1.0)
    assert meter.reads < 40


def test_a_fault_of_the_readers_own_is_said_and_its_thread_lives_on(start, monkeypatch):
    meter = VirtualMeter([package(Constant(100.0), "cpu:0")])
    session, _ = start(meter)
    session.find_meters()
    with measure(session=session) as run:
        time.sleep(0.3)
        (reader,) = session.sampler.readers
        (schedule,) = reader._schedules.values()
        monkeypatch.setattr("greenllm_kernel.metering.reader.RETRY_S", (0.1,))
        with monkeypatch.context() as patch:
            patch.setattr(schedule, "joins", lambda now_ns: 1 / 0)
            time.sleep(0.5)
            assert "ZeroDivisionError" in session.sampler.faults["virtual"]
        time.sleep(0.6)
    record = run.settle()
    assert record.gross.value_j == pytest.approx(100.0 * record.duration_s, rel=0.05)
    assert session.sampler.faults == {}
