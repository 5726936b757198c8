"""What is around the meters: settings, place, ledger, plugins, and JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenllm_kernel.accounting.ledger import Ledger, ledger_path
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import Configuration, configuration_file
from greenllm_kernel.errors import LedgerError

KERNELSPEC = LABEXTENSION = "greenllm"


@dataclass(frozen=True)
class Finding:
    """One thing that is as it should be, or not, and lines of detail (what was chosen, what to do)."""

    is_good: bool
    text: str
    details: tuple[str, ...] = ()
    remedy: str = ""


def settings(
    session: Session, configuration: Configuration, complaints: Sequence[str], ledger_plugin: str
) -> list[Finding]:
    """Return the settings in force, the place, the ledger and the plugins.

    Args:
        session: that looked, without the ledger.
        configuration: the user's, without those that cannot be used.
        complaints: which those are, and why.
        ledger_plugin: name of the plugin that writes the ledger.
    """
    return [
        *(Finding(False, complaint) for complaint in complaints),
        *_file(configuration, complaints),
        _intensity(session, configuration),
        _ledger(configuration, ledger_plugin),
        Finding(True, f"plugins: {', '.join(session.plugins.names) or 'none'}, {ledger_plugin} (not while looking)"),
    ]


def jupyter() -> list[Finding]:
    """Return whether the kernel and the sidebar are installed where JupyterLab looks."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.paths import jupyter_path

    spec = KernelSpecManager().find_kernel_specs().get(KERNELSPEC)
    missing = "is not installed; reinstall greenllm, or use %load_ext greenllm_kernel in any Python 3 notebook"
    kernel = Finding(bool(spec), f"kernel Python 3 (GreenLLM){f': {spec}' if spec else f' {missing}'}")
    folders = [Path(folder) / LABEXTENSION for folder in jupyter_path("labextensions")]
    found = next((folder for folder in folders if (folder / "package.json").is_file()), None)
    missing = "is not installed where this Python's JupyterLab looks; reinstall greenllm beside JupyterLab"
    return [kernel, Finding(bool(found), f"sidebar{f': {found}' if found else f' {missing}'}")]


def _file(configuration: Configuration, complaints: Sequence[str]) -> Iterator[Finding]:
    file, chosen = configuration_file(), tuple(f"{key} = {value}" for key, value in _chosen(configuration))
    if any(str(file) in complaint for complaint in complaints):
        if chosen:
            yield Finding(True, "from the environment", chosen)
    else:
        absent = "" if file.exists() else " (not there)" if chosen else " (not there: every setting has its default)"
        yield Finding(True, f"file: {file}{absent}", chosen)


def _chosen(configuration: Configuration) -> Iterator[tuple[str, object]]:
    default = Configuration()
    for key in configuration.__dataclass_fields__:
        value = getattr(configuration, key)
        if value != getattr(default, key):
            yield key, sorted(value) if isinstance(value, frozenset) else value


def _intensity(session: Session, configuration: Configuration) -> Finding:
    intensity = session.intensity_lookup.wait()
    if intensity is None:
        return Finding(False, "carbon intensity: not known, so emissions are unavailable")
    low, high = intensity.interval_gco2e_per_kwh
    figure = f"{intensity.value_gco2e_per_kwh:.0f} [{low:.0f}, {high:.0f}] gCO2e/kWh"
    narrower = (
        f'Set place = "FR" (or US-CA, ...) in {configuration_file()}, or GREENLLM_PLACE, for a narrower interval.'
    )
    if session.intensity_lookup.is_elsewhere:
        return Finding(
            False,
            f"place: {configuration.place} is not known, so {intensity.place} is used, {figure} ({intensity.vintage}; "
            f"{intensity.source})",
            remedy=f"Correct place in {configuration_file()}, or GREENLLM_PLACE.",
        )
    return Finding(
        True,
        f"place: {intensity.place}, {figure} ({intensity.vintage}; {intensity.source})",
        remedy=narrower if configuration.place is None else "",
    )


def _ledger(configuration: Configuration, plugin: str) -> Finding:
    path = ledger_path(configuration)
    if plugin in configuration.disable_plugins:
        return Finding(False, "ledger: switched off by disable_plugins, so nothing is kept")
    try:
        with Ledger(path) as ledger:
            sessions = len(ledger.sessions())
    except LedgerError as error:
        return Finding(False, str(error))
    return Finding(True, f"ledger: {path} ({sessions} {'session' if sessions == 1 else 'sessions'})")
