"""Budgets are understood or refused with what is expected, stop nothing, and are said to be exceeded once."""

from __future__ import annotations

import time

import pytest

from driven import gpu
from greenllm_kernel.accounting.budget import Budget, Standing, standing
from greenllm_kernel.accounting.budget_watch import budget_text, session_budget_text
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.errors import BudgetError
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.notebook.display import as_html, text
from greenllm_kernel.quantities import CarbonIntensity, Emissions
from made_records import measured, record


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("5kJ", 5000.0),
        ("5 kJ", 5000.0),
        (" 5 KJ ", 5000.0),
        ("2 Wh", 7200.0),
        ("0.1 kWh", 360_000.0),
        (".5kwh", 1_800_000.0),
        ("1e3J", 1000.0),
        ("3 MJ", 3e6),
        ("1mWh", 3.6),
        ("1MWh", 3.6e9),
    ],
)
def test_an_amount_of_energy_is_understood(text, joules):
    budget = Budget.of(text)
    assert budget.most == pytest.approx(joules)
    assert not budget.is_of_emissions


@pytest.mark.parametrize(
    ("text", "grams"),
    [("20g", 20.0), ("20 G", 20.0), ("20 gCO2e", 20.0), (" .5 kg CO₂e ", 500.0), ("3mg", 3e-3), ("1e-3 t", 1000.0)],
)
def test_an_amount_of_emissions_is_understood(text, grams):
    budget = Budget.of(text)
    assert budget.most == pytest.approx(grams)
    assert budget.is_of_emissions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no amount of energy"),
        ("much", "no amount of energy"),
        ("5,5kJ", "no amount of energy"),
        ("5kJ!", "no amount of energy"),
        ("5", "has no unit"),
        ("5 apples", "'apples' is no unit"),
        ("5mj", "'mj' is no unit"),
        ("5 mwh", "'mwh' is no unit"),
        ("5kW", "'kW' is no unit"),
        ("5 Mg", "'Mg' is no unit"),
        ("5 J CO2e", "'J' is no unit of emissions"),
        ("5 CO2e", "has no unit"),
        ("0J", "above 0"),
        ("-5kJ", "above 0"),
        ("1e999kJ", "above 0"),
        ("nan J", "no amount of energy"),
        ("9" * 10_000, "has no unit"),
        ("\x00", "no amount of energy"),
    ],
)
def test_anything_else_is_refused_with_what_is_expected(text, said):
    with pytest.raises(BudgetError, match=said) as refused:
        Budget.of(text)
    assert len(str(refused.value)) < 300


def test_what_is_said_goes_no_further_than_the_interval():
    energy = measured(1000.0, random_j=50.0)  # 902 to 1098 J

    def said(most, **more):
        return budget_text(energy, None, Budget(most), **more)

    assert standing(energy, None, Budget(800.0)) is Standing.EXCEEDED
    assert standing(energy, None, Budget(950.0)) is Standing.LIKELY
    assert standing(energy, None, Budget(1050.0)) is Standing.PERHAPS
    assert standing(energy, None, Budget(1200.0)) is Standing.WITHIN
    assert standing(None, None, Budget(1200.0)) is Standing.UNKNOWN
    assert said(800.0) == "budget 800 J certainly exceeded: 125 % of it"
    assert said(950.0) == "budget 950 J exceeded by the estimate: 105 % of it, 95 %: 95 % to 116 %"
    assert said(1050.0) == "budget 1.05 kJ perhaps exceeded: 95 % of it, 95 %: 86 % to 105 %"
    assert said(2000.0) == "within its budget 2.00 kJ: 50 % of it"
    assert "as far as is known" in said(2000.0, is_whole=False)
    assert "not known whether" in budget_text(None, None, Budget(2000.0))


def test_a_budget_of_emissions_goes_by_the_emissions_and_their_interval():
    energy = measured(3.6e6, random_j=1e4)  # 1 kWh
    emissions = Emissions.of(energy, CarbonIntensity(50.0, (40.0, 80.0), "FR", "tests", "2025"))
    grams = [Budget(most, is_of_emissions=True) for most in (30.0, 45.0, 60.0, 90.0)]
    assert [standing(energy, emissions, budget) for budget in grams] == [
        Standing.EXCEEDED,
        Standing.LIKELY,
        Standing.PERHAPS,
        Standing.WITHIN,
    ]
    assert budget_text(energy, emissions, grams[0]) == "budget 30.0 g CO2e certainly exceeded: 167 % of it"
    assert "no emissions are known" in budget_text(energy, None, grams[0])


def test_below_a_cell_stands_how_it_stands_to_its_budget():
    over = record(measured(1000.0, random_j=10.0), name="train", budget=Budget(800.0))
    assert text(over).splitlines()[0].endswith("budget 800 J certainly exceeded: 125 % of it")
    assert "certainly exceeded" in as_html(over).partition("</summary>")[0]
    within = record(measured(1000.0, random_j=10.0), name="train", budget=Budget(4000.0))
    assert "within its budget 4.00 kJ: 25 % of it" in text(within)
    assert "budget" not in as_html(within).partition("</summary>")[0]
    assert "budget" not in text(record(measured(1000.0, random_j=10.0)))


def test_a_record_keeps_its_budget_and_one_without_the_key_has_none():
    kept = record(measured(1000.0), budget=Budget(800.0)).to_dict()
    assert Record.from_dict(kept).budget == Budget(800.0)
    del kept["budget_j"], kept["budget_gco2e"]
    assert Record.from_dict(kept).budget is None
    grams = record(measured(1000.0), budget=Budget(20.0, is_of_emissions=True)).to_dict()
    assert (grams["budget_j"], grams["budget_gco2e"]) == (None, 20.0)
    assert Record.from_dict(grams).budget == Budget(20.0, is_of_emissions=True)


@pytest.fixture
def watched(start):
    session, _ = start(VirtualMeter([gpu(Constant(200.0), "gpu:0")]))
    said = []
    session.budgets.say = lambda run, sentence: said.append((run, sentence))
    assert session.find_meters()
    return session, said


def test_a_window_above_its_budget_is_told_once_while_it_runs_and_goes_on(watched):
    session, said = watched
    with measure("work", budget="20J", session=session) as run:
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.05)
        assert run.is_open
        time.sleep(1.2)
    run.settle()
    session.close()
    assert len(said) == 1
    (about, sentence), *_ = said
    assert about is run
    assert "budget 20.0 J certainly exceeded" in sentence
    assert "it goes on" in sentence
    assert run.record.budget == Budget(20.0)


def test_a_short_window_above_its_budget_is_told_when_it_is_settled(watched):
    session, said = watched
    with measure("warm", session=session):
        time.sleep(0.5)
    with measure("short", budget=1, session=session) as run:
        time.sleep(0.35)
    run.settle()
    session.close()
    assert len(said) == 1
    assert said[0][1].startswith("short: budget 1.00 J certainly exceeded")


def test_a_window_within_its_budget_hears_nothing(watched):
    session, said = watched
    with measure("work", budget="1kWh", session=session) as run:
        time.sleep(1.2)
    run.settle()
    session.close()
    assert said == []


def test_the_session_s_budget_is_told_once_and_anew_after_it_was_raised(watched):
    session, said = watched
    assert session_budget_text(session) == "This session has no budget. %energy budget 5kJ sets one, or 20g of CO2e."
    session.budget = Budget(20.0)
    assert "nothing measured yet" in session_budget_text(session)
    for most in (20.0, 60.0):
        session.budget = Budget(most)
        with measure("work", session=session):
            time.sleep(1.5)
        session.settle(5.0)
    session.close()
    assert [run for run, _ in said] == [None, None]
    assert "this session: budget 20.0 J certainly exceeded" in said[0][1]
    assert "this session: budget 60.0 J certainly exceeded" in said[1][1]
    assert "certainly exceeded" in session_budget_text(session)


def test_a_listener_that_fails_costs_no_record(start):
    session, recorder = start(VirtualMeter([gpu(Constant(200.0), "gpu:0")]))

    def fail(run, sentence):
        raise OSError("no output any more")

    session.budgets.say = fail
    assert session.find_meters()
    with measure("work", budget="1J", session=session) as run:
        time.sleep(0.8)
    assert run.settle().settled
    session.close()
    assert [record.name for record in recorder.records] == ["work"]


@pytest.mark.parametrize("budget", [0, -5, float("nan"), True, "", "5", "five"])
def test_a_budget_in_python_that_cannot_be_used_is_refused_before_anything_runs(budget):
    with pytest.raises(BudgetError):
        measure("work", budget=budget)


def test_a_decorated_function_has_its_budget_each_time(watched):
    session, _ = watched

    @measure("step", budget="2kJ", session=session)
    def step():
        return 1

    assert step() + step() == 2
    session.close()
    assert [one.budget for one in session.records if one.name == "step"] == [Budget(2000.0)] * 2
