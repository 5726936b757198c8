/** Columns on top of one another, in memory that is used again for each picture. */
import type { Column } from '../columns';
import type { Rows } from './chart-rows';

export class Stack {
  private _sums: Column[] = [];

  /**
   * The running sums over columns, row by row; a value that is not known adds nothing, and where none is
   * known there is no sum. Rows outside those asked for mean nothing. Good until the next call.
   */
  sums(parts: readonly Column[], [first, end]: Rows): readonly Column[] {
    const length = parts[0]?.length ?? 0;
    this._makeRoom(parts.length, length);
    for (let row = first; row < end; row++) {
      this._fillRow(
        parts,
        row,
        parts.every(part => Number.isNaN(part[row]))
      );
    }
    return this._sums.slice(0, parts.length).map(column => column.subarray(0, length));
  }

  private _fillRow(parts: readonly Column[], row: number, isBreak: boolean): void {
    let sum = isBreak ? NaN : 0;
    parts.forEach((part, index) => {
      const value = part[row] ?? NaN;
      sum += Number.isNaN(value) ? 0 : value;
      const column = this._sums[index];
      if (column) {
        column[row] = sum;
      }
    });
  }

  private _makeRoom(count: number, length: number): void {
    if ((this._sums[0]?.length ?? 0) < length) {
      this._sums = [];
    }
    while (this._sums.length < count) {
      this._sums.push(new Float64Array(Math.max(length * 2, 64)));
    }
  }
}
