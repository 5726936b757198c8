"""Measures an NVIDIA card's power sensor and GreenLLM on it, in under 8 minutes: ``python tests/gpu`` (README.md)."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests")]

from gpu.card import NOT_THERE, Card, NoCardError, find_card  # noqa: E402
from gpu.plan import FULL, SHORT, WHOLE_S, Plan  # noqa: E402
from standins import nvml  # noqa: E402

SCHEMA = 1


def main() -> int:
    """Run the phases; return 0 where all of them ended well, 1 where one did not, 3 where there is no card."""
    parser = argparse.ArgumentParser(prog="python tests/gpu", description=__doc__)
    parser.add_argument("--gpu", type=int, metavar="N", help="the card's number in nvidia-smi's order")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the results go (default: tests/gpu/results)")
    parser.add_argument("--short", action="store_true", help="each phase in seconds: for the tests, not for results")
    parser.add_argument("--simulated", action="store_true", help="a card of known power instead of a real one")
    parser.add_argument("--card", type=json.loads, default={}, metavar="JSON", help="what the simulated card is like")
    chosen = parser.parse_args()
    if chosen.simulated and "NVML_STANDIN" not in os.environ:
        return _again_with_standin(chosen.card)
    try:
        card = find_card(chosen.gpu)
    except NoCardError as error:
        print(f"There is nothing to measure: {error}.", file=sys.stderr)
        return NOT_THERE
    output = chosen.output or (ROOT / "build" / "gpu" if chosen.simulated else HERE / "results")
    output.mkdir(parents=True, exist_ok=True)
    return _measure(card, SHORT if chosen.short else FULL, output, chosen.simulated, chosen.card)


def _again_with_standin(described: Mapping[str, Any]) -> int:
    """Run this command again, where nvidia-ml-py finds the stand-in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _idle_machine(described).write(control := folder / "machine")
        env = nvml.environment(nvml.build(folder / "nvml"), control)
        env.pop("CUDA_VISIBLE_DEVICES", None)
        return subprocess.run([sys.executable, *sys.argv], env=env, check=False).returncode


def _idle_machine(described: Mapping[str, Any]) -> nvml.Machine:
    return nvml.Machine([replace(nvml.Gpu(low_w=90.0, high_w=90.0, latency_s=0.0002), **described)])


def _measure(card: Card, plan: Plan, output: Path, is_simulated: bool, described: Mapping[str, Any]) -> int:
    from gpu.phases import PHASES, Bench
    from gpu.plot import plot

    began, started_at = time.monotonic(), datetime.now(UTC)
    is_split = bool(card.facts["mig"])
    if not is_split and not is_simulated:
        # Our own session reads this card alone.
        os.environ["CUDA_VISIBLE_DEVICES"] = card.uuid
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "simulated": is_simulated,
        "started_at": started_at.isoformat(timespec="seconds"),
        "card": {"uuid": card.uuid, **card.facts},
        "host": {"python": platform.python_version(), "machine": platform.machine(), "kernel": platform.release()},
        "phases": {},
    }
    path = output / f"{'simulated-' if is_simulated else ''}{card.slug}-{started_at:%Y-%m-%d}.json"
    print(f"{card.facts['name']}, driver {card.facts['driver']}: {path}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(card, _load(card, is_simulated, is_split, described), plan, Path(name))
        for phase, run in PHASES.items():
            budget_s = min(plan.budgets_s[phase], WHOLE_S - (time.monotonic() - began))
            result["phases"][phase] = found = _within(budget_s, run, bench)
            print(f"  {phase}: {found['status']} in {found['took_s']:.0f} s {found['error'] or ''}", flush=True)
            if found["status"] != "ok":
                bench.load.kill()
                bench = Bench(card, _load(card, is_simulated, is_split, described), plan, Path(name), bench.periods_s)
            result["took_s"] = time.monotonic() - began
            path.write_text(json.dumps(result, indent=1, allow_nan=False), encoding="utf-8")
        bench.load.kill()
    print(plot(result, path.with_suffix(".png")), flush=True)
    return 0 if all(found["status"] == "ok" for found in result["phases"].values()) else 1


def _load(card: Card, is_simulated: bool, is_split: bool, described: Mapping[str, Any]) -> Any:
    from gpu.load import SimulatedLoad, TorchLoad

    if not is_simulated:
        return TorchLoad(None if is_split else card.uuid)
    machine, control = _idle_machine(described), Path(os.environ["NVML_STANDIN"])
    machine.write(control)
    return SimulatedLoad(machine, control)


def _within(budget_s: float, run: Callable[[Any], dict[str, Any]], bench: Any) -> dict[str, Any]:
    """Run a phase on a thread of its own; one that fails or takes too long leaves the others alone."""
    found: dict[str, Any] = {"status": "given up", "error": f"it took longer than {budget_s:.0f} s", "data": None}

    def attempt() -> None:
        try:
            data = _plain(run(bench))
            found.update(status="ok", error=None, data=data)
        except BaseException as error:
            found.update(status="failed", error=f"{type(error).__name__}: {error}")

    began = time.monotonic()
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(max(0.0, budget_s))
    return {**found, "took_s": time.monotonic() - began}


def _plain(value: Any) -> Any:
    """Return what JSON can hold: a number that is not finite is not known."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A call of the driver's that hangs must not keep the process.
    os._exit(code)
