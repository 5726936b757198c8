"""What lies inside what: each joule once, whichever meters see it."""

from __future__ import annotations

import time

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.metering.containment import around, is_contained, known_components
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualChannel, VirtualMeter

EVERYTHING = frozenset(Component)


def channel(
    channel_id: str, component: Component, inside: str | None = None, contains: frozenset[Component] = frozenset()
) -> Channel:
    return Channel(channel_id, component, channel_id, frozenset({Kind.POWER}), inside=inside, contains=contains)


BATTERY = channel("battery", Component.PLATFORM, contains=EVERYTHING)
PSYS = channel("psys", Component.PLATFORM)
PACKAGE = channel("package", Component.CPU, inside="psys")
CORE = channel("core", Component.CPU, inside="package")
CARD = channel("card", Component.GPU)
RAM = channel("ram", Component.DRAM)

LAPTOP = [CARD, PSYS, PACKAGE, CORE, RAM, BATTERY]


def counted(channels: list[Channel], known: set[str]) -> set[str]:
    outer = around(channels)
    return {key for key in known if not is_contained(key, outer, known)}


@pytest.mark.parametrize(
    ("known", "once"),
    [
        ({"battery", "card", "psys", "package", "core", "ram"}, {"battery"}),
        ({"card", "psys", "package", "core", "ram"}, {"card", "psys", "ram"}),
        ({"card", "package", "core"}, {"card", "package"}),
        ({"battery", "core"}, {"battery"}),
        ({"core", "ram"}, {"core", "ram"}),
    ],
    ids=["all", "the battery is charging", "no board", "parts in between are unknown", "parts alone"],
)
def test_a_battery_has_what_other_meters_see_while_it_is_known(known: set[str], once: set[str]) -> None:
    assert counted(LAPTOP, known) == once
    assert counted(LAPTOP[::-1], known) == once


def test_of_two_that_each_have_the_whole_machine_the_first_counts() -> None:
    plug = channel("plug", Component.PLATFORM, contains=EVERYTHING)

    assert counted([plug, *LAPTOP], {"plug", "battery", "card"}) == {"plug"}
    assert counted([*LAPTOP, plug], {"plug", "battery", "card"}) == {"battery"}
    assert counted([*LAPTOP, plug], {"plug", "card"}) == {"plug"}


def test_modules_beside_one_another_add_up_and_their_cards_do_not() -> None:
    inner = frozenset({Component.CPU, Component.GPU, Component.DRAM})
    modules = [channel(f"module {number}", Component.PLATFORM, contains=inner) for number in range(4)]
    cards = [channel(f"card {number}", Component.GPU) for number in range(4)]

    once = counted([*cards, *modules], {key.id for key in [*cards, *modules]})

    assert once == {module.id for module in modules}


def test_what_is_inside_a_channel_never_contains_it() -> None:
    rail = channel("rail", Component.GPU, inside="board", contains=frozenset({Component.GPU, Component.PLATFORM}))
    board = channel("board", Component.PLATFORM, contains=frozenset({Component.GPU}))

    assert counted([rail, board], {"rail", "board"}) == {"board"}
    assert counted([rail, CARD, board], {"rail", "card"}) == {"rail"}


def test_a_circle_of_channels_does_not_hang() -> None:
    left = channel("left", Component.CPU, inside="right")
    right = channel("right", Component.CPU, inside="left")

    assert is_contained("left", around([left, right]), {"right"})
    assert not is_contained("left", around([left, right]), {"left"})


def test_what_a_channel_contains_is_known_with_it() -> None:
    socket = channel("socket", Component.CPU, contains=frozenset({Component.DRAM}))

    assert known_components([socket]) == {Component.CPU, Component.DRAM}
    assert known_components([PSYS]) == {Component.PLATFORM, Component.CPU, Component.DRAM}
    assert known_components([BATTERY]) == EVERYTHING
    assert known_components([]) == set()


def test_a_battery_and_a_card_are_counted_once_in_a_record(start) -> None:  # type: ignore[no-untyped-def]
    battery = channel("platform:battery", Component.PLATFORM, contains=EVERYTHING)
    meters = [
        VirtualMeter([gpu(Constant(40.0), "gpu:0")], name="cards"),
        VirtualMeter([package(Constant(20.0), "cpu:0")], name="processors"),
        VirtualMeter([VirtualChannel(battery, Constant(100.0))], name="battery"),
        VirtualMeter([package(Constant(9.0), "cpu:model", model_uncertainty=0.3)], name="estimate"),
    ]
    session, _ = start(*meters)
    session.find_meters()

    with measure(session=session) as run:
        time.sleep(0.5)
    record = run.settle()

    assert {c.channel_id: c.counted for c in record.channels} == {
        "gpu:0": False,
        "cpu:0": False,
        "platform:battery": True,
    }
    assert record.gross is not None and record.gross.value_j == pytest.approx(50.0, rel=0.1)
