/**
 * Writes the settled records of cells into their notebook, where the user wants that.
 *
 * Only the page that ran a cell writes its record, once: several pages that have the notebook open
 * (a second tab, real-time collaboration) may be set differently, and would overwrite each other for ever.
 */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { AwaitedRuns } from './awaited-runs';
import { askKernel } from './control';
import { keep } from './kept-record';
import type { EnergyRecord, RecordRequest } from './messages';
import type { NotebookMetadata } from './preferences';
import type { KernelStream } from './stream';
import { asRecordReply } from './validate';

/** Asks for one record at a time, however many cells end at once. */
export class RecordKeeper {
  /** Of the kernel that the notebook has now; null where it has none. */
  private _awaited: AwaitedRuns | null = null;
  private _isBusy = false;

  constructor(
    private readonly notebook: NotebookPanel,
    private readonly stream: KernelStream,
    private readonly what: () => NotebookMetadata
  ) {
    stream.changed.connect(() => void this._keepSettled());
    stream.context.kernelChanged.connect((_, { oldValue }) => this._onKernelChanged(oldValue));
    this._onKernelChanged(null);
  }

  /** A cell of this notebook was told to run, in this page. */
  onScheduled(cellId: string): void {
    if (this.what() !== 'nothing') {
      this._awaited?.add(cellId, this.stream.session?.cells.get(cellId)?.run_id ?? null);
    }
  }

  private _onKernelChanged(former: Kernel.IKernelConnection | null): void {
    const id = this.stream.context.session?.kernel?.id;
    if (former !== null && former.id !== id) {
      this._awaited?.forget();
    }
    this._awaited = id === undefined ? null : new AwaitedRuns(id);
  }

  private async _keepSettled(): Promise<void> {
    if (this._isBusy || !this._awaited?.entries.size) {
      return;
    }
    this._isBusy = true;
    try {
      for (let next = this._settled(); next !== null; next = this._settled()) {
        const [cellId, runId, kernel] = next;
        this._awaited.delete(cellId);
        const record = await askForRecord(kernel, runId);
        const cells = this.notebook.isDisposed ? [] : (this.notebook.content.model?.cells ?? []);
        const cell = [...cells].find(({ id }) => id === cellId);
        if (cell && record) {
          keep(cell, record, this.what());
        }
      }
    } finally {
      this._isBusy = false;
    }
  }

  /** A cell that was run here and whose new record is settled. */
  private _settled(): [cellId: string, runId: string, kernel: Kernel.IKernelConnection] | null {
    const kernel = this.stream.context.session?.kernel;
    for (const [cellId, earlierRun] of this._awaited?.entries ?? []) {
      const known = this.stream.session?.cells.get(cellId);
      if (kernel && known?.settled && known.run_id !== earlierRun) {
        return [cellId, known.run_id, kernel];
      }
    }
    return null;
  }
}

async function askForRecord(
  kernel: Kernel.IKernelConnection,
  runId: string
): Promise<EnergyRecord | null> {
  const request: RecordRequest = { schema: 1, run_id: runId };
  try {
    return (
      asRecordReply(await askKernel(kernel, 'greenllm_record_request', request))?.record ?? null
    );
  } catch (reason) {
    // The kernel died under the question.
    console.warn('GreenLLM: no record.', reason);
    return null;
  }
}
