"""``%compare``: which of several models saves energy beside the first, and at what quality."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from greenllm_kernel.errors import GreenLLMError
from greenllm_kernel.notebook.compare_arguments import (
    CompareOptions,
    Model,
    compare_options,
    with_compare_arguments,
)
from greenllm_kernel.notebook.magic_line import evaluated
from greenllm_kernel.notebook.progress_line import ProgressLine, bar_text, paced

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenllm_kernel.compression.comparison.comparison import Comparison
    from greenllm_kernel.compression.comparison.progress import Progress
    from greenllm_kernel.notebook.extension import Extension


@magics_class
class CompareMagics(Magics):
    """The magic of one shell.

    Args:
        extension: whose session measures.
    """

    def __init__(self, extension: Extension) -> None:
        super().__init__(extension.shell)
        self._extension = extension
        self._user: InteractiveShell = extension.shell

    @no_var_expand
    @line_magic("compare")
    @with_compare_arguments
    def compare(self, line: str) -> Comparison | None:
        """Measure models beside one another: energy per token, speed, memory, quality, and what that allows one to say.

        MODEL, X, T, K and F are Python expressions, in quotes where they have blanks in them.
        """
        __tracebackhide__ = True
        options = compare_options(self.compare, line)
        given = self._given(options)
        try:
            found = self._compared(given, options)
        except (GreenLLMError, KeyboardInterrupt) as error:
            error.__traceback__ = None  # where in our code it was is of no use
            error.__suppress_context__ = True
            if isinstance(error, KeyboardInterrupt):
                error.__cause__ = None  # what a baseline failed with, the user's own task perhaps, stays
            self._keep_what_is_known(error, options)
            raise
        if options.output is None:
            return found
        self._user.user_ns[options.output] = found
        if not options.is_quiet:
            display(found)
        return None

    def _compared(self, given: list[Any], options: CompareOptions) -> Comparison:
        from greenllm_kernel.compression.comparison.compare import compare
        from greenllm_kernel.compression.comparison.cut_short import BaselineError

        progress = ProgressLine(sys.stdout, "compare", is_quiet=options.is_quiet)
        values: dict[str, Any] = {"batch": options.batch, **options.numbers}
        values |= {name: self._value(f"--{name}", text) for name, text in options.expressions.items()}
        if options.runtime is not None:
            is_name = options.names_runtime
            values["runtime"] = options.runtime if is_name else self._value("--runtime", options.runtime)
        baseline, *others = given

        @paced
        def tell(so_far: Progress) -> None:
            progress.say(progress_text(so_far))

        try:
            return compare(baseline, *others, **values, session=self._extension.session, tell=tell)
        except BaselineError:
            raise
        except GreenLLMError as error:  # nothing has run
            raise UsageError(f"%compare: {error}") from None
        finally:
            progress.end()

    def _keep_what_is_known(self, error: BaseException, options: CompareOptions) -> None:
        """Show what was measured before the user interrupted, and put it where the whole would have come to."""
        known: Comparison | None = getattr(error, "comparison", None)
        if known is None:
            return
        if options.output is not None:
            self._user.user_ns[options.output] = known
            error.add_note(f"{options.output} has what was measured until then.")
        if not options.is_quiet:
            display(known)

    def _given(self, options: CompareOptions) -> list[Any]:
        """Return the models as :func:`compare` takes them, each under the name that it has here."""
        from greenllm_kernel.compression.comparison.contender import Contender

        given = []
        for model in options.models:
            value = self._value("MODEL", model.expression)
            if isinstance(value, Contender):
                given.append(Contender(value.name, value.model, model.runtime or value.runtime))
            else:
                given.append(Contender(_name(model, value), value, model.runtime))
        return given

    def _value(self, what: str, expression: str) -> Any:
        return evaluated(self._user, "%compare", what, expression)


def progress_text(progress: Progress) -> str:
    """Return how far a comparison is, such as ``"pair 3 of 12, small, batch 8 ████░░░░ 45 %, 38 W"``."""
    doing = f"pair {progress.pair} of {progress.pairs}" if progress.pair else progress.doing
    return bar_text(f"{doing}, {progress.contender}, batch {progress.batch}", progress.part, progress.power_w)


def _name(model: Model, value: Any) -> str:
    """Return what a model is called: as it is written; a folder by its own name."""
    if isinstance(value, str | Path):
        name = Path(value).name or str(value)
        return f"{name}@{model.runtime}" if model.runtime else name
    return str(model)
