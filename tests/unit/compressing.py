"""What tests of compression share: small models of three architectures, and a session that knows the compressors."""

from __future__ import annotations

import copy
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import torch
from transformers import (
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from driven import gpu
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.result import CompressionResult
from greenllm_kernel.compression.runner import compress
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.profiles import Constant
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from sessions import Recorder

VOCABULARY = 96

torch.set_num_threads(1)  # threads that wait for one another take longer than these models do


def llama(**options: object) -> LlamaForCausalLM:
    torch.manual_seed(1)
    settings: dict[str, object] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 8,
        "max_position_embeddings": 64,
        **options,
    }
    return LlamaForCausalLM(LlamaConfig(**settings)).eval()


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(1)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_embd=32,
            n_head=4,
            n_layer=4,
            n_positions=64,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).eval()


def encoder(model_class: type[PreTrainedModel], **options: object) -> PreTrainedModel:
    torch.manual_seed(1)
    settings: dict[str, object] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        **options,
    }
    return model_class(model_class.config_class(**settings)).eval()


def bert() -> BertForSequenceClassification:
    return encoder(BertForSequenceClassification, num_labels=3)


MODELS = {"llama": llama, "gpt2": gpt2, "bert": bert}


def ids(count: int = 2, length: int = 12, seed: int = 5) -> torch.Tensor:
    return torch.randint(VOCABULARY, (count, length), generator=torch.Generator().manual_seed(seed))


def calibration(model: torch.nn.Module, batches: int = 3) -> list[dict[str, torch.Tensor]]:
    labelled = isinstance(model, BertForSequenceClassification)
    return [
        {"input_ids": ids(seed=seed)} | ({"labels": torch.tensor([seed % 3, 1])} if labelled else {})
        for seed in range(batches)
    ]


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids()).logits


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in copy.copy(model.state_dict()).items()}


def is_as_before(model: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    after = model.state_dict()
    return after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def session_with_compressors(*more: object, meter: VirtualMeter | None = None) -> Session:
    """Return a session that measures a GPU of 100 W and knows the built-in compressors, runtimes, and these plugins."""
    plugins = Plugins(found=_built_in())
    plugins.register(Recorder(meter or VirtualMeter([gpu(Constant(100.0), update_period_s=0.01)])), "recorder")
    for number, plugin in enumerate(more):
        plugins.register(plugin, f"own {number}")
    session = Session(Configuration(), plugins)
    session.find_meters()
    return session


def compressed(model: torch.nn.Module | Path, recipe: str, session: Session, **options: object) -> CompressionResult:
    """Compress a model with calibration data that fit it."""
    return compress(model, recipe, calibration=calibration(model), session=session, **options)


def catalogue(*more: object) -> Catalogue:
    plugins = Plugins(found=_built_in())
    for number, plugin in enumerate(more):
        plugins.register(plugin, f"own {number}")
    return Catalogue.of(plugins)


def _built_in() -> list[EntryPoint]:
    of_models = (".compressors.", ".runtimes.")
    return [each for each in entry_points(group="greenllm") if any(part in each.value for part in of_models)]
