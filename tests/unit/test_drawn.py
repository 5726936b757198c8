"""Sums that grow know idle, net and share where all their parts do, and tell the sidebar so."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from driven import gpu as virtual_gpu
from greenllm_kernel.accounting.drawn import Drawn
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook.cells import MOST_SPANS, Cells
from made_records import NOON, channel, measured, record
from message_schema import SCHEMA, fits_schema

PROPERTIES = SCHEMA["$defs"]["cell"]["properties"]


def gpu(gross_j: float, power_w: float | None, share_j: float | None = None, **more: object) -> ChannelEnergy:
    gross = measured(gross_j, gain_j=0.02 * gross_j)
    how = more.pop("how", How.LEARNT)
    baseline = Baseline(power_w, 1.0, more.pop("at", NOON), 4.0, how) if power_w is not None else None  # type: ignore[arg-type]
    idle = baseline.energy("gpu:0", gross, 10.0) if baseline else None
    return channel("gpu:0", Component.GPU, gross, idle=idle, baseline=baseline, share_j=share_j, **more)


def cell_message(*records: Record) -> dict[str, object]:
    cells = Cells()
    for made in records:
        cells.settled(made)
    message = cells.message("a", None, 1.0)
    for name, value in message.items():
        fits_schema(value, f"cell/properties/{name}")
    return message


def run(*channels: ChannelEnergy, begin_s: float = 0.0) -> Record:
    return record(cell_id="a", begin_s=begin_s, channels=channels)


def test_a_cells_net_and_share_grow_with_its_runs() -> None:
    older = NOON - timedelta(hours=1)
    message = cell_message(
        run(gpu(1000, 75, 600, how=How.MEASURED, at=older)), run(gpu(900, 75, 300), begin_s=20), run(begin_s=40)
    )
    assert (message["energy_j"], message["idle_j"], message["net_j"], message["share_j"]) == (1900, 1500, 400, 900)
    low_j, high_j = message["net_interval_j"]  # type: ignore[misc]
    assert (low_j + high_j) / 2 == pytest.approx(400)
    assert message["baseline"] == {"how": "learnt", "at": "2026-01-31T11:00:00.000Z", "duration_s": 4.0}


def test_one_run_without_a_baseline_leaves_the_cells_net_unknown() -> None:
    message = cell_message(run(gpu(1000, 75, 600)), run(gpu(900, None), begin_s=20))
    assert message["energy_j"] == 1900
    unknown = ("idle_j", "idle_interval_j", "net_j", "net_interval_j", "baseline")
    assert [message[key] for key in unknown] == [None] * 5
    known = message["known_net"]
    assert (known["idle_j"], known["net_j"], known["of"]) == (750, 250, ["gpu:0"])  # type: ignore[index]
    assert known["without"] == ["gpu:0 for a time"]  # type: ignore[index]
    assert (message["share_j"], message["share_of_j"]) == (600, 1000)


def test_a_net_below_zero_is_not_cut_off() -> None:
    message = cell_message(run(gpu(740, 75)))
    assert message["net_j"] == -10
    assert message["net_interval_j"][0] < -10  # type: ignore[index]
    assert message["idle_interval_j"][0] > 0  # type: ignore[index]


def test_channels_inside_others_and_without_energy_are_left_out() -> None:
    contained = gpu(500, None, counted=False)
    lost = channel("dram", Component.DRAM, None, fault="the file has gone")
    drawn = Drawn.of_channels([gpu(1000, 75, 600), contained, lost])
    assert drawn == Drawn.of_record(run(gpu(1000, 75, 600), contained, lost))
    assert drawn.net is not None
    assert drawn.net.value_j == 250
    assert Drawn.of_channels([lost]) == Drawn()


def test_a_share_that_is_not_known_matters_only_where_there_was_energy() -> None:
    nothing, known, unknown = (
        Drawn.of_channels([gpu(*figures)]) for figures in ((0, None), (100, None, 60), (50, None))
    )
    assert (nothing + known + nothing).share_j == 60
    assert (nothing + nothing).share_j is None
    assert (nothing + known + unknown + known).share_j is None


def flat(begin_s: float, duration_s: float, power_w: float = 100.0) -> Record:
    part = gpu(power_w * duration_s, None, power_w * duration_s / 4)
    series = {"gpu:0": [(0.0, power_w), (duration_s, power_w)]}
    return record(cell_id="a", begin_s=begin_s, duration_s=duration_s, channels=[part], series=series)


def test_runs_of_one_cell_that_overlap_have_their_common_time_once() -> None:
    message = cell_message(flat(0, 10), flat(2, 5), flat(6, 10), flat(30, 5), flat(28, 4))
    assert message["runs"] == 5
    assert message["duration_s"] == pytest.approx(23, abs=1e-5)
    assert message["energy_j"] == pytest.approx(2300, rel=1e-6)
    assert message["share_j"] == pytest.approx(575, rel=1e-6)


def test_a_row_of_many_runs_keeps_little() -> None:
    cells = Cells()
    for n in range(3 * MOST_SPANS):
        cells.settled(flat(2 * n, 1))
    cell = cells._cells["a"]
    assert len(cell.sum.covered) == MOST_SPANS
    assert cell.sum.drawn.energy is not None
    assert cell.sum.drawn.energy.value_j == pytest.approx(100 * 3 * MOST_SPANS)


def test_threads_that_measure_under_one_name_count_once_while_they_run_and_afterwards(start) -> None:  # type: ignore[no-untyped-def]
    session, recorder = start(VirtualMeter([virtual_gpu(Constant(300.0), "gpu:0")]))
    session.find_meters()
    cells, name = Cells(), "window request"
    seen = []

    def request(duration_s: float) -> None:
        with measure("request", session=session) as run:
            cells.began(run)
            time.sleep(duration_s)

    threads = [threading.Thread(target=request, args=[duration_s]) for duration_s in (1.6, 0.4, 0.5, 0.6)]
    began_s = time.monotonic()
    for thread in threads:
        thread.start()
    while name not in cells.ids:
        time.sleep(0.01)
    taken = 0
    while any(thread.is_alive() for thread in threads) or session.unsettled_runs:
        for settled in recorder.records[taken:]:
            cells.settled(settled)
            taken += 1
        message = cells.message(name, None, 1.0)
        elapsed_s = time.monotonic() - began_s
        # While ticks are being learnt the value itself is unsure; then its interval's lower end is what is claimed.
        claimed_j = message["energy_j"] if elapsed_s > 0.5 else (message["interval_j"] or [0.0])[0]
        seen.append((elapsed_s, taken, message["duration_s"], claimed_j or 0.0))
        time.sleep(0.05)
    for settled in recorder.records[taken:]:
        cells.settled(settled)
    assert any(0 < taken < 4 for _, taken, _, _ in seen)
    assert all(duration_s <= elapsed_s for elapsed_s, _, duration_s, _ in seen)
    assert all(claimed_j <= 300.0 * elapsed_s * 1.1 for elapsed_s, _, _, claimed_j in seen)
    assert max(claimed_j for _, _, _, claimed_j in seen) > 300.0
    message, (drawn, duration_s, _) = cells.message(name, None, 1.0), session.span.drawn()
    assert (message["runs"], message["settled"]) == (4, True)
    assert message["duration_s"] == pytest.approx(duration_s, abs=0.01)
    assert message["energy_j"] == pytest.approx(drawn.energy.value_j, rel=0.02)
