"""What can stand after ``%%energy``."""

from __future__ import annotations

import keyword
import re

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from greenllm_kernel.accounting.budget import energy_budget_j
from greenllm_kernel.errors import BudgetError
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
        metavar="ENERGY",
        help="what the cell is to draw at most, such as 5kJ, 2Wh or 0.1kWh: it is said when that is exceeded, "
        "and the cell goes on",
    ),
    argument("-o", "--output", metavar="VAR", help="put the window into this variable (VAR.record, VAR.settle())"),
    argument("--live", action="store_true", help="show below the cell, while it runs, what it has cost so far"),
    argument("-q", "--quiet", action="store_true", help="display nothing below the cell"),
)


def with_cell_arguments(function: object) -> object:
    """Decorate a cell magic with the arguments of ``%%energy``, for parsing and for its help."""
    for decorate in reversed(cell_arguments):
        function = decorate(function)
    return function


def cell_options(magic: object, line: str) -> CellOptions:
    """Return what the line after ``%%energy`` says.

    Raises:
        UsageError: an unknown flag or a value that cannot be used, and what is expected.
    """
    try:
        found = parse_argstring(magic, line)
    except ValueError as error:
        raise UsageError(f"%%energy {line}: {error}") from error
    per = {}
    for text in found.per:
        match = UNIT.fullmatch(unquoted(text))
        if match is None:
            raise UsageError(f"--per {text}: expected UNIT=EXPR, such as --per token=n_tokens")
        _check_expression(match["unit"], match["expression"])
        per[match["unit"]] = match["expression"]
    if found.live and found.quiet:
        raise UsageError("--live shows a line below the cell, and -q nothing: choose one of them")
    output = found.output
    if output is not None and (not output.isidentifier() or keyword.iskeyword(output)):
        raise UsageError(f"-o {output}: expected the name of a variable")
    name = " ".join(unquoted(word) for word in found.name) or None
    budget_j = None if found.budget is None else _budget_j(unquoted(found.budget))
    return CellOptions(name, unquoted(found.stage) or None, per, output, found.quiet, budget_j, found.live)


def unquoted(text: str | None) -> str:
    """Return a word of a magic's line without the quotation marks around it."""
    if text is None:
        return ""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _budget_j(text: str) -> float:
    try:
        return energy_budget_j(text)
    except BudgetError as error:
        raise UsageError(f"--budget {error}") from error


def _check_expression(unit: str, expression: str) -> None:
    try:
        compile(expression, "<--per>", "eval")
    except SyntaxError as error:
        raise UsageError(f"--per {unit}={expression}: not a Python expression ({error.msg})") from error
