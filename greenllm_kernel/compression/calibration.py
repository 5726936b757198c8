"""Calibration data: texts, batches, a data set or a callable, made into what a model is called with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from greenllm_kernel.compression.compressor import Batch
from greenllm_kernel.compression.examples import NO_LABEL, Examples
from greenllm_kernel.errors import CompressionError

MOST_BATCHES = 128
"""Batches looked at: published pruners and quantisers calibrate with 128 sequences (arXiv:2306.11695, section 4)."""

MOST_ROWS = 100_000
"""Rows kept of what can be gone through once only."""

LONGEST = 2048
"""Tokens of a text that are looked at, where the model has so many places."""

MODEL_INPUTS = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "labels",
    "position_ids",
    "decoder_input_ids",
    "inputs_embeds",
    "pixel_values",
    "input_features",
)
"""Of a data set's columns these go to the model."""


class Calibration:
    """Calibration data, begun anew as often as it is wanted.

    Args:
        data: texts; tensors of token ids (length,) or (batch, length); mappings of a model's arguments to tensors or
            lists of numbers; a data set of such rows, or of rows with a ``text``; or a callable without arguments
            that returns any of these.
        tokenizer: makes ids of texts, as transformers' do: called with a text, it gives ``input_ids``.
        places: for how many tokens the model has places; what is longer is cut off. None: as many as there are.
    """

    def __init__(
        self,
        data: Iterable[Any] | Callable[[], Iterable[Any]],
        tokenizer: Any = None,
        places: int | None = None,
    ) -> None:
        if not callable(data):
            _see_rows(data)
        # An iterator is used up after one pass: what it gives is kept.
        self._data = list(islice(data, MOST_ROWS)) if isinstance(data, Iterator) else data
        self._tokenizer = tokenizer
        self._places = places
        first = next(self.batches(torch.device("cpu")), None)
        if first is None:
            raise CompressionError("the calibration data is empty")
        self.first = first

    def batches(self, device: torch.device) -> Iterator[Batch]:
        """Yield the batches, on this device."""
        for row in islice(iter(self._rows()), MOST_BATCHES):
            batch = _cut(self._batch(row, LONGEST), self._places)
            yield {name: tensor.to(device) for name, tensor in batch.items()}

    def examples(self, length: int, tokens: int, seed: int) -> Examples:
        """Return the data cut up for training.

        Args:
            length: of the examples, tokens: token ids without anything else are joined and cut into pieces of it;
                rows with labels or masks stay apart, and what is longer is cut off.
            tokens: how many training goes through; where the data has more, it is taken from all over it.
            seed: of the order in which it is taken.
        """
        rows = self._rows()
        order: Iterable[int] | None = None
        if hasattr(rows, "__len__") and hasattr(rows, "__getitem__"):
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
        batches = (self._batch(row, None) for row in (rows if order is None else map(rows.__getitem__, order)))
        end, padding = (getattr(self._tokenizer, f"{name}_token_id", None) for name in ("eos", "pad"))
        return Examples.of(batches, length, tokens, end, padding or 0)

    def _rows(self) -> Any:
        if not callable(self._data):
            return self._data
        rows = self._data()
        _see_rows(rows)
        return rows

    def _batch(self, row: Any, longest: int | None) -> dict[str, Tensor]:
        if isinstance(row, Mapping) or hasattr(row, "keys"):
            names = set(row.keys())
            known = {name: row[name] for name in MODEL_INPUTS if name in names}
            if "text" in names and not known.keys() - {"labels"}:
                known = {"input_ids": self._tokenized(row["text"], longest), **known}
            if "label" in names and "labels" not in known:
                known["labels"] = row["label"]
            if known:
                return {name: _tensor(name, value) for name, value in known.items()}
        if isinstance(row, str):
            return {"input_ids": _tensor("input_ids", self._tokenized(row, longest))}
        if isinstance(row, Tensor | list | tuple):
            return {"input_ids": _tensor("input_ids", row)}
        raise CompressionError(
            f"calibration data holds a {type(row).__name__}; wanted are texts, tensors of token ids, or mappings with "
            "input_ids"
        )

    def _tokenized(self, text: str, longest: int | None) -> Any:
        if self._tokenizer is None:
            raise CompressionError("calibration data of texts needs a tokenizer: tokenizer=..., or --tokenizer")
        return self._tokenizer(text)["input_ids"][:longest]


def _see_rows(data: Any) -> None:
    """Raise CompressionError where data has no rows, or where going through it gives names instead of rows."""
    if isinstance(data, Mapping):
        names = ", ".join(map(str, data))
        raise CompressionError(
            f"calibration data is a {type(data).__name__} ({names}): take what is to be looked at, as in "
            "data['train'], or put a single batch into a list: [batch]"
        )
    if isinstance(data, str) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        raise CompressionError(
            f"calibration data is a list of texts or batches, a data set or a callable, not a {type(data).__name__}"
        )


def _cut(batch: Batch, longest: int | None) -> Batch:
    """Return a batch whose ids are no longer than this; what goes with each id is cut off with it."""
    width = batch["input_ids"].shape[-1] if "input_ids" in batch else 0
    if longest is None or width <= longest:
        return batch
    return {
        name: tensor[:, :longest] if tensor.dim() > 1 and tensor.shape[1] == width else tensor
        for name, tensor in batch.items()
    }


def _tensor(name: str, value: Any) -> Tensor:
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CompressionError(f"calibration data: {name} is no tensor and no list of numbers ({error})") from error
    is_single = tensor.dim() == (0 if name == "labels" else 1) and name != "labels"
    return tensor.unsqueeze(0) if is_single or tensor.dim() == 0 else tensor


def with_labels(model: nn.Module, batch: Batch) -> Batch:
    """Return a batch from which the model computes its loss: a causal language model's own tokens are its labels.

    Padding has no label.

    Raises:
        CompressionError: the batch has no labels, and the model is no causal language model.
    """
    if "labels" not in batch and "input_ids" in batch:
        if not type(model).__name__.endswith(("ForCausalLM", "LMHeadModel")):
            raise CompressionError(
                f"the calibration data has no labels, from which {type(model).__name__} would compute its loss: give "
                "them as labels in each batch"
            )
        batch = {**batch, "labels": batch["input_ids"]}
    labels, mask = batch.get("labels"), batch.get("attention_mask")
    if labels is None or mask is None or labels.shape != mask.shape:
        return batch
    return {**batch, "labels": labels.masked_fill(mask == 0, NO_LABEL)}


def unpadded(values: Tensor, batch: Batch) -> Tensor:
    """Return those of a batch's tokens that are no padding: of values (batch, length, ...) a tensor (tokens, ...).

    Values of another shape are returned as they are.
    """
    mask = batch.get("attention_mask")
    return values if mask is None or values.shape[: mask.dim()] != mask.shape else values[mask != 0]
