"""Programs of a few lines that tests run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).parent


def started(program: str, *arguments: object, **environment: object) -> subprocess.Popen[str]:
    """Start ``program``, which has the first of the ``arguments`` as ``path``, and more environment variables."""
    head = "import sys; sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path\npath = Path(sys.argv[2])\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(program), str(HERE), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
