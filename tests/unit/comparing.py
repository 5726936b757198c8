"""What tests of comparisons share: simulated models whose power is known, a tokenizer, and a session that measures."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import ClassVar

import torch

from compressing import VOCABULARY, llama
from driven import gpu
from greenllm_kernel import Contender
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.hookspecs import hookimpl
from greenllm_kernel.metering.virtual import VirtualMeter
from greenllm_kernel.plugins import Plugins
from sessions import Recorder

IDLE_W, DEPLOY_W = 1.0, 500.0


class Machine:
    """A profile of power that whoever works sets, in real time."""

    def __init__(self) -> None:
        self._at_s = [-math.inf]
        self._power_w = [IDLE_W]
        self._energy_j = [0.0]
        self._epoch_ns = time.monotonic_ns()

    @contextmanager
    def drawing(self, power_w: float):
        self._set(power_w)
        try:
            yield
        finally:
            self._set(IDLE_W)

    def power_w(self, t_s: float) -> float:
        return self._power_w[bisect_right(self._at_s, t_s) - 1]

    def energy_j(self, t_s: float) -> float:
        index = bisect_right(self._at_s, t_s) - 1
        since_s = t_s if index == 0 else t_s - self._at_s[index]
        return self._energy_j[index] + self._power_w[index] * since_s

    def _set(self, power_w: float) -> None:
        now_s = (time.monotonic_ns() - self._epoch_ns) / 1e9
        energy_j = self.energy_j(now_s)
        self._energy_j.append(energy_j)
        self._power_w.append(power_w)
        self._at_s.append(now_s)

    def meter(self, **options: object) -> VirtualMeter:
        return VirtualMeter([gpu(self, **{"update_period_s": 0.01, **options})], epoch_ns=self._epoch_ns)


MACHINE = Machine()


@dataclass(frozen=True)
class SimulatedConfig:
    version: ClassVar[int] = 1
    prefill_w: float = 40.0
    decode_w: float = 40.0
    prefill_s: float = 0.004
    token_s: float = 0.002
    deploy_s: float = 0.0
    fails_after: int = -1
    fails_at_batch: int = 0
    how: str = ""


class SimulatedDeployed(Deployed):
    """Draws a known power for a known time, and gives tokens that mean nothing."""

    def __init__(self, config: SimulatedConfig) -> None:
        self.config = config
        self.calls = 0

    @property
    def size_bytes(self):
        return 1000

    def generate(self, input_ids, new_tokens, on_token):
        self.calls += 1
        is_batch = self.config.fails_at_batch in (0, input_ids.shape[0])
        if is_batch and self.calls == self.config.fails_after:
            raise RuntimeError("out of memory, says the driver")
        for number in range(new_tokens):
            config = self.config
            with MACHINE.drawing(config.decode_w if number else config.prefill_w):
                time.sleep(config.token_s if number else config.prefill_s)
            on_token()
        return torch.zeros(input_ids.shape[0], new_tokens, dtype=torch.int64)

    def logits(self, input_ids):
        return torch.zeros(*input_ids.shape, VOCABULARY)

    def close(self):
        self.closed.append(self)

    closed: ClassVar[list[object]] = []


class Simulated(Runtime):
    name = "simulated"
    config_class = SimulatedConfig

    def check(self, model, shape, host):
        return [Refusal("it has no such part", "Buy one.")] if self.config.how == "refuse" else []

    def deploy(self, model, shape: Shape):
        if self.config.how == "no":
            raise RuntimeError("it does not start")
        with MACHINE.drawing(DEPLOY_W):
            time.sleep(self.config.deploy_s)
        return SimulatedDeployed(self.config)


class Own:
    @hookimpl
    def greenllm_runtimes(self):
        return [Simulated]


class Bytes:
    """A tokenizer whose tokens are bytes, the first one a mark where that is asked for."""

    def __init__(self, mark: bool = False) -> None:
        self.all_special_ids = (0,) if mark else ()
        self._mark = [0] if mark else []

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": self._mark + [byte % VOCABULARY for byte in text.encode()]}

    def decode(self, ids: list[int]) -> str:
        return "x" * len(ids)


@contextmanager
def session_on(meter: VirtualMeter | None) -> Iterator[tuple[Session, Recorder]]:
    parts = (".compressors.", ".runtimes.eager")
    found = [each for each in entry_points(group="greenllm") if any(part in each.value for part in parts)]
    plugins = Plugins(on_fault=lambda fault: session.warn(fault), found=found)
    recorder = Recorder(*([meter] if meter else []))
    plugins.register(recorder, "recorder")
    plugins.register(Own(), "own")
    session = Session(Configuration(), plugins)
    session.find_meters()
    yield session, recorder
    session.close(2.0)


QUICK = {"pairs": 4, "window_s": 0.02, "warm_up_s": 0.0, "prompt_tokens": 8, "new_tokens": 4}


def simulated(name: str, **settings: object) -> Contender:
    return Contender(name, llama(num_hidden_layers=1), {"simulated": settings})


class Observer:
    """A plugin that is told of comparisons."""

    def __init__(self) -> None:
        self.told: list[dict] = []

    @hookimpl
    def greenllm_comparison(self, comparison):
        self.told.append(dict(comparison))
