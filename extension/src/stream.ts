/** Follows one notebook's kernel: joins it, takes its messages, keeps the session they make up. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';
import { LostAnswerError } from './control';
import { loadExtension, type MeasureFailure } from './load-extension';
import { EnergySession } from './session';
import { isServerThere } from './server-there';
import { askForSnapshot } from './snapshot';
import type { Acquaintance, Connection, KernelFacts } from './state';
import { asStreamMessage, type StreamMessage } from './validate';
import type { SnapshotReply } from './messages';

const EVENT_TYPE = 'greenllm_event';
/** A kernel that has not answered by then is busy with something else, or knows nothing of us. */
const ANSWER_WITHIN_MS = 6000;
/** A cell still said to run this long after the kernel went idle: its end was lost, so ask. */
const END_WITHIN_MS = 2500;
/** How often a page that has lost its kernel looks whether the server is there, ms. */
const LOOK_FOR_SERVER_MS = 3000;

/** The stream of one notebook, for as long as the notebook is open, whatever its kernel. */
export class KernelStream implements IDisposable {
  private readonly _changed = new Signal<this, void>(this);
  private readonly _retired = new Set<string>();
  private _session: EnergySession | null = null;
  private _acquaintance: Acquaintance = 'asking';
  private _connection: Connection = 'there';
  /** Whether this kernel has been reached: before that, nothing can be lost. */
  private _wasReached = false;
  private _language = '';
  private _failure: MeasureFailure | null = null;
  private _isLoading = false;
  private _isDisposed = false;
  /** Counts kernels and restarts: an answer to a question of an earlier one is dropped. */
  private _epoch = 0;
  private _asking: number | null = null;
  /** Whether an answer was lost with the connection: the question is put again once that is back. */
  private _isAnswerLost = false;

  constructor(readonly context: ISessionContext) {
    context.kernelChanged.connect(this._onKernelChanged, this);
    context.statusChanged.connect(this._onStatusChanged, this);
    context.connectionStatusChanged.connect(this._onConnectionChanged, this);
    context.iopubMessage.connect(this._onIOPub, this);
    context.disposed.connect(this.dispose, this);
    void context.ready.then(() => this._changed.emit());
    if (this._kernel) {
      void this._join();
    }
  }

  /** Emitted when anything that is shown may have changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get session(): EnergySession | null {
    return this._session;
  }

  get facts(): KernelFacts {
    const kernel = this._kernel;
    return {
      status: kernel?.status ?? (isStarting(this.context) ? 'starting' : 'no kernel'),
      hasKernel: kernel !== null,
      language: this._language,
      acquaintance: this._acquaintance,
      connection: this._connection,
      session: this._session
    };
  }

  /** Why the last attempt to measure failed; null where it did not. */
  get failure(): MeasureFailure | null {
    return this._failure;
  }

  /** Whether the kernel is being asked to measure just now. */
  get isLoading(): boolean {
    return this._isLoading;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._epoch += 1;
      Signal.clearData(this);
    }
  }

  /** Load GreenLLM in the kernel. Runs code there: only on the user's own click. */
  async measure(): Promise<void> {
    const kernel = this._kernel;
    if (!kernel || this._isLoading) {
      return;
    }
    const epoch = this._epoch;
    this._isLoading = true;
    this._failure = null;
    this._changed.emit();
    const failure = await loadExtension(kernel);
    if (this._isCurrent(epoch)) {
      this._isAnswerLost ||= failure?.reason === 'no answer';
      if (!failure) {
        await this._ask(kernel, epoch);
      }
      this._failure = failure ?? (this._session ? null : { reason: 'no answer', text: '' });
    }
    this._isLoading = false;
    this._changed.emit();
  }

  /** Try now what is tried every now and then: to reach the kernel, and to have its figures. */
  async askAgain(): Promise<void> {
    if (this._connection === 'there') {
      await this._join();
    } else {
      // Where it fails, the connection's state says so already.
      await this._kernel?.reconnect().catch(() => undefined);
    }
  }

  private get _kernel(): Kernel.IKernelConnection | null {
    return this.context.session?.kernel ?? null;
  }

  private _onKernelChanged(): void {
    this._startAnew();
    if (this._kernel) {
      void this._join();
    }
    this._changed.emit();
  }

  private _onStatusChanged(_: ISessionContext, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting') {
      this._startAnew();
    } else if (status === 'idle') {
      if (this._acquaintance === 'asking') {
        void this._join();
      }
      this._checkEnd();
    }
    this._changed.emit();
  }

  private _onConnectionChanged(_: ISessionContext, status: Kernel.ConnectionStatus): void {
    if (status === 'connected') {
      this._wasReached = true;
      this._connection = 'there';
      if (this._session || this._isAnswerLost) {
        void this._join();
      }
    } else if (this._wasReached && this._connection === 'there') {
      this._connection = 'lost';
      void this._lookForServer(this._epoch);
    }
    this._changed.emit();
  }

  private _onIOPub(_: ISessionContext, message: KernelMessage.IMessage): void {
    if ((message.header.msg_type as string) !== EVENT_TYPE) {
      return;
    }
    const event = asStreamMessage(message.content);
    if (event) {
      this._take(event);
    }
  }

  private _take(event: StreamMessage): void {
    const known = this._session?.id === event.session_id;
    const before = this._session?.hello?.intensity;
    const session = this._enter(event.session_id);
    this._wasReached = true;
    if (!session?.accept(event)) {
      return;
    }
    const cameInTheMiddle = !known && event.seq > 1;
    // Emissions of cells that are over are not told again: they are asked for.
    const after = event.kind === 'hello' ? event.intensity : null;
    const hasMoved = known && before && after && JSON.stringify(before) !== JSON.stringify(after);
    if (cameInTheMiddle || hasMoved) {
      void this._join();
    }
    this._changed.emit();
  }

  /** The session of that id, begun now if it is new; null where it is over. */
  private _enter(id: string): EnergySession | null {
    if (this._retired.has(id)) {
      return null;
    }
    if (this._session?.id !== id) {
      this._retire();
      this._session = new EnergySession(id);
    }
    this._acquaintance = 'measured';
    this._failure = null;
    return this._session;
  }

  private _retire(): void {
    if (this._session) {
      this._retired.add(this._session.id);
      this._session = null;
    }
  }

  /** Another kernel, or the same one restarted: nothing known of the last one holds any more. */
  private _startAnew(): void {
    this._epoch += 1;
    this._retire();
    this._acquaintance = 'asking';
    this._connection = 'there';
    this._wasReached = false;
    this._isAnswerLost = false;
    this._failure = null;
  }

  private async _join(): Promise<void> {
    const kernel = this._kernel;
    const epoch = this._epoch;
    if (!kernel || this._asking === epoch) {
      return;
    }
    this._asking = epoch;
    this._isAnswerLost = false;
    try {
      this._language = ((await kernel.spec)?.language ?? '').toLowerCase();
      if (!this._isCurrent(epoch)) {
        return;
      }
      if (this._language !== '' && this._language !== 'python') {
        // Other kernels answer an unknown request each in its own way; do not ask.
        this._settle('not measured');
        return;
      }
      const patience = window.setTimeout(() => this._settle('silent', epoch), ANSWER_WITHIN_MS);
      const answered = await this._ask(kernel, epoch);
      window.clearTimeout(patience);
      if (answered !== null) {
        this._settle(answered ? 'measured' : 'not measured', epoch);
      }
    } finally {
      if (this._asking === epoch) {
        this._asking = null;
      }
    }
  }

  /** Whether the kernel answered; null where its answer was lost with the connection. */
  private async _ask(kernel: Kernel.IKernelConnection, epoch: number): Promise<boolean | null> {
    try {
      return await askForSnapshot(kernel, reply => this._takeSnapshot(reply, epoch));
    } catch (reason) {
      // The connection went down, or the kernel died, under the question.
      console.warn('GreenLLM: no snapshot.', reason);
      const isLost = reason instanceof LostAnswerError;
      this._isAnswerLost ||= isLost && this._isCurrent(epoch);
      return isLost ? null : false;
    }
  }

  private _takeSnapshot(reply: SnapshotReply, epoch: number): boolean {
    if (!this._isCurrent(epoch)) {
      return false;
    }
    const session = this._enter(reply.session_id);
    this._wasReached = true;
    session?.acceptSnapshot(reply.messages);
    this._changed.emit();
    return session !== null;
  }

  /** Say how well the kernel is known, unless it has already introduced itself. */
  private _settle(acquaintance: Acquaintance, epoch = this._epoch): void {
    if (this._isCurrent(epoch) && !this._session) {
      this._acquaintance = acquaintance === 'measured' ? 'silent' : acquaintance;
      this._changed.emit();
    }
  }

  private _checkEnd(): void {
    const epoch = this._epoch;
    window.setTimeout(() => {
      const isIdle = this._kernel?.status === 'idle';
      if (this._isCurrent(epoch) && isIdle && this._session?.isRunning) {
        void this._join();
      }
    }, END_WITHIN_MS);
  }

  /** Until the kernel is there again. */
  private async _lookForServer(epoch: number): Promise<void> {
    while (this._hasLost(epoch)) {
      const kernel = this._kernel;
      const isThere = kernel ? await isServerThere(kernel.serverSettings) : true;
      if (this._hasLost(epoch)) {
        this._connection = isThere ? 'lost' : 'server gone';
        this._changed.emit();
        await new Promise(resolve => setTimeout(resolve, LOOK_FOR_SERVER_MS));
      }
    }
  }

  private _hasLost(epoch: number): boolean {
    return this._isCurrent(epoch) && this._connection !== 'there';
  }

  private _isCurrent(epoch: number): boolean {
    return !this._isDisposed && epoch === this._epoch;
  }
}

function isStarting({ kernelDisplayStatus }: ISessionContext): boolean {
  return kernelDisplayStatus === 'initializing' || kernelDisplayStatus === 'starting';
}
