"""Runs the case studies of the tutorials: what their notebooks compute, without a notebook."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gpu.models.plan import Study
from greenllm_kernel.accounting.session import Session

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"

LAST = "claim"
"""The id of the cell that sets the claim beside the measurement; what comes after it is not needed."""


def studied(study: Study, is_short: bool, session: Session) -> dict[str, Any]:
    """Run a case study in this session.

    Args:
        study: whose notebook.
        is_short: whether in its short form.
        session: that measures; what the notebook calls takes it for this process's.

    Returns:
        The comparison, the table with the claim as it is printed, and what it took, as JSON data.
    """
    began = time.monotonic()
    names: dict[str, Any] = {"__name__": study.notebook}
    said = ""
    with (
        patch.dict(os.environ, {"GREENLLM_TUTORIAL": "short" if is_short else "whole"}),
        patch.object(Session, "_current", session),
    ):
        for cell_id, code in _cells(study):
            with redirect_stdout(io.StringIO()) as printed:
                exec(compile(code, f"{study.notebook}, {cell_id}", "exec"), names)
            said = printed.getvalue()
    found = {
        "notebook": study.notebook,
        "comparison": names["comparison"].to_dict(),
        "claim": said,
        "took_s": time.monotonic() - began,
    }
    json.dumps(found, allow_nan=False)  # or else it could not be written
    return found


def _cells(study: Study) -> list[tuple[str, str]]:
    """Return ids and code of the cells up to the last that is needed, without magics: their lines begin with %."""
    notebook = json.loads((NOTEBOOKS / study.notebook).read_text(encoding="utf-8"))
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines(keepends=True)
            found.append((cell["id"], "".join("\n" if line.startswith("%") else line for line in lines)))
            if cell["id"] == LAST:
                return found
    raise ValueError(f"{study.notebook} has no cell {LAST!r}")
