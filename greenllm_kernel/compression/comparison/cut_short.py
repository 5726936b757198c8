"""What ends a comparison before its time, with what was known by then."""

from __future__ import annotations

from greenllm_kernel.compression.comparison.comparison import Comparison
from greenllm_kernel.errors import ComparisonError


class ComparisonInterrupted(KeyboardInterrupt):
    """The user has interrupted a comparison.

    Args:
        comparison: what was known by then.
    """

    def __init__(self, comparison: Comparison) -> None:
        super().__init__("the comparison was interrupted; what it had found is the exception's .comparison")
        self.comparison = comparison


class BaselineError(ComparisonError):
    """The baseline failed, and with it the comparison.

    Args:
        message: what happened.

    Attributes:
        comparison: what was known by then; None where no batch had been measured to its end.
    """

    comparison: Comparison | None = None
