"""What can stand after ``%%compress``."""

from __future__ import annotations

import keyword
from dataclasses import dataclass

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from greenllm_kernel.notebook.arguments import unquoted

compress_arguments = (
    magic_arguments("%compress"),  # IPython's help writes one more % before it
    argument("model", metavar="MODEL", help="a model of transformers, or the folder of one that was saved, in quotes"),
    argument(
        "--calibration",
        metavar="X",
        help="texts, batches, a data set, or a callable that returns any of these; for methods that look at data",
    ),
    argument("--tokenizer", metavar="T", help="for calibration data of texts"),
    argument("--train", metavar="F", help="a function that trains the model it is given; for methods that train"),
    argument("--seed", metavar="N", type=int, default=0, help="of the random numbers; 0 where it is left out"),
    argument(
        "--out",
        metavar="VAR",
        help="put the result into this variable (VAR.model, VAR.save(folder)); without it, it is the cell's value",
    ),
    argument("-q", "--quiet", action="store_true", help="with --out, display nothing below the cell"),
)


@dataclass(frozen=True)
class CompressOptions:
    """What the line says.

    Attributes:
        expressions: of the model, the calibration data, the tokenizer and the training function, by argument of
            :func:`greenllm_kernel.compress`; those that were given.
        seed: of the random numbers.
        output: name of the variable that gets the result.
        is_quiet: whether nothing is displayed.
    """

    expressions: dict[str, str]
    seed: int = 0
    output: str | None = None
    is_quiet: bool = False


def with_compress_arguments(function: object) -> object:
    """Decorate a cell magic with the arguments of ``%%compress``, for parsing and for its help."""
    for decorate in reversed(compress_arguments):
        function = decorate(function)
    return function


def compress_options(magic: object, line: str) -> CompressOptions:
    """Return what the line after ``%%compress`` says.

    Raises:
        UsageError: an unknown flag or a value that cannot be used, and what is expected.
    """
    try:
        found = parse_argstring(magic, line)
    except ValueError as error:
        raise UsageError(f"%%compress {line}: {error}") from error
    if found.out is not None and (not found.out.isidentifier() or keyword.iskeyword(found.out)):
        raise UsageError(f"--out {found.out}: expected the name of a variable")
    expressions = {name: unquoted(getattr(found, name)) for name in ("calibration", "tokenizer", "train")}
    given = {name: expression for name, expression in expressions.items() if expression}
    return CompressOptions({"model": found.model, **given}, found.seed, found.out, found.quiet)
