/**
 * What the server's ledger tells the panel: the sums of today and of all time, earlier sessions and
 * their cells. It asks only while the panel is seen, and not more often than something changes.
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
/** Between two questions that nobody has asked for by hand, ms. */
const BETWEEN_QUESTIONS_MS = 15_000;
/** Sessions whose cells are kept. */
const MAX_SESSIONS = 20;
const UNASKED: Loaded<never> = { state: 'unasked', value: null, failure: null };

export class LedgerModel {
  private readonly _changed = new Signal<this, void>(this);
  private _history: Loaded<History> = UNASKED;
  private readonly _sessions = new Map<string, Loaded<HistorySession>>();
  /** For which state of the notebook the history was asked last. */
  private _asOf: string | null = null;
  private _asked_ms = -Infinity;
  private _timer: number | null = null;

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
   * Have the history as it is now: ask where it was never asked, or for another state than this one.
   *
   * @param asOf - Names the state of what is measured, such as the session and its number of ended runs.
   */
  want(asOf: string): void {
    if (asOf === this._asOf || this._timer !== null || !this._isSeen()) {
      return;
    }
    const isFirst = this._asOf === null;
    const rest_ms = this._asked_ms + BETWEEN_QUESTIONS_MS - this.now();
    const wait_ms = isFirst ? 0 : Math.max(SETTLES_WITHIN_MS, rest_ms);
    this._timer = window.setTimeout(() => {
      this._timer = null;
      // Unseen: the next drawing asks again.
      if (this._isSeen()) {
        this._asOf = asOf;
        void this.refresh();
      }
    }, wait_ms);
  }

  /** Ask for the history now. */
  async refresh(): Promise<void> {
    if (this._history.state === 'loading') {
      return;
    }
    this._asked_ms = this.now();
    this._history = { ...this._history, state: 'loading' };
    this._changed.emit();
    this._history = loaded(await this._server.history(), this._history.value);
    this._changed.emit();
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
    Signal.clearData(this);
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
