"""The command ``greenllm``: what it understands, and which module does it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from greenllm_kernel import __version__
from greenllm_kernel.cli.command_error import USAGE, CommandError
from greenllm_kernel.errors import ConfigurationError, GreenLLMError

DESCRIPTION = "What notebook cells and programs cost in energy and emissions, with honest intervals."

RUN_EPILOG = """\
examples:
  greenllm run train.ipynb                    every cell measured; table, and train.energy.html
  greenllm run train.ipynb --execute-to out.ipynb --timeout 600
  greenllm run -- python train.py --epochs 3  any program; its output, signals and exit code pass through
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: without the program's name; None: those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    command: list[str] | None = None
    if words[:1] == ["run"] and "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1 :]
    parser = _parser()
    options = parser.parse_args(words)
    if options.act is None:
        parser.print_help()
        return USAGE
    try:
        code: int = _run(options, command) if options.act is _run else options.act(options)
        return code
    except GreenLLMError as error:
        print(f"greenllm: {error}", file=sys.stderr)
        if isinstance(error, CommandError):
            return error.code
        return USAGE if isinstance(error, ConfigurationError) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; without this Python complains again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="greenllm", description=DESCRIPTION, formatter_class=_Help)
    parser.add_argument("--version", action="version", version=f"greenllm {__version__}")
    parser.set_defaults(act=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    doctor = _add(
        commands, "doctor", _doctor, "say which meters work here and how well, and what to do about those that do not"
    )
    doctor.add_argument(
        "--no-measure", action="store_true", help="only look; do not measure the sensors for some seconds"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    run = _add(commands, "run", _run, "execute a notebook, or any program, and say what it cost", RUN_EPILOG)
    run.usage = "greenllm run [options] NOTEBOOK.ipynb\n       greenllm run [options] -- COMMAND ..."
    run.add_argument("notebook", nargs="?", metavar="NOTEBOOK.ipynb", help="the notebook; it is not changed")
    run.add_argument(
        "--output", type=Path, metavar="FILE.html", help="the HTML report (of a notebook: NAME.energy.html beside it)"
    )
    run.add_argument("--execute-to", type=Path, metavar="FILE.ipynb", help="keep the executed notebook here")
    run.add_argument("--timeout", type=_seconds, metavar="S", help="longest time for one cell, in seconds")
    run.add_argument("--kernel", metavar="NAME", help="the kernel to use instead of the notebook's own")

    report = _add(commands, "report", _report, "show what the ledger holds")
    report.add_argument("--session", default="last", metavar="ID", help="a session's id, 'last' (default) or 'all'")
    report.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="only what began on this day or later")
    report.add_argument("--html", type=Path, metavar="FILE", help="write an HTML report, too")

    export = _add(commands, "export", _export, "write what the ledger holds as a table: CSV, JSON or Parquet")
    export.add_argument("file", type=Path, metavar="FILE", help="the file, or - for the standard output")
    export.add_argument("--format", metavar="NAME", help="csv, json or parquet (default: what FILE ends with)")
    export.add_argument("--cells", action="store_true", help="cells over all their runs, instead of single runs")
    export.add_argument("--session", default="all", metavar="ID", help="a session's id, 'last' or 'all' (default)")
    export.add_argument("--since", type=_day, metavar="YYYY-MM-DD", help="only what began on this day or later")

    calibrate = _add(commands, "calibrate", _calibrate, "fit the CPU estimate to a sensor, for hosts without one")
    calibrate.add_argument(
        "--seconds", type=_seconds, default=150, metavar="N", help="how long the loads run in all (default 150)"
    )
    calibrate.add_argument("--output", type=Path, metavar="FILE.json", help="write the fit here, too")
    calibrate.add_argument(
        "--import", dest="source", type=Path, metavar="FILE.json", help="take over a fit made elsewhere; runs no load"
    )

    tutorials = _add(commands, "tutorials", _tutorials, "copy the tutorial notebooks into a folder")
    tutorials.add_argument("folder", nargs="?", type=Path, default=Path("greenllm-tutorials"), metavar="DIR")
    tutorials.add_argument("--force", action="store_true", help="replace files that were changed")
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[..., int],
    purpose: str,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=epilog,
        formatter_class=_Help,
    )
    parser.set_defaults(act=act)
    return parser


# What a command needs is imported when it runs: `greenllm --help` should not wait for Jupyter.


def _doctor(options: argparse.Namespace) -> int:
    from greenllm_kernel.cli.doctor import doctor

    return doctor(measures=not options.no_measure, as_json=options.json)


def _run(options: argparse.Namespace, command: Sequence[str] | None = None) -> int:
    if command is not None:
        if not command or options.notebook:
            raise CommandError("give a notebook, or -- and a command; see greenllm run --help", USAGE)
        if options.execute_to or options.timeout or options.kernel:
            raise CommandError("--execute-to, --timeout and --kernel are for notebooks", USAGE)
        from greenllm_kernel.cli.run_command import run_command

        return run_command(command, options.output)
    if not options.notebook:
        raise CommandError("give a notebook, or -- and a command; see greenllm run --help", USAGE)
    if not options.notebook.endswith(".ipynb"):
        advice = f"to measure a program: greenllm run -- {options.notebook} ..."
        raise CommandError(f"{options.notebook} is not a notebook (.ipynb); {advice}", USAGE)
    from greenllm_kernel.cli.run_notebook import run_notebook

    return run_notebook(
        Path(options.notebook),
        report=options.output,
        execute_to=options.execute_to,
        timeout_s=options.timeout,
        kernel=options.kernel,
    )


def _report(options: argparse.Namespace) -> int:
    from greenllm_kernel.cli.report import report

    return report(options.session, options.since, options.html)


def _export(options: argparse.Namespace) -> int:
    from greenllm_kernel.cli.export import export

    return export(options.file, options.format, options.session, options.since, options.cells)


def _calibrate(options: argparse.Namespace) -> int:
    from greenllm_kernel.cli.calibrate import calibrate, import_fit

    if options.source is None:
        return calibrate(options.seconds, options.output)
    if options.output is not None:
        raise CommandError("--output is for a fit made here, not for one that is imported", USAGE)
    return import_fit(options.source)


def _tutorials(options: argparse.Namespace) -> int:
    from greenllm_kernel.cli.tutorials import tutorials

    return tutorials(options.folder, options.force)


def _seconds(text: str) -> int:
    try:
        seconds = int(text)
    except ValueError:
        seconds = 0
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds, 1 or more")
    return seconds


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2026-01-31") from None
