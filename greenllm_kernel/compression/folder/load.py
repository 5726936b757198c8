"""Loads a saved model: one of ours with all it has gone through, or any Hugging Face folder with safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.folder.manifest import CONFIG_FILE, FILE_NAME, Manifest, saved_config
from greenllm_kernel.compression.folder.replacing import settled
from greenllm_kernel.compression.recipe import Step
from greenllm_kernel.compression.result import AppliedStep
from greenllm_kernel.compression.tensors import PlainTensors, fill, skeleton
from greenllm_kernel.errors import GreenLLMError, ModelFolderError
from greenllm_kernel.plugins import described

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")

STEPS_ATTRIBUTE = "_greenllm_steps"
"""Where a model keeps what it has gone through, so that more can be done to it and saved again."""


def load_model(folder: str | Path, *, catalogue: Catalogue | None = None) -> nn.Module:
    """Load a model from a folder, in evaluation mode. Only safetensors are read, and nothing is fetched.

    Args:
        folder: that ``save`` has written, or any of a transformers model with safetensors.
        catalogue: whose compressors restore it, instead of the installed ones.

    Raises:
        ModelFolderError: it is no such folder, it is not whole, or something that it needs is not installed.
    """
    folder = settled(Path(folder))
    if folder.is_file():
        hint = "a pickle can run any code when it is read, and is refused" if _is_pickle(folder) else "a file"
        raise ModelFolderError(f"{folder}: {hint}; name a folder with config.json and safetensors")
    if not folder.is_dir():
        raise ModelFolderError(f"there is no folder {folder}; nothing is fetched from a hub")
    if not (folder / FILE_NAME).exists():
        return _foreign(folder)
    manifest = Manifest.read(folder)
    if catalogue is None:
        session = Session.current()
        catalogue = Catalogue.of(session.plugins, session.warn)
    steps = _steps(manifest, catalogue, folder)
    try:
        return _restored(folder, manifest, steps)
    except ModelFolderError:
        raise
    except (GreenLLMError, SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFolderError(f"{folder} cannot be restored: {described(error)}") from error


def applied_steps(model: nn.Module) -> Sequence[AppliedStep]:
    """Return what a model of ours, compressed or loaded, has gone through; nothing for any other."""
    steps: Sequence[AppliedStep] = getattr(model, STEPS_ATTRIBUTE, ())
    return steps


def _foreign(folder: Path) -> nn.Module:
    """Load a folder of transformers that is not ours."""
    if not (folder / CONFIG_FILE).exists():
        raise ModelFolderError(f"{folder} is no model: it has neither {FILE_NAME} nor {CONFIG_FILE}")
    if not any(folder.glob("*.safetensors")):
        if any(path for pattern in PICKLES for path in folder.glob(pattern)):
            raise ModelFolderError(
                f"{folder} holds its weights as pickle, which can run any code when it is read, and is refused; load "
                "it with transformers where you trust it, and save it anew: save_pretrained writes safetensors"
            )
        raise ModelFolderError(f"{folder} has no weights: there is no file that ends with .safetensors")
    try:
        config = _config(folder)
        model_class = _class((config.architectures or ["none"])[0], folder)
        model: nn.Module = model_class.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except GreenLLMError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFolderError(f"{folder} cannot be loaded: {described(error)}") from error
    return model.eval()


def _restored(folder: Path, manifest: Manifest, steps: Sequence[AppliedStep]) -> nn.Module:
    tensors = _tensors(folder / manifest.weights)
    model: Any = skeleton(_class(manifest.architecture, folder), _config(folder))
    for applied in steps:
        step = applied.step
        model = step.compressor.restore(model, step.config, applied.metadata, tensors)
    plain = {name: tensor for name, tensor in tensors.items() if not _is_stand_in(name, manifest, tensors, model)}
    fill(model, PlainTensors(plain, manifest.same))
    if (folder / "generation_config.json").exists() and model.can_generate():
        from transformers import GenerationConfig

        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    model.eval()
    setattr(model, STEPS_ATTRIBUTE, tuple(steps))
    return model  # type: ignore[no-any-return]


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return a file's tensors, copied: as they lie in the file, some kernels would give other last bits."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (it cannot be iterated)


def _is_stand_in(name: str, manifest: Manifest, tensors: dict[str, Tensor], model: nn.Module) -> bool:
    """Tell whether a tensor was saved in the place of another one: the model itself has none of this name."""
    parent, _, own = name.rpartition(".")
    try:
        module = model.get_submodule(parent)
    except AttributeError:
        return True
    return own not in module._parameters and own not in module._buffers


def _steps(manifest: Manifest, catalogue: Catalogue, folder: Path) -> list[AppliedStep]:
    steps = []
    for number, saved in enumerate(manifest.steps, 1):
        try:
            compressor = catalogue[saved["method"]]
            config = saved_config(compressor.config_class, saved)
            steps.append(AppliedStep(Step(compressor, config), saved["metadata"], history=saved))
        except (GreenLLMError, KeyError, TypeError, ValueError) as error:
            raise ModelFolderError(
                f"{folder} was compressed by something that is not installed here: step {number}: {described(error)}"
            ) from error
    return steps


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True)


def _class(name: str, folder: Path) -> Any:
    import transformers

    found = getattr(transformers, name, None)
    if not (isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)):
        raise ModelFolderError(f"{folder}: transformers {transformers.__version__} has no model {name!r}")
    return found


def _is_pickle(path: Path) -> bool:
    return any(path.match(pattern) for pattern in PICKLES)
