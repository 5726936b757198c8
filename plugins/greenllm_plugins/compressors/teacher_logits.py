"""What a teacher says of examples: all its logits or the largest, computed anew or kept within a bound."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

import torch
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from greenllm_kernel.compression.compressor import Batch

GB = 1_000_000_000


@dataclass(frozen=True)
class Said:
    """Logits, of all that a teacher can say or of the likeliest.

    Attributes:
        logits: (..., all or k), float32.
        choices: which they are, (..., k); None where they are all.
        rest: logarithm of the sum of the others' exponentials at this temperature, (..., 1); None likewise.
        temperature: by which logits are divided.
    """

    logits: Tensor
    choices: Tensor | None
    rest: Tensor | None
    temperature: float

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What it consists of, by name."""
        parts = {"logits": self.logits, "choices": self.choices, "rest": self.rest}
        return {name: tensor for name, tensor in parts.items() if tensor is not None}

    @classmethod
    def of(cls, logits: Tensor, temperature: float, top_k: int) -> Said:
        """Keep the ``top_k`` largest logits; 0: all."""
        logits = logits.float()
        if not 0 < top_k < logits.shape[-1] - 1:
            return cls(logits, None, None, temperature)
        values, choices = logits.topk(top_k, dim=-1)
        others = (logits / temperature).scatter(-1, choices, -torch.inf)
        return cls(values, choices.to(torch.int32), others.logsumexp(-1, keepdim=True), temperature)

    def divergence(self, student: Tensor) -> Tensor:
        """Return KL(teacher || student) at the temperature, nats, without the last dimension of ``student``.

        Of all but the largest logits both know only the sum of their probabilities, so that it is a lower bound.
        """
        own = student.float() / self.temperature
        teacher = self.logits / self.temperature
        if self.choices is not None and self.rest is not None:
            choices = self.choices.long()
            others = own.scatter(-1, choices, -torch.inf).logsumexp(-1, keepdim=True)
            own = torch.cat([own.gather(-1, choices), others], -1)
            teacher = torch.cat([teacher, self.rest], -1)
        # Over what is left, both add up to 1.
        return kl_div(log_softmax(own, -1), log_softmax(teacher, -1), reduction="none", log_target=True).sum(-1)


class TeacherLogits:
    """A teacher's logits, example by example; a context manager, since it may have a file.

    Args:
        teach: gives the logits of a batch.
        temperature: see :class:`Said`.
        top_k: of each token so many logits; 0: all.
        cache: where they are kept: ``none``, ``memory`` or ``disk``.
        cache_gb: how much is kept at most. What does not fit, or cannot be written, is computed each time.
    """

    def __init__(
        self, teach: Callable[[Batch], Tensor], temperature: float, top_k: int, cache: str, cache_gb: float
    ) -> None:
        self._teach = teach
        self._temperature = temperature
        self._top_k = top_k
        self._bytes_left = 0.0 if cache == "none" else cache_gb * GB
        self._file: IO[bytes] | None = tempfile.TemporaryFile() if cache == "disk" else None  # noqa: SIM115
        self._in_memory: dict[int, dict[str, Tensor]] = {}
        self._on_disk: dict[int, tuple[int, int]] = {}
        self.batches_computed = 0

    def __enter__(self) -> TeacherLogits:
        return self

    def __exit__(self, *exception: object) -> None:
        self._in_memory.clear()
        if self._file is not None:
            self._file.close()

    def of(self, numbers: Sequence[int], batch: Batch) -> Said:
        """Return what the teacher says of a batch of these examples."""
        if all(number in self._in_memory or number in self._on_disk for number in numbers):
            return self._kept(numbers, batch)
        said = Said.of(self._teach(batch), self._temperature, self._top_k)
        self.batches_computed += 1
        for index, number in enumerate(numbers):
            if number not in self._in_memory and number not in self._on_disk:
                self._keep(number, {name: tensor[index : index + 1].cpu() for name, tensor in said.tensors.items()})
        return said

    def _keep(self, number: int, tensors: dict[str, Tensor]) -> None:
        self._bytes_left -= sum(tensor.nbytes for tensor in tensors.values())
        if self._bytes_left < 0:
            return
        if self._file is None:
            self._in_memory[number] = {name: tensor.clone() for name, tensor in tensors.items()}
            return
        from safetensors.torch import save

        data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        try:
            start = self._file.seek(0, os.SEEK_END)
            self._file.write(data)
        except OSError:  # the disk is full: it goes on without keeping more
            self._bytes_left = 0.0
        else:
            self._on_disk[number] = start, len(data)

    def _kept(self, numbers: Sequence[int], batch: Batch) -> Said:
        found = [self._in_memory.get(number) or self._read(number) for number in numbers]
        ids = batch.get("input_ids")
        width = None if ids is None or found[0]["logits"].dim() < 3 else ids.shape[1]  # (1, length, ...)
        device = next(iter(batch.values())).device
        together = {
            name: torch.cat([_of_width(tensors[name], width) for tensors in found]).to(device) for name in found[0]
        }
        return Said(together["logits"], together.get("choices"), together.get("rest"), self._temperature)

    def _read(self, number: int) -> dict[str, Tensor]:
        from safetensors.torch import load

        assert self._file is not None
        start, size = self._on_disk[number]
        self._file.seek(start)
        return load(self._file.read(size))


def _of_width(tensor: Tensor, width: int | None) -> Tensor:
    """Return it with so many tokens: what an example was padded with goes, or comes."""
    if width is None or tensor.shape[1] == width:
        return tensor
    if tensor.shape[1] > width:
        return tensor[:, :width]
    return torch.nn.functional.pad(tensor, (0, 0, 0, width - tensor.shape[1]))
