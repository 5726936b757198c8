"""What is measured: shapes of Llama, forms of their weights, batches; in the order in which it tells most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

WHOLE_S = 520.0
"""No cell is begun that would end after this, s: under 9 minutes in all."""

SHAPES: Mapping[str, Mapping[str, Any]] = {
    # The shapes of Llama 3.1 8B and Llama 3.2 1B (their config.json).
    "8b": {
        "vocab_size": 128256,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": False,
    },
    "1b": {
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "vocab_size": 256,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
    },
}

FORMS: Mapping[str, str | None] = {
    "bf16": None,
    "fp8": "torchao_fp8_dynamic",
    "int8": "torchao_int8_dynamic",
    "int8 weights": "torchao_int8_weight_only",
    "int4 weights": "torchao_int4_weight_only",
}
"""By form of the weights, the compressor that makes it."""

LEAST_BATCH: Mapping[str, int] = {"int8": 17}
"""Products of 8-bit numbers on a GPU want so many rows, and decoding has one for each text; of other forms it is 1."""

BATCHES = (1, 32, 128, 8)
"""Decoding one text, and enough side by side that sums count more than memory, tell most."""


@dataclass(frozen=True)
class Cell:
    """One thing to measure: a shape in a form, so many texts side by side."""

    shape: str
    form: str
    batch: int

    def __str__(self) -> str:
        return f"{self.shape}, {self.form}, batch {self.batch}"


@dataclass(frozen=True)
class Study:
    """A case study of the tutorials, with a published claim."""

    name: str
    notebook: str

    def __str__(self) -> str:
        return f"study of {self.name}"


STUDIES: Mapping[str, Study] = {
    "classification": Study("text classification", "06-text-classification.ipynb"),
    "dialogue": Study("dialogue", "07-dialogue.ipynb"),
}

Entry = Cell | Study


@dataclass(frozen=True)
class Plan:
    """How a cell is measured.

    Attributes:
        prompt_tokens: of each text.
        new_tokens: generated after each.
        windows: of each phase; the spread between them gives the interval.
        window_s: a window lasts at least so long, s: some ticks of a slow counter.
        expected_s: what one more cell is expected to take, by shape, with compiling, s; and a study.
    """

    prompt_tokens: int = 512
    new_tokens: int = 192
    windows: int = 4
    window_s: float = 1.5
    expected_s: Mapping[str, float] = field(
        default_factory=lambda: {"8b": 75.0, "1b": 40.0, "tiny": 1.0, "study": 60.0}
    )

    def to_dict(self) -> dict[str, Any]:
        """Return as JSON what a figure depends on: not what a cell is expected to take."""
        return {name: value for name, value in asdict(self).items() if name != "expected_s"}


SHORT = Plan(prompt_tokens=16, new_tokens=8, windows=2, window_s=0.1)
"""For the tests."""


def entries(shapes: Sequence[str], forms: Sequence[str], batches: Sequence[int], studies: Sequence[str]) -> list[Entry]:
    """Return all that is to be measured: the studies follow the first shape in all forms, at the first batch."""
    first = list(cells(shapes[:1], forms, batches[:1]))
    rest = [cell for cell in cells(shapes, forms, batches) if cell not in first]
    return [*first, *(STUDIES[name] for name in studies), *rest]


def left(wanted: Iterable[Entry], found: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """Return what is to be measured yet: that of which nothing is known, then what has failed."""
    rest = [entry for entry in wanted if "error" in found.get(str(entry), {"error": "not tried"})]
    return sorted(rest, key=lambda entry: str(entry) in found)


def cells(shapes: Sequence[str], forms: Sequence[str], batches: Sequence[int]) -> Iterator[Cell]:
    """Yield the cells that can be, most telling first: by batch, then shape, then form, each beside bf16."""
    for batch in batches:
        for shape in shapes:
            for form in forms:
                if batch >= LEAST_BATCH.get(form, 1):
                    yield Cell(shape, form, batch)
