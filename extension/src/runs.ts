/** When each run of a cell was, for the marks on the time axis. */
import type { CellMessage } from './messages';

const MAX_RUNS = 2000;
/** How many of the latest runs are looked at to tell whether an instant was measured. */
const LATEST = 32;

/** One run of a cell. */
export interface RunSpan {
  readonly run_id: string;
  readonly cell_id: string;
  readonly name: string;
  /** Wall clock of the kernel, s. */
  readonly from_s: number;
  /** null: it still runs. */
  readonly to_s: number | null;
}

interface HeardRun extends RunSpan {
  /** When the kernel last spoke of it, s. */
  heard_s: number;
}

/** The runs of one session, in the order in which they were first heard of; the latest of them. */
export class RunSpans {
  private readonly _runs = new Map<string, HeardRun>();
  /** The latest run of each cell that still runs. */
  private readonly _open = new Map<string, string>();
  private _revision = 0;

  /** Changes with every run that begins, ends, or is told of otherwise than before. */
  get revision(): number {
    return this._revision;
  }

  /** Take what a message tells of a cell's latest run. */
  take(cell: CellMessage): void {
    const { run_id, cell_id, name, at_ms, started_at_ms, ended_at_ms } = cell;
    if (started_at_ms === null || started_at_ms === undefined) {
      return;
    }
    this._closeOther(cell_id, run_id);
    const isRunning = cell.status === 'running';
    const heard_s = at_ms / 1000;
    const ended_s = typeof ended_at_ms === 'number' ? ended_at_ms / 1000 : heard_s;
    this._keep({
      run_id,
      cell_id,
      name,
      from_s: started_at_ms / 1000,
      to_s: isRunning ? null : ended_s,
      heard_s
    });
    if (isRunning) {
      this._open.set(cell_id, run_id);
    } else {
      this._open.delete(cell_id);
    }
    this._forgetOldest();
  }

  /** Runs of which a part is in that stretch. */
  within(from_s: number, to_s: number): RunSpan[] {
    const found: RunSpan[] = [];
    for (const run of this._runs.values()) {
      if (run.from_s < to_s && (run.to_s ?? Infinity) > from_s) {
        found.push(run);
      }
    }
    return found;
  }

  /** When the first run begins that is not before that instant, s; Infinity where none is known. */
  nextAfter(time_s: number): number {
    let next_s = Infinity;
    for (const { from_s } of this._runs.values()) {
      next_s = from_s >= time_s ? Math.min(next_s, from_s) : next_s;
    }
    return next_s;
  }

  /** Whether one run was open all the time between those instants. */
  cover(from_s: number, to_s: number): boolean {
    return [...this._runs.values()]
      .slice(-LATEST)
      .some(run => run.from_s <= from_s && (run.to_s ?? Infinity) >= to_s);
  }

  /** A new run of a cell tells that the one before has ended, where that message was lost. */
  private _closeOther(cell_id: string, run_id: string): void {
    const open = this._runs.get(this._open.get(cell_id) ?? '');
    if (open && open.run_id !== run_id) {
      this._keep({ ...open, to_s: open.heard_s });
      this._open.delete(cell_id);
    }
  }

  /** What says the same again stays the same object: what was drawn of it stands. */
  private _keep(run: HeardRun): void {
    const known = this._runs.get(run.run_id);
    if (
      known?.name === run.name &&
      known.from_s === run.from_s &&
      known.to_s === run.to_s &&
      known.cell_id === run.cell_id
    ) {
      known.heard_s = run.heard_s;
    } else {
      this._runs.set(run.run_id, run);
      this._revision += 1;
    }
  }

  private _forgetOldest(): void {
    const [oldest] = this._runs.keys();
    if (this._runs.size > MAX_RUNS && oldest !== undefined) {
      this._runs.delete(oldest);
    }
  }
}
