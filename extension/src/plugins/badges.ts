/** Badges on measured cells, in every open notebook. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { NotebookBadges } from '../badges';
import { CATEGORY, CommandIDs, NO_ARGUMENTS } from '../commands';
import { INotebookStreams, IPreferences } from '../tokens';

export const badgesPlugin: JupyterFrontEndPlugin<void> = {
  id: 'greenllm:badges',
  description: 'Shows on each measured cell what it cost.',
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
  const follow = (notebook: NotebookPanel) => {
    const stream = streams.of(notebook);
    if (stream) {
      const badges = new NotebookBadges({ notebook, stream, preferences, trans });
      notebook.disposed.connect(() => badges.dispose());
    }
  };
  streams.forEach(follow);
  streams.opened.connect((_, notebook) => follow(notebook));

  app.commands.addCommand(CommandIDs.badges, {
    label: trans.__('Show Energy on Cells'),
    caption: trans.__('Show on each measured cell what it cost'),
    describedBy: NO_ARGUMENTS,
    isToggleable: true,
    isToggled: () => preferences.current.badges,
    execute: () => preferences.set('badges', !preferences.current.badges)
  });
  preferences.changed.connect(() => app.commands.notifyCommandChanged(CommandIDs.badges));
  palette?.addItem({ command: CommandIDs.badges, category: CATEGORY });
}
