/** A table of equally long columns of numbers: grows at its end, forgets its beginning, copies nothing to be drawn. */
import type { Quantity } from './messages';

export type Column = Float64Array<ArrayBuffer>;

/** What a chart needs of a power message. */
export interface PowerPoint {
  /** Wall clock of the kernel, s. */
  readonly time_s: number;
  readonly total_w: Quantity;
  readonly mass_gco2e: Quantity;
  /** By channel. */
  readonly power_w: Readonly<Record<string, Quantity>>;
}

const FIRST_CAPACITY = 64;
const MAX_CHANNELS = 64;
/** How long after the last row that of a break stands, s. */
const BREAK_AFTER_S = 1e-3;

/**
 * One table of points, times ascending. What is not known is NaN, and a row of nothing else breaks the
 * lines. What the columns give out are views: good until the next row is added.
 */
export class Columns {
  private _time_s: Column = new Float64Array(FIRST_CAPACITY);
  private _total_w: Column = new Float64Array(FIRST_CAPACITY);
  private _mass_gco2e: Column = new Float64Array(FIRST_CAPACITY);
  private readonly _channels_w = new Map<string, Column>();
  private _length = 0;
  private _isWhole = true;

  /** @param kept - Rows that are kept at least; at most there are twice as many. */
  constructor(private readonly kept: number) {}

  get length(): number {
    return this._length;
  }

  /** Whether the next row drops the oldest ones. */
  get isFull(): boolean {
    return this._length === 2 * this.kept;
  }

  /** Whether nothing has been dropped yet. */
  get isWhole(): boolean {
    return this._isWhole;
  }

  get time_s(): Column {
    return this._time_s.subarray(0, this._length);
  }

  get total_w(): Column {
    return this._total_w.subarray(0, this._length);
  }

  get mass_gco2e(): Column {
    return this._mass_gco2e.subarray(0, this._length);
  }

  get channels(): Iterable<string> {
    return this._channels_w.keys();
  }

  hasChannel(id: string): boolean {
    return this._channels_w.has(id);
  }

  channel_w(id: string): Column {
    return (this._channels_w.get(id) ?? new Float64Array(0)).subarray(0, this._length);
  }

  get first_s(): number {
    return this._length > 0 ? (this._time_s[0] ?? NaN) : NaN;
  }

  get last_s(): number {
    return this._length > 0 ? (this._time_s[this._length - 1] ?? NaN) : NaN;
  }

  /** The first row of that time or later. */
  rowAt(time_s: number): number {
    let [low, high] = [0, this._length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this._time_s[middle] ?? Infinity) < time_s) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  isBreak(row: number): boolean {
    if (!Number.isNaN(this._total_w[row]) || !Number.isNaN(this._mass_gco2e[row])) {
      return false;
    }
    for (const column of this._channels_w.values()) {
      if (!Number.isNaN(column[row])) {
        return false;
      }
    }
    return true;
  }

  append(point: PowerPoint): void {
    this._makeRoom();
    this._addChannels(point.power_w);
    const row = this._length;
    this._length += 1;
    this._time_s[row] = point.time_s;
    this._total_w[row] = point.total_w ?? NaN;
    this._mass_gco2e[row] = point.mass_gco2e ?? NaN;
    for (const [id, column] of this._channels_w) {
      column[row] = point.power_w[id] ?? NaN;
    }
  }

  /** Break the lines after the last row: what comes next is not joined to it. */
  breakLines(): void {
    if (this._length > 0) {
      const time_s = this.last_s + BREAK_AFTER_S;
      this.append({ time_s, total_w: null, mass_gco2e: null, power_w: {} });
    }
  }

  /** Let the last row stand for this point, too: for so many it already does. Powers and times are averaged. */
  absorb(point: PowerPoint, count: number): void {
    this._addChannels(point.power_w);
    const row = this._length - 1;
    mix(this._time_s, row, point.time_s, count);
    mix(this._total_w, row, point.total_w, count);
    this._mass_gco2e[row] = point.mass_gco2e ?? NaN;
    for (const [id, column] of this._channels_w) {
      mix(column, row, point.power_w[id] ?? null, count);
    }
  }

  /** Forget the rows of that time and later, and a break just before. */
  cut(time_s: number): void {
    this._length = this.rowAt(time_s);
    if (this._length > 0 && this.isBreak(this._length - 1)) {
      this._length -= 1;
    }
  }

  /** A row as a point; null for a break. */
  point(row: number): PowerPoint | null {
    if (this.isBreak(row)) {
      return null;
    }
    return {
      time_s: this._time_s[row] ?? NaN,
      total_w: quantity(this._total_w[row]),
      mass_gco2e: quantity(this._mass_gco2e[row]),
      power_w: Object.fromEntries(
        Array.from(this._channels_w, ([id, column]) => [id, quantity(column[row])])
      )
    };
  }

  private _addChannels(power_w: PowerPoint['power_w']): void {
    for (const id in power_w) {
      if (!this._channels_w.has(id) && this._channels_w.size < MAX_CHANNELS) {
        this._channels_w.set(id, new Float64Array(this._time_s.length).fill(NaN));
      }
    }
  }

  private _makeRoom(): void {
    if (this.isFull) {
      const dropped = this._length - this.kept;
      this._columns().forEach(column => column.copyWithin(0, dropped));
      this._length = this.kept;
      this._isWhole = false;
    } else if (this._length === this._time_s.length) {
      const capacity = Math.min(2 * this._length, 2 * this.kept);
      this._time_s = grown(this._time_s, capacity);
      this._total_w = grown(this._total_w, capacity);
      this._mass_gco2e = grown(this._mass_gco2e, capacity);
      for (const [id, column] of this._channels_w) {
        this._channels_w.set(id, grown(column, capacity));
      }
    }
  }

  private _columns(): Column[] {
    return [this._time_s, this._total_w, this._mass_gco2e, ...this._channels_w.values()];
  }
}

/** A number of a column as a quantity: null where it is not known. */
export function quantity(value: number | undefined): Quantity {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function grown(column: Column, capacity: number): Column {
  const larger = new Float64Array(capacity).fill(NaN, column.length);
  larger.set(column);
  return larger;
}

function mix(column: Column, row: number, value: Quantity, count: number): void {
  const mean = column[row] ?? NaN;
  if (value !== null) {
    column[row] = Number.isNaN(mean) ? value : mean + (value - mean) / (count + 1);
  }
}
