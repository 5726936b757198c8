/**
 * Power and emissions over time, in columns that a chart draws without copying. Memory is bounded:
 * the recent past at full resolution, the whole session at one that halves whenever it is full.
 */
import type { PowerMessage, Quantity } from './messages';

const RECENT_ROWS = 2400;
const SESSION_ROWS = 1600;
/** Messages come at most 4 a second. */
const SHORTEST_SPACING_S = 0.5;
const MAX_CHANNELS = 64;
/** Above this pause between two messages nothing was measured in between: the line breaks. */
const PAUSE_S = 5;

/** What a chart needs of a power message. */
export interface PowerPoint {
  /** Wall clock of the kernel, s. */
  readonly time_s: number;
  readonly total_w: Quantity;
  readonly mass_gco2e: Quantity;
  /** By channel. */
  readonly power_w: Readonly<Record<string, Quantity>>;
}

export function pointOf({ at_ms, total_w, mass_gco2e, power_w }: PowerMessage): PowerPoint {
  return { time_s: at_ms / 1000, total_w, mass_gco2e, power_w };
}

/** One table of points: equally long columns, times in seconds, ascending. */
export class Columns {
  readonly time_s: number[] = [];
  readonly total_w: Quantity[] = [];
  readonly mass_gco2e: Quantity[] = [];
  readonly channels_w = new Map<string, Quantity[]>();

  get length(): number {
    return this.time_s.length;
  }

  /** Add a point at the end. */
  append(point: PowerPoint): void {
    this.time_s.push(point.time_s);
    this.total_w.push(point.total_w);
    this.mass_gco2e.push(point.mass_gco2e);
    this._pushChannels(point.power_w);
  }

  /** Break the lines of power after that instant: nothing was measured from then on. */
  pause(last_s: number): void {
    this.append({
      time_s: last_s + PAUSE_S / 1000,
      total_w: null,
      mass_gco2e: this.mass_gco2e.at(-1) ?? null,
      power_w: {}
    });
  }

  /** Drop the oldest points. */
  drop(count: number): void {
    this._columns().forEach(column => column.splice(0, count));
  }

  /** Let the last point stand for this one, too: it already stands for `count`. */
  absorb(point: PowerPoint, count: number): void {
    const last = this.length - 1;
    const mix = (column: Quantity[], value: Quantity) => {
      column[last] = mean(column[last] ?? null, count, value, 1);
    };
    mix(this.total_w, point.total_w);
    this.mass_gco2e[last] = point.mass_gco2e;
    this.channels_w.forEach((column, id) => {
      mix(column, point.power_w[id] ?? null);
    });
  }

  /** Make one point of every two: power averaged, the cumulative mass as at the later one. */
  halve(): void {
    const rows = this._rowsAfterHalving();
    for (const column of [this.total_w, ...this.channels_w.values()]) {
      rows.forEach(([first, second], row) => {
        column[row] = mean(column[first] ?? null, 1, column[second] ?? null, 1);
      });
    }
    rows.forEach(([first, second], row) => {
      this.time_s[row] = this.time_s[first] ?? 0;
      this.mass_gco2e[row] = this.mass_gco2e[second] ?? null;
    });
    for (const column of this._columns()) {
      column.length = rows.length;
    }
  }

  /** The points, without the pauses between them. */
  points(): PowerPoint[] {
    return this.time_s
      .map((time_s, row) => ({
        time_s,
        total_w: this.total_w[row] ?? null,
        mass_gco2e: this.mass_gco2e[row] ?? null,
        power_w: Object.fromEntries(
          Array.from(this.channels_w, ([id, column]) => [id, column[row] ?? null])
        )
      }))
      .filter((_, row) => !this._isPause(row));
  }

  private _columns(): Quantity[][] {
    return [this.time_s, this.total_w, this.mass_gco2e, ...this.channels_w.values()];
  }

  private _pushChannels(power_w: Readonly<Record<string, Quantity>>): void {
    for (const id of Object.keys(power_w)) {
      if (!this.channels_w.has(id) && this.channels_w.size < MAX_CHANNELS) {
        this.channels_w.set(id, new Array<Quantity>(this.length - 1).fill(null));
      }
    }
    for (const [id, column] of this.channels_w) {
      column.push(power_w[id] ?? null);
    }
  }

  private _isPause(row: number): boolean {
    const powers = [this.total_w, ...this.channels_w.values()];
    return powers.every(column => (column[row] ?? null) === null);
  }

  private _rowsAfterHalving(): [number, number][] {
    const rows: [number, number][] = [];
    for (let row = 0; row < this.length;) {
      const alone = row + 1 >= this.length || this._isPause(row) || this._isPause(row + 1);
      rows.push([row, alone ? row : row + 1]);
      row += alone ? 1 : 2;
    }
    return rows;
  }
}

/** What a chart of one session draws. */
export class PowerHistory {
  private _recent = new Columns();
  private _session = new Columns();
  /** Distance of the points of the whole session, s; and for how many the last one stands. */
  private _spacing_s = 0;
  private _absorbed = 0;

  /** The last minutes, each message a point. */
  get recent(): Columns {
    return this._recent;
  }

  /** Everything since the session began, coarser the longer it lasts. */
  get session(): Columns {
    return this._session;
  }

  append(point: PowerPoint): void {
    const last_s = this._recent.time_s.at(-1) ?? point.time_s - 1;
    if (point.time_s <= last_s) {
      return;
    }
    const afterPause = point.time_s - last_s > PAUSE_S;
    if (afterPause) {
      this._recent.pause(last_s);
      this._session.pause(last_s);
    }
    this._recent.append(point);
    this._appendToSession(point, afterPause);
    if (this._recent.length > 2 * RECENT_ROWS) {
      this._recent.drop(this._recent.length - RECENT_ROWS);
    }
  }

  /** Fill in what a snapshot knows and the stream did not bring: the past, and what was lost. */
  merge(told: readonly PowerPoint[]): void {
    const first_s = this._session.time_s[0] ?? Infinity;
    const fine_s = this._recent.time_s[0] ?? Infinity;
    const known = new Set(this._recent.time_s);
    const missing = told.filter(
      ({ time_s }) => time_s < first_s || (time_s > fine_s && !known.has(time_s))
    );
    if (missing.length === 0) {
      return;
    }
    const all = [...this._recent.points(), ...missing].sort((a, b) => a.time_s - b.time_s);
    const { _session: coarse, _spacing_s: spacing_s } = this;
    this._recent = new Columns();
    this._session = new Columns();
    this._spacing_s = 0;
    all.forEach(point => {
      this.append(point);
    });
    if (spacing_s > 0) {
      // Longer than what is kept of it point by point; what was lost is averaged over.
      this._session = coarse;
      this._spacing_s = spacing_s;
    }
  }

  private _appendToSession(point: PowerPoint, afterPause: boolean): void {
    const last_s = this._session.time_s.at(-1) ?? -Infinity;
    if (!afterPause && point.time_s - last_s < this._spacing_s) {
      this._session.absorb(point, this._absorbed);
      this._absorbed += 1;
      return;
    }
    this._session.append(point);
    this._absorbed = 1;
    if (this._session.length > SESSION_ROWS) {
      this._session.halve();
      this._spacing_s = Math.max(this._spacing_s * 2, SHORTEST_SPACING_S);
      // Nothing but pauses: halving found no pairs.
      this._session.drop(Math.max(0, this._session.length - (SESSION_ROWS * 3) / 4));
    }
  }
}

/** The mean of two, each with its weight; of one alone where the other is not known. */
function mean(a: Quantity, weightA: number, b: Quantity, weightB: number): Quantity {
  if (a === null || b === null) {
    return a ?? b;
  }
  return (a * weightA + b * weightB) / (weightA + weightB);
}
