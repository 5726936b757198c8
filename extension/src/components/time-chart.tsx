/** One small chart over time, drawn by uPlot from columns it is given, which it does not copy. */
import * as React from 'react';
import type uPlot from 'uplot';
import type { LineStyle } from './lines';

export interface ChartLine extends LineStyle {
  /** A soft area under the line. */
  readonly filled?: boolean;
}

export interface TimeChartProps {
  /** What a screen reader says instead of the picture. */
  label: string;
  height: number;
  /** Times (s since the epoch), then one column for each line. */
  columns: readonly (readonly (number | null)[])[];
  lines: readonly ChartLine[];
  /** First and last instant to show, s since the epoch. */
  span: readonly [number, number];
  /** Whether the scale begins at zero. */
  fromZero: boolean;
  formatTick: (value: number) => string;
  /** Charts with the same key move their cursors together. */
  syncKey: string;
  onHover: (row: number | null) => void;
  /** Changes with the theme. */
  theme: string;
}

const AXIS_WIDTH_PX = 52;
const SHORT_SPAN_S = 180;
const FILL_ALPHA = 0.08;

export function TimeChart(props: TimeChartProps): React.JSX.Element {
  const host = React.useRef<HTMLDivElement>(null);
  const chart = React.useRef<uPlot | null>(null);
  const latest = React.useRef(props);
  latest.current = props;

  const look = JSON.stringify([props.lines, props.theme, props.height]);
  React.useEffect(() => {
    const node = host.current;
    if (!node) {
      return;
    }
    let isGone = false;
    const resizing = new ResizeObserver(() => {
      if (node.clientWidth > 0) {
        chart.current?.setSize({ width: node.clientWidth, height: latest.current.height });
      }
    });
    void import('uplot').then(({ default: UPlot }) => {
      if (!isGone) {
        chart.current = new UPlot(optionsFor(node, latest), dataOf(latest.current), node);
        resizing.observe(node);
      }
    });
    return () => {
      isGone = true;
      resizing.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [look]);

  React.useEffect(() => chart.current?.setData(dataOf(props)));

  return (
    <div
      ref={host}
      className="greenllm-Chart"
      role="img"
      aria-label={props.label}
      style={{ height: props.height }}
    />
  );
}

/** References to the columns; a filled line is drawn twice, so its column is named twice. */
function dataOf({ columns, lines }: TimeChartProps): uPlot.AlignedData {
  const [times = [], ...values] = columns;
  const drawn = lines.flatMap((line, index) => {
    const column = values[index] ?? [];
    return line.filled ? [column, column] : [column];
  });
  return [times, ...drawn] as unknown as uPlot.AlignedData;
}

function optionsFor(
  node: HTMLElement,
  latest: React.MutableRefObject<TimeChartProps>
): uPlot.Options {
  const style = getComputedStyle(node);
  const color = (name: string) => style.getPropertyValue(name).trim() || 'gray';
  const font = `10px ${style.fontFamily}`;
  const axis = {
    stroke: color('--jp-ui-font-color2'),
    font,
    grid: { stroke: color('--jp-border-color2'), width: 0.5 },
    ticks: { show: false }
  };
  const { lines, height, syncKey } = latest.current;
  return {
    width: Math.max(node.clientWidth, 1),
    height,
    padding: [6, 6, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: false, y: false },
      points: { size: 5 },
      sync: { key: syncKey },
      y: false
    },
    scales: {
      x: { time: true, range: () => latest.current.span as [number, number] },
      y: { range: (_, low, high) => valueRange(low, high, latest.current.fromZero) }
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 6,
        space: 64,
        values: (_, splits) => splits.map(time => clock(time, latest.current.span))
      },
      {
        ...axis,
        size: AXIS_WIDTH_PX,
        gap: 4,
        space: 26,
        values: (_, splits) => splits.map(value => latest.current.formatTick(value))
      }
    ],
    series: [{}, ...lines.flatMap(line => seriesFor(line, color(line.color)))],
    hooks: { setCursor: [chart => latest.current.onHover(chart.cursor.idx ?? null)] }
  };
}

function seriesFor(line: ChartLine, stroke: string): uPlot.Series[] {
  const drawn: uPlot.Series = {
    stroke,
    width: line.width,
    dash: [...line.dash],
    points: { show: false }
  };
  const area: uPlot.Series = { fill: stroke, alpha: FILL_ALPHA, width: 0, points: { show: false } };
  return line.filled ? [area, drawn] : [drawn];
}

function valueRange(low: number | null, high: number | null, fromZero: boolean): [number, number] {
  if (low === null || high === null) {
    return [0, 1];
  }
  const bottom = fromZero ? 0 : low;
  const height = high - bottom || Math.abs(high) || 1;
  return [bottom, high + height * 0.08];
}

/** Time of day, with seconds where the chart shows only a few minutes. */
function clock(time_s: number, [from, to]: readonly [number, number]): string {
  const time = new Date(time_s * 1000);
  const parts = [time.getHours(), time.getMinutes(), time.getSeconds()];
  return parts
    .slice(0, to - from < SHORT_SPAN_S ? 3 : 2)
    .map(part => String(part).padStart(2, '0'))
    .join(':');
}
