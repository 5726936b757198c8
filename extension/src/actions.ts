/** What the panel's buttons do. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, type ISessionContextDialogs } from '@jupyterlab/apputils';
import type { Actions } from './components/environment';
import type { INotebookStreams } from './tokens';

const SETTINGS_COMMAND = 'settingeditor:open';

export function actionsFor(
  { commands }: JupyterFrontEnd,
  streams: INotebookStreams,
  dialogs: ISessionContextDialogs
): Actions {
  return {
    selectKernel: () => {
      const context = streams.notebook?.sessionContext;
      if (context) {
        void dialogs.selectKernel(context);
      }
    },
    measure: () => void streams.current?.measure(),
    askAgain: () => void streams.current?.askAgain(),
    goToCell: cellId => {
      const content = streams.notebook?.content;
      const index = content?.widgets.findIndex(cell => cell.model.id === cellId) ?? -1;
      if (content && index >= 0) {
        content.activeCellIndex = index;
        content.deselectAll();
        void content.scrollToItem(index, 'smart');
      }
    },
    copy: text => Clipboard.copyToSystem(text),
    openSettings: () => {
      if (commands.hasCommand(SETTINGS_COMMAND)) {
        void commands.execute(SETTINGS_COMMAND, { query: 'GreenLLM' });
      }
    },
    download: url => {
      const link = document.createElement('a');
      link.href = url;
      link.download = '';
      document.body.append(link);
      link.click();
      link.remove();
    }
  };
}
