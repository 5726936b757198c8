"""What the CPUs of this machine draw when idle and busy: by their thermal design power, or by a fit to a sensor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenllm_kernel.metering.calibration.fit import Fit, Formula, HostKind
from greenllm_kernel.quantities import COVERAGE_FACTOR_95
from greenllm_plugins.meters.cpu_activity import AT_FREQUENCY, AT_VOLTAGE, BUSY, FIRST, SLOWED, TIME
from greenllm_plugins.meters.operating_point import CURVE_HALF_WIDTH
from greenllm_plugins.meters.processor import Processor, find_tdp_w

IDLE_SHARE = 0.16
"""Power at rest over TDP: with ``BUSY_SHARE``, the straight line that comes nearest to Teads' curve, which was
measured on cloud servers (0.12, 0.32, 0.75 and 1.02 of TDP at 0, 10, 50 and 100 % load; Davy 2021)."""

BUSY_SHARE = 1.12
"""Power at full load over TDP (see ``IDLE_SHARE``)."""

THREAD_TDP_W = 4.0
"""TDP of a hardware thread of a processor that is not in the table, W (CodeCarbon 3, ``DEFAULT_POWER_PER_CORE``)."""

METHOD_UNCERTAINTY = 0.40 / 1.96
"""Relative standard uncertainty of such tools: errors of up to 40 % (Fischer 2025, arXiv:2509.22092)."""

SHAPE_UNCERTAINTY = 0.25 / math.sqrt(3.0)
"""Relative standard uncertainty of the straight line: it is within 25 % of the curve's four points."""

THREAD_TDP_UNCERTAINTY = 0.65 / math.sqrt(3.0)
"""Relative standard uncertainty of the TDP of a thread: from 1.4 W (EPYC 9754) to 5.9 W (Xeon E-2288G)."""

CURVE_UNCERTAINTY = CURVE_HALF_WIDTH / math.sqrt(3.0)
"""Relative standard uncertainty of the voltage that is taken to go with a frequency."""

SAMPLE_UNCERTAINTY = 0.10 / math.sqrt(3.0)
"""Relative standard uncertainty from one processor to the next of its model. That they differ: von Kistowski et al.,
ICPE 2016, doi:10.1145/2851553.2851567; the 10 % are our choice."""

PART_UNCERTAINTY = 0.25 / math.sqrt(3.0)
"""Relative standard uncertainty of a virtual machine's part of a host: whether the core's other thread is busy too, and
who keeps the host awake, cannot be seen from inside. Our choice."""

FORMULAS: Mapping[str, Sequence[str]] = {
    "load": (TIME, FIRST, BUSY),
    "load and frequency": (TIME, FIRST, AT_FREQUENCY),
    "load, frequency and voltage": (TIME, FIRST, AT_VOLTAGE),
}
"""What ``greenllm calibrate`` fits, as far as it can be told on the host."""


@dataclass(frozen=True, slots=True)
class Rating:
    """What the model takes the CPUs of this machine to draw.

    Attributes:
        coefficients_w: by feature of the activity, W per unit of its rate.
        uncertainty: relative standard uncertainty of the energy.
        basis: where that comes from, in words.
    """

    coefficients_w: Mapping[str, float]
    uncertainty: float
    basis: str


@dataclass(frozen=True, slots=True)
class DesignPower:
    """TDP of the CPUs this machine has, or of its part of them, W; whether it is guessed; where it comes from."""

    tdp_w: float
    is_guessed: bool
    basis: str


def rate(power: DesignPower, threads: int, tells_frequency: bool = False) -> Rating:
    """Return the rating by TDP.

    P = TDP x (idle + (busy - idle) x load), and below the base frequency less of its second part, by C V^2 F.

    Args:
        power: of all CPUs.
        threads: that the operating system has.
        tells_frequency: whether the CPUs' frequency can be read.
    """
    uncertainty = math.hypot(
        METHOD_UNCERTAINTY,
        SHAPE_UNCERTAINTY,
        THREAD_TDP_UNCERTAINTY if power.is_guessed else 0.0,
        CURVE_UNCERTAINTY if tells_frequency else 0.0,
    )
    busy_w = (BUSY_SHARE - IDLE_SHARE) * power.tdp_w / threads
    coefficients_w = {TIME: IDLE_SHARE * power.tdp_w, SLOWED if tells_frequency else BUSY: busy_w}
    return Rating(coefficients_w, uncertainty, power.basis + (", with frequency" if tells_frequency else ""))


def design_power(processor: Processor, threads: int, tdp_w: float | None = None) -> DesignPower:
    """Return the TDP of ``threads`` hardware threads of ``processor``.

    Args:
        processor: what the machine says of its processor.
        threads: that the operating system has.
        tdp_w: given by the user for all of them, W; None: from CodeCarbon's table.
    """
    if tdp_w is not None:
        return DesignPower(float(tdp_w), False, f"TDP {tdp_w:g} W as configured")
    guess_w = THREAD_TDP_W * threads
    of_one_w = find_tdp_w(processor.model)
    if of_one_w is None:
        return DesignPower(guess_w, True, f"unknown processor, {THREAD_TDP_W:g} W a thread")
    if not processor.is_virtual:
        packages = processor.packages
        basis = f"TDP {of_one_w:g} W" + (f" x {packages}" if packages > 1 else "")
        return DesignPower(of_one_w * packages, False, basis)
    if processor.threads_of_chip is not None:
        share = min(1.0, threads / processor.threads_of_chip)
        basis = f"{share:.0%} of TDP {of_one_w:g} W: a virtual machine's part"
        return DesignPower(of_one_w * share, False, basis)
    basis = f"virtual machine on a part of TDP {of_one_w:g} W, {THREAD_TDP_W:g} W a thread"
    return DesignPower(min(of_one_w * processor.packages, guess_w), True, basis)


def rate_by_fits(fits: Sequence[Fit], host: HostKind, names: frozenset[str]) -> Rating | None:
    """Return the rating by the first of ``fits`` that serves this host, those of its very kind before others.

    Args:
        fits: newest first.
        host: the kind of this host.
        names: the features that can be told here.
    """
    for fit in sorted(fits, key=lambda fit: fit.host != host):
        part = host.part_of(fit.host)
        usable = [formula for formula in fit.formulas.values() if names.issuperset(formula.coefficients_w)]
        if part is not None and usable:
            return _rated(fit, min(usable, key=lambda formula: formula.uncertainty), part, fit.host == host)
    return None


def _rated(fit: Fit, formula: Formula, part: float, is_same_kind: bool) -> Rating:
    """Return the fit's rating.

    Its relative variance is the sum of those of the held-out error, of the sensor's gain and, away from where it was
    made, of one processor from the next and of the part of a host.
    """
    uncertainty = math.hypot(
        formula.uncertainty,
        fit.gain_uncertainty,
        0.0 if fit.is_from_here else SAMPLE_UNCERTAINTY,
        0.0 if is_same_kind else PART_UNCERTAINTY,
    )
    # What the whole host shares falls to its parts by their size; what a busy CPU takes it takes in any of them.
    coefficients_w = {
        name: value * (part if name in (TIME, FIRST) else 1.0) for name, value in formula.coefficients_w.items()
    }
    where = "" if fit.is_from_here else " on another machine of its kind"
    if not is_same_kind:
        where = f" on a machine of which this is {part:.1%}"
    error = f"{COVERAGE_FACTOR_95 * formula.uncertainty:.0%}"
    return Rating(coefficients_w, uncertainty, f"calibrated on {fit.made_on}{where}, held-out error ±{error}")
