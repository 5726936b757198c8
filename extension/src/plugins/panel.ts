/** The sidebar panel and the commands around it. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  ISessionContextDialogs,
  IThemeManager,
  SessionContextDialogs
} from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { actionsFor } from '../actions';
import { CATEGORY, CommandIDs, NO_ARGUMENTS } from '../commands';
import { leafIcon } from '../icon';
import { EnergyPanel, PANEL_ID } from '../panel-widget';
import { energyServer } from '../server';
import { panelState } from '../state';
import { INotebookStreams, IPreferences } from '../tokens';

const PLUGIN_ID = 'greenllm:panel';
const RANK = 900;

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Shows power, energy and emissions of the current notebook in the sidebar.',
  autoStart: true,
  requires: [INotebookStreams, IPreferences],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, IThemeManager, ISessionContextDialogs],
  activate
};

function activate(
  app: JupyterFrontEnd,
  streams: INotebookStreams,
  preferences: IPreferences,
  translator: ITranslator | null,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
  themes: IThemeManager | null,
  dialogs: ISessionContextDialogs | null
): void {
  const chosen = translator ?? nullTranslator;
  const trans = chosen.load('greenllm');
  const sessionDialogs = dialogs ?? new SessionContextDialogs({ translator: chosen });
  const actions = actionsFor(app, streams, sessionDialogs);
  const panel = new EnergyPanel({
    streams,
    trans,
    preferences,
    actions,
    server: energyServer(app.serviceManager.serverSettings)
  });
  app.shell.add(panel, 'right', { rank: RANK, type: 'GreenLLM' });
  restorer?.add(panel, PANEL_ID);

  app.commands.addCommand(CommandIDs.open, {
    label: trans.__('Show Energy and Emissions'),
    caption: trans.__('Open the panel with power, energy and emissions of the current notebook'),
    icon: leafIcon,
    describedBy: NO_ARGUMENTS,
    execute: () => app.shell.activateById(PANEL_ID)
  });
  app.commands.addCommand(CommandIDs.measure, {
    label: trans.__('Measure This Notebook'),
    caption: trans.__('Load GreenLLM in the kernel of the current notebook'),
    describedBy: NO_ARGUMENTS,
    isEnabled: () => isMeasurable(streams),
    execute: async () => {
      app.shell.activateById(PANEL_ID);
      await streams.current?.measure();
    }
  });
  app.commands.addCommand(CommandIDs.settings, {
    label: trans.__('Settings of Energy and Emissions'),
    caption: trans.__('Units, refresh, badges, price, place, and what notebooks keep'),
    describedBy: NO_ARGUMENTS,
    execute: actions.openSettings
  });
  let wasMeasurable: boolean | null = null;
  streams.changed.connect(() => {
    if (wasMeasurable !== isMeasurable(streams)) {
      wasMeasurable = isMeasurable(streams);
      app.commands.notifyCommandChanged(CommandIDs.measure);
    }
  });
  for (const command of [CommandIDs.open, CommandIDs.measure, CommandIDs.settings]) {
    palette?.addItem({ command, category: CATEGORY });
  }

  if (themes) {
    const follow = () => (panel.theme = themes.theme ?? '');
    themes.themeChanged.connect(follow);
    follow();
  }
}

function isMeasurable(streams: INotebookStreams): boolean {
  const state = panelState(streams.current?.facts ?? null);
  return state === 'not measured' || state === 'not answering';
}
