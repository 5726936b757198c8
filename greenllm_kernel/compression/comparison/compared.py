"""One contender of a comparison: what it is, its sizes, and its quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from greenllm_kernel.compression.comparison.quality import Accuracy, Metric, TextQuality
from greenllm_kernel.compression.targets import Target
from greenllm_kernel.quantities import Energy


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
        deploying: by batch, energy that deploying it and its first answer took this once, J: converting, compiling,
            for the first of a runtime loading its libraries too. What a runtime keeps on the disk makes the next time
            cheaper.
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
    deploying: Mapping[int, Energy] = field(default_factory=dict)
    text: TextQuality | None = None
    accuracy: Accuracy | None = None
    harness: Mapping[str, Mapping[str, Metric]] = field(default_factory=dict)
    targets: Sequence[Target] = ()
    failure: str = ""
