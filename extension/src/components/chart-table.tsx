/** What a chart shows, as a table: for screen readers always, for everyone on request. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { clock } from '../clock';
import { quantity, type Column } from '../columns';
import type { HistoryTable } from '../history';
import type { Quantity } from '../messages';
import type { Span } from './chart-view';
import { useEnvironment } from './environment';

/** About so many rows are made, and never more than twice as many. */
export const TABLE_POINTS = 10;
const MAX_ROWS = 2 * TABLE_POINTS;
/** How often a table changes while it is read by people, s. */
const SHOWN_EVERY_S = 2;
/** How often what can only be heard changes, s. */
const HEARD_EVERY_S = 30;

export interface TableColumn {
  readonly name: string;
  readonly values: Column;
}

export interface ChartTableProps {
  name: string;
  /** The rows. */
  table: HistoryTable;
  /** What of them is told. */
  span: Span;
  /** What there is beside the time; asked only when the table is made anew. */
  columnsOf: (table: HistoryTable) => readonly TableColumn[];
  format: (value: Quantity) => string;
  /** Whether it can be seen; else it can be heard only. */
  isShown: boolean;
  /** Changes when something else is to be told, not only what is new. */
  version: string;
  /** By how much it changes earlier than others, s: not all in the same frame. */
  early_s: number;
}

export function ChartTable(props: ChartTableProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const { name, isShown, span, version, early_s } = props;
  const every_s = isShown ? SHOWN_EVERY_S : HEARD_EVERY_S;
  const beat = Math.floor((span[1] + early_s) / every_s);
  const body = React.useMemo(() => <Table {...props} />, [isShown, version, beat]);
  return isShown ? (
    <div
      className="greenllm-ChartTable"
      role="region"
      tabIndex={0}
      aria-label={trans.__('%1 over time', name)}
    >
      {body}
    </div>
  ) : (
    <div className="greenllm-ChartTable greenllm-Heard">{body}</div>
  );
}

export interface ChartSummaryProps {
  id: string;
  span: Span;
  /** Made only when it is told. */
  textOf: () => string;
  version: string;
}

/** What a chart shows, in a sentence; it changes as seldom as the table of those who hear it. */
export function ChartSummary(props: ChartSummaryProps): React.JSX.Element {
  const { id, span, textOf, version } = props;
  const beat = Math.floor(span[1] / HEARD_EVERY_S);
  const text = React.useMemo(textOf, [version, beat]);
  return (
    <p id={id} className="greenllm-Heard">
      {text}
    </p>
  );
}

function Table({ name, table, span, columnsOf, format }: ChartTableProps): React.JSX.Element {
  const { trans } = useEnvironment();
  const columns = columnsOf(table);
  return (
    <table>
      <caption>{captionOf(name, table, trans)}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Time')}</th>
          {columns.map(column => (
            <th key={column.name} scope="col">
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {latestRows(table, span).map(row => (
          <tr key={table.columns.time_s[row]}>
            <th scope="row">{clock(table.columns.time_s[row] ?? 0)}</th>
            {table.columns.isBreak(row) ? (
              <td colSpan={columns.length}>{trans.__('then nothing was measured')}</td>
            ) : (
              columns.map(column => (
                <td key={column.name}>{format(quantity(column.values[row]))}</td>
              ))
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function captionOf(name: string, { spacing_s }: HistoryTable, trans: TranslationBundle): string {
  return spacing_s > 0
    ? trans.__('%1 over time, latest last; each row stands for %2 s', name, spacing_s)
    : trans.__('%1 over time, latest last', name);
}

/** The latest rows of that stretch. */
function latestRows({ columns }: HistoryTable, [from_s, to_s]: Span): number[] {
  const end = columns.rowAt(to_s + 1e-6);
  const start = Math.max(columns.rowAt(from_s), end - MAX_ROWS);
  return Array.from({ length: end - start }, (_, index) => start + index);
}
