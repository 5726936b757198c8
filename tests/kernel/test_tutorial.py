"""The tutorial in its short form: a real model, trained, evaluated and used under the virtual meter."""

from __future__ import annotations

import re

import pytest

from command_line import POWER_W
from tutorials import Tutorial, needs_llm, run_tutorial

MEASURED = ["imports", "tokenize", "train", "evaluate", "one by one", "one batch", "write"]

pytestmark = needs_llm


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    return run_tutorial("01-measure.ipynb", tmp_path_factory.mktemp("tutorial"))


def test_every_cell_has_energy_with_interval_and_provenance(tutorial: Tutorial) -> None:
    tutorial.assert_every_cell_has_energy()


def test_the_energy_is_what_the_virtual_meter_drew(tutorial: Tutorial) -> None:
    for name in ("imports", "train", "one by one"):
        record = tutorial.record(name)

        assert record.gross is not None
        assert record.gross.value_j == pytest.approx(POWER_W * record.duration_s, rel=0.05)


def test_the_table_has_a_row_for_each_named_cell(tutorial: Tutorial) -> None:
    for name in MEASURED:
        assert re.search(rf"\] +{name} ", tutorial.finished.out), tutorial.finished.out


def test_the_four_stages_are_measured(tutorial: Tutorial) -> None:
    assert {record.stage for record in tutorial.records} == {None, "preprocess", "train", "evaluate", "deploy"}


def test_the_model_learns(tutorial: Tutorial) -> None:
    losses = [float(loss) for loss in re.findall(r"mean loss ([\d.]+)", tutorial.text("train"))]
    said = re.search(r"(\d+\.\d+) bits per byte \(blindly: (\d+\.\d+)\)", tutorial.text("evaluate"))

    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.3
    assert said is not None and float(said[1]) < 0.9 * float(said[2])


def test_the_quarters_lie_inside_the_training_cell(tutorial: Tutorial) -> None:
    train = tutorial.record("train")
    quarters = [tutorial.record(f"quarter {number}") for number in range(1, 5)]

    assert all(quarter.parent_run_id == train.run_id for quarter in quarters)
    assert sum(quarter.counts["token"] for quarter in quarters) == train.counts["token"]
    assert sum(quarter.duration_s for quarter in quarters) < train.duration_s


def test_a_token_costs_less_in_one_batch(tutorial: Tutorial) -> None:
    one_by_one = tutorial.record("one by one").units["token"]
    one_batch = tutorial.record("one batch").units["token"]

    assert one_batch.count == one_by_one.count > 0
    assert one_batch.energy_j_per_unit is not None
    assert one_by_one.energy_j_per_unit is not None
    assert one_batch.energy_j_per_unit < one_by_one.energy_j_per_unit


def test_repeating_gives_the_energy_of_one_batch_with_both_intervals(tutorial: Tutorial) -> None:
    said = re.search(r"[\d.]+ ± [\d.]+ J per loop \(95 %; repeatability ± [\d.]+ J", tutorial.text("repeat"))

    assert said, tutorial.text("repeat")


def test_the_hottest_cell_is_named_and_the_power_plotted(tutorial: Tutorial) -> None:
    assert re.search("The hottest cell is “(imports|train)”", tutorial.text("hottest"))
    assert any("image/png" in output.get("data", {}) for output in tutorial.cells["plot"].outputs)


def test_nothing_warns(tutorial: Tutorial) -> None:
    tutorial.assert_nothing_warns()
