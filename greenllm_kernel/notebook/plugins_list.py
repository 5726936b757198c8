"""What ``%energy plugins`` says and does: which plugins there are, what they do, and switching them off and on."""

from __future__ import annotations

from greenllm_kernel.accounting.session import Session
from greenllm_kernel.configuration import configuration_file
from greenllm_kernel.errors import PluginError

WHAT_FOR = {
    "greenllm_meters": "meters",
    "greenllm_carbon_intensity": "carbon intensity",
    "greenllm_record": "records",
    "greenllm_progress": "records",
    "greenllm_end": "records",
}
"""What the hooks are for, in a word."""

LOOK_FOR_S = 5.0
"""How long meters are looked for, s."""


def plugins_text(session: Session) -> str:
    """Return a line for each plugin that is installed: its name, what it is for, and how it is."""
    session.find_meters(LOOK_FOR_S)
    lines = []
    width = max((len(name) for name in session.plugins.installed), default=0)
    for name in session.plugins.installed:
        uses = ", ".join(dict.fromkeys(WHAT_FOR.get(hook, hook) for hook in session.plugins.hooks_of(name)))
        lines.append(f"{name.ljust(width)}  {uses or '-'}: {_state(session, name)}")
    lines += [
        "%energy plugins off NAME switches one off for this session, on NAME on again.",
        f'For good: disable_plugins = ["NAME"] in {configuration_file()}',
    ]
    return "\n".join(lines)


def switch_plugin(session: Session, words: str) -> str:
    """Switch a plugin as ``"off rapl"`` or ``"on rapl"`` says, and return what is so now.

    Raises:
        PluginError: it cannot be done, and why.
    """
    switch, _, name = words.partition(" ")
    name = name.strip()
    if switch not in ("on", "off") or not name or " " in name:
        raise PluginError(f"{words}: expected on NAME or off NAME")
    if name not in session.plugins.installed:
        raise PluginError(f"{name}: no such plugin; there are {', '.join(session.plugins.installed)}")
    if (name in session.plugins.names) is (switch == "on"):
        return f"{name} is {switch} already."
    session.switch_plugin(name, switch == "on")
    if switch == "on" and name not in session.plugins.names:
        raise PluginError(f"{name} could not be switched on; %energy status says why")
    return f"{name} is {switch} from now on, in this session."


def _state(session: Session, name: str) -> str:
    if name not in session.plugins.names:
        return "off" if name in session.plugins.switched_off else "cannot be used (%energy status says why)"
    reads, reasons = session.sampler.found_by(name)
    if reads:
        return f"reads {', '.join(reads)}"
    return f"on; {'; '.join(reasons)}" if reasons else "on"
