"""Fits that are kept: what is believed of a file, and what the meter makes of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import CalibrationError
from greenllm_kernel.metering.calibration.files import find, keep, read
from greenllm_kernel.metering.calibration.fit import Fit, Formula, HostKind, this_machine
from greenllm_plugins.meters.cpu_model import CpuModel, greenllm_meters
from greenllm_plugins.meters.cpu_rating import PART_UNCERTAINTY, SAMPLE_UNCERTAINTY, rate_by_fits

METAL = HostKind("Acme Server 9000 64-Core Processor", "AuthenticAcme", 2, 256, False)
VIRTUAL = replace(METAL, packages=1, threads=8, is_virtual=True)
LOAD = frozenset({"time", "first", "busy"})
FREQUENCY = LOAD | {"busy_slowed", "busy_at_frequency"}

FIT = Fit(
    meter="cpu_model",
    host=METAL,
    made_on="2026-01-31",
    machine=this_machine(),
    sensors=["CPU package 0", "CPU package 1"],
    gain_uncertainty=0.03,
    formulas={
        "load": Formula({"time": 160.0, "first": 32.0, "busy": 2.5}, 0.08, 0.2, 4),
        "load and frequency": Formula({"time": 150.0, "first": 20.0, "busy_at_frequency": 2.0}, 0.04, 0.1, 4),
    },
    steps=[{"kind": "idle", "rates": {"time": 1.0, "busy": 0.1}, "power_w": 165.0}],
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return Jupyter's data folder of this test's own."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "shared"))
    return tmp_path / "data"


def here() -> CpuModel:
    """Return the meter as it is found on this machine."""
    (meter,) = greenllm_meters(Configuration(meters={"cpu_model": {"sysfs": "/nowhere"}}))
    assert isinstance(meter, CpuModel)
    return meter


def for_here(**changes: object) -> Fit:
    """Return a fit for this machine's kind, whatever it is."""
    host = here().host
    return replace(FIT, host=replace(host, model=host.model or "nameless"), **changes)


# The file.


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    path = keep(FIT, tmp_path / "some" / "fit.json")

    assert read(path) == FIT
    assert read(path).steps == FIT.steps
    assert list(path.parent.iterdir()) == [path]


def test_fits_are_kept_by_kind_of_host_in_jupyter_s_data_folder(data: Path) -> None:
    first, second = keep(FIT), keep(replace(FIT, made_on="2026-02-01"))
    third = keep(replace(FIT, host=VIRTUAL))

    assert first == second != third
    assert first.parent == data / "greenllm" / "calibrations"
    fits, faults = find("cpu_model")
    assert [fit.made_on for fit in fits] == ["2026-02-01", "2026-01-31"] and faults == []
    assert find("another_meter") == ([], [])


def test_an_administrator_s_fit_is_found_too(tmp_path: Path) -> None:
    keep(FIT, tmp_path / "shared" / "greenllm" / "calibrations" / "fit.json")

    assert find("cpu_model") == ([FIT], [])


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (["greenllm_calibration"], 2, "its version is 2"),
        (["greenllm_calibration"], None, "its version is None"),
        (["host"], None, "is no fit"),
        (["host", "threads"], 0, "threads is 0"),
        (["host", "threads"], True, "threads is True"),
        (["host", "model"], 7, "model is 7"),
        (["host", "is_virtual"], "no", "is_virtual is 'no'"),
        (["made_on"], "yesterday", "yesterday"),
        (["gain_uncertainty"], 1.5, "gain_uncertainty is 1.5"),
        (["formulas"], [], "is no fit"),
        (["formulas", "load", "coefficients_w", "busy"], -1.0, "load, busy is -1.0"),
        (["formulas", "load", "coefficients_w", "busy"], 12.5e6, "load, busy is 12500000.0"),
        (["formulas", "load", "coefficients_w", "busy"], math.nan, "load, busy is nan"),
        (["formulas", "load", "coefficients_w", "busy"], "much", "load, busy is 'much'"),
        (["formulas", "load", "coefficients_w"], {"busy": 0.0}, "nothing draws power"),
        (["formulas", "load", "held_out_rms"], math.inf, "held_out_rms is inf"),
        (["formulas", "load", "kinds"], 0, "kinds is 0"),
    ],
)
def test_a_fit_that_cannot_be_is_refused_with_the_reason(
    tmp_path: Path, at: list[str], value: object, reason: str
) -> None:
    path = keep(FIT, tmp_path / "fit.json")
    whole = part = json.loads(path.read_text())
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = value
    path.write_text(json.dumps(whole))

    with pytest.raises(CalibrationError, match="fit.json is no fit of greenllm calibrate") as refused:
        read(path)

    assert reason in str(refused.value)


@pytest.mark.parametrize("key", ["meter", "host", "machine", "formulas", "made_on", "sensors", "gain_uncertainty"])
def test_a_fit_with_something_missing_is_refused(tmp_path: Path, key: str) -> None:
    path = keep(FIT, tmp_path / "fit.json")
    raw = json.loads(path.read_text())
    del raw[key]
    path.write_text(json.dumps(raw))

    with pytest.raises(CalibrationError, match=f"it has no '{key}'"):
        read(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"greenllm_calibration": 1}', "\xff\xfe", "[" * 100_000])
def test_a_corrupt_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "fit.json"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(CalibrationError, match="is no fit"):
        read(path)


def test_a_file_that_is_not_there_or_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="No such file"):
        read(tmp_path / "none.json")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CalibrationError, match="cannot be written"):
        keep(FIT, tmp_path / "file" / "fit.json")


# For which hosts.


@pytest.mark.parametrize(
    ("host", "part"),
    [
        (METAL, 1.0),
        (VIRTUAL, 8 / 256),
        (replace(METAL, packages=1, threads=128), None),
        (replace(METAL, vendor="GenuineIntel"), None),
        (replace(METAL, model="Acme Server 9001 64-Core Processor"), None),
        (replace(VIRTUAL, threads=512), None),
        (replace(METAL, model=""), None),
    ],
)
def test_a_fit_serves_hosts_of_its_kind_and_virtual_machines_on_them(host: HostKind, part: float | None) -> None:
    assert host.part_of(METAL) == part


def test_a_virtual_machine_s_fit_serves_no_whole_machine_and_no_other_virtual_one() -> None:
    assert METAL.part_of(VIRTUAL) is None
    assert replace(VIRTUAL, threads=4).part_of(VIRTUAL) is None


def test_the_surest_formula_that_can_be_told_here_is_used() -> None:
    blind, seeing = rate_by_fits([FIT], METAL, LOAD), rate_by_fits([FIT], METAL, FREQUENCY)

    assert blind is not None and seeing is not None
    assert blind.coefficients_w == FIT.formulas["load"].coefficients_w
    assert seeing.coefficients_w == FIT.formulas["load and frequency"].coefficients_w
    assert seeing.uncertainty < blind.uncertainty


def test_the_interval_has_the_held_out_error_and_the_sensor_s_gain_in_it() -> None:
    rating = rate_by_fits([FIT], METAL, LOAD)

    assert rating is not None
    assert rating.uncertainty == pytest.approx(math.hypot(0.08 * 3.182 / 1.96, 0.03), rel=1e-4)
    assert rating.basis == "calibrated on 2026-01-31, held-out error ±25%"


def test_on_another_machine_of_its_kind_a_fit_is_less_sure() -> None:
    own = rate_by_fits([FIT], METAL, LOAD)
    other = rate_by_fits([replace(FIT, machine="another")], METAL, LOAD)

    assert own is not None and other is not None
    assert other.uncertainty == pytest.approx(math.hypot(own.uncertainty, SAMPLE_UNCERTAINTY))
    assert "on another machine of its kind" in other.basis


def test_a_virtual_machine_has_its_part_of_what_is_shared_and_all_of_what_its_cpus_take() -> None:
    rating = rate_by_fits([replace(FIT, machine="another")], VIRTUAL, LOAD)
    whole = rate_by_fits([replace(FIT, machine="another")], METAL, LOAD)

    assert rating is not None and whole is not None
    assert rating.coefficients_w == {"time": 5.0, "first": 1.0, "busy": 2.5}
    assert rating.uncertainty == pytest.approx(math.hypot(whole.uncertainty, PART_UNCERTAINTY))
    assert "on a machine of which this is 3.1%" in rating.basis


def test_a_fit_of_the_very_kind_goes_before_a_newer_one_of_the_whole_machine() -> None:
    own = replace(FIT, host=VIRTUAL, made_on="2025-01-01")

    rating = rate_by_fits([FIT, own], VIRTUAL, LOAD)

    assert rating is not None and "2025-01-01" in rating.basis


def test_a_fit_of_what_cannot_be_told_here_does_not_serve() -> None:
    only = replace(FIT, formulas={"load and frequency": FIT.formulas["load and frequency"]})

    assert rate_by_fits([only], METAL, LOAD) is None


# The meter.


@pytest.mark.skipif(not here().host.model, reason="this machine does not name its processor")
def test_the_meter_takes_a_fit_for_its_host_up() -> None:
    keep(for_here())

    (channel,) = here().channels()

    assert channel.label == "CPU, estimated (calibrated on 2026-01-31, held-out error ±25%)"
    assert channel.model_uncertainty == pytest.approx(0.133, abs=0.001)
    first, second = here().read(["cpu:model"]), here().read(["cpu:model"])
    assert first[0].fault is None and second[0].value >= 0.0


def test_a_fit_of_another_processor_is_left_alone_without_a_word() -> None:
    plain = here().channels()
    keep(FIT)

    assert here().channels() == plain


def test_a_tdp_in_the_settings_goes_before_a_fit() -> None:
    keep(for_here())

    (meter,) = greenllm_meters(Configuration(meters={"cpu_model": {"tdp_w": 50, "sysfs": "/nowhere"}}))

    assert isinstance(meter, CpuModel)
    assert meter.channels()[0].label == "CPU, estimated (TDP 50 W as configured)"


@pytest.mark.parametrize("text", ["{", '{"greenllm_calibration": 99}', "\x00\xff"])
def test_a_corrupt_fit_is_named_in_the_label_and_the_table_serves(data: Path, text: str) -> None:
    plain = here().channels()[0]
    folder = data / "greenllm" / "calibrations"
    folder.mkdir(parents=True)
    (folder / "broken.json").write_bytes(text.encode("latin-1"))

    (channel,) = here().channels()

    assert "not used: " in channel.label and "broken.json is no fit" in channel.label
    assert channel.model_uncertainty == plain.model_uncertainty
