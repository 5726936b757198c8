"""A record as JSON fits the schema, says null where nothing is known, and can be read back."""

from __future__ import annotations

import json
import math
import os
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.accounting.totals import total
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, Provenance
from message_schema import fits_schema


def made(*channels: ChannelEnergy, **options) -> Record:
    gross = Energy.sum(c.energy for c in channels if c.energy and c.counted)
    intensity = CarbonIntensity(56.0, (40.0, 80.0), "FR", "a test", "2025")
    described = {
        "run_id": "s-1",
        "name": "train",
        "session_id": "s",
        "host": "here",
        "started_at": datetime(2026, 1, 31, 1, 2, 3, 456000, UTC),
        "duration_s": 2.0,
        "status": Status.OK,
        "settled": True,
        "channels": channels,
        "gross": gross,
        "emissions": Emissions.of(gross, intensity) if gross else None,
        "counts": {"token": 512.0},
        **options,
    }
    return Record(**described)


GPU = ChannelEnergy(
    "gpu:0",
    Component.GPU,
    "GPU",
    "nvml",
    Energy(600.0, 3.0, scale_j={"gpu:0": 12.0}, by_provenance_j={Provenance.MEASURED: 600.0}),
    1.0,
)
CPU = ChannelEnergy(
    "cpu",
    Component.CPU,
    "CPU",
    "cpu_model",
    Energy(40.0, 1.0, model_j={"cpu": 9.0}, by_provenance_j={Provenance.ESTIMATED: 40.0}),
    1.0,
)
BASELINE = Baseline(75.0, 3.0, datetime(2026, 1, 31, 1, 0, tzinfo=UTC), 9.3, How.MEASURED)
LEARNT = Baseline(8.0, 1.0, datetime(2026, 1, 31, 0, 30, tzinfo=UTC), 4.0, How.LEARNT)
GPU_NET = replace(GPU, baseline=BASELINE, idle=BASELINE.energy("gpu:0", GPU.energy, 2.0), share_j=500.0)
CPU_NET = replace(CPU, baseline=LEARNT, idle=LEARNT.energy("cpu", CPU.energy, 2.0), share_j=7.5)
DRAM = ChannelEnergy("dram", Component.DRAM, "DRAM", "rapl", None, 0.0, fault="not readable")


@pytest.mark.parametrize(
    "channels", [(GPU, CPU), (GPU, CPU, DRAM), (DRAM,), (), (GPU_NET, CPU_NET), (GPU_NET, CPU), (GPU_NET, DRAM)]
)
def test_it_fits_the_schema(channels):
    fits_schema(json.loads(json.dumps(made(*channels).to_dict())), "record")


def test_what_is_not_known_is_null():
    data = made(DRAM).to_dict()
    assert data["energy"]["gross_j"] is None
    assert data["energy"]["interval_j"] is None
    assert data["emissions"] is None
    assert data["units"]["token"]["energy_j_per_unit"] is None
    assert data["energy"]["unavailable"] == ["dram"]
    nothing = {"measured": None, "derived": None, "estimated": None}
    assert data["energy"]["by_provenance_j"] == nothing
    assert data["channels"][0]["by_provenance_j"] == nothing
    assert data["channels"][0]["standard_uncertainty_j"] is None


def test_it_can_be_read_back():
    record = made(GPU, CPU, DRAM)
    again = Record.from_dict(json.loads(json.dumps(record.to_dict())))
    assert again.gross.value_j == pytest.approx(640.0)
    assert again.gross.random_j == pytest.approx(record.gross.random_j)
    assert again.gross.standard_uncertainty_j == pytest.approx(record.gross.standard_uncertainty_j)
    assert again.gross.provenance is Provenance.ESTIMATED
    assert again.started_at == record.started_at
    assert again.units["token"].energy_j_per_unit == pytest.approx(640.0 / 512.0)


def test_a_record_of_another_schema_is_refused():
    with pytest.raises(ValueError, match="schema 2"):
        Record.from_dict({**made(GPU).to_dict(), "schema": 2})


def test_no_units_give_no_energy_per_unit():
    assert made(GPU, counts={"token": 0.0}).units["token"].energy_j_per_unit is None


def test_gross_idle_and_net_stand_side_by_side_with_what_they_rest_on():
    data = made(GPU_NET, CPU_NET).to_dict()
    energy = data["energy"]
    assert (energy["gross_j"], energy["idle_j"], energy["net_j"]) == (640.0, 166.0, 474.0)
    assert energy["share_j"] == 507.5
    assert energy["baseline"] == {"how": "learnt", "at": "2026-01-31T00:30:00.000Z", "duration_s": 4.0}
    half_width_j = energy["net_interval_j"][1] - energy["net_j"]
    scale_j, noise_j, baseline_j = 0.02 * 450, math.hypot(3, 1), math.hypot(2 * 3.0, math.hypot(2 * 1.0, 9 * 16 / 40))
    assert half_width_j == pytest.approx(1.959964 * math.hypot(scale_j, noise_j, baseline_j, 9.0))
    gpu, cpu = data["channels"]
    assert (gpu["idle_j"], cpu["idle_j"], gpu["share_j"]) == (150.0, 16.0, 500.0)
    assert gpu["baseline"]["power_w"] == 75.0
    assert gpu["baseline"]["how"] == "measured"


def test_a_net_below_zero_is_not_clipped():
    high = replace(BASELINE, power_w=400.0)
    data = made(replace(GPU, baseline=high, idle=high.energy("gpu:0", GPU.energy, 2.0))).to_dict()["energy"]
    assert data["net_j"] == -200.0
    assert data["net_interval_j"][0] < -200.0 < data["net_interval_j"][1]


def test_one_channel_without_a_baseline_or_a_share_leaves_the_total_unknown_and_keeps_the_others_own():
    data = made(GPU_NET, CPU).to_dict()
    for key in ("idle_j", "net_j", "net_interval_j", "share_j", "baseline"):
        assert data["energy"][key] is None
    assert data["channels"][0]["idle_j"] == 150.0
    assert data["channels"][1]["idle_j"] is None


def test_channels_that_do_not_count_or_know_no_energy_do_not_matter_to_the_totals_net():
    inner = replace(CPU, counted=False)
    assert made(GPU_NET, inner, DRAM).net.value_j == 450.0
    assert made(DRAM).net is None
    assert made(DRAM).share_j is None


def test_idle_net_and_share_can_be_read_back():
    record = made(GPU_NET, CPU_NET, DRAM)
    data = json.loads(json.dumps(record.to_dict()))
    again = Record.from_dict(data)
    assert again.net.value_j == pytest.approx(record.net.value_j)
    assert again.net.interval_j == pytest.approx(record.net.interval_j)
    assert again.net.scale_j["gpu:0"] == pytest.approx(record.net.scale_j["gpu:0"])
    assert again.baseline == record.baseline
    assert again.share_j == record.share_j
    assert again.to_dict()["energy"]["net_interval_j"] == pytest.approx(data["energy"]["net_interval_j"])


def test_a_record_of_an_earlier_version_has_no_net_and_is_read_all_the_same():
    data = made(GPU, CPU).to_dict()
    del data["energy"]["baseline"]
    for channel in data["channels"]:
        del channel["baseline"], channel["net_interval_j"]
    fits_schema(data, "record")
    again = Record.from_dict(data)
    assert again.gross.value_j == pytest.approx(640.0)
    assert again.net is None and again.idle is None and again.baseline is None


def bridged(measured_j: float, bridged_j: float) -> ChannelEnergy:
    """Return 1000 J of a sensor with a gain known to 2.9 %, some of it bridged where readings were missing."""
    split = {Provenance.MEASURED: measured_j} | ({Provenance.ESTIMATED: bridged_j} if bridged_j else {})
    gross = Energy(measured_j + bridged_j, 1.0, scale_j={"gpu:0": 29.0}, by_provenance_j=split)
    baseline = replace(BASELINE, power_w=95.0)
    return replace(GPU, energy=gross, baseline=baseline, idle=baseline.energy("gpu:0", gross, 10.0))


def through_json(record: Record, *without: str) -> Record:
    data = json.loads(json.dumps(record.to_dict()))
    for channel in data["channels"]:
        for key in without:
            del channel[key]
    fits_schema(data, "record")
    return Record.from_dict(data)


def test_sums_over_records_read_back_are_those_of_the_records_also_where_some_were_partly_bridged():
    begun = datetime(2026, 1, 31, tzinfo=UTC)
    records = [
        made(
            bridged(1000.0 - 5.0 * (n % 2), 5.0 * (n % 2)),
            CPU_NET,
            run_id=f"s-{n}",
            started_at=begun + timedelta(seconds=20 * n),
            duration_s=10.0,
        )
        for n in range(100)
    ]
    before, after = total(records), total([through_json(record) for record in records])
    for energy, again in ((before.energy, after.energy), (before.idle, after.idle), (before.net, after.net)):
        assert again.value_j == pytest.approx(energy.value_j, rel=1e-12)
        assert again.interval_j == pytest.approx(energy.interval_j, rel=1e-12)
        assert again.repeatability_interval_j == pytest.approx(energy.repeatability_interval_j, rel=1e-12)
        assert again.by_provenance_j == pytest.approx(energy.by_provenance_j, rel=1e-12)
        assert again.provenance is energy.provenance
    assert after.energy.scale_j["gpu:0"] == pytest.approx(2900.0)
    assert after.energy.model_j["cpu"] == pytest.approx(900.0)


def test_an_energy_of_nothing_keeps_its_provenance_and_an_idle_power_of_nothing_its_doubt():
    gross = Energy(0.0, 2.0, by_provenance_j={Provenance.MEASURED: 0.0})
    zero = replace(BASELINE, power_w=0.0)
    record = made(replace(GPU, energy=gross, baseline=zero, idle=zero.energy("gpu:0", gross, 2.0)))
    again = through_json(record)
    assert again.gross == gross
    assert again.net.interval_j == pytest.approx(record.net.interval_j)


def test_in_records_of_earlier_versions_a_sensor_with_a_bridged_part_is_told_from_a_model():
    record = made(bridged(995.0, 5.0), CPU_NET)
    again = through_json(record, "by_provenance_j", "standard_uncertainty_j")
    gpu, cpu = (channel.energy for channel in again.channels)
    assert (gpu.scale_j["gpu:0"], gpu.model_j) == (pytest.approx(29.0), {})
    assert (cpu.model_j["cpu"], cpu.scale_j) == (pytest.approx(9.0), {})
    assert again.net.interval_j == pytest.approx(record.net.interval_j)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_amid_a_sum_over_a_record_can_make_its_own():
    is_summing, may_go_on = threading.Event(), threading.Event()

    class Slow(tuple):
        def __iter__(self):
            is_summing.set()
            may_go_on.wait(10.0)
            return super().__iter__()

    slow, own = replace(made(GPU), channels=Slow((GPU,))), made(GPU)
    thread = threading.Thread(target=lambda: slow.known)
    thread.start()
    assert is_summing.wait(10.0)
    child = os.fork()
    if child == 0:
        signal.alarm(5)  # ends a child that waits for a thread it does not have
        os._exit(0 if own.known == made(GPU).known else 1)
    may_go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
