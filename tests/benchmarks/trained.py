"""Llama shapes trained on the standard library's sources: the models that benchmarks of compression are made with.

    python tests/benchmarks/trained.py small 100m        # trains what is not there yet, and says how good it is

On two cores without fast bfloat16 ``small`` takes two minutes, ``100m`` forty.

A model is trained once and kept, in ``build/models`` or where ``GREENLLM_MODELS`` says, under a name with a fingerprint
of all that it depends on: the corpus, the settings and the versions of what trains it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

MODELS = Path(__file__).parents[2] / "build" / "models"

LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
"""Folders of the standard library whose files are no part of the corpus: other people's, and tests."""

HELD_OUT_EVERY = 10
"""Every tenth file is held out."""

END = "<|end|>"

GROWTH = "repeated, scaled"

WARM_UP = 0.1
"""Part of the steps over which the learning rate rises."""


@dataclass(frozen=True)
class Size:
    """A shape, and how it is trained.

    Attributes:
        depths: how many layers it is trained with, one after another, since few are trained faster. To grow, each layer
            is put several times in a row, each with its part of the output, which hardly changes what the model does
            (Chang et al., arXiv:1710.10348, section 4). The last is its own.
        steps: optimiser steps with each of the depths.
    """

    vocabulary: int
    hidden: int
    mlp: int
    heads: int
    is_tied: bool
    depths: tuple[int, ...]
    steps: tuple[int, ...]
    batch: int
    length: int
    rate: float
    context: int = 512


SIZES = {
    "small": Size(
        vocabulary=2048,
        hidden=192,
        mlp=512,
        heads=6,
        is_tied=True,
        depths=(2, 4, 8),
        steps=(300, 150, 150),
        batch=8,
        length=128,
        rate=4e-3,
    ),
    "100m": Size(
        vocabulary=14336,
        hidden=768,
        mlp=2048,
        heads=12,
        is_tied=False,
        depths=(3, 12),
        steps=(600, 200),
        batch=4,
        length=256,
        rate=1.5e-3,
    ),
}


@dataclass(frozen=True)
class Trained:
    """A trained model and what belongs to it; the held-out texts were not seen, by the tokenizer neither."""

    model: Any
    tokenizer: Any
    train_texts: Sequence[str]
    held_out_texts: Sequence[str]


def trained(folder: Path = MODELS, size: str = "small") -> Trained:
    """Return the model of this size; train it first where it is not there yet.

    Args:
        folder: where it is kept; the environment variable ``GREENLLM_MODELS`` goes before it.
        size: one of :data:`SIZES`.
    """
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    train_texts, held_out_texts = texts()
    shape = SIZES[size]
    kept = Path(os.environ.get("GREENLLM_MODELS") or folder) / f"{size}-{_fingerprint(shape, train_texts)}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as new:
            _train(shape, train_texts, size).save_into(Path(new) / "model")
            if not kept.exists():  # somebody else may have trained it meanwhile
                (Path(new) / "model").rename(kept)
    return Trained(
        LlamaForCausalLM.from_pretrained(kept, local_files_only=True).eval(),
        PreTrainedTokenizerFast.from_pretrained(kept, local_files_only=True),
        train_texts,
        held_out_texts,
    )


def texts() -> tuple[list[str], list[str]]:
    """Return the corpus: what is for training, and what is held out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in root.rglob("*.py") if not LEFT_OUT & set(path.relative_to(root).parts))
    found = [text for path in files if (text := path.read_text(encoding="utf-8", errors="replace")).strip()]
    held_out = found[::HELD_OUT_EVERY]
    return [text for number, text in enumerate(found) if number % HELD_OUT_EVERY], held_out


def bits_per_byte(model: Any, tokenizer: Any, held_out_texts: Sequence[str], tokens: int = 1 << 15) -> float:
    """Return how many bits the model needs for a byte of the first so many tokens of these texts.

    Pieces overlap by one token, so that each is predicted once. In a byte-level vocabulary a character is a byte.
    """
    backend = tokenizer.backend_tokenizer
    ids = _ids(backend, held_out_texts)[:tokens]
    byte_count = sum(len(backend.id_to_token(number)) for number in ids.tolist() if backend.id_to_token(number) != END)
    pieces = ids.unfold(0, 256, 255)
    nats = predicted = 0.0
    with torch.inference_mode():
        for piece in pieces.split(8):
            count = piece[:, 1:].numel()
            logits = model(input_ids=piece[:, :-1]).logits.flatten(0, 1).float()
            nats += float(torch.nn.functional.cross_entropy(logits, piece[:, 1:].flatten())) * count
            predicted += count
    return nats / predicted / math.log(2) * len(ids) / byte_count


@dataclass
class _Made:
    model: Any
    tokenizer: Any
    said: dict[str, Any]

    def save_into(self, folder: Path) -> None:
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (folder / "trained.json").write_text(json.dumps(self.said, indent=2), encoding="utf-8")


def _train(shape: Size, train_texts: Sequence[str], name: str) -> _Made:
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(0)
    start = time.monotonic()
    backend = _tokenizer(shape, train_texts)
    ids = _ids(backend, train_texts)
    model: Any = None
    losses: list[float] = []
    for depth, steps in zip(shape.depths, shape.steps, strict=True):
        model = _grown(model, shape, depth, backend.token_to_id(END))
        losses.append(_optimised(model, ids, shape, steps, name))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=END, pad_token=END, bos_token=END)
    seen = sum(shape.steps) * shape.batch * shape.length
    said = {**asdict(shape), "loss": losses[-1], "tokens": seen, "seconds": round(time.monotonic() - start)}
    return _Made(model.eval(), tokenizer, said)


def _tokenizer(shape: Size, train_texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(train_texts, trainer)
    return backend


def _ids(backend: Any, some: Sequence[str]) -> torch.Tensor:
    """Return one long row of token ids, each text followed by the end token."""
    end = backend.token_to_id(END)
    return torch.tensor([token for each in backend.encode_batch(list(some)) for token in (*each.ids, end)])


def _grown(model: Any, shape: Size, depth: int, end: int) -> Any:
    """Return a model of so many layers: the given one, deeper; or one that is untrained."""
    from transformers import LlamaConfig, LlamaForCausalLM

    deeper = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.mlp,
            num_hidden_layers=depth,
            num_attention_heads=shape.heads,
            max_position_embeddings=shape.context,
            tie_word_embeddings=shape.is_tied,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
        )
    )
    if model is not None:
        times = depth // len(model.model.layers)
        for number, layer in enumerate(deeper.model.layers):
            layer.load_state_dict(model.model.layers[number // times].state_dict())
            for outward in (layer.self_attn.o_proj, layer.mlp.down_proj):
                outward.weight.data /= times
        for part in ("embed_tokens", "norm"):
            getattr(deeper.model, part).load_state_dict(getattr(model.model, part).state_dict())
        deeper.lm_head.load_state_dict(model.lm_head.state_dict())
    return deeper


def _optimised(model: Any, ids: torch.Tensor, shape: Size, steps: int, name: str) -> float:
    """Train on random pieces of the corpus; return the mean loss over the last tenth of the steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=shape.rate, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    warm_up = max(1, round(steps * WARM_UP))
    is_last = model.config.num_hidden_layers == shape.depths[-1]

    def rate(step: int) -> float:
        falls = 0.5 * (1 + math.cos(math.pi * step / steps)) if is_last else 1.0
        return min((step + 1) / warm_up, falls)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    generator = torch.Generator().manual_seed(len(model.model.layers))
    last: list[float] = []
    model.train()
    for step in range(steps):
        starts = torch.randint(len(ids) - shape.length, (shape.batch, 1), generator=generator)
        piece = ids[starts + torch.arange(shape.length)]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_fast_bfloat16()):
            loss = model(input_ids=piece, labels=piece).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        if step >= steps - max(1, steps // 10):
            last.append(float(loss.detach()))
        if step % 10 == 9:
            depth = len(model.model.layers)
            print(f"... {name}, {depth} layers, step {step + 1} of {steps}: {loss:.2f}", file=sys.stderr, flush=True)
    return sum(last) / len(last)


def _has_fast_bfloat16() -> bool:
    """Tell whether this processor multiplies matrices of bfloat16 (AMX); without, it is slower than float32."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def _fingerprint(shape: Size, train_texts: Sequence[str]) -> str:
    digest = hashlib.sha256(json.dumps([asdict(shape), GROWTH, WARM_UP, HELD_OUT_EVERY]).encode())
    digest.update(platform.python_version().encode())
    for package in ("torch", "transformers", "tokenizers"):
        digest.update(version(package).encode())
    for each in train_texts:
        digest.update(hashlib.sha256(each.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:8]


if __name__ == "__main__":
    for chosen in sys.argv[1:] or SIZES:
        found = trained(size=chosen)
        held_out = bits_per_byte(found.model, found.tokenizer, found.held_out_texts)
        print(f"{chosen}: {found.model.num_parameters():,} parameters, {held_out:.3f} bits per byte held out")
