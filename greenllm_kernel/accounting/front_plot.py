"""Energy against quality as a small drawing: SVG without scripts, in the colour of the text around it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenllm_kernel.accounting.chart import nice_step
from greenllm_kernel.quantities import Interval

WIDTH, HEIGHT = 520, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 20, 40
"""Size and margins, in pixels; names stand to the right of their points."""

PADDING = 0.08
"""What is left free around the points, as a part of their span."""

MOST_TICKS = 5

LABEL_HEIGHT = 13
"""Of a name, in pixels: names that would stand closer are moved apart."""


@dataclass(frozen=True)
class Point:
    """A contender: its name, what it draws for a unit (J) and its quality, each with a 95 % interval."""

    name: str
    energy: tuple[float, Interval]
    quality: tuple[float, Interval | None]
    is_on_front: bool
    is_baseline: bool = False


def front_plot(points: Sequence[Point], energy_name: str, quality_name: str) -> str:
    """Return the drawing; in both directions less is better. What it shows stands beside it, too.

    Contenders on the front are filled and joined by a line, the others hollow; the baseline is a square.

    Args:
        points: at least one.
        energy_name: of the axis to the right.
        quality_name: of the axis upwards.
    """
    across = _Axis.over((end for point in points for end in point.energy[1]), LEFT, WIDTH - RIGHT)
    up = _Axis.over(
        (end for point in points for end in (point.quality[1] or (point.quality[0],))), HEIGHT - BOTTOM, TOP
    )
    placed = [(point, across.at(point.energy[0]), up.at(point.quality[0])) for point in points]
    front = sorted((x, y) for point, x, y in placed if point.is_on_front)
    best = ", ".join(point.name for point, _, _ in placed if point.is_on_front)
    words = html.escape(
        f"{quality_name} against {energy_name} of {len(points)} models; on the front: {best}", quote=True
    )
    pieces = [
        *_grid(across, up, energy_name, quality_name),
        f"<polyline points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in front)}' stroke-dasharray='4 3'/>",
        *(_mark(point, x, y, across, up) for point, x, y in placed),
        *_names(placed),
    ]
    return (
        f"<div><svg role='img' aria-label='{words}' width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}' "
        f"fill='none' stroke='currentColor' stroke-width='1.2' style='max-width:100%'>{''.join(pieces)}</svg></div>"
    )


@dataclass(frozen=True)
class _Axis:
    """From where to where in figures, and in pixels."""

    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def over(cls, figures: Iterable[float], begin: float, end: float) -> _Axis:
        known = list(figures)
        low, high = min(known), max(known)
        room = (high - low) * PADDING or abs(high) * PADDING or 1.0
        return cls(low - room, high + room, begin, end)

    def at(self, figure: float) -> float:
        return self.begin + (self.end - self.begin) * (figure - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        step = nice_step(self.high - self.low, MOST_TICKS)
        first = -int(-self.low // step)
        return [number * step for number in range(first, int(self.high // step) + 1)]


def _grid(across: _Axis, up: _Axis, energy_name: str, quality_name: str) -> Iterable[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    yield f"<path d='M{LEFT} {TOP}V{bottom}H{right}' stroke-opacity='0.5'/>"
    for tick in across.ticks():
        yield _text(across.at(tick), bottom + 14, f"{tick:.6g}", "middle")
    for tick in up.ticks():
        yield _text(LEFT - 6, up.at(tick) + 4, f"{tick:.6g}", "end")
    yield _text((LEFT + right) / 2, HEIGHT - 8, energy_name, "middle")
    middle = (TOP + bottom) / 2
    yield f"<g transform='rotate(-90 12 {middle})'>{_text(12, middle, quality_name, 'middle')}</g>"


def _mark(point: Point, x: float, y: float, across: _Axis, up: _Axis) -> str:
    low, high = (across.at(end) for end in point.energy[1])
    bars = f"M{low:.1f} {y:.1f}H{high:.1f}"
    if point.quality[1] is not None:
        below, above = (up.at(end) for end in point.quality[1])
        bars += f"M{x:.1f} {below:.1f}V{above:.1f}"
    fill = " fill='currentColor'" if point.is_on_front else ""
    shape = (
        f"<rect x='{x - 4:.1f}' y='{y - 4:.1f}' width='8' height='8'{fill}/>"
        if point.is_baseline
        else f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4.5'{fill}/>"
    )
    return f"<path d='{bars}' stroke-opacity='0.6'/>{shape}"


def _names(placed: Sequence[tuple[Point, float, float]]) -> Iterable[str]:
    """Yield the names beside their points, from top to bottom, none on another."""
    last = -float(LABEL_HEIGHT)
    for point, x, y in sorted(placed, key=lambda one: one[2]):
        last = max(y - 6, last + LABEL_HEIGHT)
        name = f"{point.name} (baseline)" if point.is_baseline else point.name
        yield _text(x + 6, last, name, "start")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='11' fill='currentColor' stroke='none'>"
        f"{html.escape(text)}</text>"
    )
