"""How the line of a magic is read: flags as decorators, words with or without quotation marks, names of variables."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import parse_argstring

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

Decorator = Callable[[Any], Any]


def with_arguments(decorators: Sequence[Decorator]) -> Decorator:
    """Return what decorates a magic with its arguments, for parsing and for its help, in the order of reading."""

    def decorate(function: Any) -> Any:
        for each in reversed(decorators):
            function = each(function)
        return function

    return decorate


def parsed(magic: object, name: str, line: str) -> Any:
    """Return what the line after a magic says.

    Raises:
        UsageError: an unknown flag, or a value of another type than is expected.
    """
    try:
        return parse_argstring(magic, line)
    except ValueError as error:
        raise UsageError(f"{name} {line}: {error}") from error


def variable(flag: str, name: str | None) -> str | None:
    """Return the name of a variable that a flag gave; None where it was not given.

    Raises:
        UsageError: it can be none.
    """
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"{flag} {name}: expected the name of a variable")
    return name


def unquoted(text: str | None) -> str:
    """Return a word of a magic's line without the quotation marks around it."""
    if text is None:
        return ""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def evaluated(shell: InteractiveShell, magic: str, what: str, expression: str) -> Any:
    """Return the value of an expression on a magic's line, in the user's names.

    Raises:
        UsageError: it has none; with the part of the line (``what``) that it stands for.
    """
    try:
        return eval(expression, shell.user_global_ns, shell.user_ns)
    except Exception as error:
        raise UsageError(f"{magic}: {what} {expression}: {type(error).__name__}: {error}") from error
