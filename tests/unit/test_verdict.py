"""What may be said of two energies: the ratio of pairs, the order of trials, the looks, the family and the words."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest

from greenllm_kernel.accounting.repeatability import student_t, within_student_t
from greenllm_kernel.compression.comparison.drawn import (
    WORKLOAD_UNCERTAINTY,
    Drawn,
    common_channels,
    mean_energy,
    mean_of,
    systematic_of,
)
from greenllm_kernel.compression.comparison.plan import Look, looks, rounds
from greenllm_kernel.compression.comparison.ratio import Pair, Ratio, ratio_of
from greenllm_kernel.compression.comparison.verdict import (
    ALLOWED_ERROR,
    FAMILY_ERROR,
    Evidence,
    Outcome,
    is_decided,
    rounded_up,
    verdicts_of,
)
from greenllm_kernel.quantities import Energy, Provenance

LAST = Look(12, 0.85)


def pairs_of(changes: list[float], lags: list[float] | None = None, drift: float = 0.0) -> list[Pair]:
    lags = lags or [(-1.0) ** number for number in range(len(changes))]
    return [Pair(10.0, 10.0 * math.exp(change + drift * lag), lag) for change, lag in zip(changes, lags, strict=True)]


def noisy(change: float, spread: float, count: int = 12, seed: int = 1) -> Ratio:
    chance = random.Random(seed)
    noise = [chance.gauss(0, 1) for _ in range(count)]
    middle = sum(noise) / count
    width = math.sqrt(sum((each - middle) ** 2 for each in noise) / count)
    return ratio_of(pairs_of([math.log(1 + change) + spread * (each - middle) / width for each in noise]))


def evidence(ratio: Ratio | None, **more: object) -> Evidence:
    settings: dict[str, object] = {"provenance": Provenance.MEASURED, **more}
    looked = [(LAST, ratio)] if ratio else []
    return Evidence("small", "decode", 1, looked, **settings)  # type: ignore[arg-type]


def outcome(ratio: Ratio | None, **more: object) -> Outcome:
    (verdict,) = verdicts_of([evidence(ratio, **more)])
    return verdict.outcome


def test_the_mean_of_the_log_ratios_is_the_change() -> None:
    ratio = ratio_of(pairs_of([math.log(0.9)] * 3 + [math.log(0.92)] * 3))

    assert ratio.change == pytest.approx(math.sqrt(0.9 * 0.92) - 1)
    assert ratio.pairs == 6 and ratio.degrees_of_freedom == 4


def test_a_linear_drift_changes_neither_the_ratio_nor_its_interval() -> None:
    changes = [0.01, -0.02, 0.0, 0.015, -0.01, 0.005]
    still, drifting = ratio_of(pairs_of(changes)), ratio_of(pairs_of(changes, drift=0.05))

    assert drifting.log_ratio == pytest.approx(still.log_ratio)
    assert drifting.interval(0.99) == pytest.approx(still.interval(0.99))


def test_an_uneven_number_of_lags_is_put_right() -> None:
    lags = [1.0, 1.0, 1.0, -1.0]

    assert ratio_of(pairs_of([0.1] * 4, lags, drift=0.3)).log_ratio == pytest.approx(0.1)


def test_pairs_without_scatter_are_as_unsure_as_their_windows() -> None:
    ratio = ratio_of([Pair(10.0, 9.0, (-1.0) ** number, 0.02) for number in range(4)])

    assert ratio.random == pytest.approx(0.01)


def test_fewer_than_four_pairs_say_nothing() -> None:
    ratio = ratio_of(pairs_of([0.1, 0.1, 0.1]))

    assert ratio.p_value == 1.0 and ratio.interval(0.99) == (-1.0, math.inf)
    assert outcome(ratio) is Outcome.INCONCLUSIVE


def test_the_interval_is_students_and_widens_by_what_does_not_average_away() -> None:
    ratio = noisy(-0.1, 0.05)
    _, high = ratio.interval(0.99)

    assert math.log(1 + high) - ratio.log_ratio == pytest.approx(student_t(0.99, 10) * ratio.random)
    assert ratio.interval(1 - ratio.p_value)[1] == pytest.approx(0.0, abs=1e-6)
    unsure = ratio.with_systematic(3 * ratio.random)
    wide = math.log(1 + unsure.interval(0.99)[1]) - ratio.log_ratio
    # Welch and Satterthwaite: 10 degrees of freedom x (u / random)^4, cut off where nothing changes any more.
    assert wide == pytest.approx(student_t(0.99, 400) * math.sqrt(10) * ratio.random)


def test_students_probability_is_the_other_way_of_its_quantile() -> None:
    for degrees in (1, 4, 10, 33):
        assert within_student_t(student_t(0.99, degrees), degrees) == pytest.approx(0.99)
    assert within_student_t(0.0, 5) == 0.0


def test_the_looks_share_the_allowed_error() -> None:
    assert [(look.pairs, look.share) for look in looks(12)] == [(6, 0.05), (8, 0.05), (10, 0.05), (12, 0.85)]
    for pairs in range(4, 40, 2):
        found = looks(pairs)
        assert sum(look.share for look in found) == pytest.approx(1.0)
        assert found[-1].pairs == pairs and all(look.pairs % 2 == 0 for look in found) and len(found) <= 5
    for pairs in (0, 2, 5, -4):
        with pytest.raises(ValueError, match="expected an even number of 4 or more"):
            looks(pairs)


def test_every_contender_goes_before_and_after_every_other_equally_often_at_each_look() -> None:
    planned = looks(12)
    order = rounds(4, planned, seed=3)

    assert len(order) == 12 and all(sorted(one) == [0, 1, 2, 3] for one in order)
    for look in planned:
        for one, other in combinations(range(4), 2):
            lags = [row.index(other) - row.index(one) for row in order[: look.pairs]]
            assert sum(lags) == 0
    assert order == rounds(4, planned, seed=3) != rounds(4, planned, seed=4)


@pytest.mark.parametrize(
    ("change", "spread", "expected"),
    [
        (-0.1, 0.05, Outcome.SAVES),
        (0.1, 0.05, Outcome.COSTS),
        (-0.1, 0.2, Outcome.INCONCLUSIVE),
        (0.0, 0.02, Outcome.UNCHANGED),
        (0.0, 0.1, Outcome.INCONCLUSIVE),
        (-0.015, 0.002, Outcome.UNCHANGED),
        (-0.025, 0.002, Outcome.SAVES),
    ],
)
def test_the_verdict_follows_the_interval_and_the_least_change(change: float, spread: float, expected: Outcome) -> None:
    assert outcome(noisy(change, spread)) is expected


def test_storage_alone_is_saved_where_the_energy_does_not_change() -> None:
    quiet, loud = noisy(0.0, 0.02), noisy(0.0, 0.1)

    assert outcome(quiet, is_smaller=True) is Outcome.STORAGE_ONLY
    assert outcome(loud, is_smaller=True) is Outcome.INCONCLUSIVE
    same = {"is_smaller": True, "is_same_work": True}
    assert outcome(loud, **same, provenance=Provenance.ESTIMATED) is Outcome.STORAGE_ONLY
    assert outcome(loud, **same, provenance=Provenance.MEASURED) is Outcome.INCONCLUSIVE
    assert outcome(quiet, **same, provenance=Provenance.MEASURED) is Outcome.STORAGE_ONLY
    assert outcome(noisy(-0.2, 0.02), is_smaller=True, is_same_work=True) is Outcome.SAVES


def test_the_words_are_those_of_the_design() -> None:
    def words(ratio: Ratio | None, **more: object) -> str:
        return verdicts_of([evidence(ratio, **more)])[0].words

    assert words(noisy(-0.2, 0.02)) == "saves energy"
    assert words(noisy(-0.2, 0.02), provenance=Provenance.DERIVED) == "saves energy"
    assert words(noisy(-0.2, 0.02), provenance=Provenance.ESTIMATED) == "saves (estimated)"
    assert words(noisy(0.2, 0.02)) == "costs energy"
    assert words(noisy(0.2, 0.02), provenance=Provenance.ESTIMATED) == "costs (estimated)"
    assert words(noisy(0.0, 0.02)) == "no change larger than 2.1 %"
    assert words(noisy(0.0, 0.02), is_smaller=True) == "storage saving only"
    assert words(None) == "inconclusive"


def test_what_was_not_measured_is_inconclusive_and_says_why() -> None:
    (verdict,) = verdicts_of([evidence(None, gap="the meter is gone")])

    assert (verdict.change, verdict.interval, verdict.gap) == (None, None, "the meter is gone")
    assert verdict.to_dict()["change"] is None and verdict.change_text == "unknown"


def test_an_interval_without_a_useful_end_is_told_as_that() -> None:
    vague = Ratio(0.1, 300.0, 3, 0.0, 5)
    (verdict,) = verdicts_of([evidence(vague)])

    assert vague.interval(0.99) == (-1.0, math.inf)
    assert verdict.change_text == "+11 % [-100, unbounded]"
    assert verdict.to_dict()["interval"] is None
    assert verdict.words == "inconclusive"


def test_a_verdict_that_holds_alone_may_not_hold_in_a_family() -> None:
    alone = noisy(-0.06, 0.058)
    assert FAMILY_ERROR / 8 < alone.p_value / LAST.share < ALLOWED_ERROR

    assert outcome(alone) is Outcome.SAVES
    family = verdicts_of([evidence(alone)] + [evidence(noisy(0.0, 0.05, seed=seed)) for seed in range(7)])
    assert family[0].outcome is Outcome.INCONCLUSIVE
    assert family[0].interval is not None and family[0].interval[1] > 0
    assert family[0].confidence == pytest.approx(1 - FAMILY_ERROR / 8)


def test_holm_lets_sure_ones_help_the_next() -> None:
    alone = noisy(-0.06, 0.058)
    sure = [evidence(noisy(-0.3, 0.05, seed=seed)) for seed in range(7)]

    assert {verdict.outcome for verdict in verdicts_of([*sure, evidence(alone)])} == {Outcome.SAVES}


def test_the_look_that_decides_is_the_one_that_is_told() -> None:
    early, late = noisy(-0.1, 0.02, count=6), noisy(-0.01, 0.2)
    found = Evidence("small", "decode", 1, [(Look(6, 0.05), early), (LAST, late)], Provenance.MEASURED)

    (verdict,) = verdicts_of([found])
    assert verdict.outcome is Outcome.SAVES and verdict.pairs == 6
    assert verdict.interval == early.interval(1 - ALLOWED_ERROR * 0.05)


def test_one_stops_early_for_what_stands_whatever_comes() -> None:
    first = Look(6, 0.05)

    assert is_decided(first, noisy(-0.1, 0.01, count=6), family=8)
    assert is_decided(first, noisy(0.0, 0.002, count=6), family=8)
    assert not is_decided(first, noisy(-0.1, 0.05, count=6), family=1)
    assert not is_decided(first, noisy(0.0, 0.02, count=6), family=1)


@pytest.mark.parametrize(
    ("percent", "text"), [(1.701, "1.8"), (1.8, "1.8"), (0.012, "0.012"), (4.99, "5.0"), (0.0, "0"), (12.3, "13")]
)
def test_bounds_are_rounded_away_from_no_change(percent: float, text: str) -> None:
    assert rounded_up(percent) == text


def drawn(**watts: tuple[float, float, float]) -> Drawn:
    """Channels by name: energy, and the relative uncertainty of its gain and of its model."""
    return Drawn(
        {
            name: Energy(
                value_j,
                scale_j={name: gain * value_j} if gain else {},
                model_j={name: model * value_j} if model else {},
            )
            for name, (value_j, gain, model) in watts.items()
        },
        {},
    )


def test_the_gain_of_one_sensor_cancels() -> None:
    assert systematic_of(drawn(gpu=(10.0, 0.05, 0.0)), drawn(gpu=(7.0, 0.05, 0.0)), False) == pytest.approx(0.0)


def test_the_gains_of_two_sensors_cancel_as_far_as_their_parts_are_alike() -> None:
    one = drawn(gpu=(8.0, 0.05, 0.0), cpu=(2.0, 0.05, 0.0))

    assert systematic_of(one, one.scaled(0.5), False) == pytest.approx(0.0)
    other = drawn(gpu=(5.0, 0.05, 0.0), cpu=(5.0, 0.05, 0.0))
    assert systematic_of(one, other, False) == pytest.approx(0.05 * 0.3 * math.sqrt(2))


def test_a_models_error_about_the_workload_stays_unless_the_work_is_the_same() -> None:
    one, other = drawn(cpu=(10.0, 0.0, 0.2)), drawn(cpu=(6.0, 0.0, 0.2))

    assert systematic_of(one, other, False) == pytest.approx(WORKLOAD_UNCERTAINTY * math.sqrt(2))
    assert systematic_of(one, other, True) == pytest.approx(0.0)
    surer = drawn(cpu=(10.0, 0.0, 0.03))
    assert systematic_of(surer, surer, False) == pytest.approx(0.03 * math.sqrt(2))


def test_a_mean_has_the_channels_that_all_trials_have() -> None:
    trials = [drawn(gpu=(10.0, 0.02, 0.0), cpu=(4.0, 0.02, 0.0)), drawn(gpu=(12.0, 0.02, 0.0))]

    assert common_channels(trials) == {"gpu"}
    assert common_channels([]) == frozenset()
    mean = mean_of(trials).energy
    assert mean is not None and mean.value_j == pytest.approx(11.0)
    assert mean.scale_j == {"gpu": pytest.approx(0.22)}


def test_the_mean_of_trials_scatters_less_and_keeps_its_gain() -> None:
    trials = [Energy(10.0 + 0.1 * (number % 3), 0.001, scale_j={"gpu": 0.2}) for number in range(9)]

    mean = mean_energy(trials)
    assert mean.value_j == pytest.approx(10.1)
    assert 0.02 < mean.random_j < 0.1
    assert mean.scale_j == {"gpu": pytest.approx(0.2)}
    assert mean_energy(trials[:1]).random_j == 0.001
