"""Whose use of an NVIDIA GPU it is: the real nvidia-ml-py on a library that knows who used it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.meter import AttributingMeter, Usage
from greenllm_plugins.meters import nvml_processes
from greenllm_plugins.meters.nvml import NvmlMeter, greenllm_meters
from nvml_driver import Driver, started
from standins import nvml
from standins.nvml import Gpu, Machine, Part, Process

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the stand-in is a Linux library")

OURS, CHILD, THEIRS = 4101, 4102, 77


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def driver(library: Path) -> Iterator[Driver]:
    running = started(library)
    yield running
    running.pool.shutdown(cancel_futures=True)


# What runs in the driver's process.


def opened() -> NvmlMeter:
    (meter,) = greenllm_meters(Configuration())
    assert isinstance(meter, NvmlMeter) and isinstance(meter, AttributingMeter)
    return meter


def usages(own: Sequence[Collection[int]], spacing_s: float) -> list[list[Usage]]:
    """Ask once for each of ``own``; return by GPU what was told."""
    meter = opened()
    ids = [channel.id for channel in meter.channels()]
    told = []
    for count, processes in enumerate(own):
        time.sleep(spacing_s if count else 0.0)
        told.append(meter.usage(ids, processes))
    meter.close()
    return [list(of_one) for of_one in zip(*told, strict=True)]


def labels() -> list[str]:
    meter = opened()
    found = [channel.label for channel in meter.channels()]
    meter.close()
    return found


def usages_with_torch(has_context: bool) -> list[Usage]:
    """Ask in a process where torch has started CUDA; the process's own number is told to NVML as ``OURS``."""
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_initialized=lambda: True, device_count=lambda: 1)  # type: ignore[attr-defined]
    torch._C = types.SimpleNamespace(_cuda_hasPrimaryContext=lambda device: has_context)  # type: ignore[attr-defined]
    sys.modules["torch"] = torch
    try:
        ((first, *_),) = usages([{OURS}], 0.0)
        return [first]
    finally:
        del sys.modules["torch"]


def usages_while_the_clock_is_set_back() -> list[Usage]:
    meter = opened()
    ids = [channel.id for channel in meter.channels()]
    real_ns, shift_ns = time.time_ns, [0]
    time.time_ns = lambda: real_ns() + shift_ns[0]
    told = []
    try:
        for shift_ns[0] in (0, 0, -3600 * 10**9, -3600 * 10**9, 0, 0):
            time.sleep(0.2)
            told.extend(meter.usage(ids, {OURS}))
    finally:
        time.time_ns = real_ns
        meter.close()
    return told


# Statements.


def between(first: Usage, last: Usage) -> tuple[float, float, float]:
    """Return what the processes asked about used, what all used, and the time that passed, s."""
    assert first.fault is None and last.fault is None
    return last.own_s - first.own_s, last.all_s - first.all_s, (last.t_ns - first.t_ns) * 1e-9


def test_busy_time_is_shared_by_what_each_process_used(driver: Driver) -> None:
    machine = Machine([Gpu(sample_period_s=0.05, processes=[Process(OURS, 60), Process(THEIRS, 20)])])

    ((first, *_, last),) = driver.on(machine, usages, [{OURS}] * 8, 0.1)

    own_s, all_s, elapsed_s = between(first, last)
    assert own_s == pytest.approx(0.75 * all_s, rel=0.02)
    assert all_s == pytest.approx(0.8 * elapsed_s, rel=0.15)


def test_it_does_not_matter_how_often_one_asks(driver: Driver) -> None:
    machine = Machine([Gpu(sample_period_s=0.05, processes=[Process(OURS, 60), Process(THEIRS, 20)])])

    ((first_often, *_, often),) = driver.on(machine, usages, [{OURS}] * 50, 0.02)
    ((first_seldom, seldom),) = driver.on(machine, usages, [{OURS}] * 2, 1.0)

    assert often.own_s / often.all_s == pytest.approx(seldom.own_s / seldom.all_s, rel=0.05)
    _, often_s, often_elapsed_s = between(first_often, often)  # a busy machine makes fifty pauses longer than two
    _, seldom_s, seldom_elapsed_s = between(first_seldom, seldom)
    assert often_s / often_elapsed_s == pytest.approx(seldom_s / seldom_elapsed_s, rel=0.2)


def test_two_kernels_never_have_more_than_the_card(driver: Driver) -> None:
    gpu = Gpu(sample_period_s=0.05, processes=[Process(OURS, 80), Process(THEIRS, 70)])

    ((*_, ours),) = driver.on(Machine([gpu]), usages, [{OURS}] * 5, 0.1)
    ((*_, theirs),) = driver.on(Machine([gpu]), usages, [{THEIRS}] * 5, 0.1)

    assert ours.own_s / ours.all_s + theirs.own_s / theirs.all_s == pytest.approx(1.0, abs=0.02)


def test_a_card_that_nobody_uses_is_not_busy(driver: Driver) -> None:
    ((first, *_, last),) = driver.on(Machine(), usages, [{OURS}] * 4, 0.1)

    assert between(first, last)[:2] == (0.0, 0.0)


def test_use_counts_from_when_it_begins_until_it_ends(driver: Driver) -> None:
    machine = Machine([Gpu(sample_period_s=0.05)])
    now_s = (time.monotonic_ns() - machine.epoch_ns) / 1e9
    burst = Process(OURS, 100, from_s=now_s + 1.0, until_s=now_s + 1.5)
    machine = Machine([Gpu(sample_period_s=0.05, processes=[burst])], epoch_ns=machine.epoch_ns)

    (told,) = driver.on(machine, usages, [{OURS}] * 14, 0.2)

    own_s, all_s, _ = between(told[0], told[-1])
    assert own_s == all_s == pytest.approx(0.5, abs=0.25)
    assert told[-1].t_ns > machine.epoch_ns + (now_s + 1.3) * 1e9
    for earlier, later in pairwise(told):
        assert earlier.all_s <= later.all_s and earlier.t_ns <= later.t_ns


def test_a_child_that_has_just_ended_is_still_counted_as_ours(driver: Driver) -> None:
    machine = Machine([Gpu(sample_period_s=0.05, processes=[Process(CHILD, 100)])])

    ((first, _, last),) = driver.on(machine, usages, [{OURS}, {OURS, CHILD}, {OURS}], 0.3)

    own_s, all_s, _ = between(first, last)
    assert own_s == all_s > 0.3


def test_entries_that_the_driver_never_wrote_are_left_out(driver: Driver) -> None:
    gpu = Gpu(sample_period_s=0.05, has_unwritten_samples=True, processes=[Process(OURS, 50), Process(THEIRS, 50)])

    ((first, *_, last),) = driver.on(Machine([gpu]), usages, [{OURS}] * 5, 0.1)

    own_s, all_s, elapsed_s = between(first, last)
    assert own_s == pytest.approx(all_s / 2, rel=0.02)
    assert 0 < all_s <= 1.1 * elapsed_s


def test_a_clock_that_is_set_back_makes_no_use_up(driver: Driver) -> None:
    machine = Machine([Gpu(sample_period_s=0.05, processes=[Process(OURS, 100)])])

    told = driver.on(machine, usages_while_the_clock_is_set_back)

    own_s, all_s, elapsed_s = between(told[0], told[-1])
    assert 0.1 < own_s == all_s <= elapsed_s + 1e-3
    assert [usage.t_ns for usage in told] == sorted(usage.t_ns for usage in told)


def test_with_mig_the_figure_is_the_whole_cards(driver: Driver) -> None:
    machine = Machine([Gpu(mig=True, parts=[Part("MIG-1", 1)], processes=[Process(OURS)]), Gpu()])

    (parted,), (plain,) = driver.on(machine, usages, [{OURS}], 0.0)

    assert parted.fault is not None and "the figure is the whole card's" in parted.fault
    assert math.isnan(parted.own_s) and math.isnan(parted.all_s)
    assert plain.fault is None


@pytest.mark.parametrize(
    ("processes", "own", "share"),
    [([OURS, CHILD], {OURS, CHILD}, 1.0), ([THEIRS], {OURS}, 0.0), ([], {OURS}, None)],
    ids=["ours alone", "none of ours", "nobody"],
)
def test_without_figures_of_processes_those_that_hold_the_card_have_all_its_use(
    driver: Driver, processes: list[int], own: set[int], share: float | None
) -> None:
    gpu = Gpu(has_process_samples=False, processes=[Process(pid, 50) for pid in processes])

    ((first, *_, last),) = driver.on(Machine([gpu]), usages, [own] * 3, 0.1)

    own_s, all_s, elapsed_s = between(first, last)
    assert all_s == pytest.approx(0.0 if share is None else elapsed_s)
    assert own_s == pytest.approx(all_s * (share or 0.0))


@pytest.mark.parametrize(
    ("processes", "reason"),
    [
        ([Process(OURS), Process(THEIRS)], "several programs hold this GPU"),
        ([Process(THEIRS, 40, is_shown=False)], "does not show by whom"),
    ],
    ids=["shared", "hidden"],
)
def test_without_figures_of_processes_a_shared_card_is_nobodys_in_particular(
    driver: Driver, processes: list[Process], reason: str
) -> None:
    ((only,),) = driver.on(Machine([Gpu(has_process_samples=False, processes=processes)]), usages, [{OURS}], 0.0)

    assert only.fault is not None and reason in only.fault
    assert math.isnan(only.own_s)


def test_a_lost_gpu_has_a_fault_and_leaves_the_other_alone(driver: Driver) -> None:
    processes = [Process(OURS)]
    machine = Machine([Gpu(processes=processes), Gpu(processes=processes, lost_at_s=0.4)])

    sound, lost = driver.on(machine, usages, [{OURS}] * 4, 0.3)

    assert all(usage.fault is None for usage in sound)
    assert lost[-1].fault is not None and "lost this GPU" in lost[-1].fault


def test_a_gpu_that_this_user_may_not_open_says_so(driver: Driver) -> None:
    _, (closed,) = driver.on(Machine([Gpu(), Gpu(permitted=False)]), usages, [{OURS}], 0.0)

    assert closed.fault == "this user may not read this GPU"


@pytest.mark.parametrize("has_context", [True, False])
@pytest.mark.parametrize("pid", [OURS, THEIRS])
def test_a_process_that_uses_cuda_and_is_not_shown_cannot_be_told_from_others(
    driver: Driver, has_context: bool, pid: int
) -> None:
    (only,) = driver.on(Machine([Gpu(processes=[Process(pid)])]), usages_with_torch, has_context)

    if has_context and pid != OURS:
        assert only.fault is not None and "by its own number" in only.fault
    else:
        assert only.fault is None


def usages_in_a_container(own: Sequence[Collection[int]], spacing_s: float) -> list[list[Usage]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("greenllm_plugins.meters.nvml.is_contained", lambda: True)
        return usages(own, spacing_s)


@pytest.mark.parametrize(
    ("hidden", "share"), [([], 1.0), ([Process(THEIRS, 60, is_shown=False)], 0.4)], ids=["alone", "beside others"]
)
def test_in_a_container_what_programs_outside_use_is_not_ours(
    driver: Driver, hidden: list[Process], share: float
) -> None:
    machine = Machine([Gpu(sample_period_s=0.05, processes=[Process(OURS, 40), *hidden])])

    ((first, *_, last),) = driver.on(machine, usages_in_a_container, [{OURS}] * 6, 0.15)

    own_s, all_s, elapsed_s = between(first, last)
    assert own_s / all_s == pytest.approx(share, rel=0.05)
    assert own_s == pytest.approx(0.4 * elapsed_s, rel=0.2)


def test_in_a_container_a_card_that_only_others_use_is_busy_with_them(driver: Driver) -> None:
    gpu = Gpu(sample_period_s=0.05, processes=[Process(OURS, 0), Process(THEIRS, 60, is_shown=False)])

    ((first, *_, last),) = driver.on(Machine([gpu]), usages_in_a_container, [{OURS}] * 5, 0.15)

    own_s, all_s, elapsed_s = between(first, last)
    assert own_s == 0.0
    assert all_s == pytest.approx(0.6 * elapsed_s, rel=0.2)


@pytest.mark.parametrize("has_samples", [True, False])
@pytest.mark.parametrize("percent", [60, 0])
def test_where_a_container_hides_whose_the_use_is_the_card_still_tells_how_busy_it_was(
    driver: Driver, percent: float, has_samples: bool
) -> None:
    processes = [Process(THEIRS, percent, is_shown=False)]
    gpu = Gpu(sample_period_s=0.05, processes=processes, has_process_samples=has_samples)

    ((first, *_, last),) = driver.on(Machine([gpu]), usages_in_a_container, [{OURS}] * 6, 0.15)

    assert last.fault is not None and "in a container" in last.fault
    assert math.isnan(last.own_s)
    elapsed_s = (last.t_ns - first.t_ns) * 1e-9
    assert elapsed_s > 0.5
    assert last.all_s - first.all_s == pytest.approx(percent / 100 * elapsed_s, rel=0.02)


IN_A_CONTAINER = """
import os, sys
from greenllm_kernel.configuration import Configuration
from greenllm_plugins.meters.nvml import greenllm_meters
(meter,) = greenllm_meters(Configuration())
(usage,) = meter.usage([channel.id for channel in meter.channels()], [os.getpid()])
print(os.getpid(), usage.fault)
"""


def told_in_a_container(library: Path, gpu: Gpu) -> str:
    control = library / "machine"
    Machine([gpu]).write(control)
    return subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", IN_A_CONTAINER],
        env=nvml.environment(library, control) | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


def can_have_a_namespace() -> bool:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_have_a_namespace(), reason="no namespace of process ids can be made here")
@pytest.mark.skipif(nvml_processes.is_contained(), reason="the tests run in a container themselves")
@pytest.mark.parametrize(
    ("gpu", "told"),
    [
        (Gpu(processes=[Process(40_000)]), "start it with the host's process ids"),
        (Gpu(processes=[Process(1)]), "None"),
        (Gpu(has_process_samples=False, processes=[Process(1)]), "only the container's own"),
    ],
    ids=["numbered outside", "numbered inside", "others hidden"],
)
def test_in_a_container_nothing_is_told_of_processes_numbered_outside(library: Path, gpu: Gpu, told: str) -> None:
    pid, fault = told_in_a_container(library, gpu).split(" ", 1)

    assert pid == "1" and told in fault


@pytest.mark.parametrize(
    ("gpu", "label"),
    [
        (Gpu(), "NVIDIA H200"),
        (Gpu(processes=[Process(THEIRS)]), "NVIDIA H200 (whole card, shared)"),
        (Gpu(mig=True, processes=[Process(THEIRS)]), "NVIDIA H200 (whole card, shared by MIG)"),
    ],
)
def test_a_card_that_others_hold_too_says_that_the_figure_is_the_whole_cards(
    driver: Driver, gpu: Gpu, label: str
) -> None:
    assert driver.on(Machine([gpu]), labels) == [label]
