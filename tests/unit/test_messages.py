"""What is said to the sidebar fits the schema, and says null where nothing is known."""

from __future__ import annotations

import json
import time

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.metering.meter import Usage
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook.messages import Messages
from message_schema import SCHEMA, fits_schema


class HalfBusy(VirtualMeter):
    """Its GPUs are busy half of the time."""

    def usage(self, channel_ids, process_ids):
        now_ns = time.monotonic_ns()
        busy_s = 0.5 * (now_ns - self.epoch_ns) / 1e9
        return [Usage(channel_id, busy_s, busy_s, now_ns) for channel_id in channel_ids if channel_id.startswith("gpu")]


def fits(message):
    fits_schema(json.loads(json.dumps(message)))
    return message


def test_before_anything_is_measured_they_say_so(start):
    messages = Messages(start()[0], lambda: True)
    assert fits(messages.hello())["channels"] == []
    assert fits(messages.power())["utilization"] == {}
    assert fits(messages.totals())["energy_j"] is None
    assert messages.totals()["budget_j"] is None


def test_power_tells_how_busy_a_device_is_only_where_its_meter_does(start):
    session, _ = start(
        HalfBusy([gpu(Constant(200.0), "gpu:0")]), VirtualMeter([gpu(Constant(50.0), "gpu:1")], name="b")
    )
    messages = Messages(session, lambda: True)
    with measure("work", session=session):
        time.sleep(1.0)
        utilization = fits(messages.power())["utilization"]
    assert list(utilization) == ["gpu:0"]
    assert utilization["gpu:0"] == pytest.approx(0.5, abs=0.05)


def test_no_more_channels_are_told_of_and_no_longer_ids_than_pages_take(start):
    many = [[gpu(Constant(1.0), f"gpu:{meter} {number}") for number in range(200)] for meter in range(2)]
    many[0].append(gpu(Constant(1.0), "gpu:" + "x" * 197))
    many[1].append(gpu(Constant(1.0), "gpu:" + "y" * 196))
    session, _ = start(*(HalfBusy(channels, name=f"meter {number}") for number, channels in enumerate(many)))
    session.find_meters()
    sampler = session.sampler
    sampler.attribution.take(Usage(trace.channel.id, 0.0, 0.0, 0) for trace in sampler.traces)
    messages = Messages(session, lambda: True)
    power = fits(messages.power())
    most, longest = (SCHEMA["$defs"]["powerByChannel"][key] for key in ("maxProperties", "propertyNames"))
    assert len(power["power_w"]) == len(power["utilization"]) == most == len(messages.hello()["channels"])
    reasons = sorted(meter.reason for meter in sampler.unusable)
    assert [reason.split(" ")[0] for reason in reasons] == [str(401 - most), "its"]
    assert f"its id has 201 characters, and may have {longest['maxLength']}" in reasons[1]


def test_the_host_cpus_use_is_that_of_one_package_and_of_none_among_several(start):
    one, _ = start(VirtualMeter([package(Constant(50.0), "cpu:0")]))
    several, _ = start(VirtualMeter([package(Constant(50.0), f"cpu:{index}") for index in range(2)]))
    for session in (one, several):
        with measure("work", session=session):
            time.sleep(0.4)
    (busy,) = fits(Messages(one, lambda: True).power())["utilization"].values()
    assert 0.0 <= busy <= 1.0
    assert fits(Messages(several, lambda: True).power())["utilization"] == {}


def test_a_cells_row_tells_when_its_latest_run_was(start):
    session, _ = start(VirtualMeter([gpu(Constant(200.0), "gpu:0")]))
    messages = Messages(session, lambda: True)
    before_ms = 1e3 * time.time()
    run = session.open("work", cell_id="a")
    messages.cells.began(run)
    time.sleep(0.2)
    assert fits(messages.cell("a"))["ended_at_ms"] is None
    run.close()
    row = fits(messages.cell("a"))
    assert row["started_at_ms"] == pytest.approx(before_ms, abs=100)
    assert row["ended_at_ms"] - row["started_at_ms"] == pytest.approx(1e3 * run.duration_s, abs=2)
