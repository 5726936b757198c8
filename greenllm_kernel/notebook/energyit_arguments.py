"""What can stand after ``%energyit`` and before the statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from IPython.core.error import UsageError

from greenllm_kernel.accounting.repeat_plan import RepeatPlan

FLAGS = {
    "-n": "loops",
    "-r": "repeats",
    "-p": "precision",
    "--precision": "precision",
    "--max-time": "max_time_s",
    "--warm-up": "warm_up_s",
    "--cool-down": "cool_down_s",
}
"""Flags that take a value, and what of the plan it is."""

EXPECTED = {
    "loops": "a whole number, such as -n 100",
    "repeats": "a whole number, such as -r 7",
    "precision": "a part of the energy, such as -p 5%",
    "max_time_s": "seconds, such as --max-time 60",
    "warm_up_s": "seconds, such as --warm-up 2",
    "cool_down_s": "seconds, such as --cool-down 1",
}
WHOLE = ("loops", "repeats")

SWITCHES = {"o": "returns_result", "q": "is_quiet"}
"""Flags that take none, and may be written together."""


@dataclass(frozen=True)
class EnergyitOptions:
    """What the line says.

    Attributes:
        plan: how to repeat.
        source: what is left of the line: the statement, or the setup of a cell.
        returns_result: whether the result is the magic's value.
        is_quiet: whether nothing is printed.
    """

    plan: RepeatPlan
    source: str
    returns_result: bool = False
    is_quiet: bool = False


def energyit_options(line: str) -> EnergyitOptions:
    """Return what the line after ``%energyit`` says; flags come first, and ``--`` ends them.

    Raises:
        UsageError: an unknown flag or a value that cannot be used, and what is expected.
    """
    plan: dict[str, Any] = {}
    switches: dict[str, bool] = {}
    word, left, rest = _first_word(line)
    while word.startswith("-") and word != "--":
        name, value = _name_and_value(word)
        if name in FLAGS:
            if not value:
                value, _, rest = _first_word(rest)
            plan[FLAGS[name]] = _number(name, value)
        elif len(word) > 1 and set(word[1:]) <= set(SWITCHES):
            switches.update({SWITCHES[letter]: True for letter in word[1:]})
        else:
            flags = ", ".join([*FLAGS, *(f"-{letter}" for letter in SWITCHES)])
            raise UsageError(
                f"%energyit has no flag {word}; the flags are {flags}; put -- before a statement that begins with -"
            )
        word, left, rest = _first_word(rest)
    try:
        return EnergyitOptions(RepeatPlan(**plan), rest if word == "--" else left, **switches)
    except ValueError as error:
        raise UsageError(f"%energyit: {error}") from error


def _first_word(text: str) -> tuple[str, str, str]:
    """Return the first word, all from it on, and what comes after it."""
    text = text.strip()
    word, _, rest = text.partition(" ")
    return word, text, rest.lstrip()


def _name_and_value(word: str) -> tuple[str, str]:
    """Return a flag and what is written together with it: ``-n4``, ``--precision=5%``."""
    if not word.startswith("--"):
        return word[:2], word[2:]
    name, _, value = word.partition("=")
    return name, value


def _number(name: str, value: str) -> float:
    try:
        if FLAGS[name] in WHOLE:
            return int(value)
        return float(value[:-1]) / 100 if FLAGS[name] == "precision" and value.endswith("%") else float(value)
    except ValueError:
        raise UsageError(f"%energyit {f'{name} {value}'.strip()}: expected {EXPECTED[FLAGS[name]]}") from None
