"""Why a command cannot go on: one line for the user, and the exit code."""

from __future__ import annotations

from greenllm_kernel.errors import GreenLLMError

USAGE = 2
"""Exit code for what the user asked wrongly (as argparse has it)."""


class CommandError(GreenLLMError):
    """What happened and what to do, in one line.

    Args:
        message: the line.
        code: the command's exit code.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
