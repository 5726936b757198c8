"""Fits of an estimate's model to a sensor: what one holds, how sure it is, and for which hosts it serves.

A model that can be fitted is a sum: power = sum of coefficient x rate of a feature. The features are cumulative
(seconds, busy seconds, ...), so that the energy of a span does not depend on how often one looks.
"""

from __future__ import annotations

import functools
import hashlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from greenllm_kernel.metering.meter import Meter
from greenllm_kernel.quantities import COVERAGE_FACTOR_95

STUDENT_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571}
"""Expands a standard deviation of so many degrees of freedom to 95 % (JCGM 100:2008, table G.2)."""

MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class HostKind:
    """What hosts must share for one fit to serve them.

    Attributes:
        model: of the processor, as the machine names it.
        vendor: of the processor, as the machine names it; empty where it does not.
        packages: sockets with a processor.
        threads: hardware threads the operating system has.
        is_virtual: whether it is a virtual machine.
    """

    model: str
    vendor: str
    packages: int
    threads: int
    is_virtual: bool

    def part_of(self, fitted: HostKind) -> float | None:
        """Return which part of a host that a fit was made on this one is, or None where such a fit does not serve it.

        1 is all of it: a host of the same kind. A virtual machine is a part of a machine with the same processors.
        """
        if not self.model or (fitted.model, fitted.vendor) != (self.model, self.vendor):
            return None
        if fitted == self:
            return 1.0
        is_part = self.is_virtual and not fitted.is_virtual and self.threads <= fitted.threads
        return self.threads / fitted.threads if is_part else None

    def __str__(self) -> str:
        sockets = f"{self.packages} x " if self.packages > 1 else ""
        kind = "virtual machine" if self.is_virtual else "machine"
        return f"{sockets}{self.model or 'unknown processor'}, {self.threads} threads, {kind}"


@runtime_checkable
class CalibratableMeter(Meter, Protocol):
    """An estimate whose model can be fitted to a sensor of the same component (``greenllm calibrate``)."""

    host: HostKind
    """The kind of this host."""

    formulas: Mapping[str, Sequence[str]]
    """By name, what a formula may be a sum of: names of features."""

    def features(self) -> Mapping[str, float]:
        """Return, cumulative, the features that can be told here; watts times their rate are watts."""


@dataclass(frozen=True, slots=True)
class Formula:
    """Power as a sum of features, and how well it told the power of loads it had not seen.

    Attributes:
        coefficients_w: by feature, W per unit of its rate.
        held_out_rms: root mean square of the relative errors.
        held_out_95: 95 % quantile of their absolute values.
        kinds: how many kinds of load were held out, one after the other.
    """

    coefficients_w: Mapping[str, float]
    held_out_rms: float
    held_out_95: float
    kinds: int

    @property
    def uncertainty(self) -> float:
        """Relative standard uncertainty for loads of any kind.

        The kinds are a small sample of all there are, so the RMS error counts for as much more as Student's t of one
        degree of freedom less than kinds is above the normal distribution's 1.96 (JCGM 100:2008, G.3); the 95 %
        quantile over 1.96 counts where it is larger.
        """
        student = STUDENT_95[min(max(1, self.kinds - 1), max(STUDENT_95))]
        return max(self.held_out_rms * student, self.held_out_95) / COVERAGE_FACTOR_95


@dataclass(frozen=True, slots=True)
class Fit:
    """A model fitted to a sensor.

    Attributes:
        meter: whose model.
        host: the kind of host it was made on.
        made_on: the day.
        machine: tells that one machine from others; says nothing else of it.
        sensors: what it was fitted to, in words.
        gain_uncertainty: relative standard uncertainty of the sensors' gain.
        formulas: by name.
        steps: what was measured: kind of load, features, W.
    """

    meter: str
    host: HostKind
    made_on: str
    machine: str
    sensors: Sequence[str]
    gain_uncertainty: float
    formulas: Mapping[str, Formula]
    steps: Sequence[Mapping[str, Any]] = field(default=(), compare=False)

    @property
    def is_from_here(self) -> bool:
        """Whether it was made on this very machine."""
        return self.machine == this_machine()


@functools.cache
def this_machine() -> str:
    """Return what tells this machine from others: a digest of its id, or of its name where it has none."""
    try:
        name = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    return hashlib.sha256(f"greenllm {name or socket.gethostname()}".encode()).hexdigest()[:16]
