"""The power limits in force are told while something is measured, and a meter that cannot tell disturbs nothing."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path

import pytest

from driven import gpu
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import MeterError
from greenllm_kernel.metering import limits
from greenllm_kernel.metering.meter import UnusableMeter
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook.messages import Messages
from greenllm_plugins.meters.hwmon import HwmonMeter, open_hwmon
from greenllm_plugins.meters.rapl import open_rapl
from greenllm_plugins.meters.rapl_meter import RaplMeter
from greenllm_plugins.meters.virtual import greenllm_meters
from standins import hwmon, rapl


class Capped(VirtualMeter):
    """Says of limits whatever a test has it say."""

    told: object = None
    asked = 0

    def limits_w(self, channel_ids):
        self.asked += 1
        if isinstance(self.told, BaseException):
            raise self.told
        return self.told


def one_gpu(told: object = None, name: str = "virtual", key: str = "gpu:0") -> Capped:
    meter = Capped([gpu(Constant(200.0), key)], name=name)
    meter.told = {key: 700.0} if told is None else told
    return meter


def limits_said(session) -> dict[str, float | None]:
    return {channel["id"]: channel["limit_w"] for channel in Messages(session, lambda: True).hello()["channels"]}


def measured(session, seconds=0.4):
    with measure("work", session=session) as run:
        time.sleep(seconds)
    return run.settle()


def test_a_page_is_told_the_limit_and_asked_for_it_rarely(start):
    meter = one_gpu()
    session, _ = start(meter)
    for _ in range(3):
        measured(session)
    assert limits_said(session) == {"gpu:0": 700.0}
    assert meter.asked == 1


def test_a_limit_that_changes_in_mid_session_is_noticed_and_pages_are_greeted_anew(start, monkeypatch):
    monkeypatch.setattr(limits, "EVERY_S", 0.1)
    meter = one_gpu()
    session, _ = start(meter)
    messages = Messages(session, lambda: True)
    measured(session)
    before = messages.state
    meter.told = {"gpu:0": 400.0}
    measured(session)
    assert limits_said(session) == {"gpu:0": 400.0}
    assert messages.state != before


@pytest.mark.parametrize("told", [RuntimeError("gone"), SystemExit(3), MeterError("no"), 5, "x", [1]])
def test_a_meter_that_fails_to_tell_is_read_all_the_same(start, told):
    session, _ = start(one_gpu(told))
    record = measured(session)
    assert record.channels[0].coverage == pytest.approx(1.0, abs=0.02)
    assert record.channels[0].fault is None
    assert limits_said(session) == {"gpu:0": None}
    assert "power limit cannot be told" in session.sampler.readers[0].limits.fault


@pytest.mark.parametrize("value", [0, -5.0, math.nan, math.inf, "700", None, True])
def test_what_is_no_limit_is_not_known(start, value):
    session, _ = start(one_gpu({"gpu:0": value, "gpu:elsewhere": 1.0}))
    assert measured(session).channels[0].energy is not None
    assert limits_said(session) == {"gpu:0": None}


def test_a_meter_that_hangs_over_its_limits_loses_its_own_channels_only(start):
    over = threading.Event()

    class Hanging(Capped):
        def limits_w(self, channel_ids):
            over.wait(30.0)
            return {}

    hanging = Hanging([gpu(Constant(200.0), "gpu:1")], name="hanging")
    session, _ = start(one_gpu(), hanging)
    deadline = time.monotonic() + 20.0
    with measure("work", session=session) as run:
        while "hanging" not in session.sampler.faults and time.monotonic() < deadline:
            time.sleep(0.1)
        fault = session.sampler.faults["hanging"]
        over.set()
    by_id = {channel.channel_id: channel for channel in run.settle().channels}
    assert "has not answered" in fault
    assert by_id["gpu:0"].energy.value_j == pytest.approx(200.0 * run.duration_s * by_id["gpu:0"].coverage, rel=0.1)
    assert by_id["gpu:0"].coverage > 0.9


# Meters.


def test_rapl_tells_the_sustained_limit_of_zones_where_it_is_switched_on(tmp_path: Path) -> None:
    tree = rapl.build(tmp_path, rapl.SERVER)
    meter = open_rapl(tree.root, rapl.INTEL)
    assert isinstance(meter, RaplMeter)
    ids = [channel.id for channel in meter.channels()]
    assert meter.limits_w(ids) == {}
    for zone, enabled in (("intel-rapl:0", "1"), ("intel-rapl:1", "0")):
        files = {
            "enabled": enabled,
            "constraint_0_power_limit_uw": "150000000",
            "constraint_1_name": "short_term",
            "constraint_1_power_limit_uw": "180000000",
        }
        for name, text in files.items():
            (tree.zones[zone] / name).write_text(f"{text}\n", encoding="ascii")
    assert meter.limits_w(ids) == {"cpu:package-0": 150.0}
    (tree.zones["intel-rapl:0"] / "constraint_0_power_limit_uw").write_text("junk\n", encoding="ascii")
    assert meter.limits_w(ids) == {}
    meter.close()


def test_hwmon_tells_the_cap_of_a_radeon_and_the_limit_of_an_arc(tmp_path: Path) -> None:
    radeon = hwmon.build(tmp_path / "radeon", hwmon.RADEON)
    arc = hwmon.build(tmp_path / "arc", hwmon.ARC_XE)
    for tree, expected_w in ((radeon, 0.09), (arc, 190.0)):
        meter = open_hwmon(tree.root)
        assert isinstance(meter, HwmonMeter)
        ids = [channel.id for channel in meter.channels()]
        assert list(meter.limits_w(ids).values()) == pytest.approx([expected_w])
    radeon.write("0000:0b:00.0", "power1_cap", "0")
    meter = open_hwmon(radeon.root)
    assert isinstance(meter, HwmonMeter)
    assert meter.limits_w([channel.id for channel in meter.channels()]) == {}


def test_the_virtual_meter_s_limits_and_use_are_chosen(start) -> None:
    table = {"id": "gpu:0", "component": "gpu", "profile": {"shape": "constant", "level_w": 90}}
    chosen = Configuration(meters={"virtual": {"channels": [{**table, "limit_w": 350, "utilization": 0.25}]}})
    (meter,) = greenllm_meters(chosen)
    session, _ = start(meter)
    measured(session, 1.0)
    assert limits_said(session) == {"gpu:0": 350.0}
    utilization = session.sampler.attribution.utilization([trace.channel for trace in session.sampler.traces])
    assert utilization == {"gpu:0": pytest.approx(0.25, abs=0.01)}


@pytest.mark.parametrize("options", [{"utilization": 1.5}, {"utilization": -0.1}, {"limit_w": -1}, {"limit_w": "x"}])
def test_a_use_or_limit_that_cannot_be_is_refused(options) -> None:
    table = {"id": "gpu:0", "component": "gpu", "profile": {"shape": "constant", "level_w": 90}, **options}
    (meter,) = greenllm_meters(Configuration(meters={"virtual": {"channels": [table]}}))
    assert isinstance(meter, UnusableMeter)
    assert next(iter(options)) in meter.reason
