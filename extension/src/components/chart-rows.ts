/** The rows of a table that a chart draws, and how far their values reach. */
import type { Column } from '../columns';
import type { HistoryTable } from '../history';
import type { Span } from './chart-view';

/** Rows that are in a stretch of time or next to it: first, and the one after the last. */
export type Rows = readonly [first: number, end: number];

export function rowsIn({ columns }: HistoryTable, [from_s, to_s]: Span): Rows {
  return [
    Math.max(columns.rowAt(from_s) - 1, 0),
    Math.min(columns.rowAt(to_s) + 1, columns.length)
  ];
}

export function highest(column: Column, [first, end]: Rows): number {
  let most = -Infinity;
  for (let row = first; row < end; row++) {
    const value = column[row] ?? NaN;
    most = value > most ? value : most;
  }
  return most;
}

export function lowest(column: Column, [first, end]: Rows): number {
  let least = Infinity;
  for (let row = first; row < end; row++) {
    const value = column[row] ?? NaN;
    least = value < least ? value : least;
  }
  return least;
}
