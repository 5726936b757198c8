/** One small chart over time, drawn by uPlot from columns it is given, which it does not copy. */
import * as React from 'react';
import type uPlot from 'uplot';
import { clockFor } from '../clock';
import type { Column } from '../columns';
import type { Span } from './chart-view';
import { useEnvironment } from './environment';
import { systemColor, useForcedColors } from './forced-colors';
import {
  drawLimits,
  drawNames,
  drawShades,
  linePaths,
  pixelRatio,
  translucent,
  type ChartLimit,
  type ChartShade,
  type Fill
} from './line-paths';
import type { LineStyle } from './lines';

export interface ChartLine extends LineStyle {
  /** Stands at the line's end; empty: none. */
  readonly name: string;
  readonly fill: Fill;
  /** How much the filling hides, 0 to 1. */
  readonly alpha: number;
}

/** What a chart draws, and on which scale. */
export interface ChartPicture {
  /** Times (s since the epoch), then one column for each line. */
  readonly columns: readonly Column[];
  readonly lines: readonly ChartLine[];
  readonly limits: readonly ChartLimit[];
  /** Lowest and highest value on the scale. */
  readonly range: readonly [low: number, high: number];
}

export interface TimeChartProps extends ChartPicture {
  /** What a screen reader calls it; the same as long as it is there. */
  name: string;
  /** Ids of the texts that say what it shows, and what the keys do. */
  describedBy: string;
  /** CSS px. */
  width: number;
  height: number;
  span: Span;
  shades: readonly ChartShade[];
  formatTick: (value: number) => string;
  /** Charts with the same key move their cursors together. */
  syncKey: string;
  /** Changes with the theme. */
  theme: string;
  /** Changes with anything that is drawn. */
  version: string;
  /** The instant under the pointer, s; null where there is none. */
  onHover: (time_s: number | null) => void;
  /** The pointer went down, perhaps to select. */
  onGrab: () => void;
  onSelect: (span: Span) => void;
  onReset: () => void;
  onKeyDown: (event: React.KeyboardEvent) => void;
}

/** Beside the plot, for the axis on the left and half a label on the right, px. */
export const AXIS_WIDTH_PX = 52;
export const RIGHT_PX = 6;
const TIME_AXIS_PX = 22;
/** A drag below this is a click, px. */
const DRAG_PX = 4;
/** Instead of which of the theme's colours stands which of the system's; all others are that of text. */
const SYSTEM_COLORS: Readonly<Record<string, string>> = {
  '--jp-border-color2': 'GrayText',
  '--jp-layout-color1': 'Canvas'
};

export function TimeChart(props: TimeChartProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const host = React.useRef<HTMLDivElement>(null);
  const chart = React.useRef<uPlot | null>(null);
  const latest = React.useRef(props);
  latest.current = props;

  const isForced = useForcedColors();
  const look = JSON.stringify([props.lines, props.theme, isForced]);
  React.useEffect(() => {
    const node = host.current;
    if (!node) {
      return;
    }
    let isGone = false;
    void library().then(UPlot => {
      if (UPlot && !isGone) {
        const color = isForced ? forcedColor : themeColor(node);
        chart.current = new UPlot(optionsFor(node, color, latest), dataOf(latest.current), node);
      }
    });
    return () => {
      isGone = true;
      chart.current?.destroy();
      chart.current = null;
    };
  }, [look]);

  React.useLayoutEffect(() => {
    // In the next frame: before it writes on a canvas the browser lays out what has just changed in the page.
    const frame = requestAnimationFrame(() => {
      // One of other lines is about to be made anew.
      if (chart.current?.series.length === 1 + latest.current.lines.length) {
        show(chart.current, latest.current);
      }
    });
    return () => cancelAnimationFrame(frame);
  }, [props.version]);

  // A screen reader passes the arrow keys on to an application; those of a picture it keeps for itself.
  return (
    <div
      ref={host}
      className="greenllm-Chart"
      role="application"
      tabIndex={0}
      aria-roledescription={trans.__('chart')}
      aria-label={props.name}
      aria-describedby={props.describedBy}
      style={{ height: props.height }}
      onKeyDown={props.onKeyDown}
      onMouseDown={props.onGrab}
    />
  );
}

let loading: Promise<typeof uPlot | null> | null = null;

/** uPlot, loaded when the first chart is drawn; null where it cannot be had now. */
function library(): Promise<typeof uPlot | null> {
  loading ??= import('uplot').then(
    loaded => loaded.default,
    (reason: unknown) => {
      console.warn('GreenLLM: the chart could not be loaded; its table has the figures.', reason);
      loading = null;
      return null;
    }
  );
  return loading;
}

/** References to the columns. */
function dataOf({ columns }: TimeChartProps): uPlot.AlignedData {
  return [...columns];
}

function show(chart: uPlot, props: TimeChartProps): void {
  const { width, height, span, range } = props;
  if (chart.width !== width || chart.height !== height) {
    chart.setSize({ width, height });
  }
  chart.batch(() => {
    chart.setData(dataOf(props), false);
    chart.setScale('x', { min: span[0], max: span[1] });
    chart.setScale('y', { min: range[0], max: range[1] });
  });
}

/** The colour of a variable of the theme. */
type ColorOf = (variable: string) => string;

function themeColor(node: HTMLElement): ColorOf {
  const style = getComputedStyle(node);
  return variable => style.getPropertyValue(variable).trim() || 'gray';
}

/** Where the system chooses all colours: lines are told apart by their dashes. */
function forcedColor(variable: string): string {
  return systemColor(SYSTEM_COLORS[variable] ?? 'CanvasText');
}

function optionsFor(
  node: HTMLElement,
  color: ColorOf,
  latest: React.MutableRefObject<TimeChartProps>
): uPlot.Options {
  const font = `10px ${getComputedStyle(node).fontFamily}`;
  const axis = {
    stroke: color('--jp-ui-font-color2'),
    font,
    grid: { stroke: color('--jp-border-color2'), width: 0.5 },
    ticks: { show: false }
  };
  // Read now, not while drawing: that would have the browser work out the page's styles in every frame.
  const marks: MarkColors = {
    shade: color('--jp-brand-color1'),
    limit: color('--jp-error-color1'),
    name: color('--jp-ui-font-color1'),
    halo: color('--jp-layout-color1')
  };
  const { lines, width, height, syncKey } = latest.current;
  return {
    width,
    height,
    padding: [6, RIGHT_PX, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: true, y: false, setScale: false, dist: DRAG_PX },
      bind: { dblclick: () => () => resetBy(latest) },
      points: { show: false },
      sync: { key: syncKey },
      y: false
    },
    scales: {
      x: { time: true, auto: false, range: () => [...latest.current.span] },
      y: { auto: false, range: () => [...latest.current.range] }
    },
    axes: [
      {
        ...axis,
        size: TIME_AXIS_PX,
        gap: 6,
        space: 64,
        values: (_, splits) => {
          const [from_s, to_s] = latest.current.span;
          return splits.map(clockFor(to_s - from_s));
        }
      },
      {
        ...axis,
        size: AXIS_WIDTH_PX,
        gap: 4,
        space: 26,
        values: (_, splits) => splits.map(value => latest.current.formatTick(value))
      }
    ],
    series: [{}, ...lines.map(line => seriesFor(line, color(line.color)))],
    hooks: {
      drawClear: [chart => drawShades(chart, latest.current.shades, marks.shade)],
      draw: [chart => drawMarks(chart, latest.current, marks, font)],
      setCursor: [chart => latest.current.onHover(instantUnderPointer(chart))],
      setSelect: [chart => selectBy(chart, latest)]
    }
  };
}

function seriesFor(line: ChartLine, stroke: string): uPlot.Series {
  return {
    stroke,
    width: line.width,
    dash: [...line.dash],
    paths: linePaths(line.fill),
    points: { show: false },
    ...(line.fill === 'none' ? {} : { fill: translucent(stroke, line.alpha) })
  };
}

/** Of what is drawn beside the lines; as the theme has them. */
interface MarkColors {
  readonly shade: string;
  readonly limit: string;
  readonly name: string;
  readonly halo: string;
}

function drawMarks(
  chart: uPlot,
  { lines, limits }: TimeChartProps,
  colors: MarkColors,
  font: string
): void {
  const scaled = font.replace('10px', `${10 * pixelRatio(chart)}px`);
  drawLimits(chart, limits, colors.limit, scaled);
  drawNames(chart, lines, colors.name, colors.halo, scaled);
}

function instantUnderPointer(chart: uPlot): number | null {
  const { left = -1 } = chart.cursor;
  return left < 0 ? null : chart.posToVal(left, 'x');
}

function selectBy(chart: uPlot, latest: React.MutableRefObject<TimeChartProps>): void {
  const { left, width } = chart.select;
  if (width >= DRAG_PX) {
    latest.current.onSelect([chart.posToVal(left, 'x'), chart.posToVal(left + width, 'x')]);
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
}

function resetBy(latest: React.MutableRefObject<TimeChartProps>): null {
  latest.current.onReset();
  return null;
}
