"""Reads CodeCarbon's data files where they are installed, without importing CodeCarbon."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from greenllm_kernel.errors import PlaceError

GRAMS_PER_POUND = 453.59237
"""Exact (international avoirdupois pound)."""

SOURCE_OF_COLUMN = {
    "coal": "coal",
    "gas": "natural_gas",
    "oil": "petroleum",
    "nuclear": "nuclear",
    "solar": "solar",
    "wind": "wind",
    "hydroelectricity": "hydroelectricity",
    "biofuel": "biofuel",
    "other_renewable_exc_biofuel": "geothermal",
}
"""By column of the countries' generation, the name of its emission factor."""

SOURCE_OF_SHARE = {
    "coal": "coal",
    "naturalGas": "natural_gas",
    "petroleum": "petroleum",
    "nuclear": "nuclear",
    "biomass": "biomass",
    "solar": "solar",
    "wind": "wind",
    "hydro": "hydroelectricity",
}
"""By column of Canada's provincial shares, the name of its emission factor."""

CODE_OF_PROVINCE = {
    "alberta": "AB",
    "british columbia": "BC",
    "manitoba": "MB",
    "new brunswick": "NB",
    "newfoundland and labrador": "NL",
    "northwest territories": "NT",
    "nova scotia": "NS",
    "nunavut": "NU",
    "ontario": "ON",
    "prince edward island": "PE",
    "quebec": "QC",
    "saskatchewan": "SK",
    "yukon": "YT",
}
"""By name as the data has it, the code of ISO 3166-2:CA."""


@dataclass(frozen=True)
class Figure:
    """One yearly average, gCO2e/kWh: the year it describes, who published it, and what the place is called."""

    value_gco2e_per_kwh: float
    year: int
    source: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class CountryMix:
    """A country's electricity in one year.

    Attributes:
        published_gco2e_per_kwh: the life-cycle intensity as published; None where there is none above 0.
        from_mix_gco2e_per_kwh: computed from the mix of sources; None where the mix is not complete.
        generated_twh: in the year.
    """

    name: str
    year: int
    generated_twh: float
    published_gco2e_per_kwh: float | None
    from_mix_gco2e_per_kwh: float | None

    @property
    def value_gco2e_per_kwh(self) -> float | None:
        """What is published, or else what the mix comes to."""
        return self.published_gco2e_per_kwh or self.from_mix_gco2e_per_kwh

    @property
    def method_spread(self) -> float | None:
        """Logarithm (absolute) of the ratio between the two computations; None where only one is possible."""
        if not self.published_gco2e_per_kwh or not self.from_mix_gco2e_per_kwh:
            return None
        return abs(math.log(self.from_mix_gco2e_per_kwh / self.published_gco2e_per_kwh))


@cache
def release() -> str:
    """Return the version of CodeCarbon whose data this is."""
    return version("codecarbon")


@cache
def countries() -> Mapping[str, CountryMix]:
    """Return every country's electricity by its ISO 3166-1 alpha-3 code."""
    entries = _read("global_energy_mix.json")
    if not entries:
        raise PlaceError("CodeCarbon's data has no global_energy_mix.json; update codecarbon")
    return {code: _country(entry) for code, entry in entries.items()}


@cache
def regions() -> Mapping[tuple[str, str], Figure]:
    """Return what is known of regions, by country (alpha-2) and region code."""
    return {**_states(), **_canadian_provinces(), **_chinese_provinces(), **_nordic_zones()}


def _country(entry: Mapping[str, Any]) -> CountryMix:
    factors = _factors()
    generated_twh = float(entry["total_TWh"])
    parts = {source: float(entry.get(f"{column}_TWh") or 0.0) for column, source in SOURCE_OF_COLUMN.items()}
    from_mix = None
    # Shares are rounded to 0.01 TWh each; a mix that misses more than that says nothing about the whole.
    if generated_twh > 0 and abs(math.fsum(parts.values()) - generated_twh) <= 0.02 * generated_twh:
        from_mix = math.fsum(twh * factors[source] for source, twh in parts.items()) / generated_twh
    return CountryMix(
        name=str(entry["country_name"]),
        year=int(entry["year"]),
        generated_twh=generated_twh,
        published_gco2e_per_kwh=entry.get("carbon_intensity") or None,
        from_mix_gco2e_per_kwh=from_mix or None,
    )


def _states() -> dict[tuple[str, str], Figure]:
    entries, folder_year = _read_newest("usa_emissions.json")
    year = entries.get("_source", {}).get("year", folder_year)
    return {
        ("US", entry["regionCode"]): Figure(
            entry["emissions"] * GRAMS_PER_POUND / 1000, year, f"EPA eGRID{year}, direct emissions", (name.title(),)
        )
        for name, entry in entries.items()
        if not name.startswith("_") and name != "usa"
    }


def _canadian_provinces() -> dict[tuple[str, str], Figure]:
    entries, year = _read_newest("canada_energy_mix.json")
    factors = _factors()
    figures = {}
    for name, entry in entries.items():
        shares = {source: entry.get(column, 0.0) for column, source in SOURCE_OF_SHARE.items()}
        known = math.fsum(shares.values())
        if name in CODE_OF_PROVINCE and known > 0:
            value = math.fsum(share * factors[source] for source, share in shares.items()) / known
            figures["CA", CODE_OF_PROVINCE[name]] = Figure(
                value, year, "the province's mix of sources", (name.title(),)
            )
    return figures


def _chinese_provinces() -> dict[tuple[str, str], Figure]:
    entries, year = _read_newest("china_provincial_emissions.json")
    return {
        ("CN", code.removeprefix("CN-")): Figure(
            entry["emission_factor"],
            entry.get("year", year),
            "China's ministry of environment, direct emissions",
            (entry["description"], *entry.get("names", ())),
        )
        for code, entry in entries.get("data", {}).items()
    }


def _nordic_zones() -> dict[tuple[str, str], Figure]:
    # Finland is one zone: what is published for the country is the better figure.
    return {
        (code[:2], code): Figure(
            entry["emission_factor"], entry["year"], "the bidding zone's mix of sources", (code, entry["description"])
        )
        for code, entry in _read("nordic_emissions.json").get("data", {}).items()
        if code != "FI"
    }


@cache
def _factors() -> Mapping[str, float]:
    entries = _read("carbon_intensity_per_source.json")
    return {name: value for name, value in entries.items() if isinstance(value, int | float)}


def _read_newest(name: str) -> tuple[dict[str, Any], int]:
    """Return a file that lies in a folder named by its year, of the newest year, and that year."""
    folders = [path for path in _folder().glob("[0-9]*") if path.name.isdigit() and (path / name).is_file()]
    if not folders:
        return {}, 0
    newest = max(folders, key=lambda path: int(path.name))
    return _read(f"{newest.name}/{name}"), int(newest.name)


def _read(name: str) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads((_folder() / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PlaceError(f"CodeCarbon's data file {name} cannot be read ({error}); reinstall codecarbon") from error
    return data


def _folder() -> Path:
    spec = find_spec("codecarbon")
    if spec is None or not spec.submodule_search_locations:
        raise PlaceError("no carbon intensity is known: CodeCarbon's data is not installed (pip install codecarbon)")
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "private_infra"
