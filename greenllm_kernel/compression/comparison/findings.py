"""What the trials have found so far, and in the end the whole comparison: contenders, cells and verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.accounting.repeatability import repeatability
from greenllm_kernel.accounting.run import Run
from greenllm_kernel.compression.comparison.asked import Asked
from greenllm_kernel.compression.comparison.cell import Cell
from greenllm_kernel.compression.comparison.compared import Compared
from greenllm_kernel.compression.comparison.comparison import Comparison
from greenllm_kernel.compression.comparison.contender import IN_TORCH, Entrant
from greenllm_kernel.compression.comparison.drawn import common_channels, mean_energy, mean_of
from greenllm_kernel.compression.comparison.evaluation import Evaluated
from greenllm_kernel.compression.comparison.looking import Failures, Looking
from greenllm_kernel.compression.comparison.plan import Look
from greenllm_kernel.compression.comparison.trial import Trial
from greenllm_kernel.compression.comparison.verdict import LEAST_CHANGE, Evidence, verdicts_of
from greenllm_kernel.compression.comparison.work import DECODE, GENERATE, PREFILL, REQUEST, Shot
from greenllm_kernel.compression.host import Host
from greenllm_kernel.quantities import Energy, Interval, Provenance

LATENCY_QUANTILE = 0.99


class Findings:
    """Takes in trials, and says what they show.

    Args:
        entrants: the contenders, the baseline first.
        asked: what was asked for.
    """

    def __init__(self, entrants: Sequence[Entrant], asked: Asked) -> None:
        self._entrants = entrants
        self._asked = asked
        self._phases = (PREFILL, DECODE, GENERATE) if entrants[0].is_causal else (REQUEST,)
        self._trials: dict[tuple[str, int], dict[int, Trial]] = {}
        self._growth: dict[tuple[str, int], int | None] = {}
        self._deploying: dict[tuple[str, int], Run] = {}
        # Told at once, before any memory is measured: it reads all weights, which may lie in a mapped file until then.
        self._sizes = {entrant.name: entrant.sizes for entrant in entrants}
        baseline, *others = entrants
        own = baseline.operations
        same_work = {entrant.name: entrant.operations == own for entrant in others}
        self._looking = Looking(self._trials, baseline.name, same_work, self._phases, asked.batches)

    def add_memory(self, name: str, batch: int, growth_bytes: int | None) -> None:
        """Take in by how much memory has grown at most while a contender worked."""
        self._growth[name, batch] = growth_bytes

    def add_deploying(self, name: str, batch: int, run: Run) -> None:
        """Take in the run in which a contender was deployed for a batch and answered for the first time."""
        self._deploying[name, batch] = run

    def add(self, name: str, batch: int, round_number: int, trial: Trial) -> None:
        """Take in a trial that was made in a round, from 1."""
        self._trials.setdefault((name, batch), {})[round_number] = trial
        for other in self._entrants:
            for earlier in self._trials.get((other.name, batch), {}).values():
                earlier.keep()

    def settle(self, timeout_s: float) -> None:
        """Wait until later readings would not sharpen any trial, each for so long at most, s."""
        for trials in self._trials.values():
            for trial in trials.values():
                trial.settle(timeout_s)

    def look(self, name: str, batch: int, look: Look) -> bool:
        """Look at a contender beside the baseline, and tell whether further pairs are needless in every phase."""
        return self._looking.look(name, batch, look)

    def comparison(
        self,
        evaluated: Mapping[str, Evaluated],
        failures: Failures,
        record: Record,
        host: Host,
        status: Status,
    ) -> Comparison:
        """Return all of it. A failure takes the word from a contender at its own batch alone."""
        contenders = [
            self._compared(entrant, evaluated.get(entrant.name, Evaluated()), self._failure(entrant.name, failures))
            for entrant in self._entrants
        ]
        cells = [
            self._cell(entrant.name, contender.memory_bytes, phase, batch)
            for batch in self._asked.batches
            for phase in self._phases
            for entrant, contender in zip(self._entrants, contenders, strict=True)
            if self._trials.get((entrant.name, batch))
        ]
        return Comparison(
            contenders=contenders,
            cells=cells,
            verdicts=verdicts_of(self._family(contenders, cells, failures)),
            batches=self._asked.batches,
            prompt_tokens=self._asked.prompt_tokens,
            new_tokens=self._asked.new_tokens if self._entrants[0].is_causal else 0,
            pairs=self._asked.pairs,
            seed=self._asked.seed,
            record=record,
            host=host,
            status=status,
        )

    def _family(self, contenders: Sequence[Compared], cells: Sequence[Cell], failures: Failures) -> Sequence[Evidence]:
        provenances = {(cell.contender, cell.phase, cell.batch): cell.provenance for cell in cells}
        baseline, *others = contenders
        smaller = {contender.name for contender in others if _is_smaller(contender, baseline)}
        return [
            replace(
                evidence,
                provenance=Provenance.weakest(
                    provenances.get((name, evidence.phase, evidence.batch), Provenance.UNAVAILABLE)
                    for name in (baseline.name, evidence.contender)
                ),
                is_smaller=evidence.contender in smaller,
            )
            for evidence in self._looking.family(failures)
        ]

    def _failure(self, name: str, failures: Failures) -> str:
        """Return why a contender could not be compared, or at which batches; empty where it could."""
        mine = {batch: failures[name, batch] for batch in self._asked.batches if (name, batch) in failures}
        if len(mine) == len(self._asked.batches) and len({*mine.values()}) == 1:
            return next(iter(mine.values()))
        return "; ".join(f"batch {batch}: {reason}" for batch, reason in mine.items())

    def _cell(self, name: str, memory_bytes: int, phase: str, batch: int) -> Cell:
        trials = list(self._trials[name, batch].values())
        drawn = [trial.drawn[phase] for trial in trials]
        channels = common_channels(drawn)
        kept = [one.within(channels) for one in drawn]
        energies = [energy for one in kept if (energy := one.energy) is not None]
        gross = mean_energy(energies) if energies else None
        idle = mean_of(kept).net
        rates = [1 / trial.seconds(phase) for trial in trials]
        found = repeatability(rates)
        shots = [shot for trial in trials for shot in trial.shots]
        growth = self._growth.get((name, batch))
        return Cell(
            contender=name,
            phase=phase,
            batch=batch,
            unit=trials[0].work.unit,
            trials=len(trials),
            gross=gross,
            net=_with_random(idle, gross),
            rate=found.mean,
            rate_interval=_interval(found.mean, found.half_width),
            first_token_s=statistics.median((shot.tokens_ns[0] - shot.began_ns) / 1e9 for shot in shots)
            if phase in (PREFILL, GENERATE)
            else None,
            latency_p99_s=_latency_s(phase, shots),
            peak_memory_bytes=memory_bytes + growth if growth is not None else None,
            missing=sorted(frozenset().union(*(one.missing for one in drawn))),
        )

    def _compared(self, entrant: Entrant, evaluated: Evaluated, failure: str) -> Compared:
        parameters, nonzero, memory_bytes = self._sizes[entrant.name]
        own_bytes = evaluated.runtime_bytes if entrant.runtime.name not in IN_TORCH else None
        return Compared(
            name=entrant.name,
            runtime=entrant.runtime_text,
            device=entrant.device,
            steps=entrant.steps,
            parameters=parameters,
            nonzero=nonzero,
            file_bytes=entrant.file_bytes if own_bytes is None else own_bytes,
            memory_bytes=memory_bytes if own_bytes is None else own_bytes,
            compressing=entrant.compressing,
            deploying={
                batch: energy
                for batch in self._asked.batches
                if (run := self._deploying.get((entrant.name, batch))) and (energy := run.record.gross) is not None
            },
            text=evaluated.text,
            accuracy=evaluated.accuracy,
            harness=evaluated.harness,
            targets=entrant.targets,
            failure=failure,
        )


def _is_smaller(contender: Compared, baseline: Compared) -> bool:
    """Tell whether a contender's file is clearly smaller, as far as both are known."""
    if contender.file_bytes is None or baseline.file_bytes is None:
        return False
    return contender.file_bytes < (1 - LEAST_CHANGE) * baseline.file_bytes


def _latency_s(phase: str, shots: Sequence[Shot]) -> float | None:
    if phase == REQUEST:
        times = [(shot.ended_ns - shot.began_ns) / 1e9 for shot in shots]
    elif phase in (DECODE, GENERATE):
        times = [
            (late - early) / 1e9
            for shot in shots
            for early, late in zip(shot.tokens_ns, shot.tokens_ns[1:], strict=False)
        ]
    else:
        return None
    return sorted(times)[math.ceil(LATENCY_QUANTILE * len(times)) - 1]


def _interval(mean: float, half_width: float) -> Interval | None:
    return (mean - half_width, mean + half_width) if math.isfinite(half_width) else None


def _with_random(net: Energy | None, gross: Energy | None) -> Energy | None:
    """Return a net whose random part is the gross energy's: what the trials scatter."""
    return replace(net, random_j=max(net.random_j, gross.random_j)) if net is not None and gross is not None else None
