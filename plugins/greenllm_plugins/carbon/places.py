"""Finds the place that a user named: ISO 3166 codes, English names, and near ones where there is none."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from greenllm_kernel.errors import PlaceError

COMMON_CODES = {"UK": "GB", "ENGLAND": "GB", "SCOTLAND": "GB", "WALES": "GB", "USA": "US"}
"""What people write that ISO 3166-1 has not, or has for another purpose."""


@dataclass(frozen=True)
class Country:
    """A country of ISO 3166-1."""

    alpha_2: str
    alpha_3: str
    name: str


@dataclass(frozen=True)
class Place:
    """A country, or a region in it.

    Attributes:
        country: where.
        region: the region's code within the country, such as ``"CA"`` in the United States; None: all of it.
        region_name: what a person calls it.
    """

    country: Country
    region: str | None = None
    region_name: str | None = None

    @property
    def code(self) -> str:
        """ISO 3166 code, such as ``"FR"`` or ``"US-CA"``."""
        return self.country.alpha_2 if self.region is None else f"{self.country.alpha_2}-{self.region}"


class Gazetteer:
    """Every country, and the regions of which something is known.

    Args:
        regions: names by country (alpha-2) and region code.
    """

    def __init__(self, regions: Mapping[tuple[str, str], Iterable[str]]) -> None:
        import pycountry

        self.countries: dict[str, Country] = {}
        self._names: dict[str, Place] = {}
        for entry in pycountry.countries:
            name = getattr(entry, "common_name", entry.name)
            country = Country(entry.alpha_2, entry.alpha_3, name)
            self.countries[entry.alpha_3] = country
            for alias in (entry.alpha_2, entry.alpha_3, name, entry.name, getattr(entry, "official_name", name)):
                self._names.setdefault(_folded(alias), Place(country))
        for alias, code in COMMON_CODES.items():
            self._names.setdefault(alias, self._names[code])
        for (alpha_2, region), names in regions.items():
            place = Place(self._names[alpha_2].country, region, next(iter(names), region))
            for alias in (f"{alpha_2}-{region}", f"{place.country.alpha_3}-{region}", *_written(alpha_2, names)):
                self._names.setdefault(_folded(alias), place)

    def add_name(self, name: str, alpha_3: str) -> None:
        """Let ``name`` stand for a country, unless it stands for something already."""
        if alpha_3 in self.countries:
            self._names.setdefault(_folded(name), Place(self.countries[alpha_3]))

    def find(self, text: str) -> Place:
        """Return the place that ``text`` names.

        Raises:
            PlaceError: there is none; the message has the nearest ones.
        """
        wanted = _folded(text)
        place = self._names.get(wanted) or self._other_region(wanted)
        if place is None:
            raise PlaceError(f"no place {text!r}; {self._suggestion(wanted)}")
        return place

    def _other_region(self, wanted: str) -> Place | None:
        """A region that ISO 3166-2 has and the data has not, such as ``FR-IDF``."""
        head, dash, tail = wanted.partition("-")
        place = self._names.get(head)
        if not dash or place is None or place.region is not None:
            return None
        import pycountry

        subdivisions: Any = pycountry.subdivisions
        found = subdivisions.get(code=f"{place.country.alpha_2}-{tail}")
        return Place(place.country, tail, found.name) if found else None

    def _suggestion(self, wanted: str) -> str:
        near = difflib.get_close_matches(wanted, self._names, n=5, cutoff=0.75 if len(wanted) > 4 else 0.6)
        head, dash, _ = wanted.partition("-")
        if dash and (known := self._names.get(head)):
            inside = [name for name, place in self._names.items() if place.country == known.country and place.region]
            near = [*difflib.get_close_matches(wanted, inside, n=3, cutoff=0.5), head]
        found = list(dict.fromkeys(self._names[name] for name in near))[:2]
        if not found:
            return 'use a country code such as "FR", or a region\'s such as "US-CA"'
        named = [f"{place.code!r} ({place.region_name or place.country.name})" for place in found]
        return f"did you mean {' or '.join(named)}?"


def _written(alpha_2: str, names: Iterable[str]) -> list[str]:
    return [text for name in names for text in (name, f"{alpha_2}-{name}")]


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(plain.upper().replace("_", "-").split())
