"""``gptq``, ``awq`` and ``smoothquant``: weights that calibration data chose, through llm-compressor.

The first two put weights on a grid of few bits so that the layers' outputs change little. The grid saves storage: what
runs are the same weights as floats, until a runtime or a later step packs them. The third leaves the model's function
as it is and makes its activations easier to quantise: ``int8_dynamic`` or ``torchao_int8_dynamic`` is to follow.
"""

from __future__ import annotations

import copy
import io
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.errors import CompressionError
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host

INSTALL = (
    "Install it: pip install 'greenllm[llm-compressor]'; it brings the version of transformers that it works with."
)


@dataclass(frozen=True)
class GridConfig:
    """Settings of ``gptq`` and ``awq``.

    Attributes:
        bits: of a weight.
        group_size: neighbouring weights of a row that share a scale; 0: the whole row.
        symmetric: whether the grid lies around 0; else it lies where the group's weights are.
        include: which layers.
        exclude: which of them not.
    """

    version: ClassVar[int] = 1
    bits: Literal[4, 8] = 4
    group_size: int = 128
    symmetric: bool = True
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("lm_head",)

    def __post_init__(self) -> None:
        if self.group_size < 0:
            raise ValueError(f"group_size: {self.group_size} is below 0")


@dataclass(frozen=True)
class SmoothQuantConfig:
    """Settings of ``smoothquant``.

    Attributes:
        strength: how much of what is difficult moves from activations to weights, 0 to 1: alpha in equation 4 of
            arXiv:2211.10438.
    """

    version: ClassVar[int] = 1
    strength: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength: {self.strength} is not from 0 to 1")


class FromLLMCompressor(Compressor):
    """What the methods have in common: llm-compressor works on a copy, and the model gets the weights it found."""

    expects_to_save = frozenset({Saves.STORAGE})

    def needs_calibration(self, config: Any) -> bool:
        return True

    def check(self, model: nn.Module, config: Any, host: Host) -> Sequence[Refusal]:
        if not _is_llama_like(model):
            reason = f"it knows where to smooth models that are built like Llama, not {type(model).__name__}"
            return [Refusal(reason, "Use torchao_int8_weight_only, or int8_dynamic on the CPU.")]
        try:
            import llmcompressor  # noqa: F401
        except ImportError as error:
            return [Refusal(f"llm-compressor cannot be used ({error})", INSTALL)]
        return []

    def _worked_on(self, model: nn.Module, modifiers: list[Any], context: Context) -> nn.Module:
        """Return a copy on which the modifiers have worked; the model has its weights but not its grids."""
        import torch
        from llmcompressor import oneshot
        from torch.utils.data import DataLoader

        work: Any = copy.deepcopy(model)
        batches: Any = [{key: value.cpu() for key, value in batch.items()} for batch in context.batches()]
        context.tell(0.1)
        with tempfile.TemporaryDirectory() as folder, _quiet(), _without_pinned_memory(), torch.enable_grad():
            # It reads the configuration of the model's origin again, and would ask a hub for it.
            work.config.save_pretrained(folder)
            work.config.name_or_path = folder
            oneshot(
                model=work,
                recipe=modifiers,
                dataset=DataLoader(batches, batch_size=None),
                processor=_NO_TEXTS,
                num_calibration_samples=len(batches),
                clear_sparse_session=True,
            )
        context.tell(0.9)
        found = dict(work.named_parameters())
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(found[name])
        made: nn.Module = work
        return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what it tells of each layer, by lines and by bars, out of the cell: the runner tells how far it is."""
    from loguru import logger

    packages = ("llmcompressor", "compressed_tensors")
    for package in packages:
        logger.disable(package)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        for package in packages:
            logger.enable(package)


@contextmanager
def _without_pinned_memory() -> Iterator[None]:
    """Where there is no accelerator, keep AWQ from pinning memory for one: torch raises then (llm-compressor 0.14)."""
    import torch
    from llmcompressor.pipelines.cache import IntermediatesCache

    if torch.accelerator.is_available():
        yield
        return
    pin_memory = IntermediatesCache.pin_memory
    IntermediatesCache.pin_memory = lambda *arguments, **named: None
    try:
        yield
    finally:
        IntermediatesCache.pin_memory = pin_memory


_NO_TEXTS: Any = object()
"""What llm-compressor is given in the place of a tokenizer, which it asks for and for token ids does not need."""


class SmoothQuant(FromLLMCompressor):
    """Scales move from activations to weights (Xiao et al., arXiv:2211.10438); the function stays the same."""

    name = "smoothquant"
    config_class = SmoothQuantConfig
    kind = Kind.PRECISION
    expects_to_save = frozenset()

    def convert(
        self, model: nn.Module, config: SmoothQuantConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier

        self._worked_on(model, [SmoothQuantModifier(smoothing_strength=config.strength)], context)
        return model, {}


class OnGrid(FromLLMCompressor):
    """Weights on a grid: code - zero point, times the scale of their group."""

    config_class = GridConfig
    kind = Kind.PACKING

    def check(self, model: nn.Module, config: GridConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_kernel.compression.layers import chosen_layers, matrix, refusals_of_choice

        refusals = refusals_of_choice(model, config.include, config.exclude)
        for name, layer in chosen_layers(model, config.include, config.exclude).items():
            inputs = matrix(layer).shape[1]
            if config.group_size and inputs % config.group_size:
                reason = f"{name} has {inputs} inputs, which groups of {config.group_size} do not divide"
                refusals.append(Refusal(reason, "Set group_size to a divisor, or to 0: a scale for each whole row."))
                break
        return refusals or super().check(model, config, host)

    @abstractmethod
    def modifiers(self, quantization: Mapping[str, Any]) -> list[Any]:
        """Return llm-compressor's modifiers, the last of which quantises as it is told to."""

    def convert(self, model: nn.Module, config: GridConfig, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_kernel.compression.layers import chosen_layers

        layers = chosen_layers(model, config.include, config.exclude)
        weights = {
            "num_bits": config.bits,
            "type": "int",
            "symmetric": config.symmetric,
            "strategy": "group" if config.group_size else "channel",
            "group_size": config.group_size or None,
        }
        group = {"targets": [f"re:^{name.replace('.', chr(92) + '.')}$" for name in layers], "weights": weights}
        work = self._worked_on(model, self.modifiers({"config_groups": {"group": group}}), context)
        for name, layer in layers.items():
            found: Any = work.get_submodule(name)
            zero = getattr(found, "weight_zero_point", None)
            _put_on_grid(layer, found.weight_scale.detach(), None if zero is None else zero.detach(), config.bits)
        return model, {"layers": list(layers)}

    def tensors(self, model: nn.Module, config: GridConfig, metadata: Mapping[str, Any]) -> Mapping[str, Tensor]:
        from greenllm_kernel.compression.layers import matrix_layers

        layers = matrix_layers(model)  # what a later step has packed in its own way is not among them
        saved: dict[str, Tensor] = {}
        for name in metadata["layers"]:
            if name in layers:
                layer: Any = layers[name]
                codes = _codes(layer.weight.detach(), layer.grid_scale, layer.grid_zero, config.bits)
                saved[f"{name}.weight.codes"] = _halves(codes) if config.bits == 4 else codes
                saved[f"{name}.weight.scale"] = layer.grid_scale
                saved[f"{name}.weight.zero"] = layer.grid_zero
        return saved

    def restore(
        self, skeleton: nn.Module, config: GridConfig, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        from torch import nn

        for name in metadata["layers"]:
            if f"{name}.weight.codes" not in tensors:
                continue
            layer: Any = skeleton.get_submodule(name)
            codes, scale, zero = (tensors[f"{name}.weight.{part}"] for part in ("codes", "scale", "zero"))
            codes = _whole(codes) if config.bits == 4 else codes
            if codes.shape != layer.weight.shape:
                raise CompressionError(f"{name}: codes of shape {tuple(codes.shape)} for {tuple(layer.weight.shape)}")
            _keep_grid(layer, scale, zero)
            layer.weight = nn.Parameter(_values(codes, scale, zero, config.bits))
        return skeleton


class GPTQ(OnGrid):
    """Column by column, what rounding one weight does wrong the others put right (Frantar et al., arXiv:2210.17323)."""

    name = "gptq"

    def modifiers(self, quantization: Mapping[str, Any]) -> list[Any]:
        from llmcompressor.modifiers.gptq import GPTQModifier

        return [GPTQModifier(**quantization)]


class AWQ(OnGrid):
    """Inputs that matter are scaled up before rounding to nearest (Lin et al., arXiv:2306.00978)."""

    name = "awq"

    def modifiers(self, quantization: Mapping[str, Any]) -> list[Any]:
        from llmcompressor.modifiers.quantization import QuantizationModifier
        from llmcompressor.modifiers.transform.awq import AWQModifier

        return [AWQModifier(), QuantizationModifier(**quantization)]


def _is_llama_like(model: nn.Module) -> bool:
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    return {"q_proj", "k_proj", "v_proj", "input_layernorm", "post_attention_layernorm"} <= names


def _put_on_grid(layer: Any, scale: Tensor, zero: Tensor | None, bits: int) -> None:
    import torch

    _keep_grid(layer, scale, torch.zeros_like(scale, dtype=torch.int8) if zero is None else zero.to(torch.int8))
    codes = _codes(layer.weight.detach(), layer.grid_scale, layer.grid_zero, bits)
    layer.weight.data = _values(codes, layer.grid_scale, layer.grid_zero, bits)


def _keep_grid(layer: Any, scale: Tensor, zero: Tensor) -> None:
    """Keep scales and zero points (outputs, groups) with the layer; they are saved with the codes."""
    layer.register_buffer("grid_scale", scale, persistent=False)
    layer.register_buffer("grid_zero", zero, persistent=False)


def _codes(weight: Tensor, scale: Tensor, zero: Tensor, bits: int) -> Tensor:
    """Return the codes of weights (outputs, inputs), uint8 of the same shape: from 0, where the grid begins."""
    import torch

    half = 1 << (bits - 1)
    grouped = weight.reshape(*scale.shape, -1)
    codes = torch.round(grouped / scale.unsqueeze(-1) + zero.unsqueeze(-1)).clamp(-half, half - 1) + half
    return codes.to(torch.uint8).reshape(weight.shape)


def _values(codes: Tensor, scale: Tensor, zero: Tensor, bits: int) -> Tensor:
    """Return the weights (outputs, inputs) that the codes stand for, in the type of the scales."""
    half = 1 << (bits - 1)
    steps = codes.reshape(*scale.shape, -1).to(scale.dtype) - (zero.unsqueeze(-1).to(scale.dtype) + half)
    return (steps * scale.unsqueeze(-1)).reshape(codes.shape)


def _halves(codes: Tensor) -> Tensor:
    """Return 4-bit codes (outputs, inputs), two in a byte: (outputs, inputs / 2)."""
    return codes[:, ::2] | (codes[:, 1::2] << 4)


def _whole(halves: Tensor) -> Tensor:
    import torch

    return torch.stack([halves & 15, halves >> 4], dim=-1).flatten(1)


@hookimpl
def greenllm_compressors() -> Sequence[type[FromLLMCompressor]]:
    """Return these methods."""
    return [GPTQ, AWQ, SmoothQuant]
