"""Sums over records add what is independent in squares, what is common linearly, and nothing twice."""

from __future__ import annotations

import math
from typing import Any

import pytest

from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.totals import by_cell, by_stage, intensities, total
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import Emissions, Provenance
from made_records import FRANCE, GERMANY, NOON, channel, estimated, measured, record


def test_random_parts_add_in_squares_and_a_sensors_gain_linearly() -> None:
    totals = total(
        [record(measured(100, random_j=3, gain_j=5)), record(measured(200, random_j=4, gain_j=10), begin_s=10)]
    )
    assert totals.energy is not None
    assert totals.energy.value_j == 300
    assert totals.energy.random_j == pytest.approx(5)
    assert totals.energy.scale_j == {"gpu:0": 15}


def test_runs_of_one_cell_add_up() -> None:
    cells = by_cell(
        [
            record(measured(100), name="train", begin_s=0, cell_id="a", execution_count=1, status=Status.ERROR),
            record(measured(7), name="evaluate", begin_s=20, cell_id="b", execution_count=2),
            record(measured(50), name="train", begin_s=40, cell_id="a", execution_count=3),
        ]
    )
    assert [(cell.name, cell.totals.runs, cell.execution_count, cell.status) for cell in cells] == [
        ("train", 2, 3, Status.OK),
        ("evaluate", 1, 2, Status.OK),
    ]
    assert cells[0].totals.energy is not None
    assert cells[0].totals.energy.value_j == 150
    assert cells[0].totals.duration_s == 20


def test_a_window_inside_another_is_counted_as_part_of_it() -> None:
    outer = record(measured(100), name="cell", cell_id="a")
    inner = record(measured(60), name="epoch", begin_s=1, duration_s=5, parent_run_id=outer.run_id)
    innermost = record(measured(20), name="step", begin_s=1, duration_s=1, parent_run_id=inner.run_id)
    totals = total([innermost, inner, outer])
    assert totals.energy is not None
    assert totals.energy.value_j == 100
    assert totals.runs == 1
    assert [cell.name for cell in by_cell([innermost, inner, outer])] == ["cell"]


def test_a_nested_window_counts_by_itself_where_the_one_around_it_is_not_in_the_sum() -> None:
    inner = record(measured(60), parent_run_id="a cell that is still running")
    totals = total([inner])
    assert totals.energy is not None
    assert totals.energy.value_j == 60


def test_records_that_name_each_other_as_parents_do_not_hang() -> None:
    left = record(measured(1), run_id="left", parent_run_id="right")
    right = record(measured(1), run_id="right", parent_run_id="left")
    assert total([left, right]).runs in (0, 1, 2)


def test_stages_hold_their_own_windows_wherever_these_lie() -> None:
    cell = record(measured(100), name="cell")
    train = record(measured(70), name="train", stage="train", begin_s=1, parent_run_id=cell.run_id)
    epoch = record(measured(30), name="epoch", stage="train", begin_s=2, parent_run_id=train.run_id)
    evaluate = record(measured(10), name="evaluate", stage="evaluate", begin_s=30)
    stages = by_stage([evaluate, epoch, train, cell])
    assert {stage: totals.energy.value_j for stage, totals in stages.items() if totals.energy} == {
        "train": 70,
        "evaluate": 10,
    }
    assert list(stages) == ["train", "evaluate"]


def test_windows_that_overlap_say_for_how_long() -> None:
    totals = total([record(measured(100), begin_s=0, duration_s=10), record(measured(80), begin_s=6, duration_s=10)])
    assert totals.duration_s == 16
    assert totals.overlap_s == 4
    follows = total([record(measured(1), duration_s=9.9996), record(measured(1), begin_s=9.999, duration_s=5)])
    assert follows.overlap_s == 0


def test_windows_on_two_hosts_do_not_overlap() -> None:
    totals = total([record(measured(1), host="a"), record(measured(1), host="b")])
    assert (totals.duration_s, totals.overlap_s) == (20, 0)


def with_idle(gross_j: float, idle_j: float | None, share_j: float | None, **more: Any) -> Record:
    """Return a record of 10 s of one GPU, with its idle energy and its share."""
    gross = measured(gross_j, gain_j=0.02 * gross_j)
    baseline = None if idle_j is None else Baseline(idle_j / 10, 1.0, NOON, 4.0, How.LEARNT)
    idle = baseline.energy("gpu:0", gross, 10.0) if baseline else None
    found = channel("gpu:0", Component.GPU, gross, idle=idle, baseline=baseline, share_j=share_j)
    return record(channels=[found], **more)


def test_idle_net_and_share_add_up_where_every_record_knows_them() -> None:
    records = [with_idle(1000, 750, 100), with_idle(900, 750, 50, begin_s=10), record(None, begin_s=20)]
    totals = total(records)
    assert totals.idle is not None and totals.net is not None
    assert (totals.idle.value_j, totals.net.value_j, totals.share_j) == (1500, 400, 150)
    assert totals.net.scale_j["gpu:0"] == pytest.approx(0.02 * 400)
    assert totals.net.baseline_j["gpu:0"] == pytest.approx(-20)


def test_one_record_that_does_not_know_them_leaves_the_sum_unknown() -> None:
    totals = total([with_idle(1000, 750, 100), with_idle(900, None, None, begin_s=10)])
    assert (totals.idle, totals.net, totals.share_j) == (None, None, None)
    known = totals.known
    assert known.idle is not None and known.net is not None and known.shared is not None
    assert (known.idle.value_j, known.net.value_j, known.share_j, known.shared.value_j) == (750, 250, 100, 1000)
    assert (known.of, known.without, known.untold) == (("gpu:0",), ("gpu:0 for a time",), ("gpu:0",))
    assert totals.energy is not None
    assert totals.energy.value_j == 1900


def test_the_shares_of_two_kernels_on_a_host_add_and_what_it_drew_counts_once() -> None:
    kernels = [with_idle(1000, 750, 600, session_id="a"), with_idle(1000, 750, 400, session_id="b")]
    totals = total(kernels)
    assert totals.energy is not None
    assert totals.energy.value_j == pytest.approx(1000, abs=1e-9)
    assert totals.share_j == totals.known.share_j == pytest.approx(1000, abs=1e-9)
    assert totals.known.shared is not None
    assert totals.known.shared.value_j == pytest.approx(1000, abs=1e-9)


def test_a_run_whose_share_cannot_be_told_does_not_hide_that_of_the_others() -> None:
    short = with_idle(200, 15, None, begin_s=20)
    totals = total([with_idle(9000, 750, 7600), with_idle(100, 75, 0, begin_s=10), short])
    assert totals.share_j is None
    assert totals.known.shared is not None
    assert (totals.known.share_j, totals.known.shared.value_j) == (7600, 9100)
    assert totals.known.lacking == ()


def test_of_windows_that_overlap_what_is_known_counts_once_too() -> None:
    cpu = channel("cpu:0", Component.CPU, measured(500, sensor="cpu:0"))
    whole = with_idle(1000, 750, 600)
    both = record(channels=[*whole.channels, cpu])
    totals = total([both, record(channels=[*whole.channels, cpu])])
    assert totals.net is None and totals.known.net is not None and totals.known.shared is not None
    assert totals.known.net.value_j == pytest.approx(250, abs=1e-6)
    assert (totals.known.share_j, totals.known.shared.value_j) == pytest.approx((600, 1000), abs=1e-6)
    assert (totals.known.of, totals.known.without) == (("gpu:0",), ("cpu:0",))


def test_what_is_missing_is_listed_and_not_taken_for_zero() -> None:
    dram = channel("dram", Component.DRAM, None, fault="unreadable")
    gpu = channel("gpu:0", Component.GPU, measured(10))
    totals = total([record(channels=[gpu, dram]), record(None), record(measured(5), intensity=None)])
    assert totals.unavailable == ("dram",)
    assert [(reading.channel_id, reading.coverage) for reading in totals.readings.partial] == [
        ("gpu:0", pytest.approx(2 / 3))
    ]
    assert totals.runs_without_energy == 1
    assert totals.runs_without_emissions == 2
    assert total([record(None)]).energy is None
    assert total([]).provenance is Provenance.UNAVAILABLE


def test_a_total_is_as_good_as_its_weakest_part() -> None:
    assert total([record(measured(90)), record(estimated(10, 4))]).provenance is Provenance.ESTIMATED


def test_one_intensitys_error_is_common_to_all_its_records() -> None:
    parts = [record(measured(3.6e6, random_j=1e5), begin_s=10 * number) for number in range(4)]
    totals = total(parts)
    together = Emissions.of(measured(4 * 3.6e6, random_j=2e5), FRANCE)
    assert totals.mass_gco2e == pytest.approx(4 * 56)
    assert totals.interval_gco2e == pytest.approx(together.interval_gco2e)


def test_masses_under_two_intensities_add_with_the_widest_interval() -> None:
    france, germany = record(measured(3.6e6)), record(measured(3.6e6), intensity=GERMANY, begin_s=10)
    totals = total([france, germany])
    assert totals.mass_gco2e == pytest.approx(56 + 381)
    assert totals.interval_gco2e == pytest.approx((30 + 259, 105 + 561))
    assert intensities([france, germany, france]) == {FRANCE: 2, GERMANY: 1}


def test_a_records_json_sums_to_the_same() -> None:
    """Through the ledger the parts of the uncertainty stay apart."""
    parts = [
        record(measured(100, random_j=3, gain_j=5)),
        record(measured(200, random_j=4, gain_j=10), begin_s=10),
    ]
    again = total([type(part).from_dict(part.to_dict()) for part in parts])
    assert again.energy is not None
    assert again.energy.standard_uncertainty_j == pytest.approx(math.hypot(5, 15))
