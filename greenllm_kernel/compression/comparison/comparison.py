"""What a comparison found, as an object that prints itself: contenders, cells, verdicts, the front and break-even."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from greenllm_kernel.accounting.channel_energy import energy_to_dict
from greenllm_kernel.accounting.record import Record, Status
from greenllm_kernel.compression.comparison.break_even import BreakEven
from greenllm_kernel.compression.comparison.cell import Cell
from greenllm_kernel.compression.comparison.compared import Compared
from greenllm_kernel.compression.comparison.front import FrontPoint, front_of
from greenllm_kernel.compression.comparison.verdict import Verdict
from greenllm_kernel.compression.comparison.work import GENERATE, REQUEST
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.targets import TargetOutcome, figures_of, intervals_of
from greenllm_kernel.quantities import Energy, Interval, Provenance

SCHEMA: Final = 2
"""Of the JSON data. From 2 on a metric of lm-eval is an object with its interval, and what deploying took is told."""


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
        points: list[FrontPoint] = []
        for batch in self.batches:
            known = [
                (contender.name, cell.gross, *quality)
                for contender in self.contenders
                if (cell := self.cell(contender.name, self.whole_phase, batch)) and cell.gross
                if (quality := self._quality(contender)) is not None
            ]
            points += front_of(batch, known)
        return points

    @property
    def break_even(self) -> Sequence[BreakEven]:
        """Of each contender that had to be made, after how many new tokens (or requests) it has paid off."""
        found = []
        for contender in self.contenders[1:]:
            for batch in self.batches:
                baseline = self.cell(self.baseline.name, self.whole_phase, batch)
                verdict = self.verdict(contender.name, self.whole_phase, batch)
                if verdict is None or verdict.gap or baseline is None:
                    continue
                if (one := BreakEven.of(self._costs(contender, batch), baseline, verdict)) is not None:
                    found.append(one)
        return found

    def judged(self, contender: Compared, batch: int | None = None) -> Sequence[TargetOutcome]:
        """Return what became of the targets of a contender's recipe, at a batch (the first where none is named)."""
        if not contender.targets:
            return []
        figures = figures_of(self, contender.name, batch)
        intervals = intervals_of(self, contender.name, batch)
        return [target.judged(figures, intervals) for target in contender.targets]

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

    def _costs(self, contender: Compared, batch: int) -> Mapping[str, Energy]:
        """Return what has to be paid back, J; nothing where there is nothing, or what compressing took is not known.

        Of deploying it is what that surely took more than the baseline's.
        """
        costs = {}
        if contender.steps:
            if contender.compressing is None:
                return {}
            costs["compressing"] = contender.compressing
        mine, theirs = contender.deploying.get(batch), self.baseline.deploying.get(batch)
        if mine is not None and theirs is not None and (more := mine - theirs).interval_j[0] > 0:
            costs["deploying"] = more
        return costs

    def _metrics_to_dict(self, contender: Compared, task: str) -> dict[str, Any]:
        theirs = self.baseline.harness.get(task, {})
        told = {}
        for name, metric in contender.harness[task].items():
            change = None if contender is self.baseline else metric.change(theirs.get(name))
            told[name] = {
                "value": metric.value,
                "interval": metric.interval,
                "change": change[0] if change else None,
                "interval_change": change[1] if change else None,
            }
        return told

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
            "deploying": {str(batch): energy_to_dict(energy) for batch, energy in contender.deploying.items()},
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
            "lm_eval": {task: self._metrics_to_dict(contender, task) for task in contender.harness},
            "failure": contender.failure or None,
        }
