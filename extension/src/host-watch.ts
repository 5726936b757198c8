/** What the server's host draws, for a page without a measured kernel: asked for only while it is looked at. */
import type { IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { Signal, type ISignal } from '@lumino/signaling';
import type { HostPower } from './messages';
import type { EnergyServer } from './server';

/** The server is not asked more often than this, ms. */
const SHORTEST_INTERVAL_MS = 1000;
/** Where it does not answer, at most this long passes between two attempts, ms. */
const LONGEST_INTERVAL_MS = 30_000;

/** Whom to ask about: a kernel's id, or null where there is no kernel. */
export interface Subject {
  readonly kernelId: string | null;
}

export class HostWatch implements IDisposable {
  private readonly _changed = new Signal<this, void>(this);
  private readonly _poll: Poll;
  private _subject: Subject | null = null;
  private _power: HostPower | null = null;
  /** The server has no such part: asking again is of no use. */
  private _isAbsent = false;

  constructor(
    private readonly server: EnergyServer,
    refreshMs: () => number
  ) {
    this._poll = new Poll({
      name: 'greenllm:host-power',
      auto: false,
      factory: () => this._ask(),
      frequency: { interval: SHORTEST_INTERVAL_MS, backoff: true, max: LONGEST_INTERVAL_MS },
      linger: 0,
      standby: () => (this._subject === null ? true : 'when-hidden')
    });
    this._poll.ticked.connect(() => {
      const interval = Math.max(SHORTEST_INTERVAL_MS, refreshMs());
      if (interval !== this._poll.frequency.interval) {
        this._poll.frequency = { ...this._poll.frequency, interval };
      }
    });
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    this._poll.dispose();
    Signal.clearData(this);
  }

  /** The latest answer about what is looked at; null where there is none, or the kernel is on another host. */
  get power(): HostPower | null {
    return this._power;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** What to ask for from now on; null: nothing. */
  look(subject: Subject | null): void {
    if (this._isAbsent || subject?.kernelId === this._subject?.kernelId) {
      return;
    }
    this._subject = subject;
    this._take(null);
    void (subject ? this._poll.refresh() : this._poll.stop());
  }

  private async _ask(): Promise<void> {
    const subject = this._subject;
    if (!subject) {
      return;
    }
    const answer = await this.server.hostPower(subject.kernelId);
    if (subject !== this._subject) {
      return;
    }
    if ('value' in answer) {
      this._take(answer.value.kernel_here === false ? null : answer.value);
      return;
    }
    this._take(null);
    this._isAbsent = answer.failure.reason === 'absent';
    if (this._isAbsent) {
      this._subject = null;
    }
    // The poll then waits longer and longer.
    throw new Error(`No host power: ${answer.failure.reason} ${answer.failure.text}`);
  }

  private _take(power: HostPower | null): void {
    if (power !== this._power) {
      this._power = power;
      this._changed.emit();
    }
  }
}
