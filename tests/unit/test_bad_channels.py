"""What meters declare and cannot be true: refused with a reason, at the cost of their own figures alone."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.metering.admission import admitted
from greenllm_kernel.metering.containment import counted
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter

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
