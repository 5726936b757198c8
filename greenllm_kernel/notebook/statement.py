"""A statement of the user's, made into something that can be repeated as ``%timeit`` repeats it.

It stands in the body of a loop in a function, so that its variables are local to the function and quick, and its own
lines and line numbers are in its tracebacks.
"""

from __future__ import annotations

import ast
import itertools
import linecache
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

LOOP = """
def repeat(__energyit_loops, __energyit_mark):
    __energyit_mark()
    for __energyit_loop in __energyit_loops:
        pass
    __energyit_mark()
"""
"""What the setup is put in front of, and the statement inside of."""

_numbers = itertools.count(1)


class Statement:
    """A statement, compiled once; repeated by calling it. Nothing it assigns is left over.

    Args:
        shell: whose transformers, compiler flags and namespace are used.
        source: what is repeated.
        setup: what is run before each repeat; None: nothing is, and the statement is the first line.
        local: variables of the function in which a line magic stands.

    Raises:
        SyntaxError: in the source or in the setup.
        UsageError: it awaits.
    """

    def __init__(
        self, shell: InteractiveShell, source: str, setup: str | None = None, local: Mapping[str, Any] | None = None
    ) -> None:
        prepare = "" if setup is None else _transformed(shell, setup)
        repeat = _transformed(shell, source)
        self._file = _kept_for_tracebacks(prepare + repeat)
        trees = [_parsed(shell, text, self._file) for text in (prepare, "\n" * prepare.count("\n") + repeat)]
        compiled: Callable[..., Any] = shell.compile  # also takes trees, which its annotation does not say
        for tree in trees:
            # Alone first: what is wrong outside a function and right inside one (return, yield) is wrong here.
            compiled(tree, self._file, "exec")
        code = compiled(_filled(*(tree.body for tree in trees)), self._file, "exec")
        namespace: dict[str, Any] = shell.user_ns
        if local is not None and local is not namespace:
            namespace = {**namespace, **local}
        made: dict[str, Any] = {}
        exec(code, namespace, made)
        self._repeat: Callable[[Iterator[None], Callable[[], None]], None] = made["repeat"]

    def __call__(self, loops: int, mark: Callable[[], None]) -> None:
        """Run the setup, mark, run the statement so often, and mark again."""
        self._repeat(itertools.repeat(None, loops), mark)

    def traceback(self, error: BaseException) -> TracebackType | None:
        """Return an error's traceback from the statement on; all of it where the statement has no part in it."""
        step = error.__traceback__
        while step is not None and step.tb_frame.f_code.co_filename != self._file:
            step = step.tb_next
        return step or error.__traceback__


def _kept_for_tracebacks(source: str) -> str:
    """Return the name of a file that tracebacks find in Python's cache of lines."""
    name = f"<energyit {next(_numbers)}>"
    # Without a time of modification the cache keeps it: there is no file to look at.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return name


def _transformed(shell: InteractiveShell, source: str) -> str:
    text: str = shell.transform_cell(source)
    return text if text.endswith("\n") else text + "\n"


def _parsed(shell: InteractiveShell, source: str, file: str) -> ast.Module:
    tree = shell.compile.ast_parse(source, file)
    assert isinstance(tree, ast.Module)
    if _awaits(tree.body):
        raise UsageError(
            "%energyit cannot await, as %timeit cannot: put the statement into a coroutine function and repeat what "
            "runs it, such as asyncio.run(f()) in a script, or measure a cell that awaits with %%energy"
        )
    transformed: ast.Module = shell.transform_ast(tree)
    return transformed


def _awaits(nodes: Sequence[ast.AST]) -> bool:
    """Tell whether any of these awaits itself, and not a coroutine function that is defined in it."""
    for node in nodes:
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        is_inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if not is_inner and _awaits(list(ast.iter_child_nodes(node))):
            return True
    return False


def _filled(setup: list[ast.stmt], statement: list[ast.stmt]) -> ast.Module:
    module = ast.parse(LOOP)
    for node in ast.walk(module):
        if isinstance(node, ast.stmt | ast.expr):  # tracebacks look for no line of a function before its first one
            node.lineno = node.end_lineno = 1
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    loop = function.body[1]
    assert isinstance(loop, ast.For)
    loop.body = statement or loop.body
    function.body[:0] = setup
    return ast.fix_missing_locations(module)
