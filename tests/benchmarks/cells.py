"""What ``%%energy`` adds to a cell, in a real kernel, from the request to the end of its outputs."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from figure import Figure

PAIRS = 60


def figures(folder: Path) -> list[Figure]:
    """Return the median difference between ``%%energy`` on ``pass`` and a bare ``pass``, pair by pair, ms."""
    env = {**os.environ, "GREENLLM_USE_METERS": "virtual", "GREENLLM_LEDGER": str(folder / "cells.sqlite")}
    manager, client = start_new_kernel(kernel_name="python3", env=env)
    try:
        client.execute_interactive("%load_ext greenllm_kernel\n%energy off", timeout=60, output_hook=lambda _: None)
        pairs = [(_taken_ms(client, "pass"), _taken_ms(client, "%%energy\npass")) for _ in range(PAIRS + 5)][5:]
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    bare_ms = statistics.median(bare for bare, _ in pairs)
    more_ms = statistics.median(measured - bare for bare, measured in pairs)
    return [Figure("%%energy on pass, more than bare", more_ms, "ms", 3.0, f"bare cell {bare_ms:.1f} ms")]


def _taken_ms(client, code: str) -> float:
    time.sleep(0.15)
    began = time.perf_counter()
    client.execute_interactive(code, timeout=30, output_hook=lambda _: None)
    return (time.perf_counter() - began) * 1e3
