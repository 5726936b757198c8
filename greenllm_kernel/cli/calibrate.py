"""``greenllm calibrate``: fits the estimate's model to a sensor, and keeps the fit for hosts of the same kind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenllm_kernel.cli.command_error import USAGE, CommandError
from greenllm_kernel.cli.load_programme import Step, cpus_at_hand, programme, running
from greenllm_kernel.cli.output import console
from greenllm_kernel.cli.progress import Progress
from greenllm_kernel.cli.sensed_power import SensedPower
from greenllm_kernel.configuration import Configuration
from greenllm_kernel.metering.calibration.files import keep, read
from greenllm_kernel.metering.calibration.fit import CalibratableMeter, Fit, Formula, this_machine
from greenllm_kernel.metering.calibration.fitting import IDLE, Observation, formula, held_out_errors, power_w
from greenllm_kernel.metering.meter import Meter, UnusableMeter
from greenllm_kernel.plugins import Plugins
from greenllm_kernel.quantities import COVERAGE_FACTOR_95

if TYPE_CHECKING:
    from rich.console import Console

LEAST_STEP_S = 0.5
"""Shorter steps measure little but the 10 ms in which CPU times are counted, s."""

LEAST_REFRESHES = 5
"""A step must see the sensor refresh this often."""

WARM_UP_SHARE, LONGEST_WARM_UP_S = 0.2, 2.0
"""How much of a step passes before it is measured: frequencies and voltages follow a load with a delay."""

WORST_UNCERTAINTY = 0.5
"""A fit whose held-out error (as a relative standard uncertainty) is larger tells nothing the table does not."""

PROCESSOR_SENSORS = ("rapl", "rapl_perf", "hwmon", "apple")
"""Meters that can sense a processor's power: where none does, a user is told why not."""

UNQUIET_RATIO = 1.2
"""If the power of the idle steps differs by more, something else was running."""

UNQUIET_SHARE = 0.1
"""If an idle step shows more than this part of the highest load, likewise."""


def calibrate(seconds: int, output: Path | None = None) -> int:
    """Run the load programme, fit, and keep the fit; print how well it foretells loads it has not seen.

    Args:
        seconds: how long the loads run in all, s.
        output: where to write the fit beside Jupyter's data folder; None: nowhere.

    Raises:
        CommandError: nothing can be fitted here (no sensor, no model), or the fit is of no use.
        CalibrationError: no coefficients fit, or the file cannot be written.
    """
    steps = programme(cpus_at_hand())
    step_s = seconds / len(steps)
    if step_s < LEAST_STEP_S:
        raise CommandError(f"{len(steps)} steps need {len(steps) * LEAST_STEP_S:.0f} s or more: --seconds", USAGE)
    configuration = Configuration.load()
    to, progress_to = console(), console(to_stderr=True)
    meters, unusable, notes = _found(configuration)
    model = _model(meters)
    sensing = [meter for meter in meters if meter is not model]
    used = [meter for meter in sensing if configuration.use_meters is None or meter.name in configuration.use_meters]
    for meter in sensing:
        if meter not in used:
            meter.close()
    sensed = SensedPower(used, model.channels()[0].component)
    try:
        if not sensed.works:
            raise CommandError(_nothing_senses(unusable, sensed.faults), USAGE)
        slowest_s = max(channel.update_period_s for channel in sensed.channels)
        if slowest_s * LEAST_REFRESHES > step_s:
            least_s = len(steps) * LEAST_REFRESHES * slowest_s
            raise CommandError(f"the sensor is refreshed every {slowest_s:g} s: --seconds {least_s:.0f} or more", USAGE)
        to.print(f"Fitting {model.name} of {model.host} to {_listed(sensed)}", markup=False)
        observations = _observe(steps, step_s, model, sensed, progress_to)
        fit = _fitted(model, sensed, observations)
    finally:
        sensed.close()
        model.close()
    best = min(fit.formulas.values(), key=lambda formula: formula.uncertainty)
    _print_fit(to, steps, observations, fit, best)
    if best.uncertainty > WORST_UNCERTAINTY:
        raise CommandError(f"the held-out error is {best.held_out_rms:.0%}: no use, and nothing is kept")
    remarks = _remarks(observations, list(best.coefficients_w)[-1], configuration, model.name)
    _print_notes(to, [*notes, *remarks])
    for path in (keep(fit), *([keep(fit, output)] if output is not None else [])):
        to.print(f"Kept: {path}", markup=False, soft_wrap=True)
    return 0


def import_fit(source: Path) -> int:
    """Take over a fit made elsewhere.

    Raises:
        CommandError: it is for other hosts than this one.
        CalibrationError: the file is no fit.
    """
    fit = read(source)
    meters, _, notes = _found(Configuration.load())
    for meter in meters:
        meter.close()
    models = [meter for meter in meters if isinstance(meter, CalibratableMeter) and meter.name == fit.meter]
    if not models:
        raise CommandError(f"{source} is for the meter {fit.meter}, which is not there; see greenllm doctor")
    if models[0].host.part_of(fit.host) is None:
        raise CommandError(f"{source} was made on {fit.host}, and this is {models[0].host}: it does not serve here")
    to = console()
    to.print(f"Kept: {keep(fit)}", markup=False, soft_wrap=True)
    _print_notes(to, notes)
    return 0


def _found(configuration: Configuration) -> tuple[list[Meter], list[UnusableMeter], list[str]]:
    """Return all plugins' meters, those that cannot work, and what went wrong with plugins."""
    notes: list[str] = []
    answers = Plugins(configuration.disable_plugins, notes.append).call("greenllm_meters", config=configuration)
    found = [meter for answer in answers for meter in answer]
    meters = [meter for meter in found if isinstance(meter, Meter)]
    return meters, [meter for meter in found if isinstance(meter, UnusableMeter)], notes


def _model(meters: Sequence[Meter]) -> CalibratableMeter:
    for meter in meters:
        if isinstance(meter, CalibratableMeter):
            return meter
    raise CommandError("there is no estimate to be fitted; is cpu_model in disable_plugins? See greenllm doctor", USAGE)


def _nothing_senses(unusable: Sequence[UnusableMeter], faults: Sequence[str]) -> str:
    lines = ["no sensor tells the processor's power here, so there is nothing to fit the estimate to."]
    for meter in unusable:
        if meter.name not in PROCESSOR_SENSORS:
            continue
        lines.append(f"  {meter.name}: {meter.reason}")
        lines.extend([f"      {meter.remedy}"] if meter.remedy else [])
    lines.extend(f"  {fault}" for fault in faults)
    lines.append("Or run greenllm calibrate --output FILE.json on a machine with the same processor, and here")
    lines.append("greenllm calibrate --import FILE.json")
    return "\n".join(lines)


def _listed(sensed: SensedPower) -> str:
    return ", ".join(channel.label for channel in sensed.channels)


def _observe(
    steps: Sequence[Step], step_s: float, model: CalibratableMeter, sensed: SensedPower, to: Console
) -> list[Observation]:
    warm_up_s = min(LONGEST_WARM_UP_S, WARM_UP_SHARE * step_s)
    observations: list[Observation] = []
    with Progress(to, len(steps)) as progress:
        for step in steps:
            progress.begin(str(step))
            looks: list[tuple[float, Mapping[str, float]]] = []
            look = partial(_look, model, looks)
            with running(step):
                time.sleep(warm_up_s)
                power = sensed.measure(step_s - warm_up_s, look)
            (start_s, before), (end_s, after) = looks[0], looks[-1]
            rates = {name: (after[name] - before[name]) / (end_s - start_s) for name in after}
            observations.append(Observation(step.kind, rates, power))
            progress.end()
    return observations


def _look(model: CalibratableMeter, looks: list[tuple[float, Mapping[str, float]]]) -> None:
    looks.append((time.monotonic(), model.features()))


def _fitted(model: CalibratableMeter, sensed: SensedPower, observations: Sequence[Observation]) -> Fit:
    told = set(observations[0].rates)
    formulas = {
        name: formula(observations, features) for name, features in model.formulas.items() if told >= {*features}
    }
    return Fit(
        meter=model.name,
        host=model.host,
        made_on=datetime.now(UTC).astimezone().date().isoformat(),
        machine=this_machine(),
        sensors=[channel.label for channel in sensed.channels],
        gain_uncertainty=sensed.gain_uncertainty,
        formulas=formulas,
        steps=[{"kind": seen.kind, "rates": dict(seen.rates), "power_w": seen.power_w} for seen in observations],
    )


def _remarks(observations: Sequence[Observation], load: str, configuration: Configuration, meter: str) -> list[str]:
    remarks: list[str] = []
    idle = [seen for seen in observations if seen.kind == IDLE]
    idle_w = [seen.power_w for seen in idle]
    share = max(seen.rates[load] for seen in idle) / max(seen.rates[load] for seen in observations)
    if max(idle_w) > UNQUIET_RATIO * min(idle_w) or share > UNQUIET_SHARE:
        figures = f"{min(idle_w):.3g} to {max(idle_w):.3g} W, at up to {share:.0%} of the highest load"
        remarks.append(f"something else was running: the idle steps drew {figures}; run it again on a quiet machine")
    if "tdp_w" in configuration.meters.get(meter, {}):
        remarks.append(f"tdp_w is set under [meters.{meter}] and goes before the fit; take it out to use the fit")
    return remarks


def _print_fit(
    to: Console, steps: Sequence[Step], observations: Sequence[Observation], fit: Fit, best: Formula
) -> None:
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    features = list(best.coefficients_w)
    table.add_column("Step")
    for title in (*features[1:], "Sensed", "Held out", "Error"):
        table.add_column(title, justify="right")
    errors = held_out_errors(observations, features)
    for step, seen, error in zip(steps, observations, errors, strict=True):
        rates = [f"{seen.rates[name]:.2f}" for name in features[1:]]
        watts = [f"{watts:.3g} W" for watts in (seen.power_w, seen.power_w * (1.0 + error))]
        table.add_row(str(step), *rates, *watts, f"{error:+.0%}")
    to.print(Padding(table, (1, 0, 1, 2)))
    for name, fitted in fit.formulas.items():
        terms = " + ".join(f"{watts:.3g} W x {feature}" for feature, watts in fitted.coefficients_w.items())
        mark = "  <- used here" if fitted is best else ""
        errors_told = f"{fitted.held_out_rms:.1%} RMS, {fitted.held_out_95:.1%} (95 % quantile)"
        to.print(f"{name}: {terms}", markup=False, soft_wrap=True)
        to.print(f"    held-out error {errors_told}{mark}", markup=False, soft_wrap=True)
    idle = next(seen for seen in observations if seen.kind == IDLE)
    half_width = COVERAGE_FACTOR_95 * (best.uncertainty**2 + fit.gain_uncertainty**2) ** 0.5
    figures = (
        f"idle {power_w(best.coefficients_w, idle.rates):.3g} W, interval of the estimate ±{half_width:.0%} (95 %)"
    )
    to.print(f"On this machine: {figures}", markup=False)


def _print_notes(to: Console, notes: Sequence[str]) -> None:
    for note in notes:
        to.print(f"Note: {note}", markup=False, soft_wrap=True)
