"""``greenllm run -- COMMAND``: any program, measured, with its streams, signals and exit code passed through."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from greenllm_kernel.accounting.record import Status
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.tables import print_records
from greenllm_kernel.cli.command_error import CommandError
from greenllm_kernel.cli.output import console, write_report
from greenllm_kernel.configuration import Configuration

LONGEST_NAME = 100
"""Characters of the command that its record is named by."""

FIND_TIMEOUT_S = 10.0
SETTLE_TIMEOUT_S = 5.0

NOT_EXECUTABLE, NOT_FOUND, BY_SIGNAL = 126, 127, 128
"""Exit codes as a POSIX shell gives them (IEEE 1003.1, 2.8.2): for a signal, 128 and its number."""

OWNER = "program"
"""Whose own part of the energy is told."""

_FORWARDED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2")
_FROM_TERMINAL = frozenset({"SIGINT", "SIGQUIT"})


def run_command(command: Sequence[str], output: Path | None = None) -> int:
    """Run ``command``, print what it cost to stderr, and return its exit code.

    Args:
        command: the program and its arguments.
        output: the HTML report to write; None: none.

    Raises:
        CommandError: the program cannot be started, or the report not be written.
    """
    _check_program(command[0])
    title = " ".join(shlex.join(command).split())
    name = title if len(title) <= LONGEST_NAME else f"{title[:LONGEST_NAME]} ..."
    session = Session(Configuration.load())
    session.find_meters(FIND_TIMEOUT_S)
    window = session.open(name)
    try:
        code = _exit_code(command)
    except BaseException:
        window.close(Status.ERROR)
        raise
    window.close(_status(code))
    record = window.settle(SETTLE_TIMEOUT_S)
    # The power over time is asked for while the sampler still has it.
    power = record.power()
    record = replace(record, series=lambda: power)
    session.close(SETTLE_TIMEOUT_S)
    to = console(to_stderr=True)
    print_records(to, [record], owner=OWNER)
    for warning in session.warnings:
        to.print(f"Note: {warning}", markup=False)
    if output is not None:
        write_report(output, [record], name, owner=OWNER)
        to.print(f"Report: {output}", markup=False)
    return code if code >= 0 else BY_SIGNAL - code


def _check_program(program: str) -> None:
    if shutil.which(program) is not None:
        return
    if Path(program).exists():
        raise CommandError(f"{program!r} is not a program one may execute; check its permissions", NOT_EXECUTABLE)
    raise CommandError(f"no program {program!r}; check its name, or PATH", NOT_FOUND)


def _exit_code(command: Sequence[str]) -> int:
    with _signals_passed_on() as children:
        try:
            child = subprocess.Popen(command)
        except OSError as error:
            raise CommandError(f"{command[0]!r} cannot be run ({error.strerror})", NOT_EXECUTABLE) from error
        children.append(child)
        return child.wait()


def _status(code: int) -> Status:
    if code == 0:
        return Status.OK
    return Status.INTERRUPTED if code in (-signal.SIGINT, -signal.SIGTERM) else Status.ERROR


@contextmanager
def _signals_passed_on() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Send the signals this process gets on to the children in the list, and survive them."""
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        # What is typed at a terminal goes to every process in its foreground, so the child has had it already.
        if signal.Signals(number).name in _FROM_TERMINAL and _is_in_foreground():
            return
        for child in children:
            with suppress(ProcessLookupError):
                child.send_signal(number)

    before = {}
    for number in (getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)):
        # Ignored signals (nohup, a shell's background job) stay ignored, also in the child.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, pass_on)
    try:
        yield children
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_in_foreground() -> bool:
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
