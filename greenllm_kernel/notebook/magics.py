"""``%energy`` and ``%%energy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from greenllm_kernel.errors import BudgetError, PluginError
from greenllm_kernel.notebook.arguments import cell_options, with_cell_arguments

if TYPE_CHECKING:
    from greenllm_kernel.notebook.extension import Extension

COMMANDS = {
    "on": "",
    "off": "",
    "status": "",
    "report": "",
    "budget": "an amount of energy or emissions, or off",
    "idle": "one number (of seconds)",
    "export": "a file, --format and --cells",
    "plugins": "on NAME or off NAME",
}
"""The commands, and what one may say of each at most."""


@magics_class
class EnergyMagics(Magics):
    """The magics of one shell.

    Args:
        extension: what they act on.
    """

    def __init__(self, extension: Extension) -> None:
        super().__init__(extension.shell)
        self._extension = extension

    @line_magic("energy")  # type: ignore[arg-type]
    def line(self, line: str) -> None:
        """Measure every cell, or see what was measured.

        %energy on      measure every cell from the next one on (as after %load_ext greenllm_kernel)
        %energy off     measure only cells that begin with %%energy, and measure()
        %energy status  what is measured, with which meters, and what is missing
        %energy report  this session's cells with their energy and emissions
        %energy budget [AMOUNT|off]  how this session stands to its budget; set one (5kJ, 2Wh, 20g), or remove it
        %energy export FILE [--format csv|json|parquet] [--cells]  this session's runs, or its cells, as a table
        %energy idle [SECONDS]  measure the idle machine, for 10 s or so long: what net energy is counted from
        %energy plugins [on|off NAME]  which plugins there are; switch one on or off for this session
        """
        words = line.split()
        command, arguments = (words[0], words[1:]) if words else ("status", [])
        if command not in COMMANDS:
            raise UsageError(f"%energy {line.strip()} is unknown; there is %energy {'|'.join(COMMANDS)}")
        if command in ("budget", "export", "plugins"):
            arguments = [" ".join(arguments)] if arguments else []
        if len(arguments) > bool(COMMANDS[command]):
            most = f"at most {COMMANDS[command]}" if COMMANDS[command] else "nothing more"
            raise UsageError(f"%energy {line.strip()}: {command} takes {most}")
        try:
            getattr(self, f"_{command}")(*arguments)
        except KeyboardInterrupt as interrupt:
            interrupt.__traceback__ = None  # where in our code it was is of no use
            raise

    @cell_magic("energy")
    @with_cell_arguments
    def cell(self, line: str, cell: str | None) -> Any:
        """Measure this cell's energy and emissions; otherwise it runs as without this line."""
        options = cell_options(self.cell, line)
        if cell is None:
            self._extension.tracker.measure_this_cell(options)
            return None
        return self._extension.shell.run_cell(f"%%energy {line}\n{cell}").result

    def _on(self) -> None:
        self._extension.measure_every_cell(True)
        print("Every cell is measured from the next one on.")

    def _off(self) -> None:
        self._extension.measure_every_cell(False)
        print("Only cells that begin with %%energy, and measure(), are measured.")

    def _status(self) -> None:
        from greenllm_kernel.notebook.status import status_text

        print(status_text(self._extension.session, self._extension.tracker.measures_every_cell))

    def _report(self) -> None:
        from greenllm_kernel.notebook.report import report_bundle

        self._extension.shell.display_pub.publish(report_bundle(self._extension.session))

    def _budget(self, amount: str | None = None) -> None:
        from greenllm_kernel.accounting.budget import Budget
        from greenllm_kernel.accounting.budget_watch import session_budget_text

        if amount is not None:
            try:
                self._extension.set_budget(None if amount == "off" else Budget.of(amount))
            except BudgetError as error:
                raise UsageError(f"%energy budget {error}") from error
        print(session_budget_text(self._extension.session))

    def _export(self, line: str = "") -> None:
        from greenllm_kernel.notebook.export import export_session

        print(export_session(self._extension.session, line))

    def _plugins(self, words: str | None = None) -> None:
        from greenllm_kernel.notebook.plugins_list import plugins_text, switch_plugin

        try:
            print(switch_plugin(self._extension.session, words) if words else plugins_text(self._extension.session))
        except PluginError as error:
            raise UsageError(f"%energy plugins {error}") from error

    def _idle(self, seconds: str | None = None) -> None:
        from greenllm_kernel.notebook.idle import measure_idle, seconds_of

        try:
            measure_idle(self._extension.session, seconds_of(seconds))
        except KeyboardInterrupt:
            print("Interrupted: the former idle power stays.")
            raise
