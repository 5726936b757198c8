/**
 * Writes the settled records of cells into their notebook, where the user wants that.
 *
 * Only the page that ran a cell writes its record, once: several pages that have the notebook open
 * (a second tab, real-time collaboration) may be set differently, and would overwrite each other for ever.
 */
import type { INotebookModel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { AwaitedRuns } from './awaited-runs';
import { askKernel, LostAnswerError } from './control';
import { keep } from './kept-record';
import type { EnergyRecord, RecordRequest } from './messages';
import type { NotebookMetadata } from './preferences';
import type { KernelStream } from './stream';
import { asRecordReply } from './validate';

/**
 * The keeper of one notebook, for as long as it is open, however many views show it. Asks for one record at a
 * time, however many cells end at once.
 */
export class RecordKeeper {
  /** Of the kernel that the notebook has now; null where it has none. */
  private _awaited: AwaitedRuns | null = null;
  private _isBusy = false;

  /** @param what - Tells what the user wants to be written. */
  constructor(
    private readonly notebook: INotebookModel,
    private readonly stream: KernelStream,
    private readonly what: () => NotebookMetadata
  ) {
    const { context } = stream;
    stream.changed.connect(this._onStreamChanged, this);
    context.kernelChanged.connect(this._onKernelChanged, this);
    // Closing the notebook ends the connection, not the run: when it is opened again, its record is awaited.
    context.disposed.connect(() => Signal.disconnectReceiver(this));
    this._takeKernel();
  }

  /** A cell of this notebook was told to run, in this page. */
  onScheduled(cellId: string): void {
    if (this.what() !== 'nothing') {
      this._awaited?.add(cellId, this.stream.session?.cells.get(cellId)?.run_id ?? null);
    }
  }

  private _onKernelChanged(
    _: unknown,
    { oldValue }: { oldValue: Kernel.IKernelConnection | null }
  ): void {
    if (oldValue !== null && oldValue.id !== this.stream.context.session?.kernel?.id) {
      this._awaited?.forget();
    }
    this._takeKernel();
  }

  private _takeKernel(): void {
    const { session, path } = this.stream.context;
    const id = session?.kernel?.id;
    this._awaited = id === undefined ? null : new AwaitedRuns(id, path);
  }

  private _onStreamChanged(): void {
    if (!this._isBusy && this._awaited?.entries.size) {
      this._isBusy = true;
      void this._keepSettled().finally(() => {
        this._isBusy = false;
      });
    }
  }

  private async _keepSettled(): Promise<void> {
    for (let next = this._settled(); next !== null; next = this._settled()) {
      const { awaited, cellId, earlierRun, runId, kernel } = next;
      const record = await askForRecord(kernel, runId);
      if (record === 'lost' || this.notebook.isDisposed) {
        return;
      }
      // Told to run again meanwhile, it is waited for again.
      if (awaited.entries.get(cellId) === earlierRun) {
        awaited.delete(cellId);
      }
      const cell = [...this.notebook.cells].find(({ id }) => id === cellId);
      if (cell && record) {
        keep(cell, record, this.what());
      }
    }
  }

  /** A cell that was run here and whose new record is settled. */
  private _settled(): SettledRun | null {
    const { _awaited: awaited, stream } = this;
    const kernel = stream.context.session?.kernel;
    for (const [cellId, earlierRun] of awaited?.entries ?? []) {
      const known = stream.session?.cells.get(cellId);
      if (awaited && kernel && known?.settled && known.run_id !== earlierRun) {
        return { awaited, cellId, earlierRun, runId: known.run_id, kernel };
      }
    }
    return null;
  }
}

/** A run whose record is to be asked for. */
interface SettledRun {
  readonly awaited: AwaitedRuns;
  readonly cellId: string;
  readonly earlierRun: string | null;
  readonly runId: string;
  readonly kernel: Kernel.IKernelConnection;
}

/** The record; null where the kernel has none, "lost" where its answer was lost with the connection. */
async function askForRecord(
  kernel: Kernel.IKernelConnection,
  runId: string
): Promise<EnergyRecord | 'lost' | null> {
  const request: RecordRequest = { schema: 1, run_id: runId };
  try {
    return (
      asRecordReply(await askKernel(kernel, 'greenllm_record_request', request))?.record ?? null
    );
  } catch (reason) {
    // The connection went down, or the kernel died, under the question.
    console.warn('GreenLLM: no record.', reason);
    return reason instanceof LostAnswerError ? 'lost' : null;
  }
}
