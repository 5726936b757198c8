"""Sums by stage have each instant of a stage once, however windows of it lie in each other and in cells."""

from __future__ import annotations

import json
import threading
import time

import pytest

from driven import gpu
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.stages import MOST_STAGES, OTHER_STAGES
from greenllm_kernel.accounting.totals import by_stage
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook.messages import Messages
from message_schema import fits_schema

POWER_W = 200.0


@pytest.fixture
def session(start):
    session, _ = start(VirtualMeter([gpu(Constant(POWER_W), "gpu:0")]))
    assert session.find_meters()
    with measure("warm", session=session) as run:
        time.sleep(0.3)
    run.settle()
    return session


def sums(session):
    return {one.stage: one for one in session.stages.sums()}


def settled(session):
    session.settle(5.0)
    deadline = time.monotonic() + 5.0
    while not all(span.is_settled for span in session.stages.spans) and time.monotonic() < deadline:
        time.sleep(0.01)
    return sums(session)


def test_nothing_is_said_and_kept_where_no_stage_is_named(session):
    assert sums(session) == {}
    assert session.stages.spans == []
    assert Messages(session, lambda: True).totals()["stages"] == []


def test_a_window_inside_another_of_its_stage_adds_nothing(session):
    with measure("epochs", stage="train", session=session) as outer:
        for _ in range(2):
            with measure("epoch", stage="train", session=session):
                time.sleep(0.15)
    train = settled(session)["train"]
    assert train.runs == 1
    assert train.duration_s == pytest.approx(outer.duration_s, abs=0.001)
    assert train.energy.value_j == pytest.approx(POWER_W * outer.duration_s, rel=0.05)
    low_j, high_j = train.energy.interval_j
    assert low_j <= POWER_W * outer.duration_s <= high_j


def test_windows_of_one_stage_that_overlap_count_their_common_time_once(session):
    def work():
        with measure("part", stage="train", session=session):
            time.sleep(0.4)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - began
    train = settled(session)["train"]
    assert train.runs == 3
    assert 0.55 < train.duration_s <= took_s


def test_a_stage_inside_another_counts_in_both_and_the_rest_in_neither(session):
    whole_before_s = session.span.drawn()[1]
    with measure("cell", session=session) as cell:
        time.sleep(0.2)
        with measure("train", stage="train", session=session) as train:
            time.sleep(0.1)
            with measure("evaluate", stage="evaluate", session=session) as evaluate:
                time.sleep(0.2)
    found = settled(session)
    assert list(found) == ["train", "evaluate", None]
    assert found["train"].duration_s == pytest.approx(train.duration_s, abs=0.001)
    assert found["evaluate"].duration_s == pytest.approx(evaluate.duration_s, abs=0.001)
    rest_s = whole_before_s + cell.duration_s - train.duration_s
    assert found[None].duration_s == pytest.approx(rest_s, abs=0.001)
    assert found[None].energy.value_j == pytest.approx(POWER_W * rest_s, rel=0.1)
    assert found[None].runs == 2  # the warm-up and the cell


def test_a_stage_that_becomes_known_late_counts_from_the_opening_as_in_the_record(session):
    run = session.open("cell")
    time.sleep(0.2)
    run.stage = "train"
    time.sleep(0.1)
    run.close()
    found = settled(session)
    assert found["train"].duration_s == pytest.approx(run.duration_s, abs=0.001)
    assert found["train"].runs == 1
    assert found["train"].energy.value_j == pytest.approx(run.settle().gross.value_j, rel=0.05)


def test_a_stage_that_changes_leaves_nothing_behind(session):
    run = session.open("cell", stage="train")
    time.sleep(0.2)
    run.stage = "evaluate"
    run.close()
    run.stage = "too late"
    found = settled(session)
    assert (found["train"].runs, found["evaluate"].runs) == (0, 1)
    assert found["train"].duration_s == pytest.approx(0.0, abs=0.001)
    assert found["evaluate"].duration_s == pytest.approx(run.duration_s, abs=0.001)
    assert "too late" not in found


def test_sums_grow_while_a_window_is_open_and_agree_with_those_of_records(session):
    with measure("one", stage="train", session=session):
        time.sleep(0.3)
        during = sums(session)["train"]
        time.sleep(0.2)
        later = sums(session)["train"]
    assert 0 < during.energy.value_j < later.energy.value_j
    with measure("two", stage="train", session=session):
        time.sleep(0.2)
    live = settled(session)["train"]
    from_records = by_stage(session.records)["train"]
    assert live.runs == from_records.runs == 2
    assert live.duration_s == pytest.approx(from_records.duration_s, abs=0.002)
    assert live.energy.value_j == pytest.approx(from_records.energy.value_j, rel=0.05)


def test_more_stages_than_a_message_holds_share_the_last(session):
    names = [f"stage {number} {'x' * 300}" for number in range(MOST_STAGES + 20)]
    for name in names:
        with measure("window", stage=name, session=session):
            time.sleep(0.01)
    totals = Messages(session, lambda: True).totals()
    settled(session)
    assert len(totals["stages"]) == MOST_STAGES + 2
    assert [one["stage"] for one in totals["stages"][-2:]] == [OTHER_STAGES, None]
    assert totals["stages"][-2]["runs"] == 20
    assert len(json.dumps(totals)) < 8192
    fits_schema(json.loads(json.dumps(totals)))


def test_a_stage_of_which_nothing_is_known_is_unavailable_and_not_zero(start):
    session, _ = start()
    with measure("work", stage="train", session=session):
        time.sleep(0.05)
    (train,) = [one for one in Messages(session, lambda: True).totals()["stages"] if one["stage"] == "train"]
    assert train["energy_j"] is None
    assert train["provenance"] == "unavailable"
    assert train["mass_gco2e"] is None
