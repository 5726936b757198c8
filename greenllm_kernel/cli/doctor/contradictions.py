"""Where what was measured contradicts what a plugin declares, in sentences for the user."""

from __future__ import annotations

from collections.abc import Iterator

from greenllm_kernel.cli.doctor.notation import time_text
from greenllm_kernel.metering.characterization.characterize import Characteristics
from greenllm_kernel.metering.characterization.refresh import Refresh
from greenllm_kernel.quantities import COVERAGE_FACTOR_95

PERIOD_FACTOR = 1.5
"""A refresh period that differs from the declared one by more than this factor is told."""

SLOW_SHARE = 0.5
"""A read that takes more than this part of the refresh period cannot place a refresh in time."""


def contradictions(found: Characteristics) -> list[str]:
    """Return what a user should know of one channel; nothing of an estimate, which has no sensor."""
    if found.channel.is_estimate:
        return [f"{found.channel.label}: {found.fault}"] if found.fault else []
    return [f"{found.channel.label}: {sentence}" for sentence in _sentences(found)]


def _sentences(found: Characteristics) -> Iterator[str]:
    declared_s = found.channel.update_period_s
    if found.counter is not None:
        yield from _of_counter(found, found.counter)
    if found.power is not None and found.counter is None:
        yield from _of_period("power", found.power, declared_s)
    if found.agreement is not None:
        bound = COVERAGE_FACTOR_95 * found.channel.gain_uncertainty
        ratio, low, high = found.agreement.ratio, found.agreement.low, found.agreement.high
        if low > 1 + bound or high < 1 - bound:
            yield (
                f"its counter tells {ratio:.2f} [{low:.2f}, {high:.2f}] times the energy that its power readings do, "
                f"and the sensor's gain is declared as sure within {100 * bound:.0f} %; do not rely on either before "
                "you know which is wrong"
            )
    if found.latency_s is not None and found.latency_s > SLOW_SHARE * declared_s > 0:
        yield (
            f"a read takes {time_text(found.latency_s)}, long for a sensor refreshed every {time_text(declared_s)}; "
            "short cells get wider intervals"
        )
    if found.setbacks:
        yield f"its counter went back {_times(found.setbacks)} without having come to its end"
    if found.faults:
        yield f"{found.faults} of {found.reads} reads failed: {found.fault}"


def _of_counter(found: Characteristics, counter: Refresh) -> Iterator[str]:
    if counter.steps == 0 and found.reads > found.faults and found.seconds > 0:
        yield f"its counter stood still for {found.seconds:.1f} s, though no powered part draws nothing"
    else:
        yield from _of_period("counter", counter, found.channel.update_period_s)


def _of_period(what: str, refresh: Refresh, declared_s: float) -> Iterator[str]:
    if refresh.period_s is not None:
        if declared_s <= 0 or not 1 / PERIOD_FACTOR <= refresh.period_s / declared_s <= PERIOD_FACTOR:
            yield (
                f"its {what} is refreshed every {time_text(refresh.period_s)}, not every {time_text(declared_s)} "
                "as its plugin declares; please report it"
            )
    elif refresh.at_most_s is not None and refresh.at_most_s * PERIOD_FACTOR < declared_s:
        yield (
            f"its {what} is refreshed every {time_text(refresh.at_most_s)} or more often, not every "
            f"{time_text(declared_s)} as its plugin declares; please report it"
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
