"""Idle power: what net rests on, which of several baselines holds, and the file that keeps them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from greenllm_kernel.metering.idle.baseline import Baseline, Basis, How
from greenllm_kernel.metering.idle.baselines import KEPT_S, RECENT_S, Baselines
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.quantities import Energy, Provenance
from made_records import estimated, measured

GPU = Channel("gpu:0", Component.GPU, "NVIDIA H200", frozenset(Kind), gain_uncertainty=0.02)
CPU = Channel("cpu:0", Component.CPU, "CPU", frozenset({Kind.COUNTER}))
NOW = datetime.now(UTC)


def baseline(power_w: float = 75.0, how: How = How.LEARNT, age_s: float = 0.0, uncertainty_w: float = 3.0) -> Baseline:
    return Baseline(power_w, uncertainty_w, NOW - timedelta(seconds=age_s), 4.0, how)


# Net.


def test_the_gain_of_the_sensor_acts_on_net_and_not_on_gross():
    gross = measured(1000.0, random_j=4.0, gain_j=20.0)
    net = gross - baseline(75.0, uncertainty_w=0.0).energy("gpu:0", gross, 10.0)
    assert net.value_j == 250.0
    assert net.scale_j["gpu:0"] == pytest.approx(0.02 * 250.0)
    assert net.random_j == 4.0


def test_the_baselines_uncertainty_grows_with_time_and_adds_linearly_over_windows():
    gross = measured(1000.0)
    net = gross - baseline(uncertainty_w=3.0).energy("gpu:0", gross, 10.0)
    assert net.standard_uncertainty_j == pytest.approx(30.0)
    assert (net + net).standard_uncertainty_j == pytest.approx(60.0)
    assert net.repeatability_interval_j == (250.0, 250.0)


def test_net_may_lie_below_zero_and_says_so():
    gross = measured(500.0)
    net = gross - baseline(75.0, uncertainty_w=1.0).energy("gpu:0", gross, 10.0)
    assert net.value_j == -250.0
    assert net.interval_j == pytest.approx((-250 - 19.6, -250 + 19.6), abs=0.01)
    assert gross.interval_j[0] >= 0


def test_a_models_error_at_rest_is_not_that_under_load():
    gross = estimated(1000.0, model_j=200.0)
    net = gross - baseline(50.0, uncertainty_w=0.0).energy("cpu:model", gross, 10.0)
    assert net.model_j == {"cpu:model": 200.0}
    assert net.standard_uncertainty_j == pytest.approx(math.hypot(200.0, 100.0))
    assert net.provenance is Provenance.ESTIMATED


def test_nothing_drawn_gives_a_net_all_the_same():
    gross = Energy(0.0, by_provenance_j={Provenance.MEASURED: 0.0})
    assert (gross - baseline(75.0).energy("gpu:0", gross, 2.0)).value_j == -150.0


def test_a_total_rests_on_the_weakest_kind_of_its_baselines_and_on_the_oldest_whole():
    old = replace(baseline(how=How.MEASURED, age_s=100.0), duration_s=10.0)
    short = replace(baseline(), duration_s=2.0)
    for baselines in ([old, short], [short, old], [Basis.of([short]), Basis.of([old])]):
        basis = Basis.of(baselines)
        assert (basis.how, basis.taken_at, basis.duration_s) == (How.LEARNT, old.taken_at, 10.0)
    assert Basis.of([]) is None


# Which holds.


def test_the_lowest_that_was_learnt_holds_until_it_is_old():
    baselines = Baselines()
    for power_w, age_s in ((80.0, 60.0), (75.0, 600.0), (60.0, RECENT_S + 1), (90.0, 0.0)):
        baselines.add(GPU, baseline(power_w, age_s=age_s))
    assert baselines.of(GPU).power_w == 75.0
    assert baselines.of(CPU) is None


def test_where_all_are_old_the_latest_holds_and_too_old_ones_do_not():
    baselines = Baselines()
    baselines.add(GPU, baseline(60.0, age_s=RECENT_S + 2000))
    baselines.add(GPU, baseline(90.0, age_s=RECENT_S + 1000))
    assert baselines.of(GPU).power_w == 90.0
    baselines.add(CPU, baseline(10.0, age_s=KEPT_S + 1))
    assert baselines.of(CPU) is None


def test_one_that_was_measured_on_demand_holds_before_any_that_was_learnt():
    baselines = Baselines()
    baselines.add(GPU, baseline(70.0))
    baselines.add(GPU, baseline(80.0, How.MEASURED, age_s=5))
    baselines.add(GPU, baseline(60.0))
    assert baselines.of(GPU).power_w == 80.0
    baselines.add(GPU, baseline(85.0, How.MEASURED))
    assert baselines.of(GPU).power_w == 85.0


def test_a_channel_that_is_described_otherwise_has_another_idle_power():
    baselines = Baselines()
    baselines.add(GPU, baseline())
    assert baselines.of(replace(GPU, label="NVIDIA L4")) is None


def test_many_learnt_ones_do_not_push_out_the_measured_one():
    baselines = Baselines()
    baselines.add(GPU, baseline(80.0, How.MEASURED))
    for number in range(200):
        baselines.add(GPU, baseline(70.0 + number))
    assert baselines.of(GPU).power_w == 80.0


# The file.


def test_a_later_session_on_the_host_has_them_and_another_host_has_not(tmp_path):
    path = tmp_path / "deep" / "baselines.json"
    first = Baselines("lab", lambda: path)
    first.add(GPU, baseline(75.0, How.MEASURED))
    first.save()
    other = Baselines("elsewhere", lambda: path)
    other.add(CPU, baseline(9.0))
    other.save()
    again = Baselines("lab", lambda: path)
    again.load()
    assert again.of(GPU) == baseline(75.0, How.MEASURED)
    assert again.of(CPU) is None
    assert [item.name for item in path.parent.iterdir()] == ["baselines.json"]


def test_what_another_session_has_measured_meanwhile_holds_here_and_in_the_file(tmp_path):
    path = tmp_path / "baselines.json"
    here, other = Baselines("lab", lambda: path), Baselines("lab", lambda: path)
    here.add(GPU, baseline(90.0, How.MEASURED, age_s=300.0))
    other.add(GPU, baseline(70.0, How.MEASURED, age_s=200.0))
    other.save()
    here.add(GPU, baseline(95.0, age_s=100.0))
    here.save()
    again = Baselines("lab", lambda: path)
    again.load()
    assert here.of(GPU) == again.of(GPU) == baseline(70.0, How.MEASURED, age_s=200.0)
    here.add(GPU, baseline(80.0, How.MEASURED))
    here.save()
    other.save()
    assert other.of(GPU) == baseline(80.0, How.MEASURED)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "\x00" * 50, "[" * 100_000),
        *('{"schema": 2, "hosts": {"lab": {}}}', '{"schema": 1, "hosts": []}'),
        *('{"schema": 1, "hosts": {"lab": [1]}}', '{"schema": 1, "hosts": {"lab": {"gpu:0": 7}}}'),
    ],
)
def test_a_damaged_file_says_nothing_and_is_replaced(tmp_path, text):
    path = tmp_path / "baselines.json"
    path.write_text(text)
    baselines = Baselines("lab", lambda: path)
    baselines.load()
    assert baselines.of(GPU) is None
    baselines.add(GPU, baseline())
    baselines.save()
    again = Baselines("lab", lambda: path)
    again.load()
    assert again.of(GPU) == baseline()


@pytest.mark.parametrize(
    "change",
    [
        *({"power_w": -1}, {"power_w": None}, {"power_w": 1e999}, {"at": "yesterday"}, {"at": "2026-01-01T00:00:00"}),
        *({"how": "guessed"}, {"standard_uncertainty_w": "much"}, {"duration_s": -2}),
    ],
)
def test_an_entry_that_makes_no_sense_leaves_the_others(tmp_path, change):
    path = tmp_path / "baselines.json"
    baselines = Baselines("lab", lambda: path)
    baselines.add(GPU, baseline())
    baselines.add(CPU, baseline(9.0))
    baselines.save()
    data = json.loads(path.read_text())
    data["hosts"]["lab"]["gpu:0"]["baselines"][0].update(change)
    path.write_text(json.dumps(data))
    again = Baselines("lab", lambda: path)
    again.load()
    assert again.of(GPU) is None
    assert again.of(CPU) == baseline(9.0)


def test_a_clock_that_was_set_back_since_does_not_make_it_older(tmp_path):
    baselines = Baselines()
    baselines.add(GPU, baseline(age_s=-86400.0))
    assert baselines.of(GPU).power_w == 75.0
