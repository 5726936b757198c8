/**
 * What the server's ledger tells the panel: the sums of today and of all time, earlier sessions and
 * their cells. It asks only while the panel is seen.
 */
import { Signal, type ISignal } from '@lumino/signaling';
import type { History, HistorySession } from './messages';
import type { Answer, EnergyServer, ExportFormat, ServerFailure } from './server';

/** Something asked of the server; `value` stays while it is asked for again. */
export interface Loaded<T> {
  readonly state: 'unasked' | 'loading' | 'ready' | 'failed';
  readonly value: T | null;
  readonly failure: ServerFailure | null;
}

/** How long after a run has ended its record is in the ledger: it settles first, ms. */
const SETTLES_WITHIN_MS = 2_500;
/**
 * Between two questions that nobody has asked for by hand, ms. Other kernels write too, and where the server
 * stands the day may end at another time than here: so it is asked again as long as somebody looks.
 */
const BETWEEN_QUESTIONS_MS = 15_000;
/** Sessions whose cells are kept. */
const MAX_SESSIONS = 20;
export const UNASKED: Loaded<never> = { state: 'unasked', value: null, failure: null };

export class LedgerModel {
  private readonly _changed = new Signal<this, void>(this);
  private _history: Loaded<History> = UNASKED;
  private readonly _sessions = new Map<string, Loaded<HistorySession>>();
  /** For which state of the notebook the history was asked last. */
  private _asOf: string | null = null;
  private _asked_ms = -Infinity;
  private _answer: Promise<void> | null = null;
  private _timer: number | null = null;
  /** When the timer asks, on the page's clock, ms; -Infinity: never again. */
  private _asksAt_ms = Infinity;

  /**
   * @param _server - Whom to ask.
   * @param _isSeen - Whether the panel is on the screen.
   * @param now - The page's monotonic clock, ms.
   */
  constructor(
    private readonly _server: EnergyServer,
    private readonly _isSeen: () => boolean,
    private readonly now: () => number = () => performance.now()
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get history(): Loaded<History> {
    return this._history;
  }

  /** The cells of a session, as far as they have been asked for. */
  session(id: string): Loaded<HistorySession> {
    return this._sessions.get(id) ?? UNASKED;
  }

  /**
   * Have the history as it is now, and from now on: ask where it was never asked, or for another state than
   * this one, and again every now and then.
   *
   * @param asOf - Names the state of what is measured, such as the session and its number of ended runs.
   */
  want(asOf: string): void {
    const last = this._asOf;
    if (!this._isSeen() || (asOf === last && this._isAbsent)) {
      return;
    }
    this._asOf = asOf;
    const rest_ms = Math.max(0, this._asked_ms + BETWEEN_QUESTIONS_MS - this.now());
    const settling_ms = asOf === last || last === null ? 0 : SETTLES_WITHIN_MS;
    this._askIn(last === null ? 0 : Math.max(settling_ms, rest_ms));
  }

  /** Ask for the history now. */
  async refresh(): Promise<void> {
    this._history = { ...this._history, state: 'loading' };
    this._changed.emit();
    await this._ask();
  }

  /** Ask for the cells of a session now. */
  async open(id: string): Promise<void> {
    const last = this.session(id);
    if (last.state === 'loading') {
      return;
    }
    this._keep(id, { ...last, state: 'loading' });
    this._keep(id, loaded(await this._server.session(id), last.value));
  }

  /** Why a download would fail; null where it would not. */
  exportProblem(format: ExportFormat, sessionId: string | null): Promise<ServerFailure | null> {
    return this._server.exportProblem(format, sessionId);
  }

  /** Where the browser finds a download: of one session, or of everything. */
  exportUrl(format: ExportFormat, sessionId: string | null): string {
    return this._server.exportUrl(format, sessionId);
  }

  dispose(): void {
    window.clearTimeout(this._timer ?? undefined);
    this._asksAt_ms = -Infinity;
    Signal.clearData(this);
  }

  /** The server has no such part: asking again and again is of no use. */
  private get _isAbsent(): boolean {
    return this._history.failure?.reason === 'absent';
  }

  /** Ask after this time, ms, unless that is going to happen before. */
  private _askIn(wait_ms: number): void {
    const at_ms = this.now() + wait_ms;
    if (at_ms >= this._asksAt_ms) {
      return;
    }
    window.clearTimeout(this._timer ?? undefined);
    this._asksAt_ms = at_ms;
    this._timer = window.setTimeout(() => {
      this._asksAt_ms = Infinity;
      if (this._isSeen()) {
        void this._ask();
      } else {
        this._askIn(BETWEEN_QUESTIONS_MS);
      }
    }, wait_ms);
  }

  /** Ask, where that is not being done already; an answer that is as the last one changes nothing. */
  private _ask(): Promise<void> {
    this._asked_ms = this.now();
    this._answer ??= this._server.history().then(answer => {
      this._answer = null;
      const last = this._history;
      const now = loaded(answer, last.value);
      if (JSON.stringify(now) !== JSON.stringify(last)) {
        this._history = now;
        this._changed.emit();
      }
      if (!this._isAbsent) {
        this._askIn(BETWEEN_QUESTIONS_MS);
      }
    });
    return this._answer;
  }

  private _keep(id: string, session: Loaded<HistorySession>): void {
    this._sessions.delete(id);
    this._sessions.set(id, session);
    const [oldest] = this._sessions.keys();
    if (this._sessions.size > MAX_SESSIONS && oldest !== undefined) {
      this._sessions.delete(oldest);
    }
    this._changed.emit();
  }
}

function loaded<T>(answer: Answer<T>, last: T | null): Loaded<T> {
  return 'value' in answer
    ? { state: 'ready', value: answer.value, failure: null }
    : { state: 'failed', value: last, failure: answer.failure };
}
