"""``CUDA_VISIBLE_DEVICES`` is read as CUDA reads it, and only what a program here can use is measured."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import UnusableMeter
from greenllm_plugins.meters.nvml import greenllm_meters
from greenllm_plugins.meters.visible_devices import Card, MigDevice, Visible, visible
from nvml_driver import Driver, started
from standins import nvml
from standins.nvml import Gpu, Machine, Part

H200 = "NVIDIA H200"

CARDS = [
    Card(H200, "GPU-4f2a0000-1"),
    Card(H200, "GPU-4f2b0000-2"),
    Card(H200, "GPU-99990000-3", [MigDevice("MIG-aaaa-1", 7, 0), MigDevice("MIG-aabb-2", 8, 0)]),
    Card(H200, "GPU-11110000-4"),
]

MIXED = [Card("NVIDIA T400", "GPU-1-a"), Card("NVIDIA RTX 6000 Ada", "GPU-2-b"), Card("NVIDIA T400", "GPU-3-c")]


def shown(chosen: str, cards: list[Card] = CARDS, order: str | None = None) -> Visible:
    environment = {"CUDA_VISIBLE_DEVICES": chosen} | ({"CUDA_DEVICE_ORDER": order} if order else {})
    return visible(cards, environment)


def test_without_the_variable_every_card_is_visible() -> None:
    assert visible(CARDS, {}) == Visible((0, 1, 2, 3))


@pytest.mark.parametrize(
    ("chosen", "cards"),
    [
        ("2", (2,)),
        ("3, 1", (1, 3)),
        ("0,2,-1,1", (0, 2)),
        ("0,9,1", (0,)),
        ("0,none,1", (0,)),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("1,1", ()),
        ("GPU-4f2a0000-1", (0,)),
        ("GPU-4f2b", (1,)),
        ("gpu-4F2B", (1,)),
        ("GPU-4f2", ()),
        ("GPU-1111,GPU-4f2a", (0, 3)),
        ("GPU-1111,3", ()),
        ("GPU-1111,GPU-beef,0", (3,)),
        ("MIG-aaaa-1", (2,)),
        ("MIG-aab", (2,)),
        ("MIG-aa", ()),
        ("MIG-aaaa-1,MIG-aabb-2", (2,)),
        ("MIG-GPU-99990000-3/7/0", (2,)),
        ("MIG-GPU-9999/8/0", (2,)),
        ("MIG-GPU-99990000-3/9/0", ()),
        ("MIG-GPU-4f2a0000-1/7/0", ()),
    ],
)
def test_entries_are_indices_uuids_their_beginnings_and_mig_devices(chosen: str, cards: tuple[int, ...]) -> None:
    assert shown(chosen) == Visible(cards)


def test_a_card_that_may_not_be_opened_has_no_index() -> None:
    assert shown("1", [Card("GPU 0", None), *CARDS]) == Visible((2,))


def test_with_cards_of_several_kinds_an_index_says_nothing_certain() -> None:
    assert shown("0", MIXED) == Visible((0, 1, 2), is_certain=False)


@pytest.mark.parametrize(
    ("chosen", "order", "cards"),
    [("0", "PCI_BUS_ID", (0,)), ("GPU-2", None, (1,)), ("2,0,1", None, (0, 1, 2)), ("-1", None, ())],
    ids=["in bus order", "by uuid", "all of them", "none"],
)
def test_it_is_certain_where_the_order_does_not_matter(chosen: str, order: str | None, cards: tuple[int, ...]) -> None:
    assert shown(chosen, MIXED, order) == Visible(cards)


# Through the driver's library.


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the stand-in is a Linux library")
    running = started(nvml.build(tmp_path_factory.mktemp("nvml")))
    yield running
    running.pool.shutdown(cancel_futures=True)


def found(chosen: str, options: dict[str, object] | None = None) -> list[str] | UnusableMeter:
    """Return the labels of what is measured in a process with this ``CUDA_VISIBLE_DEVICES``."""
    os.environ["CUDA_VISIBLE_DEVICES"] = chosen
    try:
        (meter,) = greenllm_meters(Configuration(meters={"nvml": options or {}}))
    finally:
        del os.environ["CUDA_VISIBLE_DEVICES"]
    if isinstance(meter, UnusableMeter):
        return meter
    labels = [channel.label for channel in meter.channels()]
    meter.close()
    return labels


EIGHT = Machine([Gpu()] * 8)
PARTED = Machine([Gpu(), Gpu(mig=True, parts=[Part("MIG-c0ffee-1", 3, 0, place=0), Part("MIG-beef-2", 4, 0, place=4)])])


def test_on_a_shared_machine_only_the_visible_card_is_measured(driver: Driver) -> None:
    assert driver.on(EIGHT, found, "2") == ["NVIDIA H200 #2"]
    assert driver.on(EIGHT, found, EIGHT.uuid(5)) == ["NVIDIA H200 #5"]


@pytest.mark.parametrize("chosen", ["MIG-beef-2", "MIG-c0ff", "MIG-GPU-5caff01d-0000-4000-8000-000000000001/4/0"])
def test_of_a_mig_device_the_whole_card_is_measured_and_says_so(driver: Driver, chosen: str) -> None:
    assert driver.on(PARTED, found, chosen) == ["NVIDIA H200 (whole card, shared by MIG) #1"]


def test_all_cards_are_measured_where_the_user_says_so(driver: Driver) -> None:
    labels = driver.on(EIGHT, found, "2", {"all_devices": True})

    assert labels == [f"NVIDIA H200 #{index}" for index in range(8)]


@pytest.mark.parametrize("chosen", ["", "-1", "8", "GPU-beef", "MIG-beef"])
def test_a_program_that_sees_no_card_is_told_why_and_what_to_do(driver: Driver, chosen: str) -> None:
    refused = driver.on(EIGHT, found, chosen)

    assert isinstance(refused, UnusableMeter)
    assert f"CUDA_VISIBLE_DEVICES='{chosen}' shows programs started here none" in refused.reason
    assert "all_devices = true" in refused.remedy


def test_where_the_order_of_unlike_cards_is_unknown_all_are_measured_and_say_so(driver: Driver) -> None:
    labels = driver.on(Machine([Gpu(name="NVIDIA T400"), Gpu()]), found, "0")

    assert labels == [
        "NVIDIA T400 #0 (perhaps not visible here: set CUDA_DEVICE_ORDER=PCI_BUS_ID)",
        "NVIDIA H200 #1 (perhaps not visible here: set CUDA_DEVICE_ORDER=PCI_BUS_ID)",
    ]


def test_a_setting_that_cannot_be_used_is_named(driver: Driver) -> None:
    refused = driver.on(EIGHT, found, "0", {"all_devices": "yes"})

    assert isinstance(refused, UnusableMeter) and "all_devices = 'yes'" in refused.reason
