"""What trials are made into: ratios, cells, verdicts, the front and break-even. The trials' energies are made up."""

from __future__ import annotations

import html
import json
import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from compressing import llama
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.compression.comparison.asked import Asked
from greenllm_kernel.compression.comparison.comparison import Comparison
from greenllm_kernel.compression.comparison.contender import Entrant
from greenllm_kernel.compression.comparison.drawn import Drawn
from greenllm_kernel.compression.comparison.evaluation import Evaluated
from greenllm_kernel.compression.comparison.findings import Findings
from greenllm_kernel.compression.comparison.plan import looks, rounds
from greenllm_kernel.compression.comparison.quality import Accuracy, Scored, TextQuality
from greenllm_kernel.compression.comparison.verdict import Outcome
from greenllm_kernel.compression.comparison.work import Shot
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.runtime import NoSettings, Runtime
from greenllm_kernel.compression.targets import Target
from greenllm_kernel.notebook.compare_display import comparison_html
from greenllm_kernel.quantities import Energy, Provenance

PHASES = ("prefill", "decode", "generate")


class Nothing(Runtime):
    name = "eager"


@dataclass
class MadeTrial:
    """As :class:`Trial`, with energies that are given."""

    energy_j: float
    middle: float
    relative: dict[str, float] = field(default_factory=dict)
    missing: bool = False
    work: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(unit="token"))
    shots: list[Shot] = field(default_factory=lambda: [Shot(0, [10**7, 3 * 10**7, 6 * 10**7])])

    @property
    def drawn(self) -> dict[str, Drawn]:
        parts = {name: {"cpu": part * self.energy_j} for name, part in self.relative.items()}
        kind = Provenance.ESTIMATED if self.relative.get("model_j") else Provenance.MEASURED
        energy = Energy(self.energy_j, 1e-4, by_provenance_j={kind: self.energy_j}, **parts)
        drawn = Drawn(
            {} if self.missing else {"cpu": energy}, {"cpu": None}, frozenset({"CPU"} if self.missing else ())
        )
        return dict.fromkeys(PHASES, drawn)

    def seconds(self, phase: str) -> float:
        return self.energy_j / 10

    def middle_s(self, phase: str) -> float:
        return self.middle

    def keep(self) -> None:
        pass

    def settle(self, timeout_s: float) -> None:
        pass


ASKED = Asked((1,), 8, 4, [], [], None, None, [], 12, None, 0.0, 0.0, 0)
HOST = Host("a processor", "AVX2", (), (), 0, None, {})


def record() -> Record:
    energy = Energy(1000.0, 10.0, by_provenance_j={Provenance.MEASURED: 1000.0})
    return Record("1", "compare", "s", "h", datetime.now(UTC), 60.0, Status.OK, True, [], energy, None)


def entrant(name: str, file_bytes: int = 1000, cost_j: float | None = None, layers: int = 1) -> Entrant:
    cost = Energy(cost_j, 0.01 * cost_j, by_provenance_j={Provenance.MEASURED: cost_j}) if cost_j else None
    steps = ["cut"] if cost_j else []
    return Entrant(name, llama(num_hidden_layers=layers), Nothing(NoSettings()), steps, cost, file_bytes)


def found(
    entrants: list[Entrant],
    energies_j: dict[str, float],
    noise: float = 0.01,
    relative: dict[str, float] | None = None,
    evaluated: dict[str, Evaluated] | None = None,
    missing: frozenset[str] = frozenset(),
) -> Comparison:
    """Make trials of these energies, J per token, in the order of a real comparison, beside a drift of 20 %."""
    chance = random.Random(5)
    findings = Findings(entrants, ASKED)
    names = [each.name for each in entrants]
    planned = {look.pairs: look for look in looks(ASKED.pairs)}
    now = 0.0
    for made, order in enumerate(rounds(len(names), looks(ASKED.pairs), 1), 1):
        for name in (names[index] for index in order):
            now += 1.0
            value_j = energies_j[name] * math.exp(noise * chance.gauss(0, 1) + 0.2 * now / 24)
            findings.add(name, 1, made, MadeTrial(value_j, now, relative or {}, name in missing))  # type: ignore[arg-type]
        decided = [findings.look(name, 1, planned[made]) for name in names[1:]] if made in planned else [False]
        if all(decided):
            break
    return findings.comparison(evaluated or {}, {}, record(), HOST, Status.OK)


def test_savings_and_costs_are_found_beside_a_drift_and_early() -> None:
    result = found([entrant("base"), entrant("less"), entrant("more")], {"base": 1.0, "less": 0.8, "more": 1.3})

    assert {(verdict.contender, verdict.words) for verdict in result.verdicts} == {
        ("less", "saves energy"),
        ("more", "costs energy"),
    }
    less = result.verdict("less", "decode", 1)
    assert less.change == pytest.approx(-0.2, abs=0.02) and less.pairs == 6
    assert result.cell("base", "decode", 1).trials == 6


def test_a_model_of_power_widens_the_interval_unless_the_work_is_the_same() -> None:
    model = {"model_j": 0.2}
    same = [entrant("base"), entrant("other")]
    other = [entrant("base"), entrant("other", layers=2)]

    def words(entrants: list[Entrant], energy_j: float) -> set[str]:
        return {verdict.words for verdict in found(entrants, {"base": 1.0, "other": energy_j}, relative=model).verdicts}

    assert words(same, 0.8) == {"saves (estimated)"}
    assert words(other, 0.8) == {"inconclusive"}
    assert words(other, 0.5) == {"saves (estimated)"}


def test_a_smaller_file_alone_is_a_storage_saving_only() -> None:
    smaller = [entrant("base"), entrant("packed", file_bytes=90)]

    assert {v.words for v in found(smaller, {"base": 1.0, "packed": 1.0}).verdicts} == {"storage saving only"}
    loud = [
        found(smaller, {"base": 1.0, "packed": 1.0}, noise=0.1, relative=relative)
        for relative in ({}, {"model_j": 0.4})
    ]
    assert [{v.words for v in each.verdicts} for each in loud] == [{"inconclusive"}, {"storage saving only"}]
    alike = found([entrant("base"), entrant("other")], {"base": 1.0, "other": 1.0})
    assert {verdict.outcome for verdict in alike.verdicts} == {Outcome.UNCHANGED}


def test_where_a_contender_cannot_be_read_it_is_said() -> None:
    result = found([entrant("base"), entrant("other")], {"base": 1.0, "other": 1.0}, missing=frozenset({"other"}))

    (gap,) = {verdict.gap for verdict in result.verdicts}
    assert gap == "no part of the machine could be read throughout"
    assert result.cell("other", "decode", 1).gross is None and result.cell("base", "decode", 1).gross is not None
    assert "without CPU: no readings throughout" in str(result)


@pytest.mark.parametrize("bad", [(1,), (10,), tuple(range(1, 13))], ids=["first look", "later look", "all"])
def test_energies_of_nothing_or_less_are_not_compared(bad: tuple[int, ...]) -> None:
    """One is enough: a verdict on the other pairs would rest on a choice among them by what they show."""
    findings = Findings([entrant("base"), entrant("other")], ASKED)
    for number in range(1, 13):
        baseline_j = -0.1 if number in bad else 1.0 + 0.1 * (number % 3)
        findings.add("base", 1, number, MadeTrial(baseline_j, 2.0 * number))  # type: ignore[arg-type]
        findings.add("other", 1, number, MadeTrial(0.1, 2.0 * number + 1))  # type: ignore[arg-type]

    *_, is_decided = [findings.look("other", 1, look) for look in looks(12)]
    assert is_decided
    verdicts = findings.comparison({}, {}, record(), HOST, Status.OK).verdicts
    assert {verdict.gap for verdict in verdicts} == {
        "the phase is too short for the sensor: its energy comes out at 0 J or less"
    }
    assert {(verdict.outcome, verdict.change) for verdict in verdicts} == {(Outcome.INCONCLUSIVE, None)}


def test_cells_have_the_mean_of_their_trials_and_what_the_shots_tell() -> None:
    cell = found([entrant("base"), entrant("other")], {"base": 2.0, "other": 2.0}).cell("base", "decode", 1)

    assert cell.gross.value_j == pytest.approx(2.0 * math.exp(0.05), rel=0.1)
    assert cell.gross.repeatability_interval_j[0] < cell.gross.value_j < cell.gross.repeatability_interval_j[1]
    assert cell.rate_interval[0] < cell.rate < cell.rate_interval[1]
    assert cell.latency_p99_s == pytest.approx(0.03) and cell.first_token_s is None and cell.net is None
    prefill = found([entrant("base"), entrant("other")], {"base": 2.0, "other": 2.0}).cell("base", "prefill", 1)
    assert prefill.first_token_s == pytest.approx(0.01) and prefill.latency_p99_s is None


def bits(value: float) -> Evaluated:
    return Evaluated(text=TextQuality([Scored(value * 100 * math.log(2) + shift, 30, 100) for shift in (-1.0, 1.0)]))


def test_the_front_is_of_those_that_no_other_beats_in_both() -> None:
    entrants = [entrant(name) for name in ("base", "small", "worse", "sharp")]
    energies_j = {"base": 1.0, "small": 0.5, "worse": 0.7, "sharp": 1.2}
    evaluated = {"base": bits(1.0), "small": bits(1.1), "worse": bits(1.2), "sharp": bits(0.9)}

    result = found(entrants, energies_j, noise=0.001, evaluated=evaluated)

    assert result.quality_name == "bits per byte"
    assert {point.contender for point in result.front if point.is_on_front} == {"base", "small", "sharp"}
    assert [point.quality for point in result.front] == pytest.approx([1.0, 1.1, 1.2, 0.9])
    assert found(entrants, energies_j).front == []
    wrong = {name: Evaluated(accuracy=Accuracy.of([True] * 9 + [False])) for name in energies_j}
    assert [point.quality for point in found(entrants, energies_j, evaluated=wrong).front] == pytest.approx([0.1] * 4)


def test_the_change_of_quality_stands_in_the_tables_with_its_interval() -> None:
    entrants = [entrant("base"), entrant("small")]
    energies_j = {"base": 1.0, "small": 0.8}
    right = {"base": Accuracy.of([True] * 9 + [False]), "small": Accuracy.of([True] * 8 + [False] * 2)}

    def row(evaluated: dict[str, Evaluated], column: str) -> list[str]:
        result = found(entrants, energies_j, evaluated=evaluated)
        titles, *rows = (line for line in str(result).splitlines()[1:4])
        assert html.escape(column) in comparison_html(result).replace("\N{NO-BREAK SPACE}", " ")
        start = titles.index(column)
        return [line[start:].split("  ")[0] for line in rows]

    by_bits = {"base": bits(1.0), "small": bits(1.1)}
    assert row(by_bits, "Change of bits (95 %)") == ["", "+10.0 % [+8.2, +11.8]"]
    by_accuracy = {name: Evaluated(accuracy=accuracy) for name, accuracy in right.items()}
    assert row(by_accuracy, "Change of accuracy (95 %)")[1].startswith("-10 points [")
    (small,) = found(entrants, energies_j, evaluated=by_accuracy).to_dict()["contenders"][1:]
    assert small["accuracy_change"] == pytest.approx(-0.1)
    assert small["interval_accuracy_change"][0] < -0.1 < small["interval_accuracy_change"][1]


def test_compressing_is_paid_back_after_its_cost_over_the_saving() -> None:
    entrants = [entrant("base"), entrant("small", cost_j=500.0), entrant("large", cost_j=500.0), entrant("free")]
    result = found(entrants, {"base": 1.0, "small": 0.75, "large": 1.3, "free": 0.5})

    small, large = result.break_even
    saved_j = -result.verdict("small", "generate", 1).change * result.cell("base", "generate", 1).gross.value_j
    assert small.count == pytest.approx(500.0 / saved_j)
    assert small.interval[0] < small.count < small.interval[1]
    assert (large.contender, large.count, large.interval) == ("large", None, None)
    lines = str(result).splitlines()
    assert any(line.startswith("  small, batch 1: compressing is paid back after 1.") for line in lines)
    assert "  large, batch 1: no saving is sure that would pay back what compressing took" in lines


def test_of_deploying_what_it_took_more_than_the_baseline_s_is_to_be_paid_back() -> None:
    def joules(value_j: float) -> Energy:
        return Energy(value_j, 5.0, by_provenance_j={Provenance.MEASURED: value_j})

    took_j = {"base": 100.0, "small": 101.0, "both": 350.0, "raw": 350.0, "quick": 20.0}
    entrants = [entrant(name, cost_j=500.0 if name in ("small", "both") else None) for name in took_j]
    result = found(entrants, {"base": 1.0, **dict.fromkeys([*took_j][1:], 0.5)})
    told = [replace(each, deploying={1: joules(took_j[each.name])}) for each in result.contenders]
    result = replace(result, contenders=told)

    costs = {one.contender: one.costs for one in result.break_even}
    assert costs == {"small": ("compressing",), "both": ("compressing", "deploying"), "raw": ("deploying",)}
    gross_j = result.cell("base", "generate", 1).gross.value_j
    for one in result.break_even:
        saved_j = -result.verdict(one.contender, "generate", 1).change * gross_j
        assert one.count == pytest.approx({"small": 500.0, "both": 750.0, "raw": 250.0}[one.contender] / saved_j)
    assert "both, batch 1: compressing and deploying are paid back after" in str(result)
    assert "raw, batch 1: deploying is paid back after" in str(result)
    unknown = replace(result, contenders=[replace(each, deploying={}) for each in told])
    assert [(one.contender, one.costs) for one in unknown.break_even] == [
        ("small", ("compressing",)),
        ("both", ("compressing",)),
    ]


def test_the_targets_of_a_recipe_are_judged_by_what_was_measured() -> None:
    bounds = {"energy_j_per_token": 2.0, "bits_per_byte_change": 0.01, "accuracy": 0.5}
    targets = [*(Target(name, bound) for name, bound in bounds.items()), Target("energy_j_per_token", 0.9)]
    small = replace(entrant("small"), targets=targets)
    evaluated = {"base": bits(1.0), "small": bits(1.1)}

    result = found([entrant("base"), small], {"base": 1.0, "small": 0.8}, evaluated=evaluated)

    outcomes = result.judged(result.contenders[1])
    assert [outcome.is_reached for outcome in outcomes] == [True, False, None, None]
    low, high = outcomes[3].interval
    assert low < outcomes[3].value < 0.9 < high
    assert result.judged(result.contenders[0]) == []
    lines = str(result).splitlines()
    assert any("small: energy of a new token at most 2.00 J: reached" in line for line in lines)
    assert any("small: energy of a new token at most 900 mJ: not sure" in line for line in lines)


def test_all_of_it_is_json() -> None:
    result = found(
        [entrant("base"), entrant("small", cost_j=10.0)], {"base": 1.0, "small": 0.8}, evaluated={"base": bits(1)}
    )

    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))

    assert data["cells"][0]["energy_j"] > 0 and data["cells"][0]["net_j"] is None
    assert data["verdicts"][0]["verdict"] == "saves energy" and data["verdicts"][0]["interval"][1] < 0
    assert data["break_even"][0]["count"] > 0
    assert data["contenders"][0]["bits_per_byte"] == pytest.approx(1.0)
    assert data["contenders"][1]["bits_per_byte"] is None
    assert "energy" not in replace(result, cells=[], verdicts=[]).to_dict()
