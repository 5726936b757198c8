/** Provides the energy streams of the open notebooks. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { keepStatusUntouched } from '../control';
import { NotebookStreams } from '../notebooks';
import { tellPlace } from '../place';
import { INotebookStreams, IPreferences } from '../tokens';

export const streamsPlugin: JupyterFrontEndPlugin<INotebookStreams> = {
  id: 'greenllm:streams',
  description: 'Follows what the kernels of the open notebooks measure.',
  autoStart: true,
  requires: [INotebookTracker, IPreferences],
  provides: INotebookStreams,
  activate: (_, tracker: INotebookTracker, preferences: IPreferences) => {
    keepStatusUntouched();
    return new NotebookStreams(tracker, stream => tellPlace(stream, preferences));
  }
};
