"""What a comparison found, as an object that prints itself: contenders, cells, verdicts, the front and break-even."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from greenllm_kernel.accounting.channel_energy import energy_to_dict
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.compression.comparison.quality import Accuracy, TextQuality
from greenllm_kernel.compression.comparison.verdict import Outcome, Verdict
from greenllm_kernel.compression.comparison.work import GENERATE, REQUEST
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.targets import Target, TargetOutcome, figures_of
from greenllm_kernel.quantities import Energy, Interval, Provenance

SCHEMA: Final = 1


@dataclass(frozen=True)
class Compared:
    """One contender, apart from phase and batch.

    Attributes:
        name: which no other has.
        runtime: how it was run, as it is written.
        device: on which, as torch names it: the same for all.
        steps: of compression that it has gone through.
        parameters: how many it has.
        nonzero: how many of them are not 0.
        file_bytes: of its weights as they are saved, or in the form of its runtime; None where that cannot be told.
        memory_bytes: of its weights as they run.
        compressing: energy that compressing it took, J; None where it was not compressed, or that is not known.
        text: how well it foretells the texts; None where there were none.
        accuracy: at the task; None where there was none.
        harness: by task of lm-eval, its metrics.
        targets: of the recipe that it was compressed by.
        failure: why it could not be compared, or not at each batch; empty where it could.
    """

    name: str
    runtime: str
    device: str
    steps: Sequence[str]
    parameters: int
    nonzero: int
    file_bytes: int | None
    memory_bytes: int
    compressing: Energy | None = None
    text: TextQuality | None = None
    accuracy: Accuracy | None = None
    harness: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    targets: Sequence[Target] = ()
    failure: str = ""


@dataclass(frozen=True)
class Cell:
    """What one contender drew and how fast it was, in one phase at one batch.

    Attributes:
        contender: its name.
        phase: ``prefill``, ``decode`` or ``generate``; ``request`` of models that do not generate.
        batch: sequences side by side.
        unit: ``token`` (of the prompt in prefill, else new ones), or ``request``.
        trials: that it rests on.
        gross: of one unit, J; its random part is how far the trials' mean may be off. None where it is not known.
        net: the same beyond what the idle machine would have drawn; None where that is not known.
        rate: units per second.
        rate_interval: 95 %, by how the trials scatter; None for a single trial.
        first_token_s: from the beginning to the first new token, s, the median; None where nothing is generated.
        latency_p99_s: of 100 new tokens after the first (or requests) 99 came within this time, s.
        peak_memory_bytes: of the weights and all that working with them takes; None where that cannot be told.
        missing: labels of the parts of the machine that should count and could not be read throughout.
    """

    contender: str
    phase: str
    batch: int
    unit: str
    trials: int
    gross: Energy | None
    net: Energy | None
    rate: float
    rate_interval: Interval | None
    first_token_s: float | None
    latency_p99_s: float | None
    peak_memory_bytes: int | None
    missing: Sequence[str] = ()

    @property
    def provenance(self) -> Provenance:
        """How the energy was come by: the weakest of its parts."""
        return self.gross.provenance if self.gross else Provenance.UNAVAILABLE

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        net = self.net
        return {
            **{key: value for key, value in asdict(self).items() if key not in ("gross", "net")},
            **energy_to_dict(self.gross),
            "net_j": net.value_j if net else None,
            "net_interval_j": list(net.interval_j) if net else None,
        }


@dataclass(frozen=True)
class FrontPoint:
    """One contender in the plane of energy and quality, at one batch.

    Attributes:
        contender: its name.
        batch: sequences side by side.
        energy_j: of one new token (or request), J.
        interval_j: 95 %.
        quality: bits per byte, or the part of wrong answers: lower is better.
        quality_interval: 95 %; None where that is not known.
        is_on_front: whether no other contender is at least as good in both and better in one.
    """

    contender: str
    batch: int
    energy_j: float
    interval_j: Interval
    quality: float
    quality_interval: Interval | None
    is_on_front: bool


@dataclass(frozen=True)
class BreakEven:
    """After how much use a contender has paid back what the steps of its recipes took.

    Attributes:
        contender: its name.
        batch: sequences side by side.
        unit: what is counted.
        count: of units; None where it does not save energy.
        interval: from when on at the earliest, to when at the latest (None: perhaps never).
    """

    contender: str
    batch: int
    unit: str
    count: float | None
    interval: tuple[float, float | None] | None


@dataclass(frozen=True)
class Comparison:
    """What was found of all contenders; the first is the baseline.

    Attributes:
        contenders: in the order in which they were given.
        cells: by contender, phase and batch, as far as they were measured.
        verdicts: of each other contender beside the baseline, in each phase at each batch.
        batches: that were asked for.
        prompt_tokens: of each sequence.
        new_tokens: that were generated of each; 0 where nothing is generated.
        pairs: of trials at most.
        seed: of the prompts and of the order of trials.
        record: of all of it, from the first deployment on: what comparing took.
        host: on which it was made.
        status: ok; or interrupted, or an error of the baseline's, where less was measured than was asked for.
    """

    contenders: Sequence[Compared]
    cells: Sequence[Cell]
    verdicts: Sequence[Verdict]
    batches: Sequence[int]
    prompt_tokens: int
    new_tokens: int
    pairs: int
    seed: int
    record: Record
    host: Host
    status: Status = Status.OK

    @property
    def baseline(self) -> Compared:
        """What the others are compared with."""
        return self.contenders[0]

    @property
    def phases(self) -> Sequence[str]:
        """That were told apart, the whole last."""
        return tuple(dict.fromkeys(cell.phase for cell in self.cells))

    @property
    def whole_phase(self) -> str:
        """The phase that is all of the work: ``generate`` or ``request``."""
        return GENERATE if self.new_tokens else REQUEST

    @property
    def provenance(self) -> Provenance:
        """How the energies were come by: the weakest of all."""
        return Provenance.weakest(cell.provenance for cell in self.cells)

    @property
    def quality_name(self) -> str:
        """What stands for quality: ``"bits per byte"``, ``"error rate"``, or nothing where it was not asked for."""
        if any(contender.text for contender in self.contenders):
            return "bits per byte"
        return "error rate" if any(contender.accuracy for contender in self.contenders) else ""

    def cell(self, contender: str, phase: str, batch: int) -> Cell | None:
        """Return what was measured of a contender, or nothing."""
        wanted = (contender, phase, batch)
        return next((cell for cell in self.cells if (cell.contender, cell.phase, cell.batch) == wanted), None)

    def verdict(self, contender: str, phase: str, batch: int) -> Verdict | None:
        """Return what may be said of a contender, or nothing."""
        wanted = (contender, phase, batch)
        return next((one for one in self.verdicts if (one.contender, one.phase, one.batch) == wanted), None)

    def text_change(self, contender: Compared) -> tuple[float, Interval | None] | None:
        """Return by which part a contender has more bits per byte than the baseline, with its 95 % interval."""
        text, baseline = contender.text, self.baseline.text
        return text.change(baseline) if text and baseline else None

    def accuracy_change(self, contender: Compared) -> tuple[float, Interval | None] | None:
        """Return how much more often (0 to 1) a contender is right than the baseline, with its 95 % interval."""
        accuracy, baseline = contender.accuracy, self.baseline.accuracy
        return accuracy.change(baseline) if accuracy and baseline else None

    @property
    def front(self) -> Sequence[FrontPoint]:
        """All contenders whose energy and quality are known, by batch, each with whether it is on the Pareto front."""
        points = []
        for batch in self.batches:
            known = [
                (contender, cell.gross, *quality)
                for contender in self.contenders
                if (cell := self.cell(contender.name, self.whole_phase, batch)) and cell.gross
                if (quality := self._quality(contender)) is not None
            ]
            places = [(energy.value_j, quality) for _, energy, quality, _ in known]
            points += [
                FrontPoint(
                    contender=contender.name,
                    batch=batch,
                    energy_j=energy.value_j,
                    interval_j=energy.interval_j,
                    quality=quality,
                    quality_interval=interval,
                    is_on_front=not any(_dominates(other, (energy.value_j, quality)) for other in places),
                )
                for contender, energy, quality, interval in known
            ]
        return points

    @property
    def break_even(self) -> Sequence[BreakEven]:
        """Of each compressed contender whose cost is known, after how many new tokens (or requests) it has paid off."""
        found = []
        for contender in self.contenders[1:]:
            for batch in self.batches:
                cells = [self.cell(each.name, self.whole_phase, batch) for each in (self.baseline, contender)]
                verdict = self.verdict(contender.name, self.whole_phase, batch)
                if contender.compressing is None or verdict is None or cells[0] is None or cells[0].gross is None:
                    continue
                count, interval = _paid_back(contender.compressing, cells[0].gross, verdict)
                found.append(BreakEven(contender.name, batch, cells[0].unit, count, interval))
        return found

    def judged(self, contender: Compared, batch: int | None = None) -> Sequence[TargetOutcome]:
        """Return what became of the targets of a contender's recipe, at a batch (the first where none is named)."""
        figures = figures_of(self, contender.name, batch) if contender.targets else {}
        return [target.judged(figures) for target in contender.targets]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON data."""
        return {
            "schema": SCHEMA,
            "baseline": self.baseline.name,
            "batches": list(self.batches),
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "pairs": self.pairs,
            "seed": self.seed,
            "status": self.status.value,
            "provenance": self.provenance.value,
            "quality": self.quality_name or None,
            "contenders": [self._contender_to_dict(contender) for contender in self.contenders],
            "cells": [cell.to_dict() for cell in self.cells],
            "verdicts": [verdict.to_dict() for verdict in self.verdicts],
            "front": [asdict(point) for point in self.front],
            "break_even": [asdict(one) for one in self.break_even],
            "record": self.record.to_dict(),
            "host": self.host.to_dict(),
            "packages": dict(self.host.packages),
        }

    def save(self, path: str | Path) -> Path:
        """Write it as JSON."""
        path = Path(path)
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def __str__(self) -> str:
        from greenllm_kernel.compression.comparison.text import comparison_text

        return comparison_text(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _quality(self, contender: Compared) -> tuple[float, Interval | None] | None:
        if self.quality_name == "bits per byte":
            return (contender.text.bits_per_byte, contender.text.interval_bits) if contender.text else None
        if contender.accuracy is None:
            return None
        right = contender.accuracy.interval
        return 1 - contender.accuracy.value, (1 - right[1], 1 - right[0]) if right else None

    def _contender_to_dict(self, contender: Compared) -> dict[str, Any]:
        text, accuracy = contender.text, contender.accuracy
        changes = self.text_change(contender), self.accuracy_change(contender)
        more_bits, more_right = (None, None) if contender is self.baseline else changes
        return {
            "name": contender.name,
            "runtime": contender.runtime,
            "device": contender.device,
            "steps": list(contender.steps),
            "parameters": contender.parameters,
            "nonzero": contender.nonzero,
            "file_bytes": contender.file_bytes,
            "memory_bytes": contender.memory_bytes,
            "compressing": energy_to_dict(contender.compressing) if contender.compressing else None,
            "bits_per_byte": text.bits_per_byte if text else None,
            "interval_bits_per_byte": text.interval_bits if text else None,
            "perplexity": text.perplexity if text else None,
            "bits_per_byte_change": more_bits[0] if more_bits else None,
            "interval_bits_per_byte_change": more_bits[1] if more_bits else None,
            "accuracy": accuracy.value if accuracy else None,
            "interval_accuracy": accuracy.interval if accuracy else None,
            "accuracy_change": more_right[0] if more_right else None,
            "interval_accuracy_change": more_right[1] if more_right else None,
            "targets": [outcome.to_dict() for outcome in self.judged(contender)],
            "lm_eval": {task: dict(metrics) for task, metrics in contender.harness.items()},
            "failure": contender.failure or None,
        }


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and one != other


def _paid_back(
    cost: Energy, baseline: Energy, verdict: Verdict
) -> tuple[float | None, tuple[float, float | None] | None]:
    """Return after how many units a cost is paid back, with the ends that both intervals together allow.

    The saving of a unit is the change of the ratio times what the baseline draws. The ends take the one end of each
    interval with the other end of the other: the result holds at least as often as the weaker of them.
    """
    if verdict.change is None or verdict.interval is None or verdict.outcome is not Outcome.SAVES:
        return None, None
    saving_j = -verdict.change * baseline.value_j
    low_j = -verdict.interval[1] * baseline.interval_j[0]
    high_j = -verdict.interval[0] * baseline.interval_j[1]
    earliest = cost.interval_j[0] / high_j if high_j > 0 else math.inf
    return cost.value_j / saving_j, (earliest, cost.interval_j[1] / low_j if low_j > 0 else None)
