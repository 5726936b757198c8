/** Draws what has changed, in a frame of the browser, and no more often than wanted. */
import type { IDisposable } from '@lumino/disposable';
import { Deadline } from './deadline';

/** Timers may be early by a little, ms. */
const AFTER_MS = 50;

export interface PaceOptions {
  draw: () => void;
  /** What is not seen is not drawn. */
  isSeen: () => boolean;
  /** The least time between two drawings, ms. */
  every_ms: () => number;
}

export class Pace implements IDisposable {
  private _timer: number | null = null;
  private _frame: number | null = null;
  private readonly _later = new Deadline(() => this.request());
  private _drawnAt_ms = -Infinity;
  private _isDisposed = false;

  constructor(private readonly options: PaceOptions) {}

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._cancelTimer();
    this._later.dispose();
    if (this._frame !== null) {
      window.cancelAnimationFrame(this._frame);
    }
  }

  /**
   * Something has changed.
   *
   * @param isUrgent - Whether it cannot wait for its turn: the answer to what the user has done.
   */
  request(isUrgent = false): void {
    if (this._isDisposed || this._frame !== null || !this.options.isSeen()) {
      return;
    }
    const wait_ms = this._drawnAt_ms + this.options.every_ms() - performance.now();
    if (isUrgent || wait_ms <= 0) {
      this._cancelTimer();
      this._draw();
    } else {
      this._timer ??= window.setTimeout(() => {
        this._timer = null;
        this._draw();
      }, wait_ms);
    }
  }

  /** Nothing has changed, but time alone changes what is shown; null: it does not. */
  requestIn(seconds: number | null): void {
    this._later.setIn(seconds === null ? null : seconds * 1000 + AFTER_MS);
  }

  /** A hidden page has no frames: what has changed meanwhile is drawn once, when it is seen again. */
  private _draw(): void {
    this._frame = window.requestAnimationFrame(() => {
      this._frame = null;
      if (this.options.isSeen()) {
        this._drawnAt_ms = performance.now();
        this.options.draw();
      }
    });
  }

  private _cancelTimer(): void {
    window.clearTimeout(this._timer ?? undefined);
    this._timer = null;
  }
}
