"""What the panel costs the page it is in, in a real browser, beside jupyterlab-nvdashboard in the same run.

The browser's part is in ``browser/``: it needs the built extension, Node and Chromium, as the browser tests do.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from figure import Figure
from standins import nvml

CHECKOUT = Path(__file__).parents[2]

GPUS = 8

NEIGHBOUR = "jupyterlab-nvdashboard"
"""What others use to look at GPUs in JupyterLab; pip fetches it into a folder of the benchmark's own."""

UNIT_AND_LIMIT: dict[str, tuple[str, float | None]] = {
    "scripting a frame, p95": ("ms", 4.0),
    "scripting a frame, median": ("ms", None),
    "scripting a frame without us, p95": ("ms", None),
    "share of a core, seen": ("%", 3.0),
    "share of a core, hidden": ("%", 0.5),
    "heap of an hour": ("MB", None),
    "heap, growth in an hour": ("MB", 1.0),
    "from reading to pixel, p95": ("ms", 600.0),
    "from reading to pixel, median": ("ms", None),
    "opening the panel, 2,000 cells": ("ms", 300.0),
    "sorting 2,000 cells": ("ms", 50.0),
    "typing, a key until painted, p95": ("ms", None),
    "typing, what the panel adds, p95": ("ms", 16.0),
    "nvdashboard as it comes, share of a core": ("%", None),
    "nvdashboard as it comes, heap": ("MB", None),
    "nvdashboard at 4 a second, share of a core": ("%", None),
    "nvdashboard at 4 a second, heap": ("MB", None),
}
"""Of each figure; None: only to compare with."""

NOTES = {
    "scripting a frame, p95": "processor time of scripts between two messages, beyond that of a message not ours",
    "scripting a frame without us, p95": "of the messages not ours, beyond their median: JupyterLab and the machine",
    "share of a core, seen": f"main thread, beyond as many messages that are not ours; {GPUS} GPUs, an hour of history",
    "share of a core, hidden": "the same with another panel in front",
    "heap, growth in an hour": "after garbage collection, from the first to the second hour",
    "from reading to pixel, p95": "the instant the power was that, until painted; while a cell runs",
    "typing, what the panel adds, p95": "one frame; keys come with frames of 8 ms",
    "nvdashboard as it comes, share of a core": "its GPU Resources, 10 a second",
}


def figures(folder: Path) -> list[Figure]:
    """Run the browser's part and return its figures, and the size of what its neighbour has the browser fetch."""
    said = folder / "browser.jsonl"
    neighbour = _fetched(folder / "neighbour")
    _run(folder, said, neighbour)
    lines = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    found = {line["name"]: float(line["value"]) for line in lines}
    missing = [name for name in UNIT_AND_LIMIT if name not in found and not name.startswith("nvdashboard")]
    if missing:
        raise RuntimeError(f"the browser told nothing of {', '.join(missing)}")
    told = [
        Figure(f"browser: {name}", found[name], unit, limit, NOTES.get(name, ""))
        for name, (unit, limit) in UNIT_AND_LIMIT.items()
        if name in found
    ]
    return [*told, *_size(neighbour)]


def _run(folder: Path, said: Path, neighbour: Path | None) -> None:
    machine = nvml.Machine([nvml.Gpu(uuid=f"GPU-{index}", sine=True) for index in range(GPUS)])
    machine.write(control := folder / "browser-machine")
    env = {**nvml.environment(nvml.build(folder / "nvml"), control), "GREENLLM_BROWSER_FIGURES": str(said)}
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    if neighbour is not None:
        env |= {
            "PYTHONPATH": str(neighbour),
            "JUPYTER_PATH": str(neighbour / "share" / "jupyter"),
            "JUPYTER_CONFIG_PATH": str(neighbour / "etc" / "jupyter"),
        }
    chromium = CHECKOUT / ".venv" / "browser"
    if "GREENLLM_CHROMIUM" not in env and chromium.exists():
        env["GREENLLM_CHROMIUM"] = chromium.read_text(encoding="utf-8").strip()
    command = [CHECKOUT / "node_modules" / ".bin" / "playwright", "test", "--config", "playwright.config.ts"]
    done = subprocess.run(command, cwd=Path(__file__).parent / "browser", env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the browser's part failed:\n{(done.stdout + done.stderr)[-4000:]}")


def _fetched(folder: Path) -> Path | None:
    """The neighbour, fetched into ``folder``; None where that is not possible (no network)."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), NEIGHBOUR]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"... without {NEIGHBOUR}, which could not be fetched", file=sys.stderr)
        return None
    return folder


def _size(neighbour: Path | None) -> list[Figure]:
    if neighbour is None:
        return []
    built = neighbour / "share" / "jupyter" / "labextensions" / NEIGHBOUR / "static"
    size = sum(len(gzip.compress(script.read_bytes(), 9)) for script in built.glob("*.js"))
    return [Figure("JavaScript of nvdashboard, gzip", size / 1000, "KB", None, "beside ours above")]
