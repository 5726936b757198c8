"""A counter that costs much processor time is read seldom; power, which costs little, as often as ever."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from driven import gpu
from greenllm_kernel.metering.idle.baseline import How
from greenllm_kernel.metering.idle.stretch import DRIFT_UNCERTAINTY, IdleStretch
from greenllm_kernel.metering.meter import Kind, Reading, Usage
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.reader import CPU_SHARE
from greenllm_kernel.metering.virtual import VirtualMeter

COUNTER_S = 0.004
"""What reading the counter costs: on an H100 it took 3.3 ms of processor time (median), 12 ms at worst."""


class Costly(VirtualMeter):
    """A meter whose counters take 4 ms of processor time to read; its devices' use is told 1.2 s late, as NVML does."""

    counted = powered = 0

    def read(self, channel_ids):
        self.counted += 1
        until_s = time.thread_time() + COUNTER_S
        while time.thread_time() < until_s:
            pass
        return super().read(channel_ids)

    def usage(self, channel_ids, process_ids):
        told_ns = time.monotonic_ns() - 1_200_000_000
        return [Usage(channel_id, 0.0, 0.0, told_ns) for channel_id in channel_ids]


class Cheap(Costly):
    """The same, of devices that draw 75 W, where power can be read without the counter."""

    fault = False

    def read_power(self, channel_ids):
        self.powered += 1
        if self.fault:
            raise RuntimeError("power cannot be read")
        return [Reading(channel_id, Kind.POWER, 75.0, time.monotonic_ns()) for channel_id in channel_ids]


def read_for(session, seconds):
    """Have the session's meters read for so long; return the processor time that it took, s."""
    session.find_meters()
    session.sampler.hold()
    began_s = session.sampler.cpu_s
    time.sleep(seconds)
    session.sampler.release()
    return session.sampler.cpu_s - began_s


def shown_ns(session):
    return [t_ns for t_ns, _ in session.sampler.traces[0].history.between(-float("inf"), float("inf"), 10_000)]


def test_power_is_shown_ten_times_a_second_and_the_counter_is_spared(start):
    meter = Cheap([gpu(Constant(75.0), "gpu:0")])
    session, _ = start(meter)
    read_for(session, 4.0)  # the first seconds learn the ticks
    counted, shown = meter.counted, len(shown_ns(session))
    read_for(session, 0.0)
    session.sampler.hold()
    time.sleep(4.0)
    instants_ns = shown_ns(session)[shown:]
    assert session.sampler.traces[0].power_w(time.monotonic_ns()) == pytest.approx(75.0)
    session.sampler.release()
    assert meter.powered > 20
    assert meter.counted - counted < 60
    assert sorted(b - a for a, b in pairwise(instants_ns))[len(instants_ns) // 2] < 0.15e9


def test_without_cheap_power_the_counter_is_read_no_oftener(start):
    meter = Costly([gpu(Constant(75.0), "gpu:0")])
    session, _ = start(meter)
    read_for(session, 6.0)
    counted = meter.counted
    cpu_s = read_for(session, 6.0)
    assert meter.counted - counted > 0
    assert cpu_s < 6.0 * CPU_SHARE * 5  # what the reads at its beginning cost is in it


def test_however_seldom_it_is_read_its_ticks_stay_known(start):
    session, _ = start(Costly([gpu(Constant(75.0), "gpu:0")]))
    read_for(session, 12.0)
    clock = session.sampler.traces[0].clock
    assert clock.is_locked
    assert clock.next_tick(time.monotonic_ns()) is not None


def test_power_that_cannot_be_read_leaves_the_counter_alone(start):
    meter = Cheap([gpu(Constant(75.0), "gpu:0")])
    session, _ = start(meter)
    meter.fault = True
    read_for(session, 3.0)
    run = session.open("work", is_outermost=True)
    time.sleep(1.0)
    run.close()
    record = run.settle(3.0)
    assert meter.powered > 0
    assert record.gross.value_j == pytest.approx(75.0 * record.duration_s, rel=0.02)


@pytest.mark.parametrize("how", How)
def test_the_idle_power_of_a_card_whose_counter_is_costly_is_known_as_closely_as_of_any(start, how):
    session, _ = start(Cheap([gpu(Constant(75.0), "gpu:0")]))
    read_for(session, 4.0)
    stretch = IdleStretch(session.sampler, how)
    time.sleep(4.5)
    (finding,) = stretch.end()
    assert finding.baseline is not None, finding.note
    assert finding.note == ""
    assert finding.baseline.power_w == pytest.approx(75.0, rel=0.02)
    assert finding.baseline.uncertainty_w == pytest.approx(DRIFT_UNCERTAINTY * 75.0, rel=0.2)
