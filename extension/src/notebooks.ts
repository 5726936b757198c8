/** One stream for each open notebook, and which of them is current. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { CellList, INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';
import { KernelStream } from './stream';
import type { INotebookStreams } from './tokens';

/** Follows the notebook tracker from the start, so that no early message is missed. */
export class NotebookStreams implements INotebookStreams {
  private readonly _changed = new Signal<this, void>(this);
  private readonly _opened = new Signal<this, NotebookPanel>(this);
  /** By session context: two views of one notebook share theirs. */
  private readonly _streams = new Map<ISessionContext, KernelStream>();
  private readonly _tracker: INotebookTracker;
  /** Whose order is followed. */
  private _cells: CellList | null = null;
  /** null: to be read anew. */
  private _cellOrder: readonly string[] | null = null;

  /** @param onStream - Called with each new stream. */
  constructor(
    tracker: INotebookTracker,
    private readonly onStream: (stream: KernelStream) => void
  ) {
    this._tracker = tracker;
    tracker.widgetAdded.connect((_, notebook) => this._follow(notebook));
    tracker.currentChanged.connect(() => this._changed.emit());
    tracker.forEach(notebook => this._follow(notebook));
  }

  get notebook(): NotebookPanel | null {
    return this._tracker.currentWidget;
  }

  get current(): KernelStream | null {
    return this.notebook && this.of(this.notebook);
  }

  get cellOrder(): readonly string[] {
    const cells = this.notebook?.content.model?.cells ?? null;
    if (cells !== this._cells) {
      this._cells?.changed.disconnect(this._onCellsChanged, this);
      cells?.changed.connect(this._onCellsChanged, this);
      this._cells = cells;
      this._cellOrder = null;
    }
    this._cellOrder ??= Array.from(cells ?? [], cell => cell.id);
    return this._cellOrder;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get opened(): ISignal<this, NotebookPanel> {
    return this._opened;
  }

  of(notebook: NotebookPanel): KernelStream | null {
    return this._streams.get(notebook.sessionContext) ?? null;
  }

  forEach(visit: (notebook: NotebookPanel) => void): void {
    this._tracker.forEach(visit);
  }

  private _follow(notebook: NotebookPanel): void {
    const context = notebook.sessionContext;
    if (!this._streams.has(context)) {
      const stream = new KernelStream(context);
      this._streams.set(context, stream);
      this.onStream(stream);
      stream.changed.connect(() => {
        if (stream === this.current) {
          this._changed.emit();
        }
      });
      context.disposed.connect(() => {
        this._streams.delete(context);
      });
    }
    this._opened.emit(notebook);
  }

  /** Cells that are gone, moved or added: the table follows the notebook's order. */
  private _onCellsChanged(): void {
    this._cellOrder = null;
    this._changed.emit();
  }
}
