"""A plugin that somebody else has written and installed."""

from __future__ import annotations

from pathlib import Path


def distribution(folder: Path, name: str, source: str) -> str:
    """Lay a plugin out as an installed distribution of somebody else's; return what to put on PYTHONPATH."""
    (folder / f"{name}.py").write_text("from greenllm_kernel.hookspecs import hookimpl\n" + source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[greenllm]\n{name} = {name}\n")
    return str(folder)
