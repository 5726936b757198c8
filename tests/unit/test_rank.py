"""Several meters that know one component: sensors come before exporters, exporters before cross-checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driven import START_NS, Driven, gpu
from greenllm_kernel.metering.containment import counted as counted_of
from greenllm_kernel.metering.containment import is_superseded
from greenllm_kernel.metering.meter import Channel, Component, Kind
from greenllm_kernel.metering.profiles import Constant


def channel(
    key: str, rank: int = 0, model: float = 0.0, component: Component = Component.CPU, inside: str | None = None
) -> Channel:
    return Channel(key, component, key, frozenset({Kind.COUNTER}), model_uncertainty=model, rank=rank, inside=inside)


RAPL = channel("rapl")
MODEL = channel("model", model=0.2)
EXPORTER = channel("exporter", rank=1)
EXPORTED_CORE = channel("exported core", rank=1, inside="exporter")
CHECK = channel("check", rank=3, model=0.2)
RAM = channel("ram", component=Component.DRAM)
EXPORTED_BOARD = channel("exported board", rank=2, component=Component.PLATFORM)
BATTERY = replace(channel("battery", rank=2, component=Component.PLATFORM), contains=frozenset(Component))
BOARD = channel("board", component=Component.PLATFORM)
CARD = channel("card", component=Component.GPU)


@pytest.mark.parametrize(
    ("channels", "counted"),
    [
        ([RAPL, EXPORTER, EXPORTED_CORE, CHECK], {"rapl"}),
        ([EXPORTER, EXPORTED_CORE, CHECK], {"exporter"}),
        ([MODEL, CHECK], {"model"}),
        ([CHECK], {"check"}),
        ([BOARD, EXPORTER, CHECK], {"board"}),
        ([CARD, CHECK], {"card", "check"}),
        ([MODEL, EXPORTER], {"model", "exporter"}),
        ([RAPL, RAM, EXPORTED_BOARD], {"rapl", "ram"}),
        ([RAPL, CARD, BATTERY], {"rapl", "card"}),
        ([EXPORTER, EXPORTED_BOARD, BATTERY], {"exporter"}),
        ([CARD, BATTERY], {"battery"}),
        ([CARD, EXPORTED_BOARD], {"card", "exported board"}),
        ([BATTERY, EXPORTED_BOARD, CHECK], {"battery"}),
    ],
    ids=[
        "sensor",
        "exporter",
        "estimate",
        "alone",
        "board",
        "another part",
        "an estimate comes before no sensor",
        "an exporter's board beside its parts",
        "a battery beside a sensor of the processors",
        "a battery and a board beside an exporter's processors",
        "a battery where nothing tells the processors",
        "a board has no card in it",
        "a battery has a board in it",
    ],
)
def test_the_first_in_rank_counts(channels: list[Channel], counted: set[str]) -> None:
    for order in (channels, channels[::-1]):
        assert counted_of(order, {one.id: 1.0 for one in order}) == counted


def test_one_that_gives_no_figure_leaves_its_place_to_the_next() -> None:
    assert counted_of([RAPL, EXPORTER, CHECK], {"exporter": 1.0, "check": 1.0}) >= {"exporter"}
    assert "check" not in counted_of([RAPL, EXPORTER, CHECK], {"exporter": 1.0, "check": 1.0})


@pytest.mark.parametrize(
    ("known", "needless"),
    [
        ([("rapl", RAPL)], True),
        ([("prometheus", EXPORTER)], True),
        ([("apple", channel("apple", model=0.1))], True),
        ([("rougher", channel("rougher", model=0.5))], False),
        ([("cpu_model", channel("its own other socket", model=0.1))], False),
        ([("codecarbon", channel("codecarbon", rank=3, model=0.1))], False),
        ([("nvml", CARD)], False),
        ([("psys", BOARD)], True),
        ([], False),
    ],
    ids=[
        "sensor",
        "exporter",
        "surer estimate",
        "rougher estimate",
        "own",
        "cross-check",
        "other part",
        "board",
        "none",
    ],
)
def test_an_estimate_is_needless_beside_what_knows_better(known: list[tuple[str, Channel]], needless: bool) -> None:
    assert is_superseded(MODEL, "cpu_model", known) is needless


def test_a_platform_that_is_not_counted_makes_no_estimate_needless() -> None:
    memory = channel("memory", model=1.0, component=Component.DRAM)

    assert is_superseded(memory, "ram_model", [("battery", BATTERY)])
    assert not is_superseded(memory, "ram_model", [("battery", BATTERY), ("rapl", RAPL)])


def test_a_cross_check_is_never_left_out() -> None:
    assert not is_superseded(CHECK, "codecarbon", [("rapl", RAPL)])


def test_what_is_asked_over_a_network_is_never_asked_too_often() -> None:
    driven = Driven([gpu(Constant(300.0), update_period_s=0.1, read_spacing_s=1.0)])

    driven.run(30.0)
    for _ in range(20):  # windows that open and close
        driven.begin()
        driven.run(0.1)

    assert driven.clock() == START_NS + 32_000_000_000
    assert 25 <= driven.reads <= 33
