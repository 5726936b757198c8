/** What other Lab plugins can ask for. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';
import type { Preferences } from './preferences';
import type { KernelStream } from './stream';

/** The energy streams of the open notebooks. */
export interface INotebookStreams {
  /** The notebook the user is in, or was in last; null where none is open. */
  readonly notebook: NotebookPanel | null;
  /** Its stream. */
  readonly current: KernelStream | null;
  /** Ids of the current notebook's cells, in its order; the same array as long as it holds. */
  readonly cellOrder: readonly string[];
  /** Emitted when another notebook becomes current, or anything about the current one changes. */
  readonly changed: ISignal<INotebookStreams, void>;
  /** Emitted when a notebook has been opened; two views of one document are two notebooks. */
  readonly opened: ISignal<INotebookStreams, NotebookPanel>;
  /** The stream of an open notebook. */
  of(notebook: NotebookPanel): KernelStream | null;
  /** Visit the open notebooks. */
  forEach(visit: (notebook: NotebookPanel) => void): void;
}

export const INotebookStreams = new Token<INotebookStreams>(
  'greenllm:INotebookStreams',
  'The energy streams of the open notebooks.'
);

/** The user's preferences as they stand now: the defaults until the settings have been read. */
export interface IPreferences {
  readonly current: Preferences;
  readonly changed: ISignal<IPreferences, void>;
  /** Change a setting of schema/panel.json for good. */
  set(key: string, value: string | number | boolean): Promise<void>;
}

export const IPreferences = new Token<IPreferences>(
  'greenllm:IPreferences',
  'The preferences of the user about energy and emissions.'
);
