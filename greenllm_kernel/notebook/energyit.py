"""``%energyit`` and ``%%energyit``: what one loop of a statement costs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from greenllm_kernel.notebook.energyit_arguments import energyit_options
from greenllm_kernel.notebook.progress_line import ProgressLine
from greenllm_kernel.notebook.statement import Statement
from greenllm_kernel.notebook.tracker import name_of

if TYPE_CHECKING:
    from greenllm_kernel.accounting.energyit_result import EnergyitResult
    from greenllm_kernel.notebook.extension import Extension

NOTHING_YET = "interrupted before the first repeat had ended: nothing is known"


@magics_class
class EnergyitMagics(Magics):
    """The magics of one shell.

    Args:
        extension: whose session measures.
    """

    def __init__(self, extension: Extension) -> None:
        super().__init__(extension.shell)
        self._extension = extension

    @no_var_expand
    @line_cell_magic
    @needs_local_scope
    def energyit(
        self, line: str = "", cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> EnergyitResult | None:
        """Measure what one loop of a statement costs, as %timeit measures how long it takes.

        %energyit [flags] statement

        %%energyit [flags] setup code
        statement
        ...

        The statement runs in loops, and these in repeats, until the energy of one loop is known narrowly enough:
        until half of the 95 % repeatability interval is 5 % of it or less. There are 7 repeats at least. The setup
        runs before each repeat and is not measured. As in %timeit, what the statement assigns is gone afterwards,
        its value is not kept, and Python's garbage collector is off meanwhile (gc.enable() in the setup keeps it on).

        -n LOOPS            loops in each repeat; without it, as many as the sensors need
        -r REPEATS          exactly so many repeats, however wide the interval
        -p, --precision 5%  how narrow is enough
        --max-time 60       no further repeat begins after so many seconds, once there are 7
        --warm-up 1         seconds in which it runs before the first repeat
        --cool-down 0       seconds of pause between two repeats
        -o                  return the result, to keep and look into: result = %energyit -o f(x)
        -q                  print nothing

        The repeatability interval says how far the mean of the repeats may be off. The interval beside the energy
        contains the error of the sensor or the model too, which no repeating takes away.
        """
        __tracebackhide__ = True
        from greenllm_kernel.accounting.energyit import Measurement
        from greenllm_kernel.accounting.record import Status

        options = energyit_options(line)
        if cell is None and not options.source:
            raise UsageError("%energyit: what is to be measured? %energyit [flags] statement; see %energyit?")
        source, setup = (options.source, None) if cell is None else (cell, options.source)
        try:
            statement = Statement(self._extension.shell, source, setup, local_ns)
        except SyntaxError as error:
            error.__traceback__ = None
            raise
        progress = ProgressLine(sys.stdout, "energyit", is_quiet=options.is_quiet)
        measurement = Measurement(statement, options.plan, self._extension.session, name_of(source), progress.tell)
        try:
            result = measurement.run()
        except KeyboardInterrupt as interrupt:
            progress.end()
            if not options.is_quiet:
                print(measurement.result(Status.INTERRUPTED) or NOTHING_YET)
            interrupt.__traceback__ = None
            raise
        except Exception as error:
            error.__traceback__ = statement.traceback(error)
            raise
        finally:
            progress.end()
        if not options.is_quiet:
            print(result)
        return result if options.returns_result else None
