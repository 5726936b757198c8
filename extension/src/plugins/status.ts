/** Power and energy in the status bar, where there is one. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { CommandIDs } from '../commands';
import { StatusItem } from '../status-item';
import { INotebookStreams, IPreferences } from '../tokens';

const RANK = 900;

export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'greenllm:status',
  description: 'Shows power and energy of the current notebook in the status bar.',
  autoStart: true,
  requires: [INotebookStreams, IPreferences],
  optional: [IStatusBar, ITranslator],
  activate
};

function activate(
  app: JupyterFrontEnd,
  streams: INotebookStreams,
  preferences: IPreferences,
  statusBar: IStatusBar | null,
  translator: ITranslator | null
): void {
  if (!statusBar) {
    return;
  }
  const trans = (translator ?? nullTranslator).load('greenllm');
  const open = () => void app.commands.execute(CommandIDs.open);
  const item = new StatusItem({ streams, preferences, trans, open });
  statusBar.registerStatusItem('greenllm:status', {
    item,
    align: 'right',
    rank: RANK,
    isActive: () => item.isActive,
    activeStateChanged: item.activeChanged
  });
}
