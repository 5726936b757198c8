"""Power over the last minutes as a small drawing: SVG without scripts, in the colour of the text around it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from greenllm_kernel.accounting.notation import power_text

LONGEST_S = 120.0
"""How much of the past is drawn, s."""

GAP_S = 3.0
"""Between readings that are further apart nothing was measured, and no line is drawn, s."""

WIDTH, HEIGHT, EDGE = 240, 40, 2
"""In pixels."""

Point = tuple[float, float]


def sparkline(course: Iterable[tuple[float, float | None]]) -> str:
    """Return the drawing, with what it shows in words; nothing where there are no two readings.

    Args:
        course: seconds, oldest first, and watts, None where they are not known.
    """
    points = [(at_s, power_w) for at_s, power_w in course if power_w is not None]
    if len(points) < 2:
        return ""
    end_s = points[-1][0]
    points = [(at_s, power_w) for at_s, power_w in points if at_s > end_s - LONGEST_S]
    most_w = max(power_w for _, power_w in points)
    begin_s = points[0][0]
    if most_w <= 0 or end_s <= begin_s:
        return ""
    scale = (WIDTH - 2 * EDGE) / (end_s - begin_s), (HEIGHT - 2 * EDGE) / most_w
    lines = "".join(_line([_place(point, begin_s, scale) for point in piece]) for piece in _pieces(points))
    words = f"Power over the last {end_s - begin_s:.0f} s, up to {power_text(most_w)}"
    return (
        f"<div><svg role='img' aria-label='{words}' width='{WIDTH}' height='{HEIGHT}' "
        f"viewBox='0 0 {WIDTH} {HEIGHT}' fill='none' stroke='currentColor' stroke-width='1.5'>{lines}</svg> "
        f"<small>{words}</small></div>"
    )


def _pieces(points: Sequence[Point]) -> Iterable[list[Point]]:
    piece: list[Point] = []
    for point in points:
        if piece and point[0] - piece[-1][0] > GAP_S:
            yield piece
            piece = []
        piece.append(point)
    yield piece


def _place(point: Point, begin_s: float, scale: Point) -> str:
    return f"{EDGE + (point[0] - begin_s) * scale[0]:.1f},{HEIGHT - EDGE - max(0.0, point[1]) * scale[1]:.1f}"


def _line(places: Sequence[str]) -> str:
    return f"<polyline points='{' '.join(places)}'/>"
