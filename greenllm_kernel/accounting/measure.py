"""``measure()``: a window around any piece of Python, as a context manager or as a decorator."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar, cast

from greenllm_kernel.accounting.budget import Budget
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.run import Run, innermost, nearest_open
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.metering.queued_work import Device, told, wait_for_queued_work
from greenllm_kernel.plugins import described

Function = TypeVar("Function", bound=Callable[..., Any])


class measure:  # noqa: N801  (used like a function)
    """Measure what happens inside a ``with`` block, or in each call of a decorated function.

    ``with measure("train", stage="train", units={"token": n}) as window:`` gives the window; afterwards
    ``window.record`` has the figures at once, and ``window.settle()`` waits for the last readings.

    Where torch uses a GPU in this process, opening and closing wait until the work queued on it is done (not after an
    interrupt, nor while a graph is being captured). An error of that work is raised when the window closes that it
    was queued in, unless another exception is on its way already.

    Args:
        name: what the records are called; None: the function's name, or ``"window"``.
        stage: preprocess, train, evaluate, deploy, or any other text.
        units: by unit, how many the energy is spent on; a callable is asked when the window closes.
        budget: what it is to draw or emit at most, such as ``"5kJ"``, ``"20g"`` of CO2e or joules; it is said when
            it is exceeded, and nothing is stopped.
        session: instead of this process's.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        stage: str | None = None,
        units: Mapping[str, float | Callable[[], float]] | None = None,
        budget: str | float | Budget | None = None,
        session: Session | None = None,
    ) -> None:
        if callable(name):
            raise TypeError("measure is used with parentheses: @measure()")
        self._name = name
        self._stage = stage
        self._units = dict(units or {})
        if not (budget is None or isinstance(budget, Budget)):
            budget = Budget.of(budget if isinstance(budget, str) else f"{budget}J")
        self._budget = budget
        self._session = session
        self._open: list[Run] = []

    def __enter__(self) -> Run:
        session = self._session if self._session is not None and self._session.is_here else Session.current()
        failed = wait_for_earlier_work(session)
        run = session.open(self._name or "window", self._stage)
        run.failed_before = failed
        run.budget = self._budget
        self._open.append(run)
        return run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        run = self._open.pop()
        failure = error_of_queued_work(run, error)
        if failure is not None:
            run.close(status_of(type(failure)))
            raise failure
        closed_ns = time.monotonic_ns()
        counts: dict[str, float] = {}
        try:
            counts = {unit: float(n() if callable(n) else n) for unit, n in self._units.items()}
        except Exception as uncounted:
            if kind is None:
                raise
            run.session.warn(f"{run.name}: the units could not be told ({described(uncounted)})")
        finally:
            run.close(Status.OK if kind is None else status_of(kind), counts, closed_ns)

    def __call__(self, function: Function) -> Function:
        name = self._name or getattr(function, "__qualname__", "function")
        again = functools.partial(
            measure, name, stage=self._stage, units=self._units, budget=self._budget, session=self._session
        )

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def measured_async(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return await function(*args, **kwargs)

            return cast(Function, measured_async)

        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return cast(Function, measured)


def wait_for_earlier_work(session: Session) -> frozenset[Device]:
    """Wait, before a run is opened, for the work queued on the GPU until then.

    An error of it belongs to the run that is open around, which raises it when it closes; where there is none it
    becomes a warning.

    Returns:
        The devices that stay broken: what they say is not the doing of the run to be opened.
    """
    failures = wait_for_queued_work() if session.configuration.wait_for_gpu else {}
    if not failures:
        return frozenset()
    around = nearest_open(innermost.get(), session)
    if around is not None:
        around.take_failures(failures)
    else:
        for error in failures.values():
            session.warn(f"work queued on the GPU failed, as showed when a window opened: {described(error)}")
    return frozenset(wait_for_queued_work())  # an error that passes does not come again


def error_of_queued_work(run: Run, error: BaseException | None) -> BaseException | None:
    """Wait, before a run is closed, for the work queued on the GPU, and return how that went wrong.

    Args:
        run: which is open.
        error: that is about to leave the run; None where there is none.

    Returns:
        The error of the work, unless the run has one of its own; or the user's interrupt while waiting. An error that
        something else comes before is left to the run around.
    """
    if not run.session.configuration.wait_for_gpu:
        return None
    interrupt = None
    if error is None or status_of(type(error)) is not Status.INTERRUPTED:  # who interrupts wants to go on at once
        try:
            run.take_failures(wait_for_queued_work())
        except KeyboardInterrupt as raised:
            error = interrupt = raised
    if not run.failures:
        return interrupt
    if error is None:
        failure = told(run.failures)
        failure.add_note(f"It comes from work queued on the GPU, and showed when {run.name} ended and waited for it.")
        return failure
    around = nearest_open(run.parent, run.session)
    if isinstance(error, RuntimeError):  # torch's own errors are such: the user has been told
        told(run.failures)
    elif around is not None:
        around.take_failures(run.failures)
    return interrupt


def status_of(kind: type[BaseException]) -> Status:
    """Return how a window ended that an exception of this type left."""
    interrupts = (KeyboardInterrupt, asyncio.CancelledError)
    return Status.INTERRUPTED if issubclass(kind, interrupts) else Status.ERROR
