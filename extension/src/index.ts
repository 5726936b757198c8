/** GreenLLM in JupyterLab: what each notebook cell costs in energy and emissions. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { panelPlugin } from './plugins/panel';
import { preferencesPlugin } from './plugins/preferences';
import { recordPlugin } from './plugins/record';
import { streamsPlugin } from './plugins/streams';

export { INotebookStreams, IPreferences } from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  preferencesPlugin,
  streamsPlugin,
  panelPlugin,
  recordPlugin
];

export default plugins;
