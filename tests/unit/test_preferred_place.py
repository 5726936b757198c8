"""The place that a page asks for is in force where the configuration names none, and only if it is known."""

from __future__ import annotations

import threading
import time

import pytest

from greenllm_kernel.accounting.intensity import IntensityLookup
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import PlaceError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.notebook.cells import Cells
from greenllm_kernel.plugins import Plugins
from made_records import FRANCE, GERMANY
from sessions import WORLD, two_gpus

KNOWN = {None: WORLD, "FR": FRANCE, "DE": GERMANY}


class Atlas:
    """Knows three places."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.gate = threading.Event()
        self.gate.set()

    @hookimpl
    def greenllm_carbon_intensity(self, place, at):
        self.asked.append(place)
        self.gate.wait(20)
        if place not in KNOWN:
            raise PlaceError(f"no place {place!r}; did you mean 'FR' (France)?")
        return KNOWN[place]

    @hookimpl
    def greenllm_meters(self, config):
        return [two_gpus()]


@pytest.fixture
def atlas():
    atlas = Atlas()
    yield atlas
    atlas.gate.set()


def lookup(atlas, place=None):
    warnings: list[str] = []
    plugins = Plugins(found=[], on_fault=warnings.append)
    plugins.register(atlas, "atlas")
    return IntensityLookup(plugins, place, warnings.append, lambda: None), warnings


def test_it_is_in_force_at_once_and_until_it_is_taken_back(atlas):
    found, warnings = lookup(atlas)
    assert found.wait() == WORLD
    assert found.prefer("FR")
    assert found.wait() == FRANCE
    assert not found.is_elsewhere
    assert found.prefer(None)
    assert found.wait() == WORLD
    assert (warnings, found.problem) == ([], None)


def test_it_is_asked_for_once_however_often_pages_join(atlas):
    found, _ = lookup(atlas)
    for _ in range(5):
        found.prefer("FR")
        found.wait()
    assert atlas.asked == ["FR"]
    assert not found.prefer("FR")


def test_one_that_nobody_knows_leaves_the_world_in_force_and_says_what_is_near(atlas):
    found, warnings = lookup(atlas)
    found.prefer("FRX")
    assert found.wait() == WORLD
    assert "did you mean 'FR' (France)?" in found.problem
    assert warnings == []
    found.prefer("DE")
    assert found.wait() == GERMANY
    assert found.problem is None


def test_the_configuration_comes_first_and_that_is_said(atlas):
    found, _ = lookup(atlas, "DE")
    found.prefer("FR")
    assert found.wait() == GERMANY
    assert found.problem == "the kernel's own configuration sets the place: DE"
    found.prefer("DE")
    assert found.problem is None
    found.prefer(None)
    assert found.problem is None
    assert atlas.asked == ["DE"]


def test_where_no_plugin_knows_anything_the_problem_says_so():
    found, warnings = lookup(object())
    found.prefer("FR")
    assert found.wait() is None
    assert found.problem == "no plugin knows a carbon intensity for FR"
    assert warnings == ["no plugin knows a carbon intensity, so emissions are unavailable"]


def test_a_page_that_changes_its_mind_all_the_time_keeps_one_thread_busy_and_the_last_wish_holds(atlas):
    found, _ = lookup(atlas)
    atlas.gate.clear()
    before = threading.active_count()
    for number in range(200):
        found.prefer(f"X{number}")
    found.prefer("FR")
    assert threading.active_count() <= before + 1
    assert found.wait(0.05) is None
    atlas.gate.set()
    assert found.wait() == FRANCE
    assert len(atlas.asked) <= 3


def test_sums_of_the_session_follow_and_settled_records_keep_theirs(atlas, start):
    session, _ = start(recorder=atlas)
    cells = Cells()
    with measure("first", session=session) as run:
        time.sleep(0.3)
    first = run.settle()
    cells.settled(first)
    assert first.emissions.intensity == WORLD
    session.intensity_lookup.prefer("FR")
    session.intensity_lookup.wait()
    with measure("second", session=session) as run:
        time.sleep(0.2)
    assert run.settle().emissions.intensity == FRANCE
    assert first.emissions.intensity == WORLD
    (cell_id,) = cells.ids
    row = cells.message(cell_id, session.intensity, 1.0)
    assert row["mass_gco2e"] == pytest.approx(first.gross.value_j / 3.6e6 * FRANCE.value_gco2e_per_kwh)


def test_a_record_waits_for_a_place_that_is_being_looked_up(atlas, start):
    session, _ = start(recorder=atlas)
    session.intensity_lookup.wait()
    atlas.gate.clear()
    session.intensity_lookup.prefer("FR")
    with measure("work", session=session) as run:
        time.sleep(0.1)
    assert not run.settle(0.5).settled
    atlas.gate.set()
    assert run.settle(5.0).emissions.intensity == FRANCE


def test_a_session_with_a_place_of_its_own_says_so_to_pages(atlas, start):
    from greenllm_kernel.notebook.messages import Messages

    session, _ = start(recorder=atlas, configuration=Configuration(place="DE"))
    session.intensity_lookup.prefer("FR")
    session.intensity_lookup.wait()
    hello = Messages(session, lambda: True).hello()
    assert hello["intensity"]["place"] == "DE"
    assert "DE" in hello["preferences_error"]
