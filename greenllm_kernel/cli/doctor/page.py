"""What the doctor found, for people: in a terminal, or in a file."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from greenllm_kernel import __version__
from greenllm_kernel.accounting.notation import energy_text, power_text
from greenllm_kernel.accounting.record import ChannelEnergy
from greenllm_kernel.accounting.tables import STYLES
from greenllm_kernel.cli.doctor.examination import Examination, Examined
from greenllm_kernel.cli.doctor.notation import agreement_text, latency_text, noise_text, refresh_text, time_text
from greenllm_kernel.cli.doctor.own_cost import OwnCost
from greenllm_kernel.cli.doctor.surroundings import Finding
from greenllm_kernel.metering.meter import UnusableMeter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

GOOD, BAD, BEWARE = "[green]✓[/]", "[red]✗[/]", "[yellow]![/]"


def print_page(to: Console, found: Examination) -> None:
    """Print everything."""
    to.print(f"[bold]GreenLLM {__version__}[/]  Python {platform.python_version()} ({sys.executable})", soft_wrap=True)
    to.print("\n[bold]Meters[/]")
    for meter in found.meters:
        _print_meter(to, meter, found.record.duration_s)
    for unusable in found.unusable:
        _print_unusable(to, unusable)
    if not found.meters and not found.unusable:
        _line(to, BAD, "no meter was found: see the plugins below")
    _print_others(to, "nothing of the kind here, or only on request", found.silent)
    _print_others(to, "not in use_meters", found.unused)
    if found.own_cost is not None:
        _print_own_cost(to, found.own_cost)
    _print_findings(to, "Settings", found.settings)
    _print_findings(to, "JupyterLab", found.jupyter)
    if found.notes:
        to.print("\n[bold]Notes[/]")
        for note in found.notes:
            _line(to, BAD, note)


def _print_meter(to: Console, meter: Examined, duration_s: float) -> None:
    remark = f" ({meter.remark})" if meter.remark else ""
    _line(to, GOOD if meter.works else BAD, f"{meter.name}: {'works' if meter.works else 'gives no readings'}{remark}")
    _print_table(to, _channels(meter.channels, duration_s))
    if (measured := _measured(meter)).row_count:
        _print_table(to, measured)
    for warning in meter.warnings:
        _line(to, BEWARE, warning, indent=6)
    _print_remedy(to, meter.remedy)


def _channels(channels: Sequence[ChannelEnergy], duration_s: float) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for channel in channels:
        energy = channel.energy
        provenance = energy.provenance.value if energy else "unavailable"
        note = channel.fault or "" if channel.counted else "not in the total: another channel has it"
        table.add_row(
            escape(channel.label),
            channel.component.value,
            power_text(energy.value_j / duration_s if energy else None),
            f"{energy_text(energy)} in {duration_s:.1f} s" if energy else "",
            f"[{STYLES[provenance]}]{provenance}[/]",
            f"[dim]{escape(channel.channel_id)}[/]",
            f"[dim]{escape(note)}[/]",
        )
    return table


def _measured(meter: Examined) -> Table:
    """Return what the sensors are like: a block of lines for each, what the plugin declares in brackets."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for found in meter.characteristics.values():
        channel = found.channel
        rows = [("a read takes", latency_text(found))]
        if not channel.is_estimate:
            if found.counter is not None:
                rows.append(("counter refreshed every", refresh_text(found.counter, channel.update_period_s)))
            if found.power is not None:
                rows.append(("power refreshed every", refresh_text(found.power, channel.update_period_s)))
            if found.counter is not None and found.power is not None:
                rows.append(("counter / integrated power", agreement_text(found.agreement)))
            rows.append(("noise (standard deviation)", noise_text(found)))
        for number, (name, figure) in enumerate(rows):
            label = channel.label if number == 0 else ""
            table.add_row(f"[dim]{escape(label)}[/]", f"[dim]{name}[/]", escape(figure))
    return table


def _print_table(to: Console, table: Table) -> None:
    """Print a table without the blanks that fill its lines up."""
    from rich.text import Text

    for line in to.render_lines(table, to.options.update_width(max(1, to.width - 6)), pad=False):
        text = Text("      ").append_text(Text.assemble(*((part.text, part.style or "") for part in line)))
        text.rstrip()
        to.print(text, soft_wrap=True)


def _print_unusable(to: Console, unusable: UnusableMeter) -> None:
    _line(to, BAD, f"{unusable.name}: {unusable.reason}")
    _print_remedy(to, unusable.remedy)


def _print_others(to: Console, why: str, names: Sequence[str]) -> None:
    if names:
        to.print(f"    {why}: {', '.join(names)}", style="dim", markup=False, soft_wrap=True)


def _print_remedy(to: Console, remedy: str) -> None:
    if remedy:
        to.print(f"      {remedy}", style="dim", markup=False, soft_wrap=True)


def _print_own_cost(to: Console, cost: OwnCost) -> None:
    to.print("\n[bold]What measuring costs[/]")
    _line(to, GOOD, f"opening and closing a window: {time_text(cost.window_s)} in the cell's thread (median)")
    share = f"{100 * cost.sampler_share:.2g} % of a core"
    _line(to, GOOD, f"reading while a window is open: {share} (over {cost.seconds:.0f} s)")


def _print_findings(to: Console, title: str, findings: Sequence[Finding]) -> None:
    to.print(f"\n[bold]{title}[/]")
    for finding in findings:
        _line(to, GOOD if finding.is_good else BAD, finding.text)
        for detail in finding.details:
            to.print(f"      {detail}", markup=False, soft_wrap=True)
        _print_remedy(to, finding.remedy)


def _line(to: Console, mark: str, text: str, indent: int = 2) -> None:
    from rich.markup import escape

    to.print(f"{' ' * indent}{mark} {escape(text)}", soft_wrap=True)
