"""``greenllm run NOTEBOOK``: a notebook executed without a page, every cell measured, with a table and a report."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenllm_kernel.accounting.comparisons import Summary
from greenllm_kernel.accounting.ledger import Ledger, ledger_path
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.tables import print_comparisons, print_records
from greenllm_kernel.cli.command_error import USAGE, CommandError
from greenllm_kernel.cli.headless import Outcome, execute, first_line
from greenllm_kernel.cli.output import comparisons_of, console, write_report
from greenllm_kernel.cli.progress import Progress
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.errors import LedgerError

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from rich.console import Console

LEDGER_PLUGIN = "ledger"


def run_notebook(
    path: Path,
    report: Path | None = None,
    execute_to: Path | None = None,
    timeout_s: int | None = None,
    kernel: str | None = None,
) -> int:
    """Execute the notebook, print the table of its cells, write the report, and return the notebook's exit code.

    Args:
        path: the notebook; it is not changed, and its folder is the kernel's.
        report: the HTML report; None: NAME.energy.html beside the notebook.
        execute_to: where to keep the executed notebook; None: nowhere.
        timeout_s: longest time for one cell, s.
        kernel: name of the kernelspec; None: the notebook's.

    Returns:
        0; 1 where a cell raised, ran too long or the kernel died; 130 where the user interrupted.

    Raises:
        CommandError: the notebook cannot be read, its kernel not be started, or a file not be written.
    """
    notebook = _read(path)
    kernel_name = _kernel_name(notebook, kernel)
    report = report or path.with_name(f"{path.stem}.energy.html")
    sources = {cell["id"]: first_line(cell.source) for cell in notebook.cells if cell.cell_type == "code"}
    to, aside = console(), console(to_stderr=True)
    session_id = uuid.uuid4().hex
    with _ledger_for_run(aside) as settings:
        env = {**os.environ, **settings, "GREENLLM_SESSION_ID": session_id}
        code_cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
        with Progress(aside, code_cells) as progress:
            outcome = execute(notebook, path, kernel_name, env, timeout_s, progress)
        if execute_to is not None:
            _write_notebook(notebook, execute_to)
        _tell(aside, outcome)
        with Ledger(Path(settings["GREENLLM_LEDGER"])) as ledger:
            records = ledger.records(session_id=session_id)
            _show(to, aside, records, sources, report, path.name, comparisons_of(ledger, session_id))
    if execute_to is not None:
        to.print(f"Executed notebook: {execute_to}", markup=False)
    return outcome.code


def _show(
    to: Console,
    aside: Console,
    records: list[Record],
    sources: dict[str, str],
    report: Path,
    title: str,
    comparisons: list[Summary],
) -> None:
    if not records:
        aside.print("No cell was measured: no cell ran, or the kernel could not write its ledger.", style="yellow")
        return
    print_records(to, records, sources)
    print_comparisons(to, comparisons)
    write_report(report, records, title, sources, comparisons=comparisons)
    to.print(f"Report: {report}", markup=False)


def _tell(aside: Console, outcome: Outcome) -> None:
    if outcome.message:
        aside.print(outcome.message, style="red", markup=False)
    if outcome.traceback:
        # Its own colours are escape sequences, which the console would count as text.
        print(outcome.traceback if aside.is_terminal else _without_colors(outcome.traceback), file=sys.stderr)


def _without_colors(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def _read(path: Path) -> NotebookNode:
    import nbformat

    read: Any = nbformat.reads
    upgrade: Any = nbformat.v4.upgrade
    try:
        notebook: NotebookNode = read(path.read_text(encoding="utf-8"), as_version=4)
        # Before format 4.5 cells have no ids, and it is by them that records are told apart.
        return notebook if notebook.nbformat_minor >= 5 else upgrade(notebook)
    except FileNotFoundError:
        raise CommandError(f"no notebook {path}; check its name", USAGE) from None
    except OSError as error:
        raise CommandError(f"the notebook {path} cannot be read ({error.strerror})", USAGE) from error
    except (ValueError, nbformat.ValidationError) as error:
        raise CommandError(f"{path} is not a notebook ({str(error).splitlines()[0]})", USAGE) from error


def _kernel_name(notebook: NotebookNode, wanted: str | None) -> str:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    name: str = wanted or notebook.metadata.get("kernelspec", {}).get("name") or "python3"
    specs = KernelSpecManager()
    try:
        spec = specs.get_kernel_spec(name)
    except NoSuchKernel:
        known = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        raise CommandError(f"no kernel {name!r} here; choose one with --kernel (there are: {known})", USAGE) from None
    if spec.language.lower() != "python":
        raise CommandError(
            f"the kernel {name!r} runs {spec.language}; GreenLLM measures cells of Python kernels", USAGE
        )
    return name


@contextmanager
def _ledger_for_run(aside: Console) -> Iterator[dict[str, str]]:
    """Give the settings that make the kernel write the configured ledger.

    Where that cannot be written, or is switched off, a temporary one serves: the run must not be in vain.
    """
    configuration = Configuration.load()
    path = ledger_path(configuration).absolute()
    others = configuration.disable_plugins - {LEDGER_PLUGIN}
    if others == configuration.disable_plugins:
        try:
            Ledger(path).close()
        except LedgerError as error:
            aside.print(f"Note: {error}. This run is in its report only.", style="yellow", markup=False)
        else:
            yield {"GREENLLM_LEDGER": str(path)}
            return
    with tempfile.TemporaryDirectory(prefix="greenllm-") as folder:
        yield {
            "GREENLLM_LEDGER": str(Path(folder) / "ledger.sqlite"),
            # A list without names: an empty text would leave the file's list in force.
            "GREENLLM_DISABLE_PLUGINS": ",".join(sorted(others)) or ",",
        }


def _write_notebook(notebook: NotebookNode, path: Path) -> None:
    import nbformat

    write: Any = nbformat.write
    try:
        with path.open("w", encoding="utf-8") as file:
            write(notebook, file)
    except OSError as error:
        raise CommandError(f"the executed notebook {path} cannot be written ({error.strerror})") from error
