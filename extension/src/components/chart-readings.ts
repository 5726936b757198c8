/** What the charts say in words: at the pointer, in a sentence, in the columns of a table. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { clock } from '../clock';
import { quantity, type Column } from '../columns';
import type { HistoryTable } from '../history';
import { formatPower } from '../quantities';
import type { EnergySession } from '../session';
import { highest, rowsIn } from './chart-rows';
import type { TableColumn } from './chart-table';
import type { Span } from './chart-view';
import { shortNames } from './names';

/** The row whose time is nearest; null where there is none. */
export function rowNear({ columns }: HistoryTable, time_s: number): number | null {
  if (columns.length === 0) {
    return null;
  }
  const times = columns.time_s;
  const after = Math.min(columns.rowAt(time_s), columns.length - 1);
  const before = Math.max(after - 1, 0);
  const isAfter = (times[after] ?? 0) - time_s < time_s - (times[before] ?? 0);
  return isAfter ? after : before;
}

/** "12:30:05  350 W". */
export function readingAt(
  { columns }: HistoryTable,
  row: number,
  values: Column,
  format: (value: number | null) => string
): string {
  return `${clock(columns.time_s[row] ?? 0)}  ${format(quantity(values[row]))}`;
}

export function powerSummary(table: HistoryTable, span: Span, trans: TranslationBundle): string {
  const { total_w } = table.columns;
  const rows = rowsIn(table, span);
  const most = highest(total_w, rows);
  const last = formatPower(quantity(total_w[rows[1] - 1]));
  const highestText = formatPower(most >= 0 ? most : null);
  return trans.__('Last %1, highest %2', last, highestText);
}

export function powerColumns(
  columns: HistoryTable['columns'],
  session: EnergySession,
  trans: TranslationBundle
): TableColumn[] {
  const channels = session.hello?.channels ?? [];
  const names = shortNames(channels, trans);
  const known = channels.filter(({ id }) => columns.hasChannel(id));
  return [
    { name: trans.__('Total'), values: columns.total_w },
    ...known.map(({ id }) => ({ name: names.get(id) ?? id, values: columns.channel_w(id) }))
  ];
}
