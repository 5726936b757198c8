"""Carbon intensity comes offline from CodeCarbon's data, with an honest interval and its source."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from greenllm_kernel.errors import PlaceError
from greenllm_kernel.quantities import CarbonIntensity
from greenllm_plugins.carbon.codecarbon_data import greenllm_carbon_intensity
from greenllm_plugins.carbon.codecarbon_files import countries, regions

AT = datetime(2026, 1, 31, tzinfo=UTC)


def intensity(place: str | None, at: datetime = AT) -> CarbonIntensity:
    return greenllm_carbon_intensity(place, at)


def test_a_country_is_found_by_code_or_name() -> None:
    france = intensity("FR")
    assert france.place == "FR"
    assert france.value_gco2e_per_kwh == pytest.approx(countries()["FRA"].published_gco2e_per_kwh)
    for name in ("FRA", "FRANCE", "fr", " France "):
        assert intensity(name) == france
    assert intensity("TÜRKIYE") == intensity("TURKEY") == intensity("TUR")
    assert intensity("UK") == intensity("GB")


def test_the_figure_says_who_published_it_and_for_which_year() -> None:
    france = intensity("FR")
    assert "Ember" in france.source
    assert "CodeCarbon" in france.source
    assert france.vintage == "2023"


@pytest.mark.parametrize("place", ["US-CA", "CA-QC", "CN-BJ", "SE3", "NO-NO4"])
def test_a_region_has_its_own_figure(place: str) -> None:
    region = intensity(place)
    assert region.place.endswith(place.rpartition("-")[2])
    assert region.value_gco2e_per_kwh != intensity(region.place[:2]).value_gco2e_per_kwh


def test_a_state_of_the_usa_is_converted_from_pounds_per_megawatt_hour() -> None:
    assert intensity("US-WV").value_gco2e_per_kwh == pytest.approx(1968.869 * 0.45359237, rel=1e-3)


def test_a_region_nothing_is_known_of_gets_its_countrys_figure_and_a_wider_interval() -> None:
    region, country = intensity("DE-BY"), intensity("DE")
    assert region.value_gco2e_per_kwh == country.value_gco2e_per_kwh
    assert region.interval_gco2e_per_kwh[1] > country.interval_gco2e_per_kwh[1]
    assert "nothing is known of DE-BY" in region.source


def test_an_unnamed_place_is_the_world_and_says_so() -> None:
    world = intensity(None)
    assert world.place == "world"
    assert "world average, since the place is not known" in world.source
    assert 450 < world.value_gco2e_per_kwh < 510
    low, high = world.interval_gco2e_per_kwh
    assert low < 100
    assert high > 650


def test_every_interval_is_wide_holds_its_value_and_is_never_zero() -> None:
    places = [*(code for code, mix in countries().items() if mix.value_gco2e_per_kwh), *map("-".join, regions())]
    assert len(places) > 280
    for place in places:
        found = intensity(place)
        low, high = found.interval_gco2e_per_kwh
        assert 0 < low <= found.value_gco2e_per_kwh / 1.35
        assert found.value_gco2e_per_kwh * 1.35 <= high


def test_old_figures_have_wider_intervals() -> None:
    later = intensity("DE", datetime(2035, 1, 1, tzinfo=UTC))
    assert later.interval_gco2e_per_kwh[1] > intensity("DE").interval_gco2e_per_kwh[1]


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("FRX", "no place 'FRX'; did you mean 'FR' (France)"),
        ("GERMANI", "did you mean 'DE' (Germany)"),
        ("CA-QB", "'CA-QC' (Quebec)"),
        ("US-XX", "no place 'US-XX'; did you mean 'US-"),
        ("12345", 'use a country code such as "FR"'),
        ("MC", "no carbon intensity is known for 'MC' (Monaco)"),
    ],
)
def test_a_place_that_does_not_exist_raises_and_names_the_nearest(place: str, advice: str) -> None:
    with pytest.raises(PlaceError) as raised:
        intensity(place)
    assert advice in str(raised.value)


def run_python(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_codecarbon_is_not_imported_and_nothing_touches_the_network(tmp_path: Path) -> None:
    said = run_python(
        """
        import socket, sys
        from datetime import datetime, UTC
        def refuse(*args, **kwargs): raise AssertionError("network")
        socket.socket.connect = socket.getaddrinfo = refuse
        from greenllm_plugins.carbon.codecarbon_data import greenllm_carbon_intensity
        greenllm_carbon_intensity("FR", datetime.now(UTC)), greenllm_carbon_intensity("US-CA", datetime.now(UTC))
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("codecarbon", "pandas", "requests")))
        """,
        tmp_path,
    )
    assert said.strip() == "[]"


def test_a_users_own_tracker_beside_a_measured_window_is_not_disturbed(tmp_path: Path) -> None:
    said = run_python(
        """
        import logging, os, sys, time
        from pathlib import Path
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        from codecarbon import OfflineEmissionsTracker
        from greenllm_kernel.accounting.session import Session
        from greenllm_kernel.configuration import Configuration

        session = Session(Configuration(place="FR", use_meters=frozenset({"virtual"}),
                                        disable_plugins=frozenset({"ledger"})))
        tracker = OfflineEmissionsTracker(country_iso_code="FRA", output_dir=".", log_level="error",
                                          measure_power_secs=1, allow_multiple_runs=False)
        tracker.start()
        window = session.open("beside")
        session.find_meters(20)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            sum(range(10_000))
        window.close()
        kg = tracker.stop()
        record = window.settle(5)
        session.close()
        data = tracker.final_emissions_data
        assert kg and kg > 0 and data.energy_consumed > 0, data
        assert abs(data.emissions / data.energy_consumed * 1000 - 56.0) < 1, data
        assert record.emissions.intensity.place == "FR", record
        assert Path("emissions.csv").exists()
        print(session.warnings)
        """,
        tmp_path,
    )
    assert said.strip().splitlines()[-1] == "[]"
