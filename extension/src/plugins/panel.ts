/** The sidebar panel, the commands around it, and its settings. */
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
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { Actions } from '../components/environment';
import { leafIcon } from '../icon';
import { EnergyPanel, PANEL_ID } from '../panel-widget';
import { panelState } from '../state';
import { INotebookStreams } from '../tokens';

const PLUGIN_ID = 'greenllm:panel';
const CATEGORY = 'GreenLLM';
const RANK = 900;

/** What others may call. */
export const CommandIDs = { open: 'greenllm:open', measure: 'greenllm:measure' } as const;

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Shows power, energy and emissions of the current notebook in the sidebar.',
  autoStart: true,
  requires: [INotebookStreams],
  optional: [
    ITranslator,
    ILayoutRestorer,
    ICommandPalette,
    ISettingRegistry,
    IThemeManager,
    ISessionContextDialogs
  ],
  activate
};

function activate(
  app: JupyterFrontEnd,
  streams: INotebookStreams,
  translator: ITranslator | null,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
  settings: ISettingRegistry | null,
  themes: IThemeManager | null,
  dialogs: ISessionContextDialogs | null
): void {
  const chosen = translator ?? nullTranslator;
  const trans = chosen.load('greenllm');
  const sessionDialogs = dialogs ?? new SessionContextDialogs({ translator: chosen });
  const panel = new EnergyPanel({ streams, trans, actions: actionsFor(streams, sessionDialogs) });
  app.shell.add(panel, 'right', { rank: RANK, type: 'GreenLLM' });
  restorer?.add(panel, PANEL_ID);

  app.commands.addCommand(CommandIDs.open, {
    label: trans.__('Show Energy and Emissions'),
    caption: trans.__('Open the panel with power, energy and emissions of the current notebook'),
    icon: leafIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => app.shell.activateById(PANEL_ID)
  });
  app.commands.addCommand(CommandIDs.measure, {
    label: trans.__('Measure This Notebook'),
    caption: trans.__('Load GreenLLM in the kernel of the current notebook'),
    describedBy: { args: { type: 'object', properties: {} } },
    isEnabled: () => isMeasurable(streams),
    execute: async () => {
      app.shell.activateById(PANEL_ID);
      await streams.current?.measure();
    }
  });
  streams.changed.connect(() => app.commands.notifyCommandChanged(CommandIDs.measure));
  for (const command of Object.values(CommandIDs)) {
    palette?.addItem({ command, category: CATEGORY });
  }

  if (themes) {
    const follow = () => (panel.theme = themes.theme ?? '');
    themes.themeChanged.connect(follow);
    follow();
  }
  if (settings) {
    void followSettings(settings, panel);
  }
}

function actionsFor(streams: INotebookStreams, dialogs: ISessionContextDialogs): Actions {
  return {
    selectKernel: () => {
      const context = streams.notebook?.sessionContext;
      if (context) {
        void dialogs.selectKernel(context);
      }
    },
    measure: () => void streams.current?.measure(),
    goToCell: cellId => {
      const content = streams.notebook?.content;
      const index = content?.widgets.findIndex(cell => cell.model.id === cellId) ?? -1;
      if (content && index >= 0) {
        content.activeCellIndex = index;
        content.deselectAll();
        void content.scrollToItem(index, 'smart');
      }
    }
  };
}

function isMeasurable(streams: INotebookStreams): boolean {
  const state = panelState(streams.current?.facts ?? null);
  return state === 'not measured' || state === 'not answering';
}

async function followSettings(registry: ISettingRegistry, panel: EnergyPanel): Promise<void> {
  try {
    const settings = await registry.load(PLUGIN_ID);
    const apply = () => {
      panel.preferences = {
        unit: settings.get('energyUnit').composite === 'watt-hour' ? 'watt-hour' : 'joule',
        recent_s: Number(settings.get('recentMinutes').composite) * 60 || 300
      };
    };
    settings.changed.connect(apply);
    apply();
  } catch (reason) {
    console.warn('GreenLLM: settings could not be read, defaults are used.', reason);
  }
}
