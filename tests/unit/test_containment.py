"""What lies inside what: each joule once, whichever meters see it."""

from __future__ import annotations

import math
import time

import pytest

from driven import gpu, package
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.metering.containment import counted as counted_of
from greenllm_kernel.metering.containment import known_components
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
    return known & counted_of(channels, dict.fromkeys(known, 1.0))


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

    assert counted_of([left, right], {"right": 1.0}) == {"right"}
    assert "left" in counted_of([left, right], {"left": 1.0})


@pytest.mark.parametrize(
    ("coverage", "once"),
    [
        ({"battery": 0.95, "psys": 1.0, "package": 1.0, "card": 1.0}, {"battery"}),
        ({"battery": 0.2, "psys": 1.0, "package": 1.0, "card": 1.0}, {"psys", "card"}),
        ({"battery": 0.2, "psys": 0.1, "package": 1.0, "core": 1.0, "card": 1.0}, {"package", "card"}),
        ({"battery": 0.2, "psys": 0.1, "package": 0.2, "card": 0.2}, {"battery"}),
        ({"battery": 0.5, "card": 1.0}, {"battery"}),
        ({"package": 0.5, "core": 1.0}, {"package"}),
    ],
    ids=[
        "nearly always known",
        "known for a moment",
        "both known for a moment",
        "its parts are no better known",
        "a card is not the machine",
        "cores are not the processor",
    ],
)
def test_a_platform_known_for_a_moment_gives_way_to_its_parts(coverage: dict[str, float], once: set[str]) -> None:
    for order in (LAPTOP, LAPTOP[::-1]):
        assert counted_of(order, coverage) & coverage.keys() == once


def test_of_modules_beside_one_another_one_that_was_lost_still_counts() -> None:
    inner = frozenset({Component.CPU, Component.GPU})
    modules = [channel(f"module {number}", Component.PLATFORM, contains=inner) for number in range(2)]
    sockets = [channel(f"socket {number}", Component.CPU, inside=f"module {number}") for number in range(2)]
    coverage = {"module 0": 0.3, "module 1": 1.0, "socket 0": 1.0, "socket 1": 1.0}

    assert counted_of([*modules, *sockets], coverage) == {"module 0", "module 1"}


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


def test_a_board_lost_at_a_cell_s_beginning_leaves_the_record_to_its_package(start) -> None:  # type: ignore[no-untyped-def]
    board = VirtualChannel(channel("psys", Component.PLATFORM), Constant(90.0), gaps_s=[(1.0, math.inf)])
    session, _ = start(VirtualMeter([board, package(Constant(60.0), "cpu:0", inside="psys")]))
    session.find_meters()

    with measure(session=session) as run:
        time.sleep(2.5)
    record = run.settle()

    assert {c.channel_id: c.counted for c in record.channels} == {"psys": False, "cpu:0": True}
    assert record.gross is not None and record.gross.value_j == pytest.approx(60.0 * record.duration_s, rel=0.05)


def test_a_battery_that_fed_the_machine_for_a_moment_leaves_the_record_to_the_estimate(start) -> None:  # type: ignore[no-untyped-def]
    battery = channel("platform:battery", Component.PLATFORM, contains=EVERYTHING)
    meters = [
        VirtualMeter([VirtualChannel(battery, Constant(90.0), gaps_s=[(0.6, math.inf)])], name="battery"),
        VirtualMeter([package(Constant(9.0), "cpu:model", model_uncertainty=0.3)], name="estimate"),
    ]
    session, _ = start(*meters)
    session.find_meters()

    with measure(session=session) as run:
        time.sleep(2.5)
    record = run.settle()

    assert {c.channel_id: c.counted for c in record.channels} == {"platform:battery": False, "cpu:model": True}
