"""Keeps one CPU busy with one kind of load, until its standard input ends: ``greenllm calibrate`` starts it.

Run as ``python -m greenllm_kernel.cli.load_worker KIND BYTES``; prints ``ready`` once the load runs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

MATRIX = 384
"""Rows of the matrices: three of them (3.5 MB) stay near the core, so that arithmetic and not memory is the limit."""


def interpreter(size_b: int) -> Callable[[], object]:
    """Return a step of plain Python: branches, small integers, dictionaries."""
    table = {number: number * 7 % 1009 for number in range(1009)}

    def step() -> int:
        at = 1
        for _ in range(20_000):
            at = table[(at + 3) % 1009] if at & 1 else table[at] + 1
            at %= 1009
        return at

    return step


def integer(size_b: int) -> Callable[[], object]:
    """Return a step of integer multiplications in C (powers of large numbers)."""
    modulus = (1 << 2203) - 1
    return lambda: pow(3, modulus - 2, modulus)


def floating_point(size_b: int) -> Callable[[], object]:
    """Return a step of floating-point arithmetic in vectors (a matrix product)."""
    import numpy as np

    generator = np.random.default_rng(1)
    left, right = generator.random((2, MATRIX, MATRIX))
    out = np.empty((MATRIX, MATRIX))
    return lambda: np.matmul(left, right, out=out)


def memory(size_b: int) -> Callable[[], object]:
    """Return a step that copies more than the caches hold."""
    source, target = bytearray(os.urandom(4096) * (size_b // 4096)), bytearray(size_b // 4096 * 4096)
    views = memoryview(source), memoryview(target)

    def step() -> None:
        views[1][:] = views[0]

    return step


KINDS: dict[str, Callable[[int], Callable[[], object]]] = {
    "interpreter": interpreter,
    "integer": integer,
    "floating point": floating_point,
    "memory": memory,
}


def main(kind: str, size_b: int) -> None:
    """Work until standard input ends."""

    def leave() -> None:
        # The end of our input also says that whoever started us is gone; and the load may be deep in C. Not through
        # sys.stdin, whose lock an interpreter that ends would want.
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=leave, daemon=True).start()
    step = KINDS[kind](size_b)
    step()
    print("ready", flush=True)
    while True:
        step()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
