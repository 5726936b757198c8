"""Deploys a model: checks first, and gives a thing that generates, tells logits, is saved and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.catalogue import Catalogue
from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.folder.load import load_model
from greenllm_kernel.compression.folder.manifest import check_files, described_file, read_entries, saved_config
from greenllm_kernel.compression.folder.replacing import replaced, settled
from greenllm_kernel.compression.host import Host
from greenllm_kernel.compression.places import places
from greenllm_kernel.compression.result import CompressionResult
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.compression.runtimes import Runtimes, written
from greenllm_kernel.compression.settings import settings_of
from greenllm_kernel.errors import DeploymentError, GreenLLMError
from greenllm_kernel.plugins import described

SCHEMA = 1
FILE_NAME = "greenllm-runtime.json"
"""Says, in a folder, which runtime has written the others."""


@dataclass(frozen=True)
class Deployment:
    """A model as it is deployed; use it as a context manager, or close it.

    Attributes:
        runtime: how.
        shape: what for.
        deployed: what the runtime made of it.
    """

    runtime: Runtime
    shape: Shape
    deployed: Deployed = field(repr=False)

    @property
    def size_bytes(self) -> int | None:
        """What the weights take in the form of the runtime, bytes; None where that is not known."""
        return self.deployed.size_bytes

    def generate(
        self, input_ids: Tensor, new_tokens: int | None = None, on_token: Callable[[], object] = lambda: None
    ) -> Tensor:
        """Go on with the most likely token, whether or not a text ends.

        Args:
            input_ids: int64 (batch, prompt) of the batch that it is deployed for, and at most as long.
            new_tokens: for each sequence; as many as it is deployed for where nothing is said.
            on_token: called each time that a further token of all sequences is there.

        Returns:
            int64 (batch, new_tokens): the new ones alone.

        Raises:
            DeploymentError: it is deployed for another batch or for less, or the runtime failed.
        """
        new_tokens = self.shape.new_tokens if new_tokens is None else new_tokens
        self._check_ids(input_ids)
        batch, length = input_ids.shape
        shape = self.shape
        if batch != shape.batch or length > shape.prompt_tokens or not 1 <= new_tokens <= shape.new_tokens:
            raise DeploymentError(
                f"deployed for {shape.batch} sequences of at most {shape.prompt_tokens} + {shape.new_tokens} tokens, "
                f"and asked for {batch} of {length} + {new_tokens}: deploy it for that"
            )
        with self._failing("generate"):
            return self.deployed.generate(input_ids, new_tokens, on_token)

    def logits(self, input_ids: Tensor) -> Tensor:
        """Return what it says of the next token at each place.

        Args:
            input_ids: int64 (batch, length), of any batch and length that the model bears.

        Returns:
            float32 (batch, length, vocabulary).

        Raises:
            DeploymentError: the runtime failed.
        """
        self._check_ids(input_ids)
        with self._failing("logits"):
            return self.deployed.logits(input_ids)

    def save(self, folder: str | Path) -> Path:
        """Save it, so that :func:`load_deployed` gives it back; a former one there is replaced whole, nothing else is.

        Raises:
            DeploymentError: it cannot be saved there, and why. What was there is untouched.
        """
        folder = Path(folder).expanduser()
        try:
            with replaced(folder, FILE_NAME) as new:
                self.deployed.save(new)
                files = {path.name: described_file(path) for path in sorted(new.iterdir())}
                (new / FILE_NAME).write_text(json.dumps(self._to_dict(files), indent=2) + "\n", encoding="utf-8")
        except Exception as error:
            raise DeploymentError(
                f"it cannot be saved to {folder}: {described(error)}; what was there is as before"
            ) from error
        return folder

    def close(self) -> None:
        """Give its memory free."""
        self.deployed.close()

    def __enter__(self) -> Deployment:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __str__(self) -> str:
        return written(self.runtime)

    def _to_dict(self, files: Mapping[str, Any]) -> dict[str, Any]:
        host = Host.here()
        return {
            "schema": SCHEMA,
            "runtime": self.runtime.name,
            "version": self.runtime.config.version,
            "settings": settings_of(self.runtime.config),
            "shape": asdict(self.shape),
            "files": dict(files),
            "made": {"host": host.to_dict(), "packages": dict(host.packages)},
        }

    def _check_ids(self, input_ids: Tensor) -> None:
        if not isinstance(input_ids, Tensor) or input_ids.dim() != 2 or input_ids.dtype != torch.int64:
            raise DeploymentError("token ids are a tensor of int64 (batch, length)")
        if 0 in input_ids.shape:
            raise DeploymentError(f"there are no tokens: the ids have the shape {tuple(input_ids.shape)}")

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except GreenLLMError:
            raise
        except Exception as error:
            raise DeploymentError(f"{self} failed to {what}: {described(error)}") from error


def deploy(
    model: nn.Module | CompressionResult | str | Path,
    runtime: str | Mapping[str, Any] | Runtime = "eager",
    *,
    batch: int = 1,
    prompt_tokens: int = 64,
    new_tokens: int = 32,
    session: Session | None = None,
) -> Deployment:
    """Deploy a causal language model. The one that is given is not changed; some runtimes share its weights.

    Args:
        model: of transformers, what compressing one gave, or the folder of one.
        runtime: a name, or a name with settings, such as ``"openvino: {weights: int8}"``.
        batch: sequences side by side.
        prompt_tokens: the longest prompt.
        new_tokens: the most that are generated after it.
        session: whose plugins are asked, instead of this process's.

    Raises:
        DeploymentError: there is no such runtime or setting, it cannot work on this model or host, or it failed.
        ModelFolderError: ``model`` names a folder that cannot be loaded.
    """
    session = session or Session.current()
    chosen = Runtimes.of(session.plugins, session.warn).chosen(runtime)
    try:
        shape = Shape(batch, prompt_tokens, new_tokens)
    except ValueError as error:
        raise DeploymentError(str(error)) from error
    if isinstance(model, str | Path):
        model = load_model(model, catalogue=Catalogue.of(session.plugins, session.warn))
    given = model.model if isinstance(model, CompressionResult) else model
    refusals = list(refusals_of(given, chosen, shape, Host.here()))
    if refusals:
        reasons = "\n".join(f"- {refusal}" for refusal in refusals)
        raise DeploymentError(f"{written(chosen)} cannot be used here:\n{reasons}")
    try:
        return Deployment(chosen, shape, chosen.deploy(given, shape))
    except GreenLLMError:
        raise
    except Exception as error:
        raise DeploymentError(f"{written(chosen)} cannot deploy this model: {described(error)}") from error


def load_deployed(folder: str | Path, *, session: Session | None = None) -> Deployment:
    """Deploy again what :meth:`Deployment.save` has written. No pickle is read, and nothing is fetched.

    A folder may hold compiled code or a graph for its runtime: load only those of people whom you trust.

    Args:
        folder: that it was saved to.
        session: whose plugins are asked, instead of this process's.

    Raises:
        DeploymentError: it is no such folder, it is not whole, or its runtime is not installed here or fails.
    """
    folder = settled(Path(folder))
    session = session or Session.current()
    if not (folder / FILE_NAME).exists():
        raise DeploymentError(f"{folder} is nothing that was deployed and saved: it has no {FILE_NAME}")
    try:
        saved = read_entries(folder / FILE_NAME, SCHEMA, _TYPES)
        check_files(folder / FILE_NAME, saved["files"], saved["files"])
        runtime_class = Runtimes.of(session.plugins, session.warn)[saved["runtime"]]
        chosen = runtime_class(saved_config(runtime_class.config_class, saved))
        shape = Shape(**saved["shape"])
        return Deployment(chosen, shape, chosen.load(folder, shape))
    except Exception as error:
        raise DeploymentError(f"{folder} cannot be loaded: {described(error)}") from error


def refusals_of(model: nn.Module, runtime: Runtime, shape: Shape, host: Host) -> Iterator[Refusal]:
    """Yield all that is against deploying a model so.

    Args:
        model: as it is given.
        runtime: with its settings.
        shape: what it is deployed for.
        host: where it is to run.
    """
    if not isinstance(model, nn.Module) or not hasattr(model, "can_generate"):
        yield Refusal(f"a {type(model).__name__} is no model of transformers", "Give one, or the folder of one.")
        return
    if not is_causal(model):
        yield Refusal(f"{type(model).__name__} is no causal language model", "Give one that goes on with a text.")
        return
    longest = places(model)
    if longest is not None and shape.length > longest:
        yield Refusal(
            f"{shape.prompt_tokens} + {shape.new_tokens} tokens are more than the model has places ({longest})",
            "Use shorter prompts, or fewer new tokens.",
        )
    try:
        yield from runtime.check(model, shape, host)
    except Exception as error:
        yield Refusal(f"its check failed: {described(error)}", "Please tell whoever wrote it.")


def is_causal(model: nn.Module) -> bool:
    """Tell whether a model goes on with a text, and takes token ids alone for that."""
    can_generate: Any = getattr(model, "can_generate", bool)
    config: Any = getattr(model, "config", None)
    takes = getattr(model, "main_input_name", "")
    return bool(can_generate()) and not config.is_encoder_decoder and takes == "input_ids"


_TYPES: Mapping[str, type] = {"runtime": str, "version": int, "settings": dict, "shape": dict, "files": dict}
