"""The virtual meter: what it shows is what a sensor of known distortion shows of a known power."""

from __future__ import annotations

import math
import time
import tomllib
from collections.abc import Sequence
from typing import Any

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import MeterError
from greenllm_kernel.metering.meter import Channel, Component, Kind, Meter, Reading, UnusableMeter
from greenllm_kernel.metering.profiles import Constant, Points, Profile, Sine, Square, Sum
from greenllm_kernel.metering.virtual import SimulatedClock, VirtualChannel, VirtualMeter
from greenllm_plugins.meters.virtual import greenllm_meters

S = 1_000_000_000

WAVE = Square(low_w=100.0, high_w=500.0, period_s=1.87)

PROFILES: list[Profile] = [
    Constant(90.0),
    WAVE,
    Square(10.0, 900.0, period_s=0.7, phase_s=0.13, duty=0.04),
    Sine(mean_w=200.0, amplitude_w=150.0, period_s=0.9, phase_s=0.2),
    Points([(0.5, 100.0), (1.0, 400.0), (2.5, 50.0)]),
    Points([(0.5, 100.0), (1.0, 400.0), (2.5, 50.0)], ramps=True),
    Points([(0.0, 70.0)], ramps=True),
    Sum([Constant(30.0), WAVE]),
]


def gpu(**sensor: Any) -> VirtualChannel:
    described = {"update_period_s": 0.1, "averaging_window_s": 0.025} | {
        name: sensor.pop(name) for name in ("update_period_s", "averaging_window_s", "wraps_at_j") if name in sensor
    }
    channel = Channel("gpu:0", Component.GPU, "GPU", frozenset(Kind), **described)
    return VirtualChannel(channel, sensor.pop("profile", WAVE), counter_offset_j=sensor.pop("offset_j", 0.0), **sensor)


def at(t_s: float, meter: VirtualMeter, clock: SimulatedClock, kind: Kind = Kind.COUNTER) -> Reading:
    """Read the one channel at an instant of simulated time."""
    clock.sleep(t_s - clock() / S)
    return next(reading for reading in meter.read(["gpu:0"]) if reading.kind is kind)


def simulated(channel: VirtualChannel, **options: Any) -> tuple[VirtualMeter, SimulatedClock]:
    clock = SimulatedClock()
    return VirtualMeter([channel], clock, **options), clock


# Profiles.


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: type(profile).__name__)
@pytest.mark.parametrize("span_s", [(-1.3, 0.4), (0.0, 3.0), (0.61, 0.62), (2.0, 7.5)])
def test_the_energy_of_a_profile_is_the_integral_of_its_power(profile: Profile, span_s: tuple[float, float]) -> None:
    start_s, end_s = span_s
    steps = 20_000
    step_s = (end_s - start_s) / steps
    integral_j = sum(profile.power_w(start_s + (index + 0.5) * step_s) for index in range(steps)) * step_s

    assert profile.energy_j(end_s) - profile.energy_j(start_s) == pytest.approx(integral_j, abs=8 * step_s * 900.0)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: type(profile).__name__)
def test_the_energy_of_a_profile_counts_from_zero(profile: Profile) -> None:
    assert profile.energy_j(0.0) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Square(1.0, 2.0, period_s=0.0), "period_s is 0.0"),
        (lambda: Sine(1.0, 2.0, period_s=math.nan), "period_s is nan"),
        (lambda: Square(1.0, 2.0, period_s=1.0, duty=1.5), "duty is 1.5"),
        (lambda: Points([]), "at least one point"),
        (lambda: Points([(1.0, 5.0), (1.0, 6.0)]), "order of time"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# The meter.


def test_the_truth_is_the_profile_s() -> None:
    meter, _ = simulated(gpu(gain_error=0.04))

    assert meter.true_energy_j("gpu:0", 0, round(1.87 * S)) == pytest.approx(1.87 * 300.0)
    assert meter.true_power_w("gpu:0", round(1.0 * S)) == 100.0


def test_the_counter_shows_the_energy_at_its_last_refresh() -> None:
    meter, clock = simulated(gpu(counter_phase_s=0.03))

    for t_s, tick_s in [(0.03, 0.03), (0.129, 0.03), (0.13, 0.13), (1.999, 1.93), (7.28, 7.23)]:
        assert at(t_s, meter, clock).value == pytest.approx(WAVE.energy_j(tick_s))


def test_a_counter_without_a_period_is_refreshed_at_each_read() -> None:
    meter, clock = simulated(gpu(update_period_s=0.0))

    assert at(0.777, meter, clock).value == pytest.approx(WAVE.energy_j(0.777))


def test_power_is_the_mean_of_the_window_before_its_refresh() -> None:
    meter, clock = simulated(gpu(power_phase_s=0.04, averaging_window_s=0.05))

    shown_w = at(1.0, meter, clock, Kind.POWER).value

    assert shown_w == pytest.approx((WAVE.energy_j(0.94) - WAVE.energy_j(0.89)) / 0.05)
    assert 100.0 < shown_w < 500.0


def test_power_may_be_refreshed_apart_from_the_counter() -> None:
    meter, clock = simulated(gpu(power_period_s=0.5, averaging_window_s=None))

    assert at(0.99, meter, clock, Kind.POWER).value == 500.0
    assert at(1.01, meter, clock, Kind.POWER).value == 100.0


def test_jitter_moves_each_refresh_by_no_more_than_it_says() -> None:
    meter, clock = simulated(gpu(jitter_s=0.02, profile=Constant(1000.0)))

    late_s = []
    seen_j = at(0.05, meter, clock).value
    for millisecond in range(51, 3000):
        shown_j = at(millisecond / 1000, meter, clock).value
        if shown_j != seen_j:
            late_s.append((shown_j / 1000.0 + 0.05) % 0.1 - 0.05)
            seen_j = shown_j

    assert len(late_s) == 29 or len(late_s) == 30
    assert max(map(abs, late_s)) <= 0.02
    assert min(late_s) < -0.01 and max(late_s) > 0.01


def test_two_meters_of_one_seed_agree_and_of_another_do_not() -> None:
    def shown(seed: int) -> list[float]:
        meter, clock = simulated(gpu(jitter_s=0.02), seed=seed)
        return [at(0.05 + 0.1 * index, meter, clock).value for index in range(20)]

    assert shown(1) == shown(1) != shown(2)


def test_a_gain_error_is_in_every_reading_and_not_in_the_truth() -> None:
    meter, clock = simulated(gpu(gain_error=0.03, profile=Constant(100.0)))

    assert at(2.0, meter, clock).value == pytest.approx(206.0)
    assert at(2.0, meter, clock, Kind.POWER).value == pytest.approx(103.0)


def test_the_counter_starts_where_it_is_said_to() -> None:
    meter, clock = simulated(gpu(offset_j=77.0))

    assert at(0.0, meter, clock).value == 77.0


def test_the_counter_wraps() -> None:
    meter, clock = simulated(gpu(wraps_at_j=250.0, profile=Constant(100.0)))

    assert at(2.45, meter, clock).value == pytest.approx(240.0)
    assert at(2.65, meter, clock).value == pytest.approx(10.0)


def test_a_reset_starts_the_counter_at_zero() -> None:
    meter, clock = simulated(gpu(resets_at_s=(1.05, 3.0), offset_j=500.0, profile=Constant(100.0)))

    shown_j = [at(t_s, meter, clock).value for t_s in (1.04, 1.06, 1.11, 2.95, 3.25)]

    assert shown_j == [pytest.approx(value) for value in (600.0, 0.0, 5.0, 185.0, 20.0)]


def test_the_counter_has_a_resolution() -> None:
    meter, clock = simulated(gpu(counter_step_j=0.25, profile=Constant(1.0)))

    assert at(0.9, meter, clock).value == 0.75


def test_a_frozen_sensor_shows_what_it_showed() -> None:
    meter, clock = simulated(gpu(frozen_s=[(1.0, 2.0)], profile=Constant(100.0)))

    assert at(1.95, meter, clock).value == pytest.approx(100.0)
    assert at(2.05, meter, clock).value == pytest.approx(200.0)


def test_a_gap_gives_a_fault_for_each_kind() -> None:
    meter, clock = simulated(gpu(gaps_s=[(1.0, 2.0)]))
    clock.sleep(1.5)

    readings = meter.read(["gpu:0"])

    assert [reading.kind for reading in readings] == list(Kind)
    assert all(math.isnan(reading.value) and reading.fault for reading in readings)
    assert at(2.0, meter, clock).fault is None


def test_reading_takes_its_time_and_shows_the_middle() -> None:
    meter, clock = simulated(gpu(update_period_s=0.0, read_latency_s=0.02, profile=Constant(100.0)))

    reading = at(1.0, meter, clock)

    assert (reading.t_ns, clock()) == (S, round(1.02 * S))
    assert reading.value == pytest.approx(101.0)


def test_reading_raises_when_told_to() -> None:
    meter, clock = simulated(gpu(), raises_s=[(1.0, 2.0)])
    clock.sleep(1.5)

    with pytest.raises(MeterError, match="told to fail"):
        meter.read(["gpu:0"])
    assert at(2.5, meter, clock).fault is None


def test_reading_hangs_once_when_told_to() -> None:
    meter, clock = simulated(gpu(), hangs_s=[(1.0, 10.0)])

    assert at(0.9, meter, clock).t_ns == round(0.9 * S)
    assert at(1.1, meter, clock).t_ns == pytest.approx(11.1 * S)
    assert at(12.0, meter, clock).t_ns == 12 * S


def test_in_real_time_a_read_takes_real_time() -> None:
    meter = VirtualMeter([gpu(read_latency_s=0.01)])
    before_ns = time.monotonic_ns()

    reading = meter.read(["gpu:0"])[0]

    assert before_ns <= reading.t_ns <= time.monotonic_ns() - 10_000_000


def test_an_epoch_can_be_given_so_that_others_know_the_truth() -> None:
    epoch_ns = time.monotonic_ns() - 100 * S
    meter = VirtualMeter([gpu(update_period_s=0.0)], epoch_ns=epoch_ns)

    first, last = (meter.read(["gpu:0"])[0] for _ in range(2))

    truth_j = WAVE.energy_j((last.t_ns - epoch_ns) / S) - WAVE.energy_j((first.t_ns - epoch_ns) / S)
    assert last.value - first.value == pytest.approx(truth_j)


def test_what_cannot_be_read_raises() -> None:
    meter, _ = simulated(gpu())

    with pytest.raises(MeterError, match="no channel 'gpu:7'"):
        meter.read(["gpu:7"])
    meter.close()
    with pytest.raises(MeterError, match="closed"):
        meter.read(["gpu:0"])


def test_channels_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="one id"):
        VirtualMeter([gpu(), gpu()])
    with pytest.raises(ValueError, match="jitter_s is 0.05"):
        VirtualMeter([gpu(jitter_s=0.05)])


# The plugin.


def meters(toml: str, use_meters: Sequence[str] | None = None) -> Sequence[Meter | UnusableMeter]:
    values: dict[str, Any] = tomllib.loads(toml)
    if use_meters is not None:
        values["use_meters"] = list(use_meters)
    return greenllm_meters(Configuration.from_mapping(values))


def refused(toml: str) -> UnusableMeter:
    (found,) = meters(toml)
    assert isinstance(found, UnusableMeter)
    return found


def test_it_is_offered_only_where_it_is_chosen() -> None:
    assert meters("") == []
    assert meters("", use_meters=["nvml"]) == []
    assert len(meters("", use_meters=["virtual"])) == 1
    assert len(meters("[meters.virtual]")) == 1


def test_without_a_description_it_has_two_gpus_and_a_cpu() -> None:
    (meter,) = meters("", use_meters=["virtual"])

    assert isinstance(meter, VirtualMeter)
    channels = meter.channels()
    assert [channel.label for channel in channels] == ["Virtual GPU 0", "Virtual GPU 1", "Virtual CPU package 0"]
    readings = meter.read([channel.id for channel in channels])
    assert len(readings) == 5 and all(reading.fault is None for reading in readings)


def test_a_table_describes_channels() -> None:
    (meter,) = meters(
        """
        [meters.virtual]
        seed = 3
        epoch_ns = 0
        [[meters.virtual.channels]]
        id = "gpu:a"
        component = "gpu"
        label = "Card A"
        update_period_s = 0.02
        gain_error = -0.02
        gaps_s = [[5.0, inf]]
        profile = {shape = "square", low_w = 60, high_w = 350, period_s = 2.5, duty = 0.25}
        [[meters.virtual.channels]]
        id = "cpu:a"
        component = "cpu"
        provides = ["counter"]
        wraps_at_j = 65536
        inside = "platform:a"
        profile = [{shape = "constant", level_w = 20}, {shape = "ramps", points = [[0, 0], [10, 100]]}]
        """
    )

    assert isinstance(meter, VirtualMeter)
    card, cpu = meter.channels()
    assert (card.label, card.update_period_s, card.provides) == ("Card A", 0.02, frozenset(Kind))
    assert (cpu.label, cpu.wraps_at_j, cpu.inside) == ("cpu:a", 65536.0, "platform:a")
    assert cpu.provides == {Kind.COUNTER}
    assert meter.true_energy_j("cpu:a", 0, 10 * S) == pytest.approx(700.0)
    assert meter.true_energy_j("gpu:a", 0, round(2.5 * S)) == pytest.approx(60 * 2.5 + 290 * 0.625)


GPU = '[[meters.virtual.channels]]\nid = "a"\ncomponent = "gpu"\n'


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[meters.virtual]\ncolour = 1", "unknown key 'colour'"),
        ('[meters.virtual]\nseed = "x"', "seed = 'x': expected a whole number"),
        ("[meters.virtual]\nchannels = 3", "channels = 3: expected tables"),
        ("[meters.virtual]\nchannels = [3]", "channels[0] = 3: expected a table"),
        ("[meters.virtual]\nraises_s = [[1]]", "raises_s = [[1]]: expected a list of pairs"),
        (GPU, "channels[0].profile = None: expected a table such as"),
        (GPU + "id2 = 1", "channels[0] has an unknown key 'id2'"),
        (GPU.replace('"gpu"', '"tpu"'), "channels[0].component = 'tpu': expected one of platform, cpu, gpu, dram"),
        (GPU.replace('id = "a"', 'id = ""'), "channels[0].id = '': expected a text"),
        (GPU + 'provides = ["heat"]', "channels[0].provides = 'heat': expected one of counter, power"),
        (GPU + "provides = []", 'channels[0].provides = []: expected a list of "counter" and "power"'),
        (GPU + "update_period_s = -1", "channels[0].update_period_s = -1.0: expected a number of 0 or above"),
        (GPU + 'jitter_s = "a"', "channels[0].jitter_s = 'a': expected a number"),
        (GPU + "read_latency_s = inf", "channels[0].read_latency_s = inf"),
        (GPU + "resets_at_s = 4", "channels[0].resets_at_s = 4: expected a list"),
        (GPU + 'profile = {shape = "saw"}', "profile.shape = 'saw': the shapes are constant, square, sine"),
        (GPU + 'profile = {shape = "constant"}', "a profile of shape 'constant' needs level_w"),
        (GPU + 'profile = {shape = "constant", level_w = nan}', "level_w = nan: expected a number"),
        (GPU + 'profile = {shape = "sine", mean_w = 1, amplitude_w = 1, period_s = 0}', "period_s is 0.0"),
        (GPU + 'profile = {shape = "steps", points = [[2, 1], [1, 1]]}', "order of time"),
        (GPU + 'jitter_s = 1\nprofile = {shape = "constant", level_w = 1}', "jitter_s is 1.0"),
        (2 * (GPU + 'profile = {shape = "constant", level_w = 1}\n'), "two virtual channels have one id"),
    ],
)
def test_a_bad_table_says_what_is_wrong_and_where(toml: str, message: str) -> None:
    found = refused(toml)

    assert message in found.reason
    assert "[meters.virtual]" in found.remedy
