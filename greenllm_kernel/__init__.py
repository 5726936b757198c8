"""GreenLLM: what each notebook cell costs in energy and emissions, with an honest interval."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from jupyter_server.serverapp import ServerApp

    from greenllm_kernel.accounting.energyit import energyit
    from greenllm_kernel.accounting.measure import measure
    from greenllm_kernel.compression.comparison.compare import compare
    from greenllm_kernel.compression.comparison.contender import Contender
    from greenllm_kernel.compression.deployment import deploy, load_deployed
    from greenllm_kernel.compression.folder.load import load_model
    from greenllm_kernel.compression.runner import compress
    from greenllm_kernel.notebook.widgets import CellEnergy, LivePower

__version__ = "0.1.0"

__all__ = [
    "CellEnergy",
    "Contender",
    "LivePower",
    "__version__",
    "compare",
    "compress",
    "deploy",
    "energyit",
    "load_deployed",
    "load_ipython_extension",
    "load_model",
    "measure",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Measure every cell from the next one on (``%load_ext greenllm_kernel``)."""
    from greenllm_kernel.notebook.extension import Extension

    extension = Extension(shell)
    extension.load()
    _extensions[id(shell)] = extension


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Stop measuring (``%unload_ext greenllm_kernel``)."""
    extension = _extensions.pop(id(shell), None)
    if extension is not None:
        extension.unload()


def __getattr__(name: str) -> Any:
    """Import what stands in ``__all__`` where it is first used: ``import greenllm_kernel`` stays light."""
    if name in _FOUND_IN:
        return getattr(import_module(_FOUND_IN[name]), name)
    raise AttributeError(f"module 'greenllm_kernel' has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "greenllm_kernel"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    from greenllm_kernel.server.extension import load

    load(server)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "greenllm"}]


_extensions: dict[int, Any] = {}

_FOUND_IN = {
    "CellEnergy": "greenllm_kernel.notebook.widgets",
    "Contender": "greenllm_kernel.compression.comparison.contender",
    "LivePower": "greenllm_kernel.notebook.widgets",
    "compare": "greenllm_kernel.compression.comparison.compare",
    "compress": "greenllm_kernel.compression.runner",
    "deploy": "greenllm_kernel.compression.deployment",
    "energyit": "greenllm_kernel.accounting.energyit",
    "load_deployed": "greenllm_kernel.compression.deployment",
    "load_model": "greenllm_kernel.compression.folder.load",
    "measure": "greenllm_kernel.accounting.measure",
}
