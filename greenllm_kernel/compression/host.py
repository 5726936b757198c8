"""What of this host matters to compressing: memory, what its processor can, and the versions of packages."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("greenllm", "torch", "transformers", "torchao", "safetensors", "numpy"),
    *("openvino", "nncf", "onnx", "onnxruntime", "executorch"),
)
"""Whose versions are recorded with a model that was compressed or deployed."""

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Host:
    """A host as compressors see it.

    Attributes:
        processor: its name, where the system tells it.
        instructions: the widest vector instructions that torch uses there, such as ``"AVX512"``.
        quantized_engines: torch's engines for quantised layers on the CPU.
        accelerators: names of the GPUs.
        memory_free_bytes: what can still be had of the main memory.
        accelerator_free_bytes: what can still be had of the first GPU's memory; None without one.
        packages: versions by name.
    """

    processor: str
    instructions: str
    quantized_engines: tuple[str, ...]
    accelerators: tuple[str, ...]
    memory_free_bytes: int
    accelerator_free_bytes: int | None
    packages: Mapping[str, str]

    @classmethod
    def here(cls) -> Host:
        """Look at this host."""
        import torch

        has_gpu = torch.cuda.is_available()
        return cls(
            processor=_processor(),
            instructions=torch.backends.cpu.get_cpu_capability(),
            quantized_engines=tuple(torch.backends.quantized.supported_engines),
            accelerators=tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
            if has_gpu
            else (),
            memory_free_bytes=_memory_free_bytes(),
            accelerator_free_bytes=torch.cuda.mem_get_info()[0] if has_gpu else None,
            packages={name: found for name in PACKAGES if (found := _version(name))},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded of it, as JSON data: not the memory, which changes from minute to minute."""
        described = asdict(self)
        for key in ("memory_free_bytes", "accelerator_free_bytes", "packages"):
            del described[key]
        return {**described, "system": platform.platform(terse=True), "python": platform.python_version()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_free_bytes(cgroup: Path = CGROUP) -> int:
    """Return what is free for this process: a container's limit (cgroup v2) may lie below the machine's.

    Of what the container uses, pages of files that were not read lately are given back when memory is wanted.
    """
    import psutil

    free: int = psutil.virtual_memory().available
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit == "max":
            return free
        return max(0, min(free, int(limit) - int(used) + _reclaimable_bytes(cgroup / "memory.stat")))
    except (OSError, ValueError):
        return free


def _reclaimable_bytes(stat: Path) -> int:
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
