"""The files that fits are kept in: where they are, and what is believed of one."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from greenllm_kernel.errors import CalibrationError
from greenllm_kernel.metering.calibration.fit import Fit, Formula, HostKind

VERSION = 1
"""Of the file; a reader refuses others."""

VERSION_KEY = "greenllm_calibration"

MOST_W = 1e4
"""No coefficient is larger: a board of eight processors at 500 W, twice over."""

LARGEST_FILE_B = 1_000_000
"""A larger file is no fit."""


def folders() -> list[Path]:
    """Return where fits are looked for: Jupyter's data folders, the user's own first."""
    from jupyter_core.paths import jupyter_data_dir, jupyter_path

    own = str(Path(jupyter_data_dir()))
    paths = [own, *(path for path in jupyter_path() if path != own)]
    return [Path(path) / "greenllm" / "calibrations" for path in paths]


def keep(fit: Fit, path: Path | None = None) -> Path:
    """Write a fit and return its file: ``path``, or the one for its kind of host in the user's data folder.

    Raises:
        CalibrationError: it cannot be written.
    """
    path = path or folders()[0] / _file_name(fit)
    text = json.dumps({VERSION_KEY: VERSION, **asdict(fit)}, indent=1)
    # A name of its own for each writer, then one step: a reader never sees half a file.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise CalibrationError(f"{path} cannot be written ({error.strerror}); name another file") from error
    return path


def read(path: Path) -> Fit:
    """Read a fit from its file and check it.

    Raises:
        CalibrationError: it cannot be read, is of another version, or holds what cannot be true.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_B:
            raise ValueError(f"it is larger than {LARGEST_FILE_B} bytes")
        text = path.read_text(encoding="utf-8")
        return _checked(json.loads(text))
    except OSError as error:
        raise CalibrationError(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CalibrationError(f"{path} is no fit of greenllm calibrate ({reason})") from error


def find(meter: str) -> tuple[list[Fit], list[str]]:
    """Return the fits kept for ``meter``, newest first, and what is wrong with the files that cannot be used."""
    fits: list[Fit] = []
    faults: list[str] = []
    for folder in folders():
        try:
            paths = sorted(folder.glob("*.json"))
        except OSError:
            continue
        for path in paths:
            try:
                fit = read(path)
            except CalibrationError as error:
                faults.append(str(error))
            else:
                if fit.meter == meter:
                    fits.append(fit)
    return sorted(fits, key=lambda fit: fit.made_on, reverse=True), faults


def _file_name(fit: Fit) -> str:
    host = fit.host
    words = (fit.meter, host.vendor, host.model, f"{host.packages}x{host.threads}", "vm" if host.is_virtual else "")
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-") + ".json"


def _checked(raw: Any) -> Fit:
    if not isinstance(raw, dict):
        raise ValueError("it is not a JSON object")
    if raw.get(VERSION_KEY) != VERSION:
        raise ValueError(f"its version is {raw.get(VERSION_KEY)!r}, and {VERSION} is read here")
    host = raw["host"]
    return Fit(
        meter=_text(raw, "meter"),
        host=HostKind(
            model=_text(host, "model"),
            vendor=_text(host, "vendor"),
            packages=_count(host, "packages"),
            threads=_count(host, "threads"),
            is_virtual=_truth(host, "is_virtual"),
        ),
        made_on=date.fromisoformat(_text(raw, "made_on")).isoformat(),
        machine=_text(raw, "machine"),
        sensors=[str(sensor) for sensor in raw["sensors"]],
        gain_uncertainty=_number("gain_uncertainty", raw["gain_uncertainty"], 1.0),
        formulas={str(name): _formula(name, formula) for name, formula in raw["formulas"].items()},
        steps=list(raw.get("steps", ())),
    )


def _formula(name: str, raw: Mapping[str, Any]) -> Formula:
    coefficients_w = {
        str(feature): _number(f"{name}, {feature}", value, MOST_W) for feature, value in raw["coefficients_w"].items()
    }
    if not any(coefficients_w.values()):
        raise ValueError(f"{name}: it says that nothing draws power")
    rms, quantile = (_number(f"{name}, {key}", raw[key], 10.0) for key in ("held_out_rms", "held_out_95"))
    return Formula(coefficients_w, rms, quantile, _count(raw, "kinds"))


def _number(name: str, value: Any, most: float) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or not 0.0 <= value <= most:
        raise ValueError(f"{name} is {value!r}: expected a number from 0 to {most:g}")
    return float(value)


def _text(raw: Mapping[str, Any], key: str) -> str:
    if not isinstance(raw[key], str):
        raise ValueError(f"{key} is {raw[key]!r}: expected a text")
    return str(raw[key])


def _count(raw: Mapping[str, Any], key: str) -> int:
    if type(raw[key]) is not int or raw[key] < 1:
        raise ValueError(f"{key} is {raw[key]!r}: expected a whole number, 1 or more")
    return int(raw[key])


def _truth(raw: Mapping[str, Any], key: str) -> bool:
    if type(raw[key]) is not bool:
        raise ValueError(f"{key} is {raw[key]!r}: expected true or false")
    return bool(raw[key])
