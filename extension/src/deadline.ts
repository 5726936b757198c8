/** A timer for an instant that keeps moving away: the browser is not troubled each time that it does. */
import type { IDisposable } from '@lumino/disposable';

export class Deadline implements IDisposable {
  private _at_ms = Infinity;
  private _timer: number | null = null;
  private _timerAt_ms = Infinity;
  private _isDisposed = false;

  constructor(private readonly onPassed: () => void) {}

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearTimeout(this._timer ?? undefined);
  }

  /** In that time from now, ms, and no longer at the instant set before; null: never. */
  setIn(wait_ms: number | null): void {
    this._at_ms = wait_ms === null ? Infinity : performance.now() + wait_ms;
    if (this._at_ms < this._timerAt_ms) {
      this._wait();
    }
  }

  /** A timer that is there for an earlier instant finds out when it fires; browsers cut its time to whole ms. */
  private _wait(): void {
    window.clearTimeout(this._timer ?? undefined);
    this._timerAt_ms = this._at_ms;
    if (this._isDisposed || this._at_ms === Infinity) {
      return;
    }
    this._timer = window.setTimeout(
      () => {
        this._timerAt_ms = Infinity;
        if (performance.now() < this._at_ms) {
          this._wait();
        } else {
          this._at_ms = Infinity;
          this.onPassed();
        }
      },
      Math.ceil(this._at_ms - performance.now())
    );
  }
}
