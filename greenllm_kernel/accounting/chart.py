"""Lays out a chart of power over time: lines for channels, bands for cells, and time between cells cut short."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenllm_kernel.accounting.notation import duration_text
from greenllm_kernel.accounting.record import Record
from greenllm_kernel.accounting.series import decimated
from greenllm_kernel.accounting.totals import outermost

WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 30, 30
"""Size and margins of the drawing, in its own units (one is a pixel at full width)."""

CUT_BEYOND = 0.03
"""A pause longer than this part of the measured time is drawn as a cut."""

CUT_WIDTH = 0.012
"""How wide a cut is drawn, as a part of the measured time."""

COLORS = 8
"""How many line colours the style has; more channels than that use them again."""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Band:
    """A cell's time: where it begins, how wide it is, and its label where there is room."""

    x: float
    width: float
    label: str
    is_odd: bool


@dataclass(frozen=True)
class Line:
    """One channel's power: its label, the number of its colour, and the points of each run."""

    label: str
    color: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """Everything the drawing needs, in its own units."""

    bands: tuple[Band, ...]
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    cuts: tuple[float, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class _Stretch:
    """A time that is drawn to scale: its begin and end by the clock, and where it begins on the axis, all s."""

    begin_s: float
    end_s: float
    axis_s: float


def power_chart(records: Sequence[Record], labels: Mapping[str, str]) -> Chart | None:
    """Return the power of each channel over the time of ``records``, or None where none has a power series.

    Args:
        records: of one session. Nested ones are left out: the records around them have the same readings.
        labels: what to write over a record's band, by run id.
    """
    shown = sorted(outermost(records), key=lambda record: record.started_at)
    series = {record.run_id: record.power() for record in shown}
    peak_w = max((w for channels in series.values() for points in channels.values() for _, w in points), default=None)
    if peak_w is None:
        return None
    stretches, cuts_s = _stretches(shown)
    whole_s = stretches[-1].axis_s + stretches[-1].end_s - stretches[-1].begin_s
    step_w = nice_step(max(peak_w, 1e-3), 5)
    top_w = step_w * math.ceil(max(peak_w, 1e-3) * 1.02 / step_w)

    def x(axis_s: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * axis_s / whole_s, 2)

    def y(power_w: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * max(0.0, power_w) / top_w, 2)

    bands, paths = [], dict[str, list[str]]()
    names: dict[str, str] = {}
    for number, record in enumerate(shown):
        begin_s = _axis_s(record.started_at.timestamp(), stretches)
        band_x, band_end = x(begin_s), x(begin_s + record.duration_s)
        label = labels.get(record.run_id, "")
        fits = band_end - band_x > 7.0 * len(label) + 4
        bands.append(Band(band_x, round(band_end - band_x, 2), label if fits else "", number % 2 == 1))
        for channel in record.channels:
            points = series[record.run_id].get(channel.channel_id)
            if points and channel.counted:
                names[channel.channel_id] = channel.label
                few = decimated(points, max(3, int(band_end - band_x)))
                path = " ".join(f"{x(begin_s + t)},{y(w)}" for t, w in few)
                paths.setdefault(channel.channel_id, []).append(path)
    twins = {name for name in names.values() if list(names.values()).count(name) > 1}
    return Chart(
        bands=tuple(bands),
        lines=tuple(
            Line(f"{names[key]} ({key})" if names[key] in twins else names[key], i % COLORS, tuple(paths[key]))
            for i, key in enumerate(sorted(paths))
        ),
        x_ticks=tuple(
            Tick(x(s), f"{s:g} s" if s < 60 else duration_text(s)) for s in _steps(whole_s, nice_time_step(whole_s, 8))
        ),
        y_ticks=tuple(Tick(y(w), f"{w:g}") for w in _steps(top_w, step_w)),
        cuts=tuple(x(at_s) for at_s in cuts_s),
    )


def nice_step(span: float, most: int) -> float:
    """Return 1, 2 or 5 times a power of ten, so that at most ``most`` steps cover ``span`` (above 0)."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power * most >= span)


def nice_time_step(span_s: float, most: int) -> float:
    """Return a round number of seconds, minutes or hours, so that at most ``most`` steps cover ``span_s``."""
    if span_s / most <= 5:
        return nice_step(span_s, most)
    round_s = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200]
    return next((step for step in round_s if step * most >= span_s), nice_step(span_s, most))


def _stretches(records: Sequence[Record]) -> tuple[list[_Stretch], list[float]]:
    spans = sorted((r.started_at.timestamp(), r.started_at.timestamp() + r.duration_s) for r in records)
    measured_s = math.fsum(end - begin for begin, end in spans) or 1.0
    joined: list[list[float]] = []
    for begin, end in spans:
        if joined and begin - joined[-1][1] <= CUT_BEYOND * measured_s:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    stretches: list[_Stretch] = []
    cuts: list[float] = []
    axis_s = 0.0
    for begin, end in joined:
        if stretches:
            cuts.append(axis_s + CUT_WIDTH * measured_s / 2)
            axis_s += CUT_WIDTH * measured_s
        # A stretch of no length (a cell that did nothing) still needs a place.
        end = max(end, begin + 1e-6)
        stretches.append(_Stretch(begin, end, axis_s))
        axis_s += end - begin
    return stretches, cuts


def _axis_s(clock_s: float, stretches: Sequence[_Stretch]) -> float:
    stretch = next((s for s in reversed(stretches) if s.begin_s <= clock_s), stretches[0])
    return stretch.axis_s + clock_s - stretch.begin_s


def _steps(span: float, step: float) -> list[float]:
    return [i * step for i in range(int(span / step * (1 + 1e-9)) + 1)]
