"""The kinds of random scenario: of load, over any sensor; of sensor, over any load; and of what goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from greenllm_kernel.metering.meter import Kind
from scenarios import loads
from scenarios.chance import Chance, Lateness, Scenario
from scenarios.loads import spread
from scenarios.sensor import Sensed


def scenario(kind: str, index: int, seed: int) -> Scenario:
    """Return the scenario of this kind and number: the same each time."""
    rng = random.Random(f"{seed}/{kind}/{index}")
    return KINDS[kind](Chance(rng, kind, index, seed))


def _of_load(make: Callable[..., loads.Load]) -> Callable[[Chance], Scenario]:
    return lambda chance: chance.scenario(chance.any_sensor(chance.load(make)))


def _jitter(chance: Chance) -> Scenario:
    return chance.scenario(_jittering(chance, chance.rng.choice((chance.both, chance.slow_counter))(chance.load())))


def _jittering(chance: Chance, sensed: Sensed) -> Sensed:
    jitter = chance.rng.uniform(0.0, 0.1)
    period_s = sensed.channel.update_period_s
    return replace(sensed, counter_ticks=chance.ticks(period_s, jitter), power_ticks=chance.ticks(period_s, jitter))


def _other_period(chance: Chance) -> Scenario:
    """Declared as 100 ms, truly 20 to 100 ms, as cards differ."""
    ways = chance.both, partial(chance.slow_counter, declared_s=0.1), partial(chance.power, period_s=0.1)
    return chance.scenario(_of_other_period(chance, chance.rng.choice(ways)(chance.load())))


def _of_other_period(chance: Chance, sensed: Sensed) -> Sensed:
    period_s = chance.rng.choice((chance.rng.uniform(0.02, 0.1), chance.rng.uniform(0.095, 0.105)))
    power_s = period_s if Kind.COUNTER not in sensed.channel.provides else chance.rng.choice((0.1, period_s))
    return replace(sensed, counter_ticks=chance.ticks(period_s), power_ticks=chance.ticks(power_s))


def _resolution(chance: Chance) -> Scenario:
    sensed = chance.rng.choice((chance.both, chance.slow_counter))(chance.load())
    return chance.scenario(replace(sensed, counter_step_j=spread(chance.rng, 0.001, 1.0)))


def _resets(chance: Chance) -> Scenario:
    sensed = chance.rng.choice((chance.both, chance.slow_counter, chance.fast_counter))(chance.load())
    resets_s = sorted(chance.span_s(0.001, 1.0)[0] for _ in range(chance.rng.choice((1, 1, 2))))
    return chance.scenario(replace(sensed, resets_s=resets_s))


def _gaps(chance: Chance) -> Scenario:
    return chance.scenario(_with_gaps(chance, chance.any_sensor(chance.load())))


def _with_gaps(chance: Chance, sensed: Sensed) -> Sensed:
    spans_s = [chance.span_s(0.02, 3.0) for _ in range(chance.rng.choice((1, 1, 2)))]
    return replace(sensed, **{chance.rng.choice(("gaps_s", "gaps_s", "breaks_s")): spans_s})


def _frozen(chance: Chance) -> Scenario:
    """Nothing is refreshed for a while; then the counter has counted all the same."""
    sensed = chance.rng.choice((chance.both, chance.slow_counter, chance.fast_counter))(chance.load())
    spans_s = [chance.span_s(0.2, 5.0)]
    power = sensed.power_ticks if chance.rng.random() < 0.5 else replace(sensed.power_ticks, frozen_s=spans_s)
    return chance.scenario(
        replace(sensed, counter_ticks=replace(sensed.counter_ticks, frozen_s=spans_s), power_ticks=power)
    )


def _garbage(chance: Chance) -> Scenario:
    return chance.scenario(replace(chance.any_sensor(chance.load()), garbage=spread(chance.rng, 0.001, 0.05)))


def _busy(chance: Chance) -> Scenario:
    sensed = replace(chance.any_sensor(chance.load()), regain_s=chance.rng.uniform(0.0, 0.008))
    return chance.scenario(sensed, late=_of_busy_interpreter(chance.rng))


def _of_busy_interpreter(rng: random.Random) -> Lateness:
    late = Lateness(rng, busy_share=rng.uniform(0.3, 1.0), stall_share=rng.choice((0.0, 0.01, 0.05)))
    return replace(late, stall_share=0.02, stall_s=(0.2, 2.0)) if rng.random() < 0.15 else late


def _cold(chance: Chance) -> Scenario:
    """The first window of a session, whose meter may have to be found first."""
    found_s = chance.windows_s[0][0] + chance.rng.choice((-1.0, 0.0, chance.rng.uniform(0.0, 1.0)))
    return chance.scenario(chance.any_sensor(chance.load()), official=0, is_watched=False, found_s=max(0.0, found_s))


def _many_cards(chance: Chance) -> Scenario:
    """Two to eight cards that are read one after the other, often beside a busy cell: a round takes up to 60 ms."""
    rng = chance.rng
    regain_s = rng.choice((0.0, 0.007))
    cards = []
    for number in range(rng.randint(2, 8)):
        card = chance.both(chance.load())
        card = replace(card, channel=replace(card.channel, id=f"gpu:{number}"), latency_s=0.0003, regain_s=regain_s)
        cards.append(card)
    chosen = rng.randrange(len(cards))
    late = _of_busy_interpreter(rng) if regain_s else Lateness(rng)
    return chance.scenario(cards[chosen], late=late, before=cards[:chosen], after=cards[chosen + 1 :])


def _all_at_once(chance: Chance) -> Scenario:
    """Each of the usual troubles with a chance of its own."""
    rng = chance.rng
    sensed = replace(chance.any_sensor(chance.load()), regain_s=rng.choice((0.0, 0.007)))
    is_slow = sensed.channel.update_period_s >= 0.02
    if is_slow and rng.random() < 0.4:
        sensed = _jittering(chance, sensed)
    if sensed.channel.update_period_s == 0.1 and rng.random() < 0.4:
        sensed = _of_other_period(chance, sensed)
    if Kind.COUNTER in sensed.channel.provides and is_slow and rng.random() < 0.4:
        sensed = replace(sensed, counter_step_j=spread(rng, 0.001, 1.0))
    if rng.random() < 0.2:
        sensed = _with_gaps(chance, sensed)
    if rng.random() < 0.2:
        sensed = replace(sensed, garbage=spread(rng, 0.001, 0.01))
    late = _of_busy_interpreter(rng) if rng.random() < 0.4 else Lateness(rng)
    return chance.scenario(sensed, late=late, found_s=rng.choice((0.0, rng.uniform(0.0, 1.0))))


KINDS: dict[str, Callable[[Chance], Scenario]] = {
    **{f"load-{make.__name__}": _of_load(make) for make in loads.LOADS},
    "slow-counter": lambda chance: chance.scenario(chance.slow_counter(chance.load())),
    "fast-counter": lambda chance: chance.scenario(chance.fast_counter(chance.load())),
    "power-declared": lambda chance: chance.scenario(chance.power(chance.load(), is_declared=True)),
    "power-undeclared": lambda chance: chance.scenario(chance.power(chance.load(), is_declared=False)),
    "both-25ms": lambda chance: chance.scenario(chance.both(chance.load(), 0.025)),
    "both-1s": lambda chance: chance.scenario(chance.both(chance.load(), 1.0)),
    "jitter": _jitter,
    "other-period": _other_period,
    "resolution": _resolution,
    "resets": _resets,
    "gaps": _gaps,
    "frozen": _frozen,
    "garbage": _garbage,
    "busy": _busy,
    "cold": _cold,
    "many-cards": _many_cards,
    "all-at-once": _all_at_once,
}
