"""What ``%energy idle`` does: it measures the idle machine, and says what it draws."""

from __future__ import annotations

import math
import sys
import time

from IPython.core.error import UsageError

from greenllm_kernel.accounting.notation import percent_text, power_text
from greenllm_kernel.accounting.session import Session
from greenllm_kernel.metering.idle.baseline import Baseline, How
from greenllm_kernel.metering.idle.stretch import DRIFT_UNCERTAINTY, Finding, IdleStretch
from greenllm_kernel.metering.meter import Channel
from greenllm_kernel.notebook.progress_line import ProgressLine
from greenllm_kernel.quantities import COVERAGE_FACTOR_95

USUAL_S = 10.0
"""How long the machine is measured, s."""

LEAST_S, MOST_S = 3.0, 3600.0
"""A shorter stretch tells little, and nobody waits for a longer one, s."""

FIND_S = 10.0
"""How long meters are looked for, s."""


def seconds_of(text: str | None) -> float:
    """Return how long to measure, s.

    Raises:
        UsageError: ``text`` is not a number of seconds that makes sense.
    """
    try:
        seconds = USUAL_S if text is None else float(text)
    except ValueError:
        seconds = math.nan
    if not LEAST_S <= seconds <= MOST_S:
        raise UsageError(f"%energy idle {text}: expected seconds, from {LEAST_S:g} to {MOST_S:g}")
    return seconds


def measure_idle(session: Session, seconds: float) -> None:
    """Measure for so long while nothing should run, and print the idle power of each channel.

    What was found is the baseline from now on; where a channel was not idle, and after an interrupt, the former stays.
    """
    session.find_meters(FIND_S)
    if not session.sampler.readers:
        print("No meter works here, so there is no idle power to measure; %energy status says why.")
        return
    progress = ProgressLine(sys.stdout, "Measuring the idle machine", after_s=0.0)
    stretch = IdleStretch(session.sampler, How.MEASURED)
    try:
        while (left_s := seconds - stretch.elapsed_s) > 0:
            progress.say(f"{math.ceil(left_s)} s left; let it rest.")
            time.sleep(min(1.0, left_s))
        findings = stretch.end()
    finally:
        stretch.cancel()
        progress.end()
    session.keep_baselines(findings)
    for finding in findings:
        print(f"  {finding.channel.label}: {_outcome(finding, session.sampler.baselines.of(finding.channel))}")
    if any(finding.baseline is not None for finding in findings):
        drift = percent_text(DRIFT_UNCERTAINTY)
        print(f"The intervals (95 %) allow for idle power to drift by {drift} (standard uncertainty) from now on.")


def baseline_text(channel: Channel, baseline: Baseline | None) -> str:
    """Return an idle power with its 95 % interval, how it was come by, and when."""
    if baseline is None:
        return "idle power not known yet"
    relative = math.hypot(channel.gain_uncertainty, channel.model_uncertainty)
    half_width_w = COVERAGE_FACTOR_95 * math.hypot(baseline.uncertainty_w, relative * baseline.power_w)
    interval_w = (max(0.0, baseline.power_w - half_width_w), baseline.power_w + half_width_w)
    at = baseline.taken_at.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"idle {power_text(baseline.power_w, interval_w)}, {baseline.how} {at} over {baseline.duration_s:.1f} s"


def _outcome(finding: Finding, holding: Baseline | None) -> str:
    note = f" ({finding.note})" if finding.note else ""
    if finding.baseline is not None:
        return baseline_text(finding.channel, finding.baseline) + note
    rest = f"; before: {baseline_text(finding.channel, holding)}" if holding else ""
    return f"not measured: {finding.note}{rest}"
