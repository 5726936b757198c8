"""``greenllm doctor``: what works here, what does not and why, and what to do about it."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from greenllm_kernel import __version__
from greenllm_kernel.accounting.ledger import Ledger, ledger_path
from greenllm_kernel.accounting.notation import energy_text, power_text
from greenllm_kernel.accounting.record import ChannelEnergy, Record
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.accounting.tables import STYLES
from greenllm_kernel.cli.output import console
from greenllm_kernel.configuration import Configuration, configuration_file
from greenllm_kernel.errors import ConfigurationError, LedgerError

if TYPE_CHECKING:
    from rich.console import Console

LOOK_S = 1.0
"""How long the channels are watched, s: ten ticks of an NVIDIA card's counter."""

FIND_TIMEOUT_S = 10.0
SETTLE_TIMEOUT_S = 5.0

KERNELSPEC = LABEXTENSION = "greenllm"
LEDGER_PLUGIN = "ledger"

GOOD, BAD = "[green]✓[/]", "[red]✗[/]"


def doctor() -> int:
    """Print the findings; return 0 if the energy of anything is known here, and 1 if not."""
    to = console()
    to.print(f"[bold]GreenLLM {__version__}[/]  Python {platform.python_version()} ({sys.executable})", soft_wrap=True)
    configuration, problem = _configuration()
    # Watching is no work of the user's, so it does not go into the ledger.
    disabled = configuration.disable_plugins | {LEDGER_PLUGIN}
    session = Session(replace(configuration, disable_plugins=disabled))
    record = _look(session)
    _print_meters(to, session, record)
    _print_settings(to, configuration, problem, session)
    _print_jupyter(to)
    if session.warnings:
        to.print("\n[bold]Notes[/]")
        for warning in session.warnings:
            _line(to, BAD, warning)
    return 0 if record.gross is not None else 1


def _configuration() -> tuple[Configuration, str]:
    try:
        return Configuration.load(), ""
    except ConfigurationError as error:
        return Configuration(), f"{error}; the default settings are used"


def _look(session: Session) -> Record:
    session.find_meters(FIND_TIMEOUT_S)
    window = session.open("doctor")
    time.sleep(LOOK_S)
    window.close()
    record = window.settle(SETTLE_TIMEOUT_S)
    # What went wrong is asked for before the meters are given back.
    session.close(SETTLE_TIMEOUT_S)
    return record


def _print_meters(to: Console, session: Session, record: Record) -> None:
    to.print("\n[bold]Meters[/]")
    meters: dict[str, list[ChannelEnergy]] = {}
    for channel in record.channels:
        meters.setdefault(channel.meter, []).append(channel)
    for name, channels in meters.items():
        works = any(channel.energy is not None for channel in channels)
        _line(to, GOOD if works else BAD, f"{name}: {'works' if works else 'gives no readings'}")
        _print_channels(to, channels, record.duration_s)
    for unusable in session.sampler.unusable:
        _line(to, BAD, f"{unusable.name}: {unusable.reason}")
        if unusable.remedy:
            to.print(f"      {unusable.remedy}", style="dim", markup=False, soft_wrap=True)
    if not meters and not session.sampler.unusable:
        _line(to, BAD, "no meter was found: see the plugins below")


def _print_channels(to: Console, channels: Sequence[ChannelEnergy], duration_s: float) -> None:
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for channel in channels:
        energy = channel.energy
        provenance = energy.provenance.value if energy else "unavailable"
        notes = [channel.fault or ""] if channel.counted else ["already in the channel that contains it"]
        table.add_row(
            escape(channel.label),
            channel.component.value,
            power_text(energy.value_j / duration_s if energy else None),
            f"{energy_text(energy)} in {duration_s:.1f} s" if energy else "",
            f"[{STYLES[provenance]}]{provenance}[/]",
            f"[dim]{escape(channel.channel_id)}[/]",
            f"[dim]{escape(notes[0])}[/]",
        )
    to.print(Padding(table, (0, 0, 0, 6)))


def _print_settings(to: Console, configuration: Configuration, problem: str, session: Session) -> None:
    to.print("\n[bold]Settings[/]")
    file = configuration_file()
    if problem:
        _line(to, BAD, problem)
    else:
        _line(to, GOOD, f"file: {file}{'' if file.exists() else ' (not there: every setting has its default)'}")
    for key, value in _chosen(configuration):
        to.print(f"      {key} = {value}", markup=False, soft_wrap=True)
    _print_intensity(to, session, configuration)
    _print_ledger(to, configuration)
    _line(to, GOOD, f"plugins: {', '.join(session.plugins.names) or 'none'}, {LEDGER_PLUGIN} (not while looking)")


def _chosen(configuration: Configuration) -> list[tuple[str, object]]:
    default = Configuration()
    values = ((key, getattr(configuration, key), getattr(default, key)) for key in configuration.__dataclass_fields__)
    return [
        (key, sorted(value) if isinstance(value, frozenset) else value)
        for key, value, usual in values
        if value != usual
    ]


def _print_intensity(to: Console, session: Session, configuration: Configuration) -> None:
    intensity = session.intensity_lookup.wait()
    if intensity is None:
        _line(to, BAD, "carbon intensity: not known, so emissions are unavailable")
        return
    low, high = intensity.interval_gco2e_per_kwh
    figure = f"{intensity.value_gco2e_per_kwh:.0f} [{low:.0f}, {high:.0f}] gCO2e/kWh"
    _line(to, GOOD, f"place: {intensity.place}, {figure} ({intensity.vintage}; {intensity.source})")
    if configuration.place is None:
        remedy = (
            f'Set place = "FR" (or US-CA, ...) in {configuration_file()}, or GREENLLM_PLACE, for a narrower interval.'
        )
        to.print(f"      {remedy}", style="dim", markup=False, soft_wrap=True)


def _print_ledger(to: Console, configuration: Configuration) -> None:
    path = ledger_path(configuration)
    if LEDGER_PLUGIN in configuration.disable_plugins:
        _line(to, BAD, "ledger: switched off by disable_plugins, so nothing is kept")
        return
    try:
        with Ledger(path) as ledger:
            sessions = len(ledger.sessions())
    except LedgerError as error:
        _line(to, BAD, str(error))
    else:
        _line(to, GOOD, f"ledger: {path} ({sessions} {'session' if sessions == 1 else 'sessions'})")


def _print_jupyter(to: Console) -> None:
    to.print("\n[bold]JupyterLab[/]")
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.paths import jupyter_path

    spec = KernelSpecManager().find_kernel_specs().get(KERNELSPEC)
    missing = "is not installed; reinstall greenllm, or use %load_ext greenllm_kernel in any Python 3 notebook"
    _line(to, GOOD if spec else BAD, f"kernel Python 3 (GreenLLM){f': {spec}' if spec else f' {missing}'}")
    folders = [Path(folder) / LABEXTENSION for folder in jupyter_path("labextensions")]
    found = next((folder for folder in folders if (folder / "package.json").is_file()), None)
    missing = "is not installed where this Python's JupyterLab looks; reinstall greenllm beside JupyterLab"
    _line(to, GOOD if found else BAD, f"sidebar{f': {found}' if found else f' {missing}'}")


def _line(to: Console, mark: str, text: str) -> None:
    from rich.markup import escape

    to.print(f"  {mark} {escape(text)}", soft_wrap=True)
