"""``energyit()``: repeats something until the energy of one loop is known narrowly enough."""

from __future__ import annotations

import gc
import inspect
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from greenllm_kernel.accounting.energyit_result import EnergyitResult
from greenllm_kernel.accounting.loop_energy import LoopEnergy, incomplete_channels, relative_half_width
from greenllm_kernel.accounting.measure import status_of, wait_for_earlier_work
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.repeat_plan import RepeatPlan
from greenllm_kernel.accounting.repeatability import FEWEST_REPEATS, drift, next_look
from greenllm_kernel.accounting.repeats import Body, Repeats
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.quantities import Emissions

FIND_TIMEOUT_S = 10.0
"""How long the meters are looked for, where nothing was measured yet, s."""

PERIODS_PER_REPEAT = 10
"""A repeat lasts at least so many update periods of the slowest sensor: then its edges are a small part of it."""

SHORTEST_REPEAT_S = 0.5
"""And at least this, s: it makes 7 repeats a few seconds, in which a machine shows its ordinary unrest."""

SHARE_OF_MAX_TIME = 8
"""But not more than this part of the time there is, so that 7 repeats and more fit in."""

CALIBRATION_S = 0.1
"""From batches that took this long the time of one loop is known well enough, s."""

MOST_REPEATS = 1000
"""Repeats are kept one by one: very short ones (few fixed loops) end here."""

TELL_EVERY_S = 0.5
"""How often one tells how far it is, s: the figures of all repeats are added up for it."""

INTERRUPTED_SETTLE_S = 1.0
"""How long one who interrupts waits for the last repeat's readings, s."""

Tell = Callable[[int, float | None], None]
"""Told how many repeats there are (0: warming up), and the relative half-width where it is known."""


def energyit(
    function: Callable[[], object],
    *,
    loops: int | None = None,
    repeats: int | None = None,
    precision: float = 0.05,
    max_time_s: float = 60.0,
    warm_up_s: float = 1.0,
    cool_down_s: float = 0.0,
    session: Session | None = None,
) -> EnergyitResult:
    """Call ``function`` again and again until the energy of one call is known narrowly enough.

    Args:
        function: called without arguments; what it returns is dropped.
        loops: calls in each repeat; None: as many as the sensor needs.
        repeats: exactly so many; None: at least 7, and more until the precision is reached.
        precision: half-width of the 95 % repeatability interval as a part of the energy.
        max_time_s: no further repeat begins after so long, s, once there are 7.
        warm_up_s: how long it is called before the first repeat, s.
        cool_down_s: the pause between two repeats, s.
        session: instead of this process's.

    Raises:
        TypeError: ``function`` is a coroutine function.
        ValueError: a number that cannot be used.
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError("energyit cannot await a coroutine function: pass one that runs it, as with asyncio.run()")

    def body(loops: int, mark: Callable[[], None]) -> None:
        mark()
        for _ in range(loops):
            function()
        mark()

    plan = RepeatPlan(loops, repeats, precision, max_time_s, warm_up_s, cool_down_s)
    name = getattr(function, "__qualname__", "function")
    return Measurement(body, plan, session or Session.current(), name).run()


class Measurement:
    """Warms a body up, repeats it as planned, and says what one loop costs.

    Args:
        body: what is repeated.
        plan: how.
        session: in which.
        name: what its record is called, where it lies in no other run.
        tell: told how far it is, between repeats.
    """

    def __init__(self, body: Body, plan: RepeatPlan, session: Session, name: str, tell: Tell | None = None) -> None:
        self._name = name
        self._body = body
        self._plan = plan
        self._session = session
        self._tell = tell or (lambda repeats, relative: None)
        self._repeats = Repeats(session.sampler, session.configuration.wait_for_gpu)
        self._loops = plan.loops or 1
        self._is_narrowed = False

    def run(self) -> EnergyitResult:
        """Measure. What the body raises is passed on; after an interrupt :meth:`result` has what was known."""
        self._session.find_meters(FIND_TIMEOUT_S)
        with self._in_a_run(), self._repeats:
            try:
                self._warm_up()
                self._repeat()
            except KeyboardInterrupt:
                self._repeats.settle(INTERRUPTED_SETTLE_S)
                raise
        result = self.result()
        assert result is not None  # there is a first repeat where nothing was raised
        return result

    def result(self, status: Status = Status.OK) -> EnergyitResult | None:
        """Return what the repeats so far say; None where there is none."""
        made = self._repeats.made()
        if not made:
            return None
        loop = LoopEnergy.of(made)
        narrowed_to = self._plan.precision if self._is_narrowed else None
        energy = loop.mean(narrowed_to) if loop else None
        pue = self._session.configuration.pue
        intensity = self._session.intensity_lookup.wait() if energy else None
        return EnergyitResult(
            loops=self._loops,
            times_s=tuple(repeat.duration_s / repeat.loops for repeat in made),
            energies_j=loop.values_j if loop else (),
            energy=energy,
            net=energy - loop.idle if energy and loop and loop.idle else None,
            emissions=Emissions.of(energy, intensity, pue) if energy and intensity else None,
            unavailable=incomplete_channels(made),
            precision=self._plan.precision if self._plan.repeats is None else None,
            drift=drift(loop.values_j) if loop else None,
            status=status,
        )

    @contextmanager
    def _in_a_run(self) -> Iterator[None]:
        """Open a run where none is: what was drawn comes into the ledger, and is not taken for the idle machine's."""
        run = None
        if not self._session.open_runs:
            failed = wait_for_earlier_work(self._session)
            run = self._session.open(f"energyit {self._name}")
            run.failed_before = failed
        status = Status.OK
        try:
            yield
        except BaseException as error:
            status = status_of(type(error))
            raise
        finally:
            if run is not None:
                run.close(status)

    def _warm_up(self) -> None:
        """Run for a while, and learn from it how many loops a repeat has."""
        plan, batch = self._plan, 1
        if plan.loops is not None and plan.warm_up_s == 0:
            return
        until = time.monotonic() + plan.warm_up_s
        while True:
            s_per_loop = self._rehearsed_s(batch) / batch
            is_calibrated = plan.loops is not None or s_per_loop * batch >= CALIBRATION_S
            if is_calibrated and time.monotonic() >= until:
                break
            self._tell(0, None)
            batch = min(2 * batch, max(1, math.ceil(2 * CALIBRATION_S / s_per_loop))) if s_per_loop else 2 * batch
        if plan.loops is None:
            self._loops = _round_up(self._least_repeat_s / s_per_loop)

    def _rehearsed_s(self, loops: int) -> float:
        with without_collector():
            return self._repeats.rehearse(self._body, loops)

    @property
    def _least_repeat_s(self) -> float:
        wanted_s = max(SHORTEST_REPEAT_S, PERIODS_PER_REPEAT * slowest_period_s(self._session.sampler))
        return min(wanted_s, max(CALIBRATION_S, self._plan.max_time_s / SHARE_OF_MAX_TIME))

    def _repeat(self) -> None:
        """Make repeats until they are enough."""
        plan, repeats = self._plan, self._repeats
        until = time.monotonic() + plan.max_time_s
        told_at, look = 0.0, FEWEST_REPEATS
        while True:
            self._make()
            count = len(repeats)
            is_last = count == (plan.repeats or MOST_REPEATS) or (
                plan.repeats is None and count >= FEWEST_REPEATS and time.monotonic() >= until
            )
            if plan.repeats is None and (count >= look or is_last):
                if self._is_enough() and self._is_enough_once_settled():
                    self._is_narrowed = look > FEWEST_REPEATS
                    return
                look = next_look(count)
            if is_last:
                repeats.settle()
                return
            if time.monotonic() - told_at > TELL_EVERY_S:
                told_at = time.monotonic()
                self._tell(count, self._relative_half_width() if count > 1 else None)
            time.sleep(plan.cool_down_s)

    def _make(self) -> None:
        """Make one repeat; where the first comes out too short (what is repeated has sped up), make it longer."""
        while True:
            with without_collector():
                took_s = self._repeats.make(self._body, self._loops)
            is_first = self._plan.loops is None and len(self._repeats) == 1
            if not is_first or took_s > self._least_repeat_s / 2:
                return
            self._repeats.drop()
            self._loops *= 2

    def _is_enough(self) -> bool:
        """Whether the interval is narrow enough, or there is nothing to make it of."""
        relative = self._relative_half_width()
        return relative is None or relative <= self._plan.precision

    def _is_enough_once_settled(self) -> bool:
        self._repeats.settle()
        return self._is_enough()

    def _relative_half_width(self) -> float | None:
        loop = LoopEnergy.of(self._repeats.made())
        return relative_half_width(loop.mean()) if loop else None


def slowest_period_s(sampler: Sampler) -> float:
    """Return the update period of the slowest sensor that has given readings, s; 0 where there is none."""
    return max((trace.channel.update_period_s for trace in sampler.traces if trace.has_given), default=0.0)


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep Python's garbage collector from running in the middle, as timeit does; a setup may switch it on again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _round_up(number: float) -> int:
    """Return the next whole number that has no more than two digits before its zeros."""
    whole = max(1, math.ceil(number))
    step = int("1" + "0" * max(0, len(str(whole)) - 2))
    return math.ceil(whole / step) * step
