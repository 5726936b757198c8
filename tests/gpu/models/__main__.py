"""Joules per token of Llama shapes on this card, by form of the weights and batch: ``python tests/gpu/models``.

Under 9 minutes; what does not fit in is measured by the next run, which goes on where this one has ended.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import time
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests")]

from gpu.card import NOT_THERE, NoCardError, find_card  # noqa: E402
from gpu.models.plan import BATCHES, FORMS, SHAPES, SHORT, STUDIES, WHOLE_S, Entry, Plan, Study, entries, left  # noqa: E402

SCHEMA = 1

RUNTIME = "compiled: {mode: reduce-overhead}"
"""A step of decoding in one CUDA graph: else a small batch waits for kernels to be started."""


def main() -> int:
    """Measure what is not measured yet; return 0 where all is, 1 where a cell failed or is left, 3 without a card."""
    began = time.monotonic()
    chosen = _arguments()
    if chosen.device == "cuda":
        try:
            card = find_card(chosen.gpu)
        except NoCardError as error:
            print(f"There is nothing to measure: {error}.", file=sys.stderr)
            return NOT_THERE
        os.environ["CUDA_VISIBLE_DEVICES"] = card.uuid
        name, described = card.slug, {"uuid": card.uuid, **card.facts}
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the studies take a card where they see one
        name, described = "processor", {"name": "this machine's processor"}
    chosen.output.mkdir(parents=True, exist_ok=True)
    path = chosen.output / f"models-{name}.json"
    result = _begun(path, described, chosen)
    _measure(chosen, result, path, began)
    from gpu.models.plot import plot

    print(plot(result, path.with_suffix(".png")), flush=True)
    return 1 if _left(chosen, result) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/gpu/models", description=__doc__)
    parser.add_argument("--gpu", type=int, metavar="N", help="the card's number in nvidia-smi's order")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to try the command out")
    parser.add_argument("--runtime", default=RUNTIME, help="how the models are deployed")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["8b", "1b"])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--studies", nargs="*", choices=STUDIES, default=list(STUDIES), help="of the tutorials")
    parser.add_argument("--output", type=Path, metavar="DIR", default=HERE.parent / "results")
    parser.add_argument("--seconds", type=float, default=WHOLE_S, help="no cell is begun that would end after these")
    parser.add_argument("--short", action="store_true", help="windows of a tenth of a second: for the tests")
    return parser.parse_args()


def _begun(path: Path, described: dict[str, Any], chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the result to go on with: an earlier run's that measured in the same way with the same packages, or none.

    A result of another way or of other packages is kept under another name.
    """
    packages = {name: found for name in ("torch", "transformers", "torchao") if (found := _version(name))}
    key = {"schema": SCHEMA, "packages": packages, "runtime": chosen.runtime, "plan": _plan(chosen).to_dict()}
    if path.exists():
        former: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if all(former.get(name) == value for name, value in key.items()):
            return former
        path.rename(path.with_name(f"{path.stem}-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}.json"))
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    return {**key, "started_at": started_at, "card": described, "cells": {}, "studies": {}}


def _measure(chosen: argparse.Namespace, result: dict[str, Any], path: Path, began: float) -> None:
    """Measure cell by cell, and write after each."""
    from gpu.models.measuring import measured
    from gpu.models.studies import studied
    from greenllm_kernel.compression.catalogue import Catalogue

    plan = _plan(chosen)
    session = _session(chosen.device)
    try:
        session.find_meters()
        catalogue = Catalogue.of(session.plugins)
        for entry in _left(chosen, result):
            if time.monotonic() - began + _expected_s(entry, plan, result) > chosen.seconds:
                print(f"  {entry}: left for the next run", flush=True)
                return
            try:
                if isinstance(entry, Study):
                    found = studied(entry, chosen.short, session)
                else:
                    found = measured(entry, plan, chosen.device, chosen.runtime, session, catalogue)
            except Exception as error:
                found = {**asdict(entry), "error": f"{type(error).__name__}: {error}"}
            result["studies" if isinstance(entry, Study) else "cells"][str(entry)] = found
            path.write_text(json.dumps(result, indent=1, allow_nan=False), encoding="utf-8")
            print(f"  {entry}: {_told(found)}", flush=True)
            _free(chosen.device)
    finally:
        session.close()


def _left(chosen: argparse.Namespace, result: dict[str, Any]) -> list[Entry]:
    return left(entries(chosen.shapes, chosen.forms, chosen.batches, chosen.studies), _found(result))


def _found(result: dict[str, Any]) -> dict[str, Any]:
    return {**result["cells"], **result["studies"]}


def _expected_s(entry: Entry, plan: Plan, result: dict[str, Any]) -> float:
    """Return what an entry is likely to take: as long as the longest of its shape so far, of its form where one is."""
    shape, form = ("study", "study") if isinstance(entry, Study) else (entry.shape, entry.form)
    taken = [one for one in _found(result).values() if one.get("shape", "study") == shape and "took_s" in one]
    own = [one for one in taken if one.get("form", "study") == form]
    return max((one["took_s"] for one in own or taken), default=plan.expected_s[shape])


def _plan(chosen: argparse.Namespace) -> Plan:
    return SHORT if chosen.short else Plan()


def _session(device: str) -> Any:
    """Return a session that reads the cards, or on a processor whatever there is; with our methods and runtimes."""
    from greenllm_kernel.accounting.session import Session
    from greenllm_kernel.configuration import Configuration
    from greenllm_kernel.plugins import Plugins

    plugins = Plugins(found=[])
    meters = {"nvml"} if device == "cuda" else {"cpu_model"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, module in project["entry-points"]["greenllm"].items():
        room = module.split(".")[1]
        if room in ("compressors", "runtimes") or name in meters:
            plugins.register(importlib.import_module(module), name)
    return Session(Configuration(), plugins)


def _free(device: str) -> None:
    """Give back what the last cell has taken: the next model may need all of it."""
    import torch

    torch._dynamo.reset()
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _told(found: dict[str, Any]) -> str:
    if "error" in found:
        return str(found["error"])
    if "claim" in found:
        return f"{found['took_s']:.0f} s\n{found['claim']}"
    texts = []
    for phase in ("prefill", "decode"):
        one = found[phase]
        energy_j, interval = one["energy_j_per_token"], one["interval_j_per_token"]
        if energy_j is None:
            energy = "energy unavailable"
        else:
            half = "" if interval is None else f" ± {(interval[1] - interval[0]) / 2:.2g}"
            energy = f"{energy_j:.4g}{half} J/token"
        texts.append(f"{phase} {energy}, {one['tokens_per_s']:.0f} tokens/s")
    return f"{'; '.join(texts)} ({found['took_s']:.0f} s)"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A call of the driver's that hangs must not keep the process.
    os._exit(code)
