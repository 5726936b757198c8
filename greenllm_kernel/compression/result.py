"""What compressing gives: the model, what each step did and cost, as an object that prints itself and saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greenllm_kernel.accounting.notation import (
    BYTES,
    COUNTS,
    duration_text,
    energy_text,
    provenance_text,
    quantity_text,
)
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.recipe import Step
from greenllm_kernel.quantities import Energy

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.targets import TargetOutcome

COLUMNS: Final = ("Step", "Parameters", "Memory", "Energy (95 %)", "Time")
LEAST_SPARSITY: Final = 0.05
"""Part of zeros from which on they are told of: biases of a young model are 0, and rounding makes some."""

NOT_COMPARED: Final = "Whether it runs on less energy is not known yet: only measuring both models tells."


@dataclass(frozen=True)
class ModelSize:
    """How large a model is: parameters, those that are not 0, and bytes in memory."""

    parameters: int
    nonzero: int
    memory_bytes: int

    @property
    def parameters_text(self) -> str:
        """The number of parameters, and of those that are not 0 where it is clearly smaller."""
        is_sparse = self.nonzero < (1 - LEAST_SPARSITY) * self.parameters
        zeros = f" ({count_text(self.nonzero)} not 0)" if is_sparse else ""
        return f"{count_text(self.parameters)}{zeros}"


@dataclass(frozen=True)
class AppliedStep:
    """A step that a model has gone through.

    Attributes:
        step: compressor and settings.
        metadata: what restoring it needs, JSON data.
        after: the model's size then; None where that was in an earlier session.
        record: what it cost; None where that was in an earlier session.
        history: what was saved of a step of an earlier session, its record too.
    """

    step: Step
    metadata: Mapping[str, Any]
    after: ModelSize | None = None
    record: Record | None = None
    history: Mapping[str, Any] | None = None

    @property
    def earlier(self) -> AppliedStep:
        """The same, as of an earlier session: with its history in place of what it cost in this one."""
        return AppliedStep(self.step, self.metadata, history=self.to_dict())

    @property
    def energy(self) -> Energy | None:
        """What it took, in whichever session that was; None where that cannot be told."""
        if self.record is not None:
            return self.record.gross
        try:
            return Record.from_dict((self.history or {})["record"]).gross
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def row(self) -> tuple[str, ...]:
        """What it made of the model and cost, in texts, one for each of :data:`COLUMNS`."""
        size, record = self.after, self.record
        return (
            str(self.step),
            size.parameters_text if size else "",
            bytes_text(size.memory_bytes) if size else "",
            energy_text(record.gross) if record else "",
            duration_text(record.duration_s) if record else "",
        )

    def with_record(self, record: Record) -> AppliedStep:
        """Return it with its settled record."""
        return replace(self, record=record)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data, in the form of ``greenllm.json``."""
        if self.history is not None:
            return dict(self.history)
        return {
            **self.step.to_dict(),
            "metadata": dict(self.metadata),
            "record": self.record.to_dict() if self.record else None,
        }


@dataclass(frozen=True)
class CompressionResult:
    """A compressed model, and what it took to make it.

    Attributes:
        model: the compressed one, in evaluation mode.
        steps: all that it has gone through, in order; those of an earlier session too.
        before: size of the model that was given.
        after: its size now.
        record: the energy, emissions and time of all steps together.
        seed: of the random numbers.
        host: on which it was made.
        targets: of the recipe, and whether they are reached, as far as compressing tells: not what only a comparison
            measures. :meth:`judged` looks at them again.
    """

    model: nn.Module = field(repr=False)
    steps: Sequence[AppliedStep]
    before: ModelSize
    after: ModelSize
    record: Record
    seed: int
    host: Host
    targets: Sequence[TargetOutcome] = ()

    def save(self, folder: str | Path, tokenizer: Any = None) -> Path:
        """Save the model as a Hugging Face folder with ``greenllm.json``; a former one there is replaced whole.

        Args:
            folder: where; a former one stays until the new one is complete. One that holds anything else is refused.
            tokenizer: of transformers, saved beside the model.

        Raises:
            ModelFolderError: it cannot be saved there, and why. What was there is untouched.
        """
        from greenllm_kernel.compression.folder.save import save_model

        made = {key: value for key, value in self.to_dict().items() if key != "steps"}
        return save_model(self.model, self.steps, made, Path(folder).expanduser(), tokenizer)

    def judged(self, figures: Mapping[str, float | None]) -> Sequence[TargetOutcome]:
        """Return what became of the targets with further figures.

        Args:
            figures: by the names that targets have in recipes, such as ``figures_of(comparison, "contender")`` in
                :mod:`greenllm_kernel.compression.targets` gives; what they leave out stays as compressing told it.
        """
        return [each if figures.get(each.target.name) is None else each.target.judged(figures) for each in self.targets]

    def to_dict(self) -> dict[str, Any]:
        """Return all but the model as JSON data."""
        return {
            "seed": self.seed,
            "steps": [step.to_dict() for step in self.steps],
            "before": _size_to_dict(self.before),
            "after": _size_to_dict(self.after),
            "targets": [outcome.to_dict() for outcome in self.targets],
            "record": self.record.to_dict(),
            "host": self.host.to_dict(),
            "packages": dict(self.host.packages),
        }

    @property
    def headline(self) -> str:
        """How much less memory it takes, and what compressing took."""
        energy = energy_text(self.record.gross)
        made = f"{energy}, {duration_text(self.record.duration_s)}, {provenance_text(self.record.gross)}"
        share = self.after.memory_bytes / self.before.memory_bytes if self.before.memory_bytes else 1.0
        return f"compressed to {100 * share:.0f} % of its memory; compressing took {made}"

    @property
    def rows(self) -> Sequence[tuple[str, ...]]:
        """What each step made of it and cost, in texts, one for each of :data:`COLUMNS`; first the model as given."""
        given = ("as given", self.before.parameters_text, bytes_text(self.before.memory_bytes), "", "")
        return [given, *(step.row for step in self.steps if step.after is not None)]

    def __str__(self) -> str:
        table = [COLUMNS, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(COLUMNS))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        return "\n  ".join([self.headline, *lines, *map(str, self.targets), NOT_COMPARED])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def count_text(count: float) -> str:
    """Return a number of parameters, such as ``"107 M"``."""
    return quantity_text(float(count), None, COUNTS).strip() if count >= 1000 else str(int(count))


def bytes_text(size: float) -> str:
    """Return a size, such as ``"426 MB"``."""
    return quantity_text(float(size), None, BYTES)


def _size_to_dict(size: ModelSize) -> dict[str, int]:
    return {"parameters": size.parameters, "nonzero": size.nonzero, "memory_bytes": size.memory_bytes}
