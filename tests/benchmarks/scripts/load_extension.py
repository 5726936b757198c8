"""Prints how long loading the extension takes in a shell like a kernel's, and what came with it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

HEAVY = ("numpy", "torch", "transformers", "pandas", "codecarbon", "pynvml", "matplotlib")


def main() -> None:
    import ipykernel.kernelapp  # noqa: F401  (what a kernel has imported anyway)
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    began = time.perf_counter()
    shell.run_line_magic("load_ext", "greenllm_kernel")
    seconds = time.perf_counter() - began
    shell.run_cell("x = 1", store_history=False)
    maps = Path("/proc/self/maps")
    has_driver = maps.exists() and "libnvidia-ml" in maps.read_text()
    heavy = [name for name in HEAVY if name in sys.modules]
    print(json.dumps({"seconds": seconds, "heavy": heavy, "has_driver": has_driver}))


if __name__ == "__main__":
    main()
