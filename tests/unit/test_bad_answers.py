"""What meters answer and cannot be true: a gap, a wider interval or nothing at all, and a reason."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from driven import package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import Kind, Reading
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from sessions import Recorder


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
