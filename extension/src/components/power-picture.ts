/** What the chart of power draws of a stretch of time: which columns, by which lines, on which scale. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { HistoryTable } from '../history';
import type { ChannelDescription } from '../messages';
import { formatPower } from '../quantities';
import { highest, rowsIn, type Rows } from './chart-rows';
import type { Span } from './chart-view';
import type { ChartLimit } from './line-paths';
import { lineStyles, TOTAL_LINE } from './lines';
import { shortNames } from './names';
import type { Stack } from './stack';
import type { ChartLine, ChartPicture } from './time-chart';

/** A limit is drawn where a channel came that near to it. */
const NEAR = 0.8;
const HEADROOM = 1.08;
/** Below this nothing can be told of the scale, W. */
const LOWEST_TOP_W = 1;
const TOTAL_ALPHA = 0.08;
/** In turn, so that areas side by side can be told apart where the colour is the same. */
const STACK_ALPHAS: readonly number[] = [0.34, 0.18];

/** The total and each channel on their own, where there is more than one. */
export function apartPicture(
  table: HistoryTable,
  span: Span,
  channels: readonly ChannelDescription[],
  trans: TranslationBundle
): ChartPicture {
  const { columns } = table;
  const rows = rowsIn(table, span);
  const styles = lineStyles(channels);
  const names = shortNames(channels, trans);
  const known = channels.filter(({ id }) => columns.hasChannel(id));
  const drawn = known.length > 1 ? known : [];
  const total = drawn.length > 0 ? trans.__('Total') : '';
  const values = [columns.total_w, ...drawn.map(({ id }) => columns.channel_w(id))];
  const limits = nearLimits(table, rows, known, trans);
  const tops = [
    ...values.map(column => highest(column, rows)),
    ...limits.map(limit => limit.value)
  ];
  return {
    columns: [columns.time_s, ...values],
    lines: [
      { ...TOTAL_LINE, name: total, fill: 'foot', alpha: TOTAL_ALPHA },
      ...drawn.map(({ id }): ChartLine => ({
        ...(styles.get(id) ?? TOTAL_LINE),
        name: names.get(id) ?? '',
        fill: 'none',
        alpha: 1
      }))
    ],
    limits,
    range: [0, top(tops)]
  };
}

/** Each channel that counts on top of the one before: the upper edge is the total. */
export function stackedPicture(
  table: HistoryTable,
  span: Span,
  channels: readonly ChannelDescription[],
  trans: TranslationBundle,
  stack: Stack
): ChartPicture {
  const { columns } = table;
  const rows = rowsIn(table, span);
  const styles = lineStyles(channels);
  const names = shortNames(channels, trans);
  const counted = channels.filter(({ id, inside }) => inside === null && columns.hasChannel(id));
  const parts = counted.map(({ id }) => columns.channel_w(id));
  const sums = stack.sums(parts, rows);
  return {
    columns: [columns.time_s, ...sums],
    lines: counted.map(({ id }, index): ChartLine => ({
      ...(styles.get(id) ?? TOTAL_LINE),
      name: names.get(id) ?? '',
      fill: 'line before',
      alpha: STACK_ALPHAS[index % STACK_ALPHAS.length] ?? 1
    })),
    limits: [],
    range: [0, top(sums.map(column => highest(column, rows)))]
  };
}

function nearLimits(
  { columns }: HistoryTable,
  rows: Rows,
  channels: readonly ChannelDescription[],
  trans: TranslationBundle
): ChartLimit[] {
  const near = channels.flatMap(({ id, limit_w }) =>
    typeof limit_w === 'number' && highest(columns.channel_w(id), rows) >= NEAR * limit_w
      ? [limit_w]
      : []
  );
  return [...new Set(near)].map(value => ({
    value,
    name: trans.__('limit %1', formatPower(value))
  }));
}

function top(values: readonly number[]): number {
  return Math.max(LOWEST_TOP_W, ...values) * HEADROOM;
}
