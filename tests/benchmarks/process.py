"""Runs a piece of a benchmark in a fresh interpreter, where it wants over the NVML stand-in, and takes its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from standins import nvml

FOREIGN = ("GREENLLM_", "PYTHONDONTWRITEBYTECODE")
"""What variables of the environment begin with that would change what is measured."""


def run(script: str, folder: Path, gpus: Sequence[nvml.Gpu] = (), **arguments: Any) -> Any:
    """Run ``script`` of this folder with ``arguments`` as JSON in ``argv[1]``; return what its last line says."""
    return run_on(nvml.Machine(gpus) if gpus else None, script, folder, **arguments)


def run_on(machine: nvml.Machine | None, script: str, folder: Path, **arguments: Any) -> Any:
    """As :func:`run`, on a machine whose true energy one wants to know; several may run at once."""
    env = dict(os.environ)
    if machine is not None:
        control = folder / f"machine-{uuid.uuid4().hex}"
        machine.write(control)
        env = nvml.environment(nvml.build(folder / "nvml"), control)
    env = {name: value for name, value in env.items() if not name.startswith(FOREIGN)}
    env |= {
        **({} if machine is None else {"GREENLLM_USE_METERS": "nvml"}),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "GREENLLM_LEDGER": str(folder / f"ledger-{uuid.uuid4().hex}.sqlite"),
        "HF_HUB_OFFLINE": "1",
        # What is installed has its bytecode, and so has what is measured here from the second run on.
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
    }
    path = Path(__file__).parent / "scripts" / script
    done = subprocess.run(
        [sys.executable, str(path), json.dumps(arguments)], env=env, cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{script} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])
