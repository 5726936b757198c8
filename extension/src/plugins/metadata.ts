/** Records in the notebook file: written where the user wants it, and removed on request. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { NotebookActions, type INotebookModel, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CATEGORY, CommandIDs, NO_ARGUMENTS } from '../commands';
import { removeKept } from '../kept-record';
import { RecordKeeper } from '../record-keeper';
import { INotebookStreams, IPreferences } from '../tokens';

export const metadataPlugin: JupyterFrontEndPlugin<void> = {
  id: 'greenllm:metadata',
  description: 'Keeps the records of cells in the notebook file, where the user wants it.',
  autoStart: true,
  requires: [INotebookStreams, IPreferences],
  optional: [ITranslator, ICommandPalette],
  activate
};

function activate(
  app: JupyterFrontEnd,
  streams: INotebookStreams,
  preferences: IPreferences,
  translator: ITranslator | null,
  palette: ICommandPalette | null
): void {
  const trans = (translator ?? nullTranslator).load('greenllm');
  const keepers = new WeakMap<INotebookModel, RecordKeeper>();
  const follow = (notebook: NotebookPanel) => {
    const { model } = notebook.context;
    const stream = streams.of(notebook);
    if (stream && !keepers.has(model)) {
      keepers.set(
        model,
        new RecordKeeper(model, stream, () => preferences.current.notebookMetadata)
      );
    }
  };
  streams.forEach(follow);
  streams.opened.connect((_, notebook) => follow(notebook));
  NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
    if (notebook.model) {
      keepers.get(notebook.model)?.onScheduled(cell.model.id);
    }
  });

  app.commands.addCommand(CommandIDs.removeRecords, {
    label: trans.__('Remove GreenLLM’s Records from This Notebook'),
    caption: trans.__('Remove what GreenLLM has written into the metadata of the notebook’s cells'),
    describedBy: NO_ARGUMENTS,
    isEnabled: () => streams.notebook !== null,
    execute: () => {
      const model = streams.notebook?.content.model;
      const count = model ? removeKept(model) : 0;
      const text =
        count === 0
          ? trans.__('This notebook has no records of GreenLLM’s.')
          : trans._n(
              'The record of %1 cell was removed; undo brings it back.',
              'The records of %1 cells were removed; undo brings them back.',
              count
            );
      Notification.info(text, { autoClose: 5000 });
    }
  });
  palette?.addItem({ command: CommandIDs.removeRecords, category: CATEGORY });
}
