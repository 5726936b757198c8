"""Examples to train with: token ids joined and cut into pieces of one length, or rows padded to one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from greenllm_kernel.compression.compressor import Batch
from greenllm_kernel.errors import CompressionError

NO_LABEL = -100
"""What transformers' losses leave out."""


class Examples:
    """Training data as examples of their own, to be put together in batches.

    Args:
        examples: each with a batch of 1.
        padding: the token id that fills up what is shorter.
    """

    def __init__(self, examples: Sequence[Batch], padding: int = 0) -> None:
        if not examples:
            raise CompressionError("the training data has no tokens")
        self._examples = examples
        self._padding = padding

    @classmethod
    def of(cls, batches: Iterable[Batch], length: int, tokens: int, end: int | None, padding: int) -> Examples:
        """Cut up batches.

        Args:
            batches: token ids alone, (batch, length), are joined; others are taken apart by their first dimension.
            length: of the examples, at most, tokens.
            tokens: as many are taken, where there are so many.
            end: id of a token between the texts that are joined.
            padding: as above.
        """
        found: list[Batch] = []
        joined: list[Tensor] = []
        taken = 0
        for batch in batches:
            if batch.keys() == {"input_ids"}:
                for row in batch["input_ids"]:
                    joined += [row] if end is None else [row, row.new_tensor([end])]
                    taken += len(row) + (end is not None)
            else:
                parts = list(_apart(batch, length))
                found += parts
                taken += sum(_size(part) for part in parts)
            if taken >= tokens:
                break
        if joined:
            row = torch.cat(joined)
            # What is left over at the end goes, unless it is all there is.
            pieces = row.unfold(0, length, length) if len(row) >= length else row.unsqueeze(0)
            found += [{"input_ids": piece.unsqueeze(0)} for piece in pieces]
        return cls(found, padding)

    def __len__(self) -> int:
        return len(self._examples)

    @property
    def tokens(self) -> int:
        """How many tokens there are in all."""
        return sum(_size(example) for example in self._examples)

    def batch(self, numbers: Sequence[int], device: torch.device) -> Batch:
        """Return these examples together, padded where their lengths differ, on this device."""
        chosen = [self._examples[number] for number in numbers]
        names = chosen[0].keys()
        widths = {example["input_ids"].shape[-1] for example in chosen if "input_ids" in example}
        fills = {"input_ids": self._padding, "labels": NO_LABEL}
        together = {name: _padded([example[name] for example in chosen], fills.get(name, 0)) for name in names}
        if len(widths) > 1 and "attention_mask" not in together:
            masks = [torch.ones_like(example["input_ids"]) for example in chosen]
            together["attention_mask"] = _padded(masks, 0)
        return {name: tensor.to(device) for name, tensor in together.items()}


def _apart(batch: Batch, length: int) -> Iterator[Batch]:
    """Yield the single examples of a batch, each cut off at this length."""
    first = batch.get("input_ids", next(iter(batch.values())))
    count, width = first.shape[0], first.shape[-1]
    for number in range(count):
        example = {}
        for name, tensor in batch.items():
            # One row of ids comes with its labels as one row too: one for each token.
            is_row = count == 1 and tensor.dim() == 1 and len(tensor) == width > 1
            own = tensor.unsqueeze(0) if is_row else tensor[number : number + 1]
            example[name] = own[:, :length] if own.dim() > 1 and own.shape[1] == width else own
        yield example


def _padded(tensors: Sequence[Tensor], fill: int) -> Tensor:
    if len({tensor.shape[1:] for tensor in tensors}) > 1:
        widest = max(tensor.shape[-1] for tensor in tensors)
        pad = torch.nn.functional.pad
        tensors = [pad(tensor, (0, widest - tensor.shape[-1]), value=fill) for tensor in tensors]
    return torch.cat(list(tensors))


def _size(example: Batch) -> int:
    return int(example.get("input_ids", next(iter(example.values()))).numel())
