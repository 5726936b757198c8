"""A comparison being made: contenders are deployed, warmed up and tried, batch by batch, and may fail alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from greenllm_kernel.accounting.energyit import FIND_TIMEOUT_S
from greenllm_kernel.accounting.measure import measure
from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.comparison.asked import Asked
from greenllm_kernel.compression.comparison.comparison import Comparison
from greenllm_kernel.compression.comparison.contender import Entrant, entrants
from greenllm_kernel.compression.comparison.cut_short import BaselineError, ComparisonInterrupted
from greenllm_kernel.compression.comparison.evaluation import Evaluated, evaluate
from greenllm_kernel.compression.comparison.findings import Findings
from greenllm_kernel.compression.comparison.memory import peak_growth_bytes
from greenllm_kernel.compression.comparison.plan import Look, carry_out, looks
from greenllm_kernel.compression.comparison.progress import Progress, Tell
from greenllm_kernel.compression.comparison.trial import STAGE, Trial, TrialPlan
from greenllm_kernel.compression.comparison.work import Answering, Generating, Shot, Work
from greenllm_kernel.compression.deployment import Deployment, deploy, refusals_of
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.runtime import Shape
from greenllm_kernel.compression.tensors import device_of
from greenllm_kernel.errors import ComparisonError
from greenllm_kernel.plugins import described

WARM_UP_TIMES = 2
"""How often each contender works at least before its first trial, after a first time: that is the slowest, and does not
tell how long the work takes."""

SETTLE_TIMEOUT_S = 5.0
"""How long one waits for the readings after a trial, s."""


class Comparing:
    """One comparison: made ready, and run once.

    Args:
        given: the contenders, the baseline first.
        runtime: of those that name none.
        asked: on what they are compared.
        session: in which.
        tell: told how far it is.

    Raises:
        ComparisonError: they cannot be compared on this.
    """

    def __init__(self, given: Sequence[Any], runtime: Any, asked: Asked, session: Session, tell: Tell | None = None):
        if len(given) < 2:
            raise ComparisonError("a baseline and at least one other model are compared")
        self._asked = asked
        self._session = session
        self._tell = tell or (lambda progress: None)
        self._entrants = entrants(given, runtime, session)
        asked.check(self._entrants)
        self._host = Host.here()
        self._looks = looks(asked.pairs)
        self._findings = Findings(self._entrants, asked)
        self._evaluated: dict[str, Evaluated] = {}
        self._not_evaluated: dict[str, Exception] = {}
        self._failures = self._refused()
        self._finished = 0
        self._run: Run | None = None

    def run(self) -> Comparison:
        """Compare."""
        self._session.find_meters(FIND_TIMEOUT_S)
        try:
            with measure("compare", stage=STAGE, session=self._session) as self._run:
                for number, batch in enumerate(self._asked.batches):
                    self._at_batch(batch, number)
                    self._finished += 1
        except KeyboardInterrupt as interrupt:
            if self._run is None:
                raise
            raise ComparisonInterrupted(self.result(Status.INTERRUPTED)) from interrupt
        except BaselineError as error:
            if self._finished:
                error.comparison = self.result(Status.ERROR)
            raise
        return self.result()

    def result(self, status: Status = Status.OK) -> Comparison:
        """Return what was found so far, and tell whoever observes comparisons."""
        assert self._run is not None, "it was not run"
        self._findings.settle(SETTLE_TIMEOUT_S)
        found = self._findings.comparison(
            self._evaluated, self._failures, self._run.settle(SETTLE_TIMEOUT_S), self._host, status
        )
        self._session.plugins.call("greenllm_comparison", comparison=found.to_dict())
        return found

    def _at_batch(self, batch: int, number: int) -> None:
        with ExitStack() as deployed:
            works: dict[str, Work] = {}
            plans: dict[str, TrialPlan] = {}
            for entrant in self._entrants:
                if (entrant.name, batch) in self._failures:
                    continue
                self._say(entrant, number, 0, "deploying")
                with self._failing(entrant, batch), ExitStack() as deploying:
                    run = deploying.enter_context(self._metered(f"deploying {entrant.name}, batch {batch}"))
                    deployment = self._deployed(entrant, batch, deployed)
                    work = self._work(entrant, deployment, batch)
                    plans[entrant.name] = self._warmed_up(entrant, work, batch, number, deploying.close)
                    self._findings.add_deploying(entrant.name, batch, run)
                    self._evaluate(entrant, deployment, number)
                    works[entrant.name] = work
            if len(works) > 1:
                self._trials(works, plans, batch, number)

    def _deployed(self, entrant: Entrant, batch: int, stack: ExitStack) -> Deployment | None:
        """Deploy a contender until the end of a batch; None where it is run as it is, for it does not generate."""
        if not entrant.is_causal:
            return None
        deployment = deploy(
            entrant.model,
            entrant.runtime,
            batch=batch,
            prompt_tokens=self._asked.prompt_tokens,
            new_tokens=self._asked.new_tokens,
            session=self._session,
        )
        stack.callback(self._close, entrant, deployment.close)
        return deployment

    def _work(self, entrant: Entrant, deployment: Deployment | None, batch: int) -> Work:
        if deployment is None:
            return Answering(entrant.model, self._asked.inputs(batch, entrant))
        return Generating(deployment.generate, self._asked.ids(batch, entrant), self._asked.new_tokens)

    def _evaluate(self, entrant: Entrant, deployment: Deployment | None, number: int) -> None:
        """Tell a contender's quality, once; after its memory is known, for long texts would take more of that."""
        if entrant.name in self._evaluated:
            return
        if entrant.name in self._not_evaluated:
            raise self._not_evaluated[entrant.name]
        self._say(entrant, number, 0, "telling its quality")
        try:
            with self._metered(f"quality of {entrant.name}"):
                self._evaluated[entrant.name] = evaluate(entrant, deployment, self._asked)
        except Exception as error:
            self._not_evaluated[entrant.name] = error
            raise

    def _warmed_up(
        self, entrant: Entrant, work: Work, batch: int, number: int, answered: Callable[[], object]
    ) -> TrialPlan:
        """Have a contender work until it is warm; ``answered`` is called once it has done so for the first time."""
        self._say(entrant, number, 0, "warming up")
        shots: list[Shot] = []
        growth = peak_growth_bytes(
            lambda: (work.do(), answered(), work.begin()), lambda: shots.append(work.do()), device_of(entrant.model)
        )
        self._findings.add_memory(entrant.name, batch, growth)
        until = time.monotonic() + self._asked.warm_up_s
        while len(shots) < WARM_UP_TIMES or time.monotonic() < until:
            shots.append(work.do())
        return TrialPlan.of(shots, self._session, work.phases, self._asked.window_s)

    def _trials(self, works: Mapping[str, Work], plans: Mapping[str, TrialPlan], batch: int, number: int) -> None:
        named = {entrant.name: entrant for entrant in self._entrants if entrant.name in works}

        def make(name: str, made: int) -> bool:
            self._say(named[name], number, made, "measuring")
            time.sleep(self._asked.cool_down_s)
            with self._failing(named[name], batch):
                trial = Trial.make(works[name], plans[name], f"compare: {name}, batch {batch}", self._session)
                self._findings.add(name, batch, made, trial)
            return (name, batch) not in self._failures

        def undecided(names: Collection[str], look: Look) -> Collection[str]:
            self._findings.settle(SETTLE_TIMEOUT_S)
            return [name for name in names if not self._findings.look(name, batch, look)]

        carry_out(list(named), self._looks, self._asked.seed + number, make, undecided)

    def _refused(self) -> dict[tuple[str, int], str]:
        """Return, by name and batch, the contenders that cannot be deployed here, and why.

        Raises:
            ComparisonError: the baseline is among them, or all others are at each batch.
        """
        asked = self._asked
        failures = {}
        for batch in asked.batches:
            shape = Shape(batch, asked.prompt_tokens, asked.new_tokens)
            for entrant in self._entrants:
                refusals = refusals_of(entrant.model, entrant.runtime, shape, self._host) if entrant.is_causal else ()
                if reasons := "; ".join(map(str, refusals)):
                    failures[entrant.name, batch] = f"{entrant.runtime_text} cannot be used here: {reasons}"
        baseline, *others = (entrant.name for entrant in self._entrants)
        is_baseline_refused = any(name == baseline for name, _ in failures)
        if is_baseline_refused or all((name, batch) in failures for name in others for batch in asked.batches):
            told = dict.fromkeys(f"- {name}: {reason}" for (name, _), reason in failures.items())
            raise ComparisonError("this cannot be compared here; nothing was run:\n" + "\n".join(told))
        return failures

    def _failing(self, entrant: Entrant, batch: int) -> _Failing:
        return _Failing(entrant.name, batch, self._failures, is_baseline=entrant is self._entrants[0])

    def _close(self, entrant: Entrant, close: Callable[[], None]) -> None:
        try:
            close()
        except Exception as error:
            self._session.warn(f"{entrant.name}: closing it failed: {described(error)}")

    def _metered(self, doing: str) -> AbstractContextManager[Run]:
        return measure(f"compare: {doing}", stage=STAGE, session=self._session)

    def _say(self, entrant: Entrant, number: int, pair: int, doing: str) -> None:
        batches, pairs = self._asked.batches, self._asked.pairs
        power_w = self._run.record.mean_power_w if self._run is not None and pair else None
        part = (number + max(0, pair - 1) / pairs) / len(batches)
        self._tell(Progress(part, doing, entrant.name, batches[number], pair, pairs, power_w))


class _Failing:
    """Takes note of what a contender fails with at a batch; where it is the baseline, that ends the comparison."""

    def __init__(self, name: str, batch: int, failures: dict[tuple[str, int], str], is_baseline: bool) -> None:
        self._name = name
        self._batch = batch
        self._failures = failures
        self._is_baseline = is_baseline

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._failures[self._name, self._batch] = described(error)
        if self._is_baseline:
            where = f"{self._name}, the baseline, failed at batch {self._batch}"
            raise BaselineError(f"{where}: {described(error)}") from error
        return True
