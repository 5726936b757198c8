/** What is known of one measuring session of one kernel: the latest of each message, and the history. */
import { PowerHistory, pointOf } from './history';
import type {
  CellMessage,
  ComparisonSummary,
  HelloMessage,
  PowerMessage,
  TotalsMessage
} from './messages';
import { RunSpans } from './runs';
import type { StreamMessage } from './validate';

/** A notebook with more cells than this shows the latest ones. */
const MAX_CELLS = 5000;
/** Of comparisons, the latest are kept. */
const MAX_COMPARISONS = 20;

/** One session; it ends with a restart of the kernel. */
export class EnergySession {
  readonly runs = new RunSpans();
  readonly history = new PowerHistory((from_s, to_s) => this.runs.cover(from_s, to_s));
  private readonly _cells = new Map<string, CellMessage>();
  private readonly _lastSeq = new Map<string, number>();
  private _comparisons: readonly ComparisonSummary[] = [];
  private _hello: HelloMessage | null = null;
  private _totals: TotalsMessage | null = null;
  private _power: PowerMessage | null = null;
  private _powerArrived_ms = -Infinity;
  private _cellsRevision = 0;
  private _helloRevision = 0;
  private readonly _running = new Set<string>();
  private _heard_ms: number;

  /**
   * @param id - The kernel's name for the session.
   * @param now - The page's monotonic clock, ms.
   */
  constructor(
    readonly id: string,
    private readonly now: () => number = () => performance.now()
  ) {
    this._heard_ms = now();
  }

  /** The first that says what the latest says. */
  get hello(): HelloMessage | null {
    return this._hello;
  }

  get totals(): TotalsMessage | null {
    return this._totals;
  }

  /** The last power message of the stream (not of a snapshot: that is the past). */
  get power(): PowerMessage | null {
    return this._power;
  }

  /** How long ago, by the page's clock, the stream last told of power, s. */
  get powerAge_s(): number {
    return (this.now() - this._powerArrived_ms) / 1000;
  }

  /** How long ago, by the page's clock, the kernel last told anything, s. */
  get heardAge_s(): number {
    return (this.now() - this._heard_ms) / 1000;
  }

  /** Cells in the order in which they were first heard of. */
  get cells(): ReadonlyMap<string, CellMessage> {
    return this._cells;
  }

  /** Comparisons of models; another list whenever there is something new. */
  get comparisons(): readonly ComparisonSummary[] {
    return this._comparisons;
  }

  /** Grows with every change of a cell. */
  get cellsRevision(): number {
    return this._cellsRevision;
  }

  /** Changes with whatever the charts draw: power, runs, and what the channels are. */
  get pictureRevision(): string {
    return `${this.history.revision} ${this.runs.revision} ${this._helloRevision}`;
  }

  get isRunning(): boolean {
    return this._running.size > 0;
  }

  /** Take a message of the stream; false where a later one has already come. */
  accept(message: StreamMessage): boolean {
    this._heard_ms = this.now();
    if (!this._isNews(message)) {
      return false;
    }
    if (message.kind === 'power') {
      this._power = message;
      this._powerArrived_ms = this.now();
      this.history.append(pointOf(message));
    } else {
      this._keep(message);
    }
    return true;
  }

  /** Take a snapshot, or a page of one: states where they are news, powers as the past. */
  acceptSnapshot(messages: readonly StreamMessage[]): void {
    this._heard_ms = this.now();
    const past: PowerMessage[] = [];
    for (const message of messages) {
      if (message.session_id !== this.id) {
        continue;
      }
      if (message.kind === 'power') {
        past.push(message);
      } else if (this._isNews(message)) {
        this._keep(message);
      }
    }
    this.history.merge(past.map(pointOf));
  }

  private _keep(message: Exclude<StreamMessage, PowerMessage>): void {
    switch (message.kind) {
      case 'hello':
        // Mostly it says the same again: what was drawn of it then stands.
        if (!this._hello || !isSameHello(this._hello, message)) {
          this._hello = message;
          this._helloRevision += 1;
        }
        break;
      case 'totals':
        this._totals = message;
        break;
      case 'comparison':
        this._keepComparison(message.comparison);
        break;
      case 'cell':
        this._keepCell(message);
        if (this._cells.size > MAX_CELLS) {
          this._forgetOldestCell();
        }
        break;
    }
  }

  private _keepCell(message: CellMessage): void {
    this.runs.take(message);
    this._cells.set(message.cell_id, message);
    this._cellsRevision += 1;
    if (message.status === 'running') {
      this._running.add(message.cell_id);
    } else {
      this._running.delete(message.cell_id);
    }
  }

  private _keepComparison(comparison: ComparisonSummary): void {
    const { comparison_id } = comparison;
    const known = this._comparisons.find(each => each.comparison_id === comparison_id);
    if (!known || JSON.stringify(known) !== JSON.stringify(comparison)) {
      const others = this._comparisons.filter(each => each !== known);
      this._comparisons = [...others, comparison].slice(-MAX_COMPARISONS);
    }
  }

  private _forgetOldestCell(): void {
    const [oldest] = this._cells.keys();
    if (oldest !== undefined) {
      this._cells.delete(oldest);
      this._running.delete(oldest);
      this._lastSeq.delete(`cell ${oldest}`);
    }
  }

  /** A snapshot repeats what the stream has said with the same number, so equal counts as news. */
  private _isNews(message: StreamMessage): boolean {
    if (message.kind === 'comparison') {
      return true; // Each is told once, and again only as it was.
    }
    const subject = message.kind === 'cell' ? `cell ${message.cell_id}` : message.kind;
    if (message.seq < (this._lastSeq.get(subject) ?? -Infinity)) {
      return false;
    }
    this._lastSeq.set(subject, message.seq);
    return true;
  }
}

/** Whether they say the same, apart from when. */
function isSameHello(a: HelloMessage, b: HelloMessage): boolean {
  const { seq, at_ms } = a;
  return JSON.stringify(a) === JSON.stringify({ ...b, seq, at_ms });
}
