/** GreenLLM in JupyterLab: what each notebook cell costs in energy and emissions. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { badgesPlugin } from './plugins/badges';
import { metadataPlugin } from './plugins/metadata';
import { panelPlugin } from './plugins/panel';
import { preferencesPlugin } from './plugins/preferences';
import { recordPlugin } from './plugins/record';
import { statusPlugin } from './plugins/status';
import { streamsPlugin } from './plugins/streams';

export { INotebookStreams, IPreferences } from './tokens';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  preferencesPlugin,
  streamsPlugin,
  panelPlugin,
  badgesPlugin,
  statusPlugin,
  metadataPlugin,
  recordPlugin
];

export default plugins;
