/**
 * Badges on the measured cells of one notebook.
 *
 * A badge is a node within its cell's own, so that it moves, collapses, leaves the page and dies with
 * it. What has changed is found by comparing what a cell's badge was drawn from with what is known now:
 * nothing is kept for cells that are gone.
 */
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import { makeBadge, writeBadge, type BadgeSubject } from './badge';
import { keptRecord } from './kept-record';
import { Pace } from './pace';
import type { KernelStream } from './stream';
import type { IPreferences } from './tokens';

/** Below which a badge stands; it is there, too, when the source is collapsed. */
const INPUT = ':scope > .jp-Cell-inputWrapper';
/** Badges drawn at once, so that typing never waits for more. */
const MOST_AT_ONCE = 100;

interface Drawn {
  readonly node: HTMLElement;
  readonly subject: BadgeSubject;
  /** Of which drawing manner: it changes with the preferences. */
  readonly manner: number;
}

export interface NotebookBadgesOptions {
  notebook: NotebookPanel;
  stream: KernelStream;
  preferences: IPreferences;
  trans: TranslationBundle;
}

export class NotebookBadges implements IDisposable {
  private readonly _drawn = new WeakMap<Cell, Drawn>();
  private readonly _pace: Pace;
  private _manner = 0;
  /** Of which state of the stream's cells the badges were drawn last. */
  private _drawnOf = '';
  private _isDisposed = false;

  constructor(private readonly options: NotebookBadgesOptions) {
    const { notebook, stream, preferences } = options;
    this._pace = new Pace({
      draw: () => this._draw(),
      isSeen: () => notebook.isVisible,
      every_ms: () => preferences.current.refreshMs
    });
    stream.changed.connect(this._onStreamChanged, this);
    preferences.changed.connect(this._onPreferencesChanged, this);
    notebook.content.cellInViewportChanged.connect(this._onChanged, this);
    notebook.content.modelContentChanged.connect(this._onChanged, this);
    this._pace.request();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._pace.dispose();
      Signal.clearData(this);
    }
  }

  private _onChanged(): void {
    this._pace.request();
  }

  /** Most of what a stream tells is not of cells. */
  private _onStreamChanged(): void {
    if (this._cellsState() !== this._drawnOf) {
      this._pace.request();
    }
  }

  private _onPreferencesChanged(): void {
    this._manner += 1;
    this._pace.request(true);
  }

  private _draw(): void {
    let drawn = 0;
    this._drawnOf = this._cellsState();
    for (const cell of this.options.notebook.content.widgets) {
      if (drawn === MOST_AT_ONCE) {
        this._pace.request(true);
        return;
      }
      if (this._drawCell(cell)) {
        drawn += 1;
      }
    }
  }

  /** Whether anything had to be done. */
  private _drawCell(cell: Cell): boolean {
    const { preferences, trans } = this.options;
    const subject = preferences.current.badges ? this._subjectOf(cell) : null;
    const drawn = this._drawn.get(cell);
    if (!subject) {
      drawn?.node.remove();
      return this._drawn.delete(cell);
    }
    if (drawn?.subject === subject && drawn.manner === this._manner) {
      return false;
    }
    const input = drawn ? null : cell.node.querySelector(INPUT);
    if (!drawn && !input) {
      // Not in the page yet: the notebook tells when it is.
      return false;
    }
    const node = drawn?.node ?? makeBadge();
    input?.after(node);
    writeBadge(node, subject, trans, preferences.current.energyUnit);
    this._drawn.set(cell, { node, subject, manner: this._manner });
    return true;
  }

  private _cellsState(): string {
    const { session } = this.options.stream;
    return session ? `${session.id} ${session.cellsRevision}` : 'none';
  }

  /** What the kernel knows of the cell; else what the notebook has kept of an earlier session. */
  private _subjectOf(cell: Cell): BadgeSubject | null {
    const { session } = this.options.stream;
    return session?.cells.get(cell.model.id) ?? keptRecord(cell.model);
  }
}
