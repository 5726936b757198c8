/** What is drawn on a chart's canvas: lines and areas of columns in which NaN breaks the line, and what marks them. */
import type uPlot from 'uplot';
import type { Column } from '../columns';
import type { Span } from './chart-view';

/** What is filled below a line: nothing, all down to the axis, or down to the line before. */
export type Fill = 'none' | 'foot' | 'line before';

/** A dashed line across the chart. */
export interface ChartLimit {
  readonly value: number;
  readonly name: string;
}

/** A stretch of time that is shaded. */
export interface ChartShade {
  readonly span: Span;
  readonly isMarked: boolean;
}

/** uPlot's flag for "clip the filling where a band says so"; nothing here is clipped. */
const NO_CLIPS = 0;
/** A point with a break on either side is drawn as a dash of this width. */
const LONE_PX = 2;
const LABEL_PX = 10;
const LIMIT_DASH = [5, 4];

/** Takes instants and values to pixels of the canvas. */
type Place = (value: number) => number;
type Places = readonly [x: Place, y: Place];

type Rows = readonly [first: number, last: number];

export function linePaths(fill: Fill): uPlot.Series.PathBuilder {
  return (chart, index, first, last) => {
    const times = chart.data[0] as Column;
    const values = chart.data[index] as Column;
    const before = fill === 'line before' && index > 1 ? (chart.data[index - 1] as Column) : null;
    const places = placesOf(chart);
    const stroke = new Path2D();
    const pieces = trace(stroke, times, values, first, last, places);
    if (fill === 'none') {
      return { stroke, fill: null, clip: null, flags: NO_CLIPS };
    }
    // Mostly a line has one piece, and its area begins with what was traced.
    const isWhole = pieces.length === 1;
    const area = isWhole ? new Path2D(stroke) : new Path2D();
    const foot = chart.bbox.top + chart.bbox.height;
    for (const [from, to] of pieces) {
      if (!isWhole) {
        trace(area, times, values, from, to, places);
      }
      closeBelow(area, times, before, from, to, places, foot);
    }
    return { stroke, fill: area, clip: null, flags: NO_CLIPS };
  };
}

/** Trace each stretch without a break; returns the first and the last row of each. */
function trace(
  path: Path2D,
  times: Column,
  values: Column,
  first: number,
  last: number,
  [x, y]: Places
): Rows[] {
  const pieces: Rows[] = [];
  let from = -1;
  for (let row = first; row <= last; row++) {
    const value = values[row] ?? NaN;
    const isBreak = Number.isNaN(value);
    if (!isBreak && from >= 0) {
      path.lineTo(x(times[row] ?? 0), y(value));
    } else if (!isBreak) {
      from = row;
      path.moveTo(x(times[row] ?? 0), y(value));
    } else if (from >= 0) {
      pieces.push([from, row - 1]);
      from = -1;
    }
  }
  if (from >= 0) {
    pieces.push([from, last]);
  }
  for (const [row, to] of pieces) {
    if (row === to) {
      const [px, py] = [x(times[row] ?? 0), y(values[row] ?? 0)];
      path.moveTo(px - LONE_PX / 2, py);
      path.lineTo(px + LONE_PX / 2, py);
    }
  }
  return pieces;
}

/** From the end of a traced piece down, along the line before or the axis, and back to its beginning. */
function closeBelow(
  path: Path2D,
  times: Column,
  before: Column | null,
  from: number,
  to: number,
  [x, y]: Places,
  foot: number
): void {
  const reach = from === to ? LONE_PX / 2 : 0;
  if (before && from < to) {
    for (let row = to; row >= from; row--) {
      path.lineTo(x(times[row] ?? 0), y(before[row] ?? 0));
    }
  } else {
    const bottom = before ? y(before[from] ?? 0) : foot;
    path.lineTo(x(times[to] ?? 0) + reach, bottom);
    path.lineTo(x(times[from] ?? 0) - reach, bottom);
  }
  path.closePath();
}

function placesOf({ bbox, scales }: uPlot): Places {
  const [from, to] = [scales.x?.min ?? 0, scales.x?.max ?? 1];
  const [low, high] = [scales.y?.min ?? 0, scales.y?.max ?? 1];
  const perSecond = bbox.width / (to - from);
  const perUnit = bbox.height / (high - low);
  const foot = bbox.top + bbox.height;
  return [time => bbox.left + (time - from) * perSecond, value => foot - (value - low) * perUnit];
}

/** Shade stretches of time, behind everything. */
export function drawShades(chart: uPlot, shades: readonly ChartShade[], color: string): void {
  const { ctx, bbox } = chart;
  const [x] = placesOf(chart);
  const right = bbox.left + bbox.width;
  ctx.save();
  ctx.fillStyle = color;
  for (const { span, isMarked } of shades) {
    const from = Math.max(x(span[0]), bbox.left);
    const to = Math.min(Math.max(x(span[1]), from + 1), right);
    ctx.globalAlpha = isMarked ? 0.22 : 0.07;
    ctx.fillRect(from, bbox.top, to - from, bbox.height);
  }
  ctx.restore();
}

/** Draw dashed lines across, with their names. */
export function drawLimits(
  chart: uPlot,
  limits: readonly ChartLimit[],
  color: string,
  font: string
): void {
  const { ctx, bbox } = chart;
  const scale = pixelRatio(chart);
  const [, y] = placesOf(chart);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = scale;
  ctx.setLineDash(LIMIT_DASH.map(length => length * scale));
  ctx.font = font;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'bottom';
  for (const { value, name } of limits) {
    const at = Math.round(y(value)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(bbox.left, at);
    ctx.lineTo(bbox.left + bbox.width, at);
    ctx.stroke();
    ctx.fillText(name, bbox.left + 2 * scale, at - scale);
  }
  ctx.restore();
}

/** Name the lines at their last point, as far as the names do not cover one another. */
export function drawNames(
  chart: uPlot,
  lines: readonly { readonly name: string; readonly fill: Fill }[],
  color: string,
  halo: string,
  font: string
): void {
  const { ctx, bbox, data } = chart;
  const scale = pixelRatio(chart);
  const [x, y] = placesOf(chart);
  const row = lastRow(chart);
  const height = LABEL_PX * scale;
  const end = x((data[0] as Column)[row] ?? 0) + 3 * scale;
  const right = bbox.left + bbox.width - 2 * scale;
  const taken: number[] = [];
  ctx.save();
  ctx.font = font;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.lineWidth = 3 * scale;
  ctx.lineJoin = 'round';
  ctx.strokeStyle = halo;
  ctx.fillStyle = color;
  lines.forEach(({ name, fill }, index) => {
    const value = (data[index + 1] as Column | undefined)?.[row] ?? NaN;
    const before = index > 0 ? ((data[index] as Column)[row] ?? 0) : 0;
    const [top, bottom] = [y(value), y(before)];
    const at = fill === 'line before' ? (top + bottom) / 2 : top - height * 0.6;
    const fits = !Number.isNaN(at) && (fill !== 'line before' || bottom - top > height);
    if (name !== '' && fits && taken.every(other => Math.abs(other - at) >= height)) {
      taken.push(at);
      const start = Math.min(end, right - ctx.measureText(name).width);
      ctx.strokeText(name, start, at);
      ctx.fillText(name, start, at);
    }
  });
  ctx.restore();
}

/** Pixels of the canvas for one of CSS. */
export function pixelRatio({ ctx, width }: uPlot): number {
  return ctx.canvas.width / width;
}

/** The last row that is in the picture and is not a break. */
function lastRow({ data, scales }: uPlot): number {
  const times = data[0] as Column;
  const columns = data.slice(1) as Column[];
  const to_s = scales.x?.max ?? Infinity;
  let row = times.length - 1;
  while (row > 0 && ((times[row] ?? 0) > to_s || columns.every(c => Number.isNaN(c[row])))) {
    row -= 1;
  }
  return row;
}

/** A colour of the theme, so much of it; what is not understood stays as it is. */
export function translucent(color: string, alpha: number): string {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) {
    return color;
  }
  // A canvas gives colours back as "#rrggbb" or "rgba(r, g, b, a)".
  context.fillStyle = color;
  return withAlpha(context.fillStyle, alpha);
}

export function withAlpha(color: string, alpha: number): string {
  const hex = /^#[\da-f]{6}$/i.test(color) ? Math.round(alpha * 255).toString(16) : null;
  if (hex !== null) {
    return `${color}${hex.padStart(2, '0')}`;
  }
  return color.replace(
    /^rgba\((.*),\s*([\d.]+)\)$/,
    (_, rgb: string, own: string) => `rgba(${rgb}, ${Number(own) * alpha})`
  );
}
