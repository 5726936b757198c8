"""A record as JSON fits the schema, says null where nothing is known, and can be read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.resources import files

import jsonschema
import pytest

from greenllm_kernel.accounting.record import ChannelEnergy, Record, Status
from greenllm_kernel.metering.meter import Component
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy, Provenance

SCHEMA = json.loads((files("greenllm_kernel") / "messages.schema.json").read_text())
RECORD = {"$ref": "#/$defs/record", "$defs": SCHEMA["$defs"]}


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
DRAM = ChannelEnergy("dram", Component.DRAM, "DRAM", "rapl", None, 0.0, fault="not readable")


@pytest.mark.parametrize("channels", [(GPU, CPU), (GPU, CPU, DRAM), (DRAM,), ()])
def test_it_fits_the_schema(channels):
    jsonschema.validate(json.loads(json.dumps(made(*channels).to_dict())), RECORD)


def test_what_is_not_known_is_null():
    data = made(DRAM).to_dict()
    assert data["energy"]["gross_j"] is None
    assert data["energy"]["interval_j"] is None
    assert data["emissions"] is None
    assert data["units"]["token"]["energy_j_per_unit"] is None
    assert data["energy"]["unavailable"] == ["dram"]


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
