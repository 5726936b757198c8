"""Characterising a sensor: what is found of meters whose truth is known, and of those that misbehave."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from itertools import compress

import pytest

from greenllm_kernel.metering.characterization import characterize as characterizing
from greenllm_kernel.metering.characterization.agreement import agreement
from greenllm_kernel.metering.characterization.characterize import Characteristics, Polling, characterize
from greenllm_kernel.metering.characterization.refresh import Sample, refresh
from greenllm_kernel.metering.meter import Channel, Component, Kind, Reading
from greenllm_kernel.metering.profiles import Constant, Profile, Sine, Square
from greenllm_kernel.metering.virtual import VirtualChannel, VirtualMeter

BOTH = frozenset(Kind)


def channel(period_s: float = 0.02, provides: frozenset[Kind] = BOTH, **more: object) -> Channel:
    return Channel("gpu:0", Component.GPU, "GPU", provides, period_s, **more)  # type: ignore[arg-type]


def found(profile: Profile, declared: Channel, seconds: float = 1.0, **sensor: object) -> Characteristics:
    meter = VirtualMeter([VirtualChannel(declared, profile, **sensor)])  # type: ignore[arg-type]
    (result,) = characterize(meter, seconds)
    return result


# A refresh period.


def shown(period_s: float, spacing_s: float, seconds: float, values: Sequence[float] = ()) -> list[Sample]:
    """Return what reads of this spacing see of a figure refreshed so often; it goes through ``values`` if given."""
    reads = [number * spacing_s for number in range(int(seconds / spacing_s))]
    ticks = [math.floor(t_s / period_s) for t_s in reads]
    return [(t_s * 1e9, values[tick % len(values)] if values else tick) for t_s, tick in zip(reads, ticks, strict=True)]


@pytest.mark.parametrize("period_s", [0.001, 0.0237, 0.1])
def test_the_period_is_finer_than_the_reads_spacing(period_s: float) -> None:
    seen = refresh(shown(period_s, period_s / 9.7, 40 * period_s))
    assert seen.period_s == pytest.approx(period_s, rel=0.01)
    assert seen.low_s is not None and seen.high_s is not None
    assert 0.85 * period_s < seen.low_s <= seen.high_s < 1.15 * period_s


def test_a_value_that_repeats_does_not_lengthen_the_period() -> None:
    seen = refresh(shown(0.1, 0.002, 6.0, values=[5, 5, 5, 7, 8, 8]))
    assert seen.period_s == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([], "could not be read"),
        (shown(10.0, 0.01, 3.0), "did not change in 3.0 s"),
        (shown(1.0, 0.01, 3.0), "changed only 2 times"),
    ],
)
def test_where_no_period_can_be_told_the_reason_is(samples: list[Sample], reason: str) -> None:
    seen = refresh(samples)
    assert seen.period_s is None
    assert reason in seen.reason


def test_a_figure_fresh_at_each_read_has_only_a_bound() -> None:
    seen = refresh(shown(0.001, 0.002, 1.0))
    assert seen.period_s is None
    assert seen.at_most_s == pytest.approx(0.002)


# Counter against integrated power.


def both_seen(power_w: float, gain: float, wave_s: float | None = None, window_s: float = 0.025):
    """Return what a counter and power, each refreshed every 0.1 s, show of a square wave of twice this mean power."""

    def energy_j(t_s: float) -> float:
        if wave_s is None:
            return power_w * t_s
        whole, part = divmod(t_s, wave_s)
        return 2 * power_w * (whole * wave_s / 2 + min(part, wave_s / 2))

    counts, powers = [], []
    for number in range(1000):
        t_s = 5.0 + number * 0.004
        tick_s = math.floor(t_s / 0.1) * 0.1
        counts.append((t_s * 1e9, gain * energy_j(tick_s)))
        tick_s = math.floor((t_s - 0.03) / 0.1) * 0.1 + 0.03
        powers.append((t_s * 1e9, (energy_j(tick_s) - energy_j(tick_s - window_s)) / window_s))
    return counts, powers


@pytest.mark.parametrize("gain", [1.0, 1.1, 0.8])
def test_another_gain_of_the_counter_is_seen(gain: float) -> None:
    told = agreement(*both_seen(100.0, gain), 0.1, 0.1, 0.025)
    assert told is not None
    assert told.ratio == pytest.approx(gain, rel=0.002)
    assert told.low <= gain <= told.high
    assert told.high - told.low < 0.02


@pytest.mark.parametrize("wave_s", [0.73, 1.1, 1.87])
@pytest.mark.parametrize("window_s", [0.025, 0.1, 1.0])
def test_the_interval_holds_under_a_changing_load(wave_s: float, window_s: float) -> None:
    told = agreement(*both_seen(300.0, 1.0, wave_s, window_s), 0.1, 0.1, window_s)
    assert told is not None
    assert told.low < 1.0 < told.high
    assert told.high - told.low < 0.5


@pytest.mark.parametrize("wave_s", [0.31, 0.737, 1.87])
@pytest.mark.parametrize("starved", [0.02, 0.3])
def test_the_interval_holds_where_the_reader_was_kept_from_reading(wave_s: float, starved: float) -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(60):
        counts, powers = both_seen(300.0, 1.0, wave_s)
        start, is_read, pause = chance.randrange(100), [], 0
        for _ in range(start, len(counts)):
            if pause == 0 and chance.random() < starved:
                pause = chance.randrange(3, 30)
            is_read.append(pause == 0)
            pause = max(0, pause - 1)
        told = agreement(
            list(compress(counts[start:], is_read)), list(compress(powers[start:], is_read)), 0.1, 0.1, 0.025
        )
        held += told is not None and told.low < 1.0 < told.high
    assert held >= 54


def test_too_short_a_span_compares_nothing() -> None:
    counts, powers = both_seen(100.0, 1.0)
    assert agreement(counts[:90], powers[:90], 0.1, 0.1, 0.025) is None
    assert agreement([], powers, 0.1, 0.1, 0.025) is None


# A meter.


def test_a_sensor_is_described_as_it_was_made() -> None:
    seen = found(
        Sine(300.0, 100.0, 0.7),
        channel(0.02, averaging_window_s=0.02),
        read_latency_s=0.003,
        counter_step_j=0.5,
        seconds=1.5,
    )
    assert seen.counter is not None and seen.power is not None and seen.agreement is not None
    assert seen.counter.period_s == pytest.approx(0.02, rel=0.1)
    assert seen.latency_s is not None and 0.003 <= seen.latency_s < 0.01
    assert seen.agreement.low < 1.0 < seen.agreement.high
    assert seen.mean_power_w == pytest.approx(300.0, rel=0.1)
    assert seen.noise_w == pytest.approx(100.0 / math.sqrt(2), rel=0.2)
    assert seen.is_idle is False
    assert seen.smallest_step_j is not None and seen.smallest_step_j % 0.5 == pytest.approx(0.0, abs=1e-6)
    assert seen.fault is None and seen.setbacks == 0


def test_a_period_that_is_not_the_declared_one_is_seen() -> None:
    declared = channel(0.1, provides=frozenset({Kind.POWER}))
    seen = found(Sine(300.0, 100.0, 0.7), declared, power_period_s=0.02)
    assert seen.counter is None and seen.agreement is None
    assert seen.power is not None and seen.power.period_s == pytest.approx(0.02, rel=0.15)


def test_a_counter_as_fast_as_rapls_is_followed_over_its_wraps() -> None:
    declared = channel(0.001, provides=frozenset({Kind.COUNTER}), wraps_at_j=20.0)
    seen = found(Constant(100.0), declared, counter_offset_j=15.0)
    assert seen.counter is not None and seen.power is None
    assert seen.counter.period_s == pytest.approx(0.001, rel=0.1)
    assert seen.mean_power_w == pytest.approx(100.0, rel=0.02)
    assert seen.noise_w == pytest.approx(0.0, abs=3.0)
    assert seen.setbacks == 0


def test_a_counter_that_stands_still_gives_no_power_of_zero() -> None:
    declared = channel(0.02, provides=frozenset({Kind.COUNTER}))
    seen = found(Constant(100.0), declared, frozen_s=[(0.0, math.inf)])
    assert seen.counter is not None
    assert seen.counter.period_s is None and "did not change" in seen.counter.reason
    assert seen.mean_power_w is None
    assert seen.noise_w is None
    assert seen.smallest_step_j is None


def test_a_reset_is_counted_and_what_follows_still_serves() -> None:
    seen = found(Constant(100.0), channel(0.01, averaging_window_s=0.01), seconds=1.6, resets_at_s=[0.3])
    assert seen.setbacks == 1
    assert seen.mean_power_w == pytest.approx(100.0, rel=0.03)
    assert seen.agreement is not None and seen.agreement.low <= 1.0 <= seen.agreement.high


def test_faults_are_counted_and_told() -> None:
    # Long enough that late reads at the ends, on a busy machine, are a small part of it.
    seen = found(Constant(100.0), channel(0.02), 3.0, gaps_s=[(1.2, 2.1)])
    assert 0.1 < seen.faults / (2 * seen.reads) < 0.6
    assert seen.fault is not None
    assert seen.mean_power_w == pytest.approx(100.0, rel=0.03)


def test_one_channel_does_not_take_the_others_time() -> None:
    slow = Channel("gpu:slow", Component.GPU, "slow", BOTH, 0.1)
    fast = Channel("cpu:fast", Component.CPU, "fast", frozenset({Kind.COUNTER}), 0.001)
    profile = Square(100.0, 500.0, 0.73)
    meter = VirtualMeter([VirtualChannel(slow, profile), VirtualChannel(fast, profile)])
    began = time.monotonic()
    of_slow, of_fast = characterize(meter, 1.2)
    assert time.monotonic() - began < 3.0
    assert of_slow.counter is not None and of_slow.counter.period_s == pytest.approx(0.1, rel=0.05)
    assert of_fast.counter is not None and of_fast.counter.period_s == pytest.approx(0.001, rel=0.1)
    assert of_fast.reads > 2 * 1.2 / 0.001  # twice in each refresh, although the slow one is read beside it


def test_a_meter_that_hangs_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(characterizing, "PATIENCE_S", 0.5)
    declared = channel(0.02)
    meter = VirtualMeter([VirtualChannel(declared, Constant(100.0))], hangs_s=[(0.3, 4.0)])
    polling = Polling(meter, [declared], 0.6)
    began = time.monotonic()
    assert not polling.wait()
    assert time.monotonic() - began < 3.0
    assert polling.fault is not None and "virtual did not answer" in polling.fault
    (seen,) = polling.results()
    assert seen.reads > 5
    assert seen.mean_power_w == pytest.approx(100.0, rel=0.05)


def test_a_meter_that_raises_ends_with_a_sentence() -> None:
    declared = channel(0.02)
    meter = VirtualMeter([VirtualChannel(declared, Constant(100.0))], raises_s=[(0.3, math.inf)])
    polling = Polling(meter, [declared], 0.6)
    assert polling.wait()
    assert polling.fault is not None and "virtual failed: MeterError" in polling.fault
    (seen,) = polling.results()
    assert seen.is_idle is None


class Silent:
    """A meter that gives nothing at all."""

    name = "silent"

    def channels(self) -> Sequence[Channel]:
        return [channel(0.02)]

    def read(self, channel_ids: Sequence[str]) -> Sequence[Reading]:
        return []

    def close(self) -> None: ...


def test_a_meter_that_gives_no_readings_has_no_figures() -> None:
    (seen,) = characterize(Silent(), 0.2)
    assert seen.mean_power_w is None and seen.noise_w is None and seen.agreement is None
    assert seen.counter is not None and seen.counter.period_s is None
