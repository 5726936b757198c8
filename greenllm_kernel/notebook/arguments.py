"""What can stand after ``%%energy``."""

from __future__ import annotations

import re

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments

from greenllm_kernel.accounting.budget import Budget
from greenllm_kernel.errors import BudgetError
from greenllm_kernel.notebook.magic_line import parsed, unquoted, variable, with_arguments
from greenllm_kernel.notebook.tracker import CellOptions

UNIT = re.compile(r"(?P<unit>[A-Za-z_]\w*)=(?P<expression>.+)", re.DOTALL)

cell_arguments = (
    magic_arguments("%energy"),  # IPython's help writes one more % before it
    argument("name", nargs="*", metavar="NAME", help="what the record is called; else the cell's first line"),
    argument("--stage", metavar="S", help="preprocess, train, evaluate, deploy, or any other text"),
    argument(
        "--per",
        action="append",
        default=[],
        metavar="UNIT=EXPR",
        help="energy per unit: the expression is evaluated after the cell and says how many, "
        "such as --per token=n_tokens; can be given several times",
    ),
    argument(
        "--budget",
        metavar="AMOUNT",
        help="what the cell is to draw or emit at most, such as 5kJ, 2Wh, 0.1kWh or 20g: it is said when that is "
        "exceeded, and the cell goes on",
    ),
    argument("-o", "--output", metavar="VAR", help="put the window into this variable (VAR.record, VAR.settle())"),
    argument("--live", action="store_true", help="show below the cell, while it runs, what it has cost so far"),
    argument("-q", "--quiet", action="store_true", help="display nothing below the cell"),
)


with_cell_arguments = with_arguments(cell_arguments)
"""Decorates a cell magic with the arguments of ``%%energy``."""


def cell_options(magic: object, line: str) -> CellOptions:
    """Return what the line after ``%%energy`` says.

    Raises:
        UsageError: an unknown flag or a value that cannot be used, and what is expected.
    """
    found = parsed(magic, "%%energy", line)
    per = {}
    for text in found.per:
        match = UNIT.fullmatch(unquoted(text))
        if match is None:
            raise UsageError(f"--per {text}: expected UNIT=EXPR, such as --per token=n_tokens")
        _check_expression(match["unit"], match["expression"])
        per[match["unit"]] = match["expression"]
    if found.live and found.quiet:
        raise UsageError("--live shows a line below the cell, and -q nothing: choose one of them")
    output = variable("-o", found.output)
    name = " ".join(unquoted(word) for word in found.name) or None
    budget = None if found.budget is None else _budget(unquoted(found.budget))
    return CellOptions(name, unquoted(found.stage) or None, per, output, found.quiet, budget, found.live)


def _budget(text: str) -> Budget:
    try:
        return Budget.of(text)
    except BudgetError as error:
        raise UsageError(f"--budget {error}") from error


def _check_expression(unit: str, expression: str) -> None:
    try:
        compile(expression, "<--per>", "eval")
    except SyntaxError as error:
        raise UsageError(f"--per {unit}={expression}: not a Python expression ({error.msg})") from error
