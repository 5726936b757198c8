"""Sums that grow know idle, net and share where all their parts do, and tell the sidebar so."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.resources import files

import jsonschema
import pytest

from greenllm_kernel.accounting.drawn import Drawn
from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.notebook.cells import Cells
from made_records import NOON, channel, measured, record

SCHEMA = json.loads((files("greenllm_kernel") / "messages.schema.json").read_text())
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
        jsonschema.validate(value, {"$ref": f"#/$defs/cell/properties/{name}", "$defs": SCHEMA["$defs"]})
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
    assert [
        message[key] for key in ("idle_j", "idle_interval_j", "net_j", "net_interval_j", "share_j", "baseline")
    ] == ([None] * 6)


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
