"""``%%compress``: the cell's body is a recipe, and the model that it names is compressed by it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.display import display

from greenllm_kernel.errors import GreenLLMError, RecipeError
from greenllm_kernel.notebook.compress_arguments import CompressOptions, compress_options, with_compress_arguments
from greenllm_kernel.notebook.magic_line import evaluated
from greenllm_kernel.notebook.progress_line import ProgressLine, bar_text, paced

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from greenllm_kernel.compression.result import CompressionResult
    from greenllm_kernel.compression.runner import Progress
    from greenllm_kernel.notebook.extension import Extension


@magics_class
class CompressMagics(Magics):
    """The magic of one shell.

    Args:
        extension: whose session measures.
    """

    def __init__(self, extension: Extension) -> None:
        super().__init__(extension.shell)
        self._extension = extension
        self._user: InteractiveShell = extension.shell

    @no_var_expand
    @cell_magic("compress")
    @with_compress_arguments
    def compress(self, line: str, cell: str) -> CompressionResult | None:
        """Compress a copy of a model by the recipe in this cell; the model itself stays as it is.

        MODEL, X, T and F are Python expressions; X, T and F in quotes where they have blanks in them.
        """
        __tracebackhide__ = True
        options = compress_options(self.compress, line)
        given = {name: self._value(name, expression) for name, expression in options.expressions.items()}
        try:
            result = self._compressed(given, cell, options)
        except (GreenLLMError, KeyboardInterrupt) as error:
            error.__traceback__ = None  # where in our code it was is of no use
            error.__suppress_context__ = True
            if isinstance(error, RecipeError | KeyboardInterrupt):
                error.__cause__ = None  # a step's own error is the cause of what a step failed with, and stays
            raise
        if options.output is None:
            return result
        # As the cell's value it would stay in Out, and its model in the memory, for as long as the kernel runs.
        self._user.user_ns[options.output] = result
        if not options.is_quiet:
            display(result)
        return None

    def _compressed(self, given: dict[str, Any], recipe: str, options: CompressOptions) -> CompressionResult:
        from greenllm_kernel.compression.runner import CompressionInterrupted, StepError, compress

        progress = ProgressLine(sys.stdout, "compress", is_quiet=options.is_quiet)
        session, seed = self._extension.session, options.seed

        @paced
        def tell(so_far: Progress) -> None:
            progress.say(progress_text(so_far))

        try:
            return compress(given.pop("model"), recipe, **given, seed=seed, session=session, tell=tell)
        except (StepError, CompressionInterrupted) as error:
            if error.result is not None and options.output is not None:
                self._user.user_ns[options.output] = error.result
                error.add_note(f"{options.output} has the last good model.")
            raise
        finally:
            progress.end()

    def _value(self, name: str, expression: str) -> Any:
        return evaluated(self._user, "%%compress", "MODEL" if name == "model" else f"--{name}", expression)


def progress_text(progress: Progress) -> str:
    """Return how far a recipe is, such as ``"step 1 of 2, prune_mlp ████░░░░ 45 %, 38 W"``."""
    doing = f"step {progress.number} of {progress.count}, {progress.name}"
    return bar_text(doing, progress.part, progress.power_w)
