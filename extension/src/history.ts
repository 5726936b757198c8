/**
 * Power and emissions over time, at several resolutions, so that any stretch can be drawn with about as
 * many points as there are pixels. Memory is bounded: each resolution keeps so many rows, and the coarser
 * it is the further it goes back.
 */
import { Columns, type PowerPoint } from './columns';
import type { PowerMessage } from './messages';

/** Rows that a resolution keeps at least. */
const ROWS = 1200;
/** Distance of the rows at each resolution but the finest, s. The last reaches back for weeks. */
const SPACINGS_S: readonly number[] = Array.from({ length: 14 }, (_, n) => 2 ** (n - 1));
/** Messages come at most 4 a second. */
const SHORTEST_SPACING_S = 0.25;
/** Above this between two messages nothing was measured in between: the lines break. */
const PAUSE_S = 1;
/** The same where a run was open all the time: messages were lost, or the kernel was held up. */
const LOST_S = 5;

export function pointOf({ at_ms, total_w, mass_gco2e, power_w }: PowerMessage): PowerPoint {
  return { time_s: at_ms / 1000, total_w, mass_gco2e, power_w };
}

/** What a chart of one session draws. */
export class PowerHistory {
  private readonly _finest = new Level(0);
  private readonly _coarsest = new Level(SPACINGS_S.at(-1) ?? 0);
  private readonly _levels = [
    this._finest,
    ...SPACINGS_S.slice(0, -1).map(spacing_s => new Level(spacing_s)),
    this._coarsest
  ];
  private _first_s = NaN;
  private _revision = 0;
  private _pastRevision = 0;

  /** @param isMeasured - Whether a run was open all the time between two instants, s. */
  constructor(
    private readonly isMeasured: (from_s: number, to_s: number) => boolean = () => false
  ) {}

  get isEmpty(): boolean {
    return this._finest.columns.length === 0;
  }

  /** The session's first point, s. */
  get first_s(): number {
    return this._first_s;
  }

  /** Its last point so far, s. */
  get last_s(): number {
    return this._finest.columns.last_s;
  }

  /** Changes with every point. */
  get revision(): number {
    return this._revision;
  }

  /** Changes when something is filled in before the last point. */
  get pastRevision(): number {
    return this._pastRevision;
  }

  /** The points as they came, as far as they are kept. */
  get recent(): Columns {
    return this._finest.columns;
  }

  /** The finest table with about so many points in that stretch; means where they stand for several messages. */
  tableFor(from_s: number, to_s: number, points: number): HistoryTable {
    const finest_s = (to_s - from_s) / Math.max(points, 1);
    const fitting = this._levels.find(
      level => Math.max(level.spacing_s, SHORTEST_SPACING_S) >= finest_s && level.reaches(from_s)
    );
    return fitting ?? this._coarsest;
  }

  /** Add a point at the end; one from the past is refused. */
  append(point: PowerPoint): void {
    const last_s = this.last_s;
    if (point.time_s <= last_s) {
      return;
    }
    const isAfterBreak = this._isAfterBreak(last_s, point.time_s);
    this._levels.forEach(level => level.put(point, isAfterBreak));
    this._first_s = Number.isNaN(this._first_s) ? point.time_s : this._first_s;
    this._revision += 1;
  }

  /** Fill in what a snapshot knows and the stream did not bring: the past, and what was lost. */
  merge(told: readonly PowerPoint[]): void {
    const { recent } = this;
    const known = new Set(recent.time_s);
    const oldest_s = recent.isWhole ? -Infinity : recent.first_s;
    const missing = told.filter(({ time_s }) => time_s > oldest_s && !known.has(time_s));
    if (missing.length === 0) {
      return;
    }
    const all = [...pointsOf(recent), ...missing].sort((a, b) => a.time_s - b.time_s);
    const from_s = Math.min(...missing.map(point => point.time_s));
    const isAfterBreak = all.map(({ time_s }, row) =>
      this._isAfterBreak(all[row - 1]?.time_s ?? NaN, time_s)
    );
    for (const level of this._levels) {
      const start_s = level.cut(from_s);
      all.forEach((point, row) => {
        if (point.time_s >= start_s) {
          level.put(point, isAfterBreak[row] ?? false);
        }
      });
    }
    this._first_s = Number.isNaN(this._first_s) ? from_s : Math.min(this._first_s, from_s);
    this._revision += 1;
    this._pastRevision += 1;
  }

  private _isAfterBreak(last_s: number, time_s: number): boolean {
    const silence_s = time_s - last_s;
    return silence_s > PAUSE_S && (silence_s > LOST_S || !this.isMeasured(last_s, time_s));
  }
}

/** One resolution of the history. */
export interface HistoryTable {
  readonly columns: Columns;
  /** For how long each row stands, s; 0: as the messages came. */
  readonly spacing_s: number;
}

class Level implements HistoryTable {
  readonly columns = new Columns(ROWS);
  /** Which multiple of the spacing the last row stands for, and for how many points. */
  private _slot = NaN;
  private _count = 0;

  constructor(readonly spacing_s: number) {}

  /** Whether it still has what was at that instant. */
  reaches(time_s: number): boolean {
    return this.columns.isWhole || this.columns.first_s <= time_s;
  }

  /** Add a point. A break narrower than a row cannot be shown: the row stands for both sides of it. */
  put(point: PowerPoint, isAfterBreak: boolean): void {
    const slot = this.spacing_s > 0 ? Math.floor(point.time_s / this.spacing_s) : NaN;
    if (slot === this._slot) {
      this.columns.absorb(point, this._count);
      this._count += 1;
      return;
    }
    if (isAfterBreak) {
      this.columns.breakLines();
    }
    this.columns.append(point);
    this._slot = slot;
    this._count = 1;
  }

  /** Forget that instant and all after it; returns from when on points are to be put again, s. */
  cut(time_s: number): number {
    const start_s =
      this.spacing_s > 0 ? Math.floor(time_s / this.spacing_s) * this.spacing_s : time_s;
    this.columns.cut(start_s);
    this._slot = NaN;
    return start_s;
  }
}

function pointsOf(columns: Columns): PowerPoint[] {
  const rows = Array.from({ length: columns.length }, (_, row) => columns.point(row));
  return rows.filter(point => point !== null);
}
