"""What can stand after ``%compare``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments

from greenllm_kernel.notebook.magic_line import parsed, unquoted, variable, with_arguments

with_compare_arguments = with_arguments(
    (
        magic_arguments("%compare"),
        argument(
            "models",
            nargs="+",
            metavar="MODEL",
            help="the baseline and what is compared with it: models of transformers, results of %%compress, or folders "
            "in quotes; MODEL@RUNTIME runs one in another way, such as small@openvino",
        ),
        argument("--prompts", metavar="X", help="texts to go on with; random tokens where it is left out"),
        argument("--batch", metavar="N,N", default="1", help="sequences side by side, one number or several: 1,8,32"),
        argument("--prompt-tokens", metavar="N", type=int, help="of each sequence; 64 where it is left out"),
        argument("--new-tokens", metavar="N", type=int, help="generated of each sequence; 32 where it is left out"),
        argument("--texts", metavar="T", help="texts on which bits per byte and perplexity are told"),
        argument("--tokenizer", metavar="K", help="of transformers, for texts, prompts and tasks, lm-eval's too"),
        argument("--task", metavar="F", help="pairs of text and label, or a function that tells a model's accuracy"),
        argument("--lm-eval", metavar="L", help="tasks of lm-eval, if that is installed: a list of names or configs"),
        argument("--runtime", metavar="R", help="of the models that name none; eager where it is left out"),
        argument("--pairs", metavar="N", type=int, help="of trials at most; fewer are made where fewer decide"),
        argument("--window-s", metavar="S", type=float, help="how long a trial lasts at least, s; as the sensors need"),
        argument("--seed", metavar="N", type=int, help="of the random tokens and of the order of trials"),
        argument(
            "-o", "--output", metavar="VAR", help="put the result into this variable; without it, it is the value"
        ),
        argument("-q", "--quiet", action="store_true", help="with -o, display nothing below the cell"),
    )
)
"""Decorates a line magic with the arguments of ``%compare``."""

EXPRESSIONS = ("prompts", "texts", "tokenizer", "task", "lm_eval")
NUMBERS = ("prompt_tokens", "new_tokens", "pairs", "window_s", "seed")

_RUNTIME = re.compile(r"(?P<expression>.*)@(?P<runtime>[A-Za-z_]\w*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Model:
    """One that is compared: the expression that gives it, and how it is run (None: as the others)."""

    expression: str
    runtime: str | None = None

    def __str__(self) -> str:
        return f"{self.expression}@{self.runtime}" if self.runtime else self.expression


@dataclass(frozen=True)
class CompareOptions:
    """What the line says.

    Attributes:
        models: that are compared, the baseline first.
        expressions: by argument of :func:`greenllm_kernel.compare`; those that were given.
        numbers: likewise.
        batch: sequences side by side.
        runtime: a name, or an expression that gives a name with settings; None where nothing was said.
        output: name of the variable that gets the result.
        is_quiet: whether nothing is displayed.
    """

    models: Sequence[Model]
    expressions: dict[str, str]
    numbers: dict[str, float]
    batch: Sequence[int]
    runtime: str | None = None
    output: str | None = None
    is_quiet: bool = False

    @property
    def names_runtime(self) -> bool:
        """Whether :attr:`runtime` is a name as it stands."""
        return self.runtime is not None and _NAME.fullmatch(self.runtime) is not None


def compare_options(magic: object, line: str) -> CompareOptions:
    """Return what the line after ``%compare`` says.

    Raises:
        UsageError: an unknown flag or a value that cannot be used, and what is expected.
    """
    found = parsed(magic, "%compare", line)
    models = [_model(word) for word in _joined(found.models)]
    if len(models) < 2:
        raise UsageError("%compare: expected a baseline and at least one other model, such as %compare model small")
    given = {name: unquoted(getattr(found, name)) for name in EXPRESSIONS}
    numbers = {name: getattr(found, name) for name in NUMBERS}
    return CompareOptions(
        models=models,
        expressions={name: expression for name, expression in given.items() if expression},
        numbers={name: number for name, number in numbers.items() if number is not None},
        batch=_batch(found.batch),
        runtime=unquoted(found.runtime) or None,
        output=variable("-o", found.output),
        is_quiet=found.quiet,
    )


def _joined(words: Sequence[str]) -> Sequence[str]:
    """Return the words with ``@RUNTIME`` at the one before: a word in quotes ends with them."""
    joined: list[str] = []
    for word in words:
        if word.startswith("@") and joined:
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _model(word: str) -> Model:
    found = _RUNTIME.fullmatch(word)
    return Model(found["expression"], found["runtime"]) if found else Model(word)


def _batch(text: str) -> Sequence[int]:
    try:
        return [int(number) for number in unquoted(text).split(",")]
    except ValueError:
        raise UsageError(f"--batch {text}: expected whole numbers, such as --batch 1,8,32") from None
