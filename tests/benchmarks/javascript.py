"""The size of what a browser has to fetch of the extension."""

from __future__ import annotations

import gzip
from pathlib import Path

from figure import Figure

BUILT = Path(__file__).parents[2] / "greenllm_kernel" / "labextension" / "static"


def figures(folder: Path) -> list[Figure]:
    """Return the gzipped size of all JavaScript of the production build, KB (1000 bytes)."""
    scripts = sorted(BUILT.glob("*.js"))
    if not scripts:
        raise RuntimeError(f"the extension is not built: {BUILT} has no JavaScript; run jlpm build:prod")
    size = sum(len(gzip.compress(script.read_bytes(), 9)) for script in scripts)
    return [Figure("JavaScript of the extension, gzip", size / 1000, "KB", 90.0, f"{len(scripts)} files")]
