/** Provides the energy streams of the open notebooks. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { NotebookStreams } from '../notebooks';
import { keepStatusUntouched } from '../snapshot';
import { INotebookStreams } from '../tokens';

export const streamsPlugin: JupyterFrontEndPlugin<INotebookStreams> = {
  id: 'greenllm:streams',
  description: 'Follows what the kernels of the open notebooks measure.',
  autoStart: true,
  requires: [INotebookTracker],
  provides: INotebookStreams,
  activate: (_, tracker: INotebookTracker) => {
    keepStatusUntouched();
    return new NotebookStreams(tracker);
  }
};
