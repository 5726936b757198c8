/** Which of the runs in a stretch of time are marked below the time axis, and in which lanes. */
import type { RunSpan, RunSpans } from '../runs';
import type { Span } from './chart-view';

export interface Band {
  readonly run: RunSpan;
  readonly lane: number;
}

export interface Bands {
  /** In the order in which they began. */
  readonly bands: readonly Band[];
  /** How many more ran in that time than are marked. */
  readonly more: number;
}

/** More would be neither read nor told apart. */
const MAX_BANDS = 40;
export const MAX_LANES = 3;

/** Remembers the last choice: as long as it holds it is the same object. */
export class BandLanes {
  private _of: RunSpans | null = null;
  private _revision = -1;
  private _choice: Bands = { bands: [], more: 0 };
  /** Between which instants a stretch has to begin, and to end, for the choice to hold, s. */
  private _begin: Span = [0, 0];
  private _end: Span = [0, 0];

  /** @param now_s - Until when a run that has not ended is drawn, s. */
  choose(runs: RunSpans, span: Span, now_s: number): Bands {
    const isSame = runs === this._of && runs.revision === this._revision;
    if (!isSame || !isIn(span[0], this._begin) || !isIn(span[1], this._end)) {
      const within = runs.within(...span);
      this._of = runs;
      this._revision = runs.revision;
      this._begin = [span[0], Math.min(...within.map(run => run.to_s ?? Infinity))];
      this._end = [Math.max(...within.map(run => run.from_s)), runs.nextAfter(span[1])];
      this._choice = chosen(within, span, now_s);
    }
    return this._choice;
  }
}

/** What of a run can be seen in a stretch of time; to the last instant known where it still runs. */
export function seenOf({ from_s, to_s }: RunSpan, [first_s, last_s]: Span, now_s: number): Span {
  return [Math.max(from_s, first_s), Math.min(to_s ?? Math.max(now_s, from_s), last_s)];
}

/** The longest where there are too many, in lanes where they overlap. */
function chosen(runs: readonly RunSpan[], span: Span, now_s: number): Bands {
  const length = (run: RunSpan) => {
    const [from_s, to_s] = seenOf(run, span, now_s);
    return to_s - from_s;
  };
  const longest =
    runs.length > MAX_BANDS ? [...runs].sort((a, b) => length(b) - length(a)) : [...runs];
  const ends: number[] = [];
  const bands = longest
    .slice(0, MAX_BANDS)
    .sort((a, b) => a.from_s - b.from_s)
    .map(run => {
      const free = ends.findIndex(end_s => end_s <= run.from_s);
      const lane = Math.min(free >= 0 ? free : ends.length, MAX_LANES - 1);
      ends[lane] = Math.max(ends[lane] ?? -Infinity, run.to_s ?? Infinity);
      return { run, lane };
    });
  return { bands, more: runs.length - bands.length };
}

function isIn(time_s: number, [from_s, to_s]: Span): boolean {
  return time_s >= from_s && time_s < to_s;
}
