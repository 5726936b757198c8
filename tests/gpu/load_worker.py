"""Keeps a GPU busy in square waves, by matrix products of PyTorch's; told what to do by lines of JSON on stdin.

``{"do": "start"}`` makes the CUDA context and answers what it will compute with; ``{"do": "wave", "period_s": ...,
"duty": ..., "seconds": ...}`` runs a wave and answers when the card was on. Instants are ``time.monotonic_ns``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

CHUNK_S = 0.0004
"""Work is queued in pieces of about this length, s, two at a time: the card never waits, and stops when it should."""

SPIN_NS = 600_000
"""So long before an instant sleeping ends and waiting begins."""


class Load:
    """Matrix products on the first visible card."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        major = torch.cuda.get_device_capability(0)[0]
        dtype = torch.bfloat16 if major >= 8 else torch.float16 if major >= 7 else torch.float32
        for size in (8192, 4096, 2048, 1024):
            # Random numbers: products of zeros draw less.
            self._left, self._right = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
            self._out = torch.empty(size, size, device="cuda", dtype=dtype)
            product_s = self._product_s()
            if product_s <= CHUNK_S:
                break
        self._products = max(1, round(CHUNK_S / product_s))
        self._chunk_ns = product_s * self._products * 1e9
        self.facts = {
            "device": torch.cuda.get_device_name(0),
            "torch": torch.__version__,
            "dtype": str(dtype).removeprefix("torch."),
            "matrix": size,
            "product_s": product_s,
            "tflops": 2e-12 * size**3 / product_s,
        }

    def wave(self, period_s: float, duty: float, seconds: float) -> dict[str, Any]:
        """Be busy for the first ``duty`` of each period; return when each began and ended."""
        on_ns, off_ns = [], []
        start_ns = time.monotonic_ns() + 20_000_000
        for number in range(max(1, round(seconds / period_s))):
            begin_ns = start_ns + round(number * period_s * 1e9)
            _wait_until(begin_ns)
            on_ns.append(time.monotonic_ns())
            self._busy_until(begin_ns + duty * period_s * 1e9)
            off_ns.append(time.monotonic_ns())
        _wait_until(start_ns + round(seconds * 1e9))
        return {"start_ns": start_ns, "period_s": period_s, "on_ns": on_ns, "off_ns": off_ns}

    def _busy_until(self, end_ns: float) -> None:
        torch = self._torch
        queued: list[Any] = []
        while time.monotonic_ns() + (len(queued) + 0.5) * self._chunk_ns < end_ns:
            for _ in range(self._products):
                torch.mm(self._left, self._right, out=self._out)
            event = torch.cuda.Event()
            event.record()
            queued.append(event)
            if len(queued) > 2:
                queued.pop(0).synchronize()
        torch.cuda.synchronize()

    def _product_s(self) -> float:
        torch = self._torch
        for number in (5, 20):
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(number):
                torch.mm(self._left, self._right, out=self._out)
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / number


def _wait_until(t_ns: float) -> None:
    time.sleep(max(0.0, (t_ns - SPIN_NS - time.monotonic_ns()) / 1e9))
    while time.monotonic_ns() < t_ns:
        pass


def main() -> None:
    """Do what stdin says until it ends; an error is the last answer."""
    import torch

    load: Load | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command.pop("do") == "start":
                if not torch.cuda.is_available():
                    raise RuntimeError("this PyTorch has no CUDA, or sees no card")
                load = Load(torch)
                answer: dict[str, Any] = load.facts
            else:
                assert load is not None
                answer = load.wave(**command)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
            return
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
