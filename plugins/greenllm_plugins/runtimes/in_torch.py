"""A model that runs in torch, as a model of transformers: what ``eager`` and ``compiled`` share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, DynamicCache

from greenllm_kernel.compression.folder.load import applied_steps, load_model
from greenllm_kernel.compression.folder.save import save_model
from greenllm_kernel.compression.runtime import Deployed
from greenllm_kernel.compression.tensors import device_of, evaluating, size_bytes


def cache_argument(model: nn.Module) -> str:
    """Return under which name the model takes its KV cache; transformers 5.24 has renamed it.

    Raises:
        ValueError: it takes none, or cannot compute the last logits alone.
    """
    known = inspect.signature(model.forward).parameters
    for name in ("cache", "past_key_values"):
        if name in known and "logits_to_keep" in known:
            return name
    raise ValueError(f"{type(model).__name__} takes no KV cache")


class InTorch(Deployed):
    """A model on its device, with a KV cache.

    Args:
        model: of transformers; its tensors are shared, not copied.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model: Any = evaluating(model)
        self._device = device_of(model)
        self._cache_argument = cache_argument(model)

    @classmethod
    def load(cls, folder: Path, *arguments: Any) -> InTorch:
        """Deploy what :meth:`save` has written."""
        return cls(load_model(folder), *arguments)

    @property
    def size_bytes(self) -> int | None:
        return size_bytes(self.model)

    def cache(self) -> Cache:
        """Return an empty KV cache."""
        return DynamicCache(config=self.model.config)

    def step(self, input_ids: Tensor, cache: Cache) -> Tensor:
        """Return the most likely next token, int64 (batch, 1), and go on with the cache."""
        return self.next_token(self.model, self._cache_argument, input_ids, cache)

    @staticmethod
    def next_token(model: Any, cache_argument: str, input_ids: Tensor, cache: Cache) -> Tensor:
        """Return the most likely next token of a model that takes its cache by that name, int64 (batch, 1)."""
        output = model(input_ids=input_ids, use_cache=True, logits_to_keep=1, **{cache_argument: cache})
        token: Tensor = output.logits[:, -1].argmax(-1, keepdim=True)
        return token

    @torch.inference_mode()
    def generate(self, input_ids: Tensor, new_tokens: int, on_token: Callable[[], object]) -> Tensor:
        cache = self.cache()
        token = input_ids.to(self._device)
        tokens = []
        for _ in range(new_tokens):
            token = self.step(token, cache)
            self._wait()
            on_token()
            tokens.append(token)
        return torch.cat(tokens, 1).to(input_ids.device)

    @torch.inference_mode()
    def logits(self, input_ids: Tensor) -> Tensor:
        output = self.model(input_ids=input_ids.to(self._device), use_cache=False)
        return output.logits.float().to(input_ids.device)  # type: ignore[no-any-return]

    def save(self, folder: Path) -> None:
        save_model(self.model, applied_steps(self.model), {}, folder)

    def close(self) -> None:
        self.model = None

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
