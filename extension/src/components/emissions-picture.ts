/** What the chart of cumulative emissions draws of a stretch of time. */
import type { HistoryTable } from '../history';
import { highest, lowest, rowsIn } from './chart-rows';
import type { Span } from './chart-view';
import type { ChartLine, ChartPicture } from './time-chart';

const LINE: ChartLine = {
  color: '--jp-success-color1',
  dash: [],
  width: 1.6,
  name: '',
  fill: 'foot',
  alpha: 0.08
};
/** What is free above the most that is shown, as a part of the height. */
const HEADROOM = 0.08;

/** @param isFromZero - Whether the scale begins at 0, and not at the least that is shown. */
export function emissionsPicture(
  table: HistoryTable,
  span: Span,
  isFromZero: boolean
): ChartPicture {
  return {
    columns: [table.columns.time_s, table.columns.mass_gco2e],
    lines: [LINE],
    limits: [],
    range: massRange(table, span, isFromZero)
  };
}

function massRange(table: HistoryTable, span: Span, isFromZero: boolean): [number, number] {
  const rows = rowsIn(table, span);
  const low = lowest(table.columns.mass_gco2e, rows);
  const high = highest(table.columns.mass_gco2e, rows);
  if (!(high >= low)) {
    return [0, 1];
  }
  const bottom = isFromZero ? 0 : low;
  const height = high - bottom || Math.abs(high) || 1;
  return [bottom, high + height * HEADROOM];
}
