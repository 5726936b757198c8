"""Makes what our hooks come upon the cell's own, as if a statement of the cell had raised it."""

from __future__ import annotations

import ast
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell


def fail(shell: InteractiveShell, result: ExecutionResult, error: BaseException) -> None:
    """Show an error below a cell that has ended, and let the cell count as failed.

    To be called in ``post_run_cell``: the reply to the client is made of ``result`` afterwards, and cells that wait
    behind one that failed are not run (ipykernel 6.29 to 7.4, ``IPythonKernel.do_execute``).
    """
    result.error_in_exec = error
    shell.last_execution_succeeded = False
    shell.showtraceback((type(error), error, _without_ours(error.__traceback__)))


class InterruptFirst(ast.NodeTransformer):
    """Raises KeyboardInterrupt in place of a cell's first statement.

    An exception that leaves ``pre_run_cell`` is printed by IPython, and the cell runs nevertheless.

    Args:
        shell: whose next cell is interrupted.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        shell.ast_transformers = [*shell.ast_transformers, self]

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Put the exception before what the cell does."""
        statement = ast.parse("raise KeyboardInterrupt").body[0]
        node.body.insert(0, ast.copy_location(statement, node.body[0]) if node.body else statement)
        ast.fix_missing_locations(node)
        self.withdraw()
        return node

    def withdraw(self) -> None:
        """Interrupt nothing any more."""
        self._shell.ast_transformers = [each for each in self._shell.ast_transformers if each is not self]


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Leave out the frames through which we came upon it."""
    while traceback is not None and str(traceback.tb_frame.f_globals.get("__name__", "")).startswith("greenllm_kernel"):
        traceback = traceback.tb_next
    return traceback
