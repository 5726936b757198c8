"""The tutorials 04 to 07 in their short forms: models trained, compressed and compared under the virtual meter."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from tutorials import Tutorial, needs_llm, run_tutorial

pytestmark = needs_llm

GENERATING = ("generate", "prefill", "decode")
"""The phases, that of the whole work first."""

PHASES = {
    "04-compress-and-compare": GENERATING,
    "05-distil": GENERATING,
    "06-text-classification": ("request",),
    "07-dialogue": GENERATING,
}
VERDICT = r"(?:saves energy|costs energy|no change larger than [\d.]+ %|storage saving only|inconclusive)"
CHANGE = r"[-+][\d.]+ % \[[-+][\d.]+, (?:[-+][\d.]+|unbounded)\]"
"""Of energy, with its interval: trials as short as these may not bound it above."""

Run = Callable[[str], Tutorial]

each = pytest.mark.parametrize("name", PHASES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return cache(lambda name: run_tutorial(f"{name}.ipynb", tmp_path_factory.mktemp("tutorial")))


@each
def test_every_cell_has_energy_with_interval_and_provenance(name: str, run: Run) -> None:
    run(name).assert_every_cell_has_energy()
    run(name).assert_nothing_warns()


@each
def test_training_compressing_and_comparing_are_measured(name: str, run: Run) -> None:
    records = run(name).records

    assert {"preprocess", "train", "compress", "compare"} <= {record.stage for record in records}
    assert all(record.gross is not None and record.gross.value_j > 0 for record in records if record.stage == "train")


@each
def test_each_contender_has_a_verdict_with_its_interval_in_each_phase(name: str, run: Run) -> None:
    (_, contenders), *phases = tables(run(name).text("compare"))
    baseline, *others = names(contenders)

    assert len(others) >= 2
    assert {title for title, _ in phases} == {f"{phase}, batch 1" for phase in PHASES[name]}
    for title, rows in phases:
        # The energy of the shorter phases comes from a difference: it may be lost in these very short trials.
        change = CHANGE if title.startswith(PHASES[name][0]) else rf"(?:{CHANGE}|unknown)"
        assert names(rows) == [baseline, *others]
        for row in rows[2:]:
            assert re.search(rf"  {change} +{VERDICT}$", row), row


@each
def test_what_was_saved_does_the_same_after_loading(name: str, run: Run) -> None:
    assert re.search(r"the same (logits|answers) after loading: True", run(name).text("save"))


@pytest.mark.parametrize("name", ["04-compress-and-compare", "05-distil"])
def test_the_model_learns(name: str, run: Run) -> None:
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", run(name).text("train"))]

    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize(
    ("name", "chance", "claim"),
    [
        ("06-text-classification", 20.0, "claim  +-50%  +30%  +about the same"),
        ("07-dialogue", 5.0, "claim  +-40%  +25%  +about the same"),
    ],
)
def test_the_claim_stands_beside_what_was_measured(name: str, chance: float, claim: str, run: Run) -> None:
    right = re.search(r"(?:accuracy|exact answers) ([\d.]+)%", run(name).text("train"))
    _, contenders = tables(run(name).text("compare"))[0]
    said = run(name).text("claim")

    assert right is not None and chance < float(right[1]) < 100, run(name).text("train")
    assert re.search(claim, said)
    for contender in names(contenders)[1:]:
        points = r"-?[\d.]+ \[-?[\d.]+, -?[\d.]+\] points"
        measured = rf"^{contender}(, batch 1)? +{CHANGE} +-?\d+% +{points}.* (not )?reached; {VERDICT}$"
        assert re.search(measured, said, re.MULTILINE), said
    assert "Energy is measured\n" in said


def test_deep_compression_makes_a_small_file_and_a_target_is_reached(run: Run) -> None:
    made, judged = (run("04-compress-and-compare").text(cell) for cell in ("deep", "sorted"))

    assert re.search(r"file of the weights at most 4.00 MB: reached, [\d.]+ kB", made)
    assert re.search(r"energy of a new token at most 1.00 mJ: (reached|missed|not sure), [\d.]+ .?J", judged)
    assert "did you mean 'prune_layers'?" in run("04-compress-and-compare").text("refused")


def test_the_front_is_drawn_and_has_somebody_on_it(run: Run) -> None:
    outputs = run("04-compress-and-compare").cells["front"].outputs

    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert re.search(r"on the front: \w+", run("04-compress-and-compare").text("front"))


def test_what_the_student_took_and_when_that_is_paid_back_is_told(run: Run) -> None:
    text = run("05-distil").text("break-even")

    when = r"compressing took [\d.]+ .*J: paid back (never|after [\d,]+ tokens)"
    assert re.search(rf"^student +{CHANGE}, {VERDICT}; {when}$", text, re.MULTILINE), text
    assert re.search(r"more bits per byte at most 1 %: (reached|missed|not sure), -?[\d.]+ %", text)


def tables(text: str) -> list[tuple[str, list[str]]]:
    """Return the tables of a comparison: the line above each, and its lines, the columns' names first."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("    "):
            found[-1][1].append(line.strip())
        else:
            found.append((line.strip(), []))
    return [(title, rows) for title, rows in found if rows]


def names(rows: list[str]) -> list[str]:
    """Return what stands in the first column of a table, without its title."""
    return [re.split(r"  +", row)[0] for row in rows[1:]]
