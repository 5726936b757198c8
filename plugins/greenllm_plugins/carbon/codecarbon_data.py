"""Carbon intensity of electricity, offline, from the data files that CodeCarbon brings along.

CodeCarbon itself is never imported: its data is read as files, so that a tracker of the user's own that runs beside
us is left alone. Figures are yearly averages of what is generated at a place:

- countries: life-cycle emissions per kWh and the mix of sources (Ember, through Our World in Data);
- states of the USA: EPA eGRID; provinces of Canada: their mix of sources with CodeCarbon's factor for each;
  provinces of China: the government's factors; bidding zones of Sweden and Norway: their mix, likewise.

The interval, 95 %, is what stands between such an average and the electricity that was drawn. Three parts, as ratios,
combine in squares of their logarithms:

- *method*: for a country the data allows two computations, its published intensity, and its mix of sources with
  CodeCarbon's factors; their ratio says how far methods differ there (and at least the median ratio over all
  countries). Where only one computation is possible, the ratio that 95 % of the countries stay within.
- *timing*: hours differ from the year (:data:`TIMING_RATIO`).
- *age*: the grid has changed since (:data:`DRIFT_RATIO_PER_YEAR`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from greenllm_kernel.errors import PlaceError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.quantities import CarbonIntensity, Interval
from greenllm_plugins.carbon.codecarbon_files import CountryMix, Figure, countries, regions, release
from greenllm_plugins.carbon.places import Gazetteer, Place

TIMING_RATIO = 1.35
"""By how much a yearly average can miss what was emitted at the hours of use (Miller, Novan and Jenn, Environ. Res.
Lett. 17, 044073, 2022, who find up to 35 %)."""

DRIFT_RATIO_PER_YEAR = 1.05
"""How fast a grid changes: Great Britain's, among the fastest of the large ones, went from more than 500 g/kWh in 2006
to less than 270 in 2018, 5 % a year (Electric Insights, Imperial College London)."""

WORLD = "world"
EMBER = "Ember, through Our World in Data"


@hookimpl(trylast=True)
def greenllm_carbon_intensity(place: str | None, at: datetime) -> CarbonIntensity:
    """Return the intensity at ``place``, or the world's where none is named.

    Raises:
        PlaceError: there is no such place, or no figure for it.
    """
    if place is None:
        return _world("world average, since the place is not known")
    if place.strip().lower() == WORLD:
        return _world("world average")
    return _intensity(_gazetteer().find(place), at.year)


def _intensity(place: Place, year: int) -> CarbonIntensity:
    figure = regions().get((place.country.alpha_2, place.region)) if place.region else None
    if figure is not None:
        interval = _interval(figure.value_gco2e_per_kwh, _spreads()[1], year - figure.year)
        return _described(figure, interval, place.code, figure.source)
    mix = countries().get(place.country.alpha_3)
    if mix is None or mix.value_gco2e_per_kwh is None:
        raise PlaceError(
            f"no carbon intensity is known for {place.country.alpha_2!r} ({place.country.name}); "
            "set `place` to a neighbour that feeds its grid, or leave it out for the world average"
        )
    spread = _method_spread(mix)
    source = EMBER
    if place.region is not None:
        spread = max(spread, _spreads()[1])
        source = f"{EMBER}; {place.country.name} as a whole, nothing is known of {place.code}"
    country = Figure(mix.value_gco2e_per_kwh, mix.year, source)
    interval = _interval(country.value_gco2e_per_kwh, spread, year - mix.year)
    return _described(country, interval, place.country.alpha_2, source)


def _world(why: str) -> CarbonIntensity:
    """Return the average over all electricity in the data; its interval holds the countries of 95 % of it."""
    parts = sorted(
        (mix.value_gco2e_per_kwh, mix.generated_twh, mix.year)
        for mix in countries().values()
        if mix.value_gco2e_per_kwh is not None
    )
    whole_twh = math.fsum(twh for _, twh, _ in parts)
    mean = math.fsum(value * twh for value, twh, _ in parts) / whole_twh
    by_year: dict[int, float] = {}
    for _, twh, year in parts:
        by_year[year] = by_year.get(year, 0.0) + twh
    most = max(by_year, key=lambda year: by_year[year])
    interval = (_quantile(parts, 0.025 * whole_twh), _quantile(parts, 0.975 * whole_twh))
    return _described(Figure(mean, most, EMBER), interval, WORLD, f"{why}; {EMBER}")


def _quantile(parts: Sequence[tuple[float, float, int]], twh: float) -> float:
    below_twh = 0.0
    for value, generated_twh, _ in parts:
        below_twh += generated_twh
        if below_twh >= twh:
            return value
    return parts[-1][0]


def _described(figure: Figure, interval: Interval, code: str, source: str) -> CarbonIntensity:
    return CarbonIntensity(
        value_gco2e_per_kwh=figure.value_gco2e_per_kwh,
        interval_gco2e_per_kwh=interval,
        place=code,
        source=f"{source} (in CodeCarbon {release()})",
        vintage=str(figure.year),
    )


def _interval(value: float, method_spread: float, age_years: int) -> Interval:
    age_spread = max(0, age_years) * math.log(DRIFT_RATIO_PER_YEAR)
    ratio = math.exp(math.hypot(method_spread, math.log(TIMING_RATIO), age_spread))
    return value / ratio, value * ratio


def _method_spread(mix: CountryMix) -> float:
    usual, widest = _spreads()
    own = mix.method_spread
    return widest if own is None else max(usual, own)


@cache
def _spreads() -> tuple[float, float]:
    """Return the logarithms of the ratio between two methods: its median over countries, and what 95 % stay within."""
    found = sorted(spread for mix in countries().values() if (spread := mix.method_spread) is not None)
    return found[len(found) // 2], found[math.ceil(0.95 * len(found)) - 1]


@cache
def _gazetteer() -> Gazetteer:
    gazetteer = Gazetteer({key: figure.names for key, figure in regions().items()})
    for alpha_3, mix in countries().items():
        gazetteer.add_name(mix.name, alpha_3)
    return gazetteer
