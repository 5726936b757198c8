"""Runs the command ``greenllm`` as a user does, with settings, ledger and home folder of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greenllm_kernel.accounting.ledger import Ledger
from greenllm_kernel.accounting.record import Record

POWER_W = 100.0
"""What the virtual GPU draws, all the time."""

SETTINGS = f"""
place = "FR"
use_meters = ["virtual"]

[[meters.virtual.channels]]
id = "gpu:virtual"
component = "gpu"
label = "Virtual GPU"
profile = {{shape = "constant", level_w = {POWER_W}}}
"""


@dataclass
class CommandLine:
    """A user's machine in a folder."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = self.folder / "ledger.sqlite"
        settings = self.folder / "greenllm.toml"
        settings.write_text(SETTINGS)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GREENLLM_", "JUPYTER_"))},
            "HOME": str(self.folder),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "GREENLLM_CONFIG": str(settings),
            "GREENLLM_LEDGER": str(self.ledger),
            **self.env,
        }

    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        """Start ``greenllm`` and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "greenllm_kernel.cli", *map(str, arguments)],
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "env": self.env,
                "cwd": self.folder,
                **options,
            },  # type: ignore[call-overload]
        )

    def run(self, *arguments: object, text: str | None = None) -> Finished:
        """Run ``greenllm`` to its end."""
        process = self.start(*arguments, stdin=subprocess.PIPE)
        return finished(process, text)

    def records(self) -> Sequence[Record]:
        """What the ledger holds."""
        with Ledger(self.ledger) as ledger:
            return ledger.records()

    def python(self, program: str) -> tuple[str, ...]:
        """Return the words of a command that runs ``program`` with this Python."""
        return (sys.executable, "-c", textwrap.dedent(program))


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of stdout, without those that are blank."""
        return [line.strip() for line in self.out.splitlines() if line.strip()]

    def row(self, name: str) -> str:
        """The first line that has ``name`` in it, of stdout or stderr."""
        return next(line for line in (self.out + self.err).splitlines() if name in line)


def finished(process: subprocess.Popen[str], text: str | None = None, timeout_s: float = 120) -> Finished:
    """Wait for a command to end."""
    out, err = process.communicate(text, timeout=timeout_s)
    return Finished(process.returncode, out, err)
