"""What can stand after ``%%compress``."""

from __future__ import annotations

from dataclasses import dataclass

from IPython.core.magic_arguments import argument, magic_arguments

from greenllm_kernel.notebook.magic_line import parsed, unquoted, variable, with_arguments

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


with_compress_arguments = with_arguments(compress_arguments)
"""Decorates a cell magic with the arguments of ``%%compress``."""


def compress_options(magic: object, line: str) -> CompressOptions:
    """Return what the line after ``%%compress`` says.

    Raises:
        UsageError: an unknown flag or a value that cannot be used, and what is expected.
    """
    found = parsed(magic, "%%compress", line)
    output = variable("--out", found.out)
    expressions = {name: unquoted(getattr(found, name)) for name in ("calibration", "tokenizer", "train")}
    given = {name: expression for name, expression in expressions.items() if expression}
    return CompressOptions({"model": found.model, **given}, found.seed, output, found.quiet)
