"""What ``%%energy`` adds to a cell, in a real kernel, from the request to the end of its outputs."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from figure import Figure

ROUNDS = 60

BARE = "pass"
MEASURED = "%%energy\npass"
SHOWING = "display({'text/plain': ''}, raw=True)"
"""What any output below a cell takes: the kernel empties its streams first."""


def figures(folder: Path) -> list[Figure]:
    """Return the median differences to a bare ``pass``, round by round, ms."""
    env = {**os.environ, "GREENLLM_USE_METERS": "virtual", "GREENLLM_LEDGER": str(folder / "cells.sqlite")}
    manager, client = start_new_kernel(kernel_name="python3", env=env)
    try:
        client.execute_interactive("%load_ext greenllm_kernel\n%energy off", timeout=60, output_hook=lambda _: None)
        cells = (BARE, MEASURED, SHOWING)
        rounds = [[_taken_ms(client, code) for code in cells] for _ in range(ROUNDS + 5)][5:]
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    bare_ms = statistics.median(bare for bare, _, _ in rounds)
    more_ms = statistics.median(measured - bare for bare, measured, _ in rounds)
    showing_ms = statistics.median(showing - bare for bare, _, showing in rounds)
    return [
        Figure("%%energy on pass, more than bare", more_ms, "ms", 3.0, f"bare cell {bare_ms:.1f} ms"),
        Figure("  beside it: an empty output, more than bare", showing_ms, "ms", None, SHOWING),
    ]


def _taken_ms(client, code: str) -> float:
    time.sleep(0.15)
    began = time.perf_counter()
    client.execute_interactive(code, timeout=30, output_hook=lambda _: None)
    return (time.perf_counter() - began) * 1e3
