"""One process's measuring: its configuration, plugins and sampler, its runs, and where their records go."""

from __future__ import annotations

import atexit
import itertools
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from greenllm_kernel.accounting.budget import Budget
from greenllm_kernel.accounting.budget_watch import BudgetWatch
from greenllm_kernel.accounting.intensity import IntensityLookup
from greenllm_kernel.accounting.kept_records import KeptRecords
from greenllm_kernel.accounting.labels import Labels
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.run import Run, innermost
from greenllm_kernel.accounting.sampled import searches
from greenllm_kernel.accounting.span import Span
from greenllm_kernel.accounting.stages import Stages
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.idle.baselines import FILE_NAME, Baselines
from greenllm_kernel.metering.idle.learner import IdleLearner
from greenllm_kernel.metering.idle.stretch import Finding
from greenllm_kernel.metering.sampler import Sampler
from greenllm_kernel.metering.window import SettledDraws
from greenllm_kernel.plugins import Plugins, described
from greenllm_kernel.quantities import CarbonIntensity, Emissions, Energy

SETTLE_EVERY_S = 0.02
"""How often closed runs are looked at until they are settled, s."""

PROGRESS_EVERY_S = 2.0
"""How often open runs are told to the recorders, s; after a kill at most this much is lost, and a write."""

MOST_WARNINGS = 50
"""Warnings kept; what goes wrong anew at each try should not fill the memory."""

AT_EXIT_TIMEOUT_S = 3.0
"""How long a process that ends waits for its last records to settle, s."""

EXTRA_TIMEOUT_S = 0.001
"""How much longer it waits for each run that is not settled yet, s: about twice what its record takes."""


def baseline_path() -> Path:
    """Return the file that keeps idle powers between sessions: in Jupyter's data folder, wherever the ledger is."""
    from greenllm_kernel.accounting.ledger import ledger_path

    return ledger_path(Configuration()).with_name(FILE_NAME)


class Session:
    """Measures in this process. Costs nothing until the first run opens.

    Args:
        configuration: the user's settings; None: read them, and leave out (with a warning) those that cannot be
            used.
        plugins: instead of the installed ones.
    """

    _current: Session | None = None
    _making = threading.Lock()

    def __init__(self, configuration: Configuration | None = None, plugins: Plugins | None = None) -> None:
        self.warnings: list[str] = []
        self.configuration = configuration if configuration is not None else self._configured()
        self.id = self.configuration.session_id or uuid.uuid4().hex
        self.budget: Budget | None = None
        """What the session is to draw or emit at most; None: no matter."""
        self.budgets = BudgetWatch(self)
        self.host = socket.gethostname()
        self._process_id = os.getpid()
        self.plugins = plugins or Plugins(self.configuration.disable_plugins, self.warn)
        finds = partial(searches, self.plugins, self.configuration)
        self.sampler = Sampler(finds, self.configuration.use_meters, Baselines(self.host, baseline_path))
        self._learner = IdleLearner(self.sampler, self.keep_baselines)
        self.settled_draws = SettledDraws()
        make_span = partial(Span, self.sampler, self.settled_draws)
        self.span = make_span()
        self.stages = Stages(make_span, self.span)
        self.labels = Labels()
        self._run_prefix = uuid.uuid4().hex[:16]
        self._run_numbers = itertools.count(1)
        self._runs: list[Run] = []
        self._records = KeptRecords()
        self._has_checked_meters = False
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._watchers: list[threading.Event] = []
        self.intensity_lookup = IntensityLookup(self.plugins, self.configuration.place, self.warn, self._wake.set)
        self._bookkeeper: threading.Thread | None = None
        self._is_closed = False
        self._close_at_exit()

    @classmethod
    def current(cls) -> Session:
        """Return this process's session; the first call makes it."""
        with cls._making:
            if cls._current is None:
                cls._current = cls()
            return cls._current

    @classmethod
    def forget(cls, session: Session) -> None:
        """Let the next :meth:`current` make a new session in place of this one."""
        with cls._making:
            if cls._current is session:
                cls._current = None

    @property
    def is_here(self) -> bool:
        """Whether it is this process's: a forked child has only a dead copy of its parent's, and leaves it alone."""
        return os.getpid() == self._process_id

    def open(
        self, name: str, stage: str | None = None, cell_id: str | None = None, *, is_outermost: bool = False
    ) -> Run:
        """Open a run now.

        Args:
            name: what its record is called.
            stage: preprocess, train, evaluate, deploy, or any other text.
            cell_id: of the cell it is a run of.
            is_outermost: whether it lies inside no other run; else inside the innermost one that is open in the
                same thread or task.
        """
        if not self.is_here:
            return Session.current().open(name, stage, cell_id, is_outermost=is_outermost)
        began = time.perf_counter()
        run = Run(self, name, stage, cell_id, is_outermost)
        self.span.enter(run.opened_ns)
        self.stages.opened(run)
        with self._lock:
            self._runs.append(run)
            if self._bookkeeper is None:
                self._bookkeeper = threading.Thread(target=self._keep_books, name="greenllm-books", daemon=True)
                self._bookkeeper.start()
        self._wake.set()
        run.overhead_s = time.perf_counter() - began
        return run

    def watch(self, event: threading.Event) -> None:
        """Set ``event`` from now on whenever a run opens or closes."""
        self._watchers.append(event)

    def next_run_id(self) -> str:
        """Return an id no other run has, without the system call of a random one."""
        return f"{self._run_prefix}-{next(self._run_numbers)}"

    def closed(self, run: Run) -> None:
        """Take note that a run has closed. Called by the run."""
        self.span.leave(run.closed_ns or run.opened_ns)
        self.stages.closed(run, run.closed_ns or run.opened_ns)
        self.labels.closed(run.closed_ns or run.opened_ns)
        self._wake.set()

    @property
    def open_runs(self) -> list[Run]:
        """Runs that are open now, outermost first."""
        with self._lock:
            return [run for run in self._runs if run.is_open]

    @property
    def unsettled_runs(self) -> list[Run]:
        """Runs that are open, or closed and not settled yet."""
        with self._lock:
            return list(self._runs)

    @property
    def records(self) -> Sequence[Record]:
        """Settled records of this session, oldest first; the last ten thousand, and power over time of the latest."""
        with self._lock:
            return self._records.all()

    def record_of(self, run_id: str) -> Record | None:
        """Return the settled record of a run, where it is still kept."""
        with self._lock:
            records = self._records.newest_first()
        return next((record for record in records if record.run_id == run_id), None)

    @property
    def intensity(self) -> CarbonIntensity | None:
        """Carbon intensity of the configured place, as far as it is known now."""
        return self.intensity_lookup.now()

    def emissions_of(self, energy: Energy | None) -> Emissions | None:
        """Return the emissions of an energy at the configured place; None where either is not known."""
        intensity = self.intensity if energy else None
        return Emissions.of(energy, intensity, self.configuration.pue) if energy and intensity else None

    @property
    def meter_plugins(self) -> set[str]:
        """Names of the plugins that look for meters, whether they have found any or not."""
        return {name for name, _ in self.plugins.implementations("greenllm_meters")}

    def find_meters(self, timeout_s: float = 10.0) -> bool:
        """Look for the meters now and wait until they are known; the first run does so without waiting."""
        self.sampler.hold()
        try:
            return self.sampler.wait_until_found(timeout_s)
        finally:
            self.sampler.release()

    def switch_plugin(self, name: str, is_on: bool) -> None:
        """Use an installed plugin from now on, or no longer; its meters count in no window that is open then."""
        if not is_on:
            for plugin, end in self.plugins.implementations("greenllm_end"):
                if plugin == name:
                    end()
            self.plugins.switch_off(name)
            self.sampler.drop(name)
            return
        self.plugins.switch_on(name)
        for plugin, find in searches(self.plugins, self.configuration):
            if plugin == name:
                self.sampler.add(plugin, find)

    def warn(self, sentence: str) -> None:
        """Remember, once, something the user should know."""
        if sentence not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(sentence)

    def keep_baselines(self, findings: Sequence[Finding]) -> None:
        """Take in the idle power of the channels for which it was found, for this session and later ones."""
        found = [(finding.channel, finding.baseline) for finding in findings if finding.baseline is not None]
        for channel, baseline in found:
            self.sampler.baselines.add(channel, baseline)
        try:
            if found:
                self.sampler.baselines.save()
        except OSError as error:
            self.warn(f"the idle power cannot be kept for later sessions: {described(error)}")

    def settle(self, timeout_s: float) -> None:
        """Wait until no closed run is unsettled."""
        deadline = time.monotonic() + timeout_s
        for run in self.unsettled_runs:
            if not run.is_open:
                run.settle(max(0.0, deadline - time.monotonic()))

    def close(self, timeout_s: float = 5.0) -> None:
        """Settle what is closed, hand over what is open as ``partial``, and stop reading."""
        if self._is_closed or not self.is_here:
            return
        timeout_s += EXTRA_TIMEOUT_S * len(self.unsettled_runs)
        self.settle(timeout_s)
        self._is_closed = True
        self._wake.set()
        if self._bookkeeper is not None:
            self._bookkeeper.join(timeout_s)
        for run in self.open_runs:
            self.plugins.call("greenllm_progress", record=run.record)
        if self._bookkeeper is not None:
            self.plugins.call("greenllm_end")
        self.sampler.close()
        atexit.unregister(self.close)

    @property
    def _spans(self) -> list[Span]:
        return [self.span, *self.stages.spans]

    @property
    def _spans_are_settled(self) -> bool:
        return all(span.is_settled for span in self._spans)

    def _close_at_exit(self) -> None:
        atexit.register(self.close, AT_EXIT_TIMEOUT_S)
        processes, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
        if processes is not None and util is not None and processes.parent_process() is not None:
            # Forked workers of multiprocessing end without what is registered with atexit, but call finalizers.
            util.Finalize(None, self.close, (AT_EXIT_TIMEOUT_S,), exitpriority=100)

    def _configured(self) -> Configuration:
        configuration, complaints = Configuration.load_usable()
        for complaint in complaints:
            self.warn(complaint)
        return configuration

    def _keep_books(self) -> None:
        self.intensity_lookup.ask()
        self._guarded(self._attend)
        self._guarded(self.sampler.baselines.load)
        progress_at = time.monotonic() + PROGRESS_EVERY_S
        while not self._is_closed:
            with self._lock:
                is_idle = not self._runs
            if is_idle and self._spans_are_settled:
                self._wait_idly()
                progress_at = time.monotonic() + PROGRESS_EVERY_S
            self._wake.clear()
            self._guarded(self._attend)
            self._guarded(self._settle_closed)
            self._guarded(self.budgets.look)
            if time.monotonic() >= progress_at:
                self._guarded(self._tell_progress)
                progress_at = time.monotonic() + PROGRESS_EVERY_S
            has_closed = not self._spans_are_settled or any(not run.is_open for run in self.unsettled_runs)
            wait_s = max(0.0, progress_at - time.monotonic())
            self._wake.wait(SETTLE_EVERY_S if has_closed else min(wait_s, self._look_in_s()))
        self._guarded(self._settle_closed)

    def _wait_idly(self) -> None:
        """Wait for the next run, and learn meanwhile, now and then, what the idle machine draws."""
        self._guarded(self.budgets.look_at_session)
        self._learner.rest()
        while not self._wake.wait(self._learner.due_in_s()):
            self._guarded(self._learner.step)
        self._learner.interrupt()

    def _look_in_s(self) -> float:
        """Return how soon to look whose the use of the CPUs is, s."""
        runs = self.unsettled_runs
        edges_ns = [run.opened_ns for run in runs] + [run.closed_ns for run in runs if run.closed_ns is not None]
        return self.sampler.attribution.due_in_s(edges_ns)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do one step of the books; what fails is said, and the books go on."""
        try:
            step()
        except Exception as error:
            self.warn(f"an error of GreenLLM's own, please report it: {described(error)}")
            time.sleep(SETTLE_EVERY_S)

    def _attend(self) -> None:
        """Wake the sampler for runs that have opened or closed, and whoever watches."""
        for span in self._spans:
            span.attend()
        news = [run.attend() for run in self.unsettled_runs]
        if self._look_in_s() <= 0:
            self.sampler.attribution.look()
        if any(news):
            for event in self._watchers:
                event.set()

    def _settle_closed(self) -> None:
        self.sampler.check(time.monotonic_ns())
        closed = [run for run in self.unsettled_runs if not run.is_open]
        if closed and not self._is_closed and self.intensity_lookup.is_worth_waiting():
            return
        for run in closed:
            if (run.is_settled() and run.is_attributed()) or self._is_closed:
                with self._lock:
                    self._runs.remove(run)
                record = run.fix()
                with self._lock:
                    self._records.append(record)
                self.plugins.call("greenllm_record", record=record)
                self._guarded(partial(self.budgets.settled, run, record))
        for span in self._spans:
            span.settle()
        self._check_meters()

    def _check_meters(self) -> None:
        """Say once which of the meters that were asked for do not exist."""
        if self._has_checked_meters or not self.sampler.has_found:
            return
        self._has_checked_meters = True
        known = self.sampler.names | self.meter_plugins
        for name in sorted((self.configuration.use_meters or frozenset()) - known):
            self.warn(f"there is no meter {name!r}; the meters are {', '.join(sorted(known))}")

    def _tell_progress(self) -> None:
        for span in self._spans:
            span.keep_edge()
        for run in self.open_runs:
            run.keep_edge()
            self.plugins.call("greenllm_progress", record=run.record)


def _start_anew_after_fork() -> None:
    """Give a forked child a session of its own: threads do not survive a fork."""
    Session._current = None
    Session._making = threading.Lock()
    innermost.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew_after_fork)
