/** Provides the user's preferences, from JupyterLab's settings where there are any. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Signal, type ISignal } from '@lumino/signaling';
import { DEFAULT_PREFERENCES, readPreferences, type Preferences } from '../preferences';
import { translateSchema } from '../settings-words';
import { IPreferences } from '../tokens';

/** The plugin whose schema has the settings of all of GreenLLM. */
const SETTINGS_ID = 'greenllm:panel';

export const preferencesPlugin: JupyterFrontEndPlugin<IPreferences> = {
  id: 'greenllm:preferences',
  description: 'Reads what the user has set about energy and emissions.',
  autoStart: true,
  optional: [ISettingRegistry, ITranslator],
  provides: IPreferences,
  activate: (_, registry: ISettingRegistry | null, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load('greenllm');
    registry?.transform(SETTINGS_ID, {
      fetch: plugin => ({ ...plugin, schema: translateSchema(plugin.schema, trans) })
    });
    return new SettingsPreferences(registry);
  }
};

class SettingsPreferences implements IPreferences {
  private readonly _changed = new Signal<this, void>(this);
  private readonly _settings: Promise<ISettingRegistry.ISettings | null>;
  private _current = DEFAULT_PREFERENCES;

  constructor(registry: ISettingRegistry | null) {
    this._settings = registry ? this._load(registry) : Promise.resolve(null);
  }

  get current(): Preferences {
    return this._current;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  async set(key: string, value: string | number | boolean): Promise<void> {
    await (await this._settings)?.set(key, value);
  }

  private async _load(registry: ISettingRegistry): Promise<ISettingRegistry.ISettings | null> {
    try {
      const settings = await registry.load(SETTINGS_ID);
      settings.changed.connect(this._read, this);
      this._read(settings);
      return settings;
    } catch (reason) {
      console.warn('GreenLLM: settings could not be read, defaults are used.', reason);
      return null;
    }
  }

  private _read(settings: ISettingRegistry.ISettings): void {
    this._current = readPreferences(settings.composite);
    this._changed.emit();
  }
}
