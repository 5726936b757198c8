/**
 * Puts the words of the settings schema (its editor's and the menu's) into the user's language. JupyterLab
 * does that on the server, and there from language packs only; an extension's own catalogue is known to
 * the page alone.
 */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { TranslationBundle } from '@jupyterlab/translation';

type Schema = ISettingRegistry.ISchema;

/** A copy of a schema with its words translated, under the contexts that jupyterlab_server uses. */
export function translateSchema(schema: Schema, trans: TranslationBundle): Schema {
  return translated(schema, '', trans) as Schema;
}

function translated(node: unknown, path: string, trans: TranslationBundle): unknown {
  if (typeof node === 'string') {
    const context = contextOf(path);
    // eslint-disable-next-line jupyter/no-dynamic-translation -- what stands in the schema is in the catalogue
    return context === null || node === '' ? node : trans.pgettext(context, node);
  }
  if (Array.isArray(node)) {
    return node.map((item, index) => translated(item, `${path}/${index}`, trans));
  }
  if (typeof node === 'object' && node !== null) {
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => [key, translated(value, `${path}/${key}`, trans)])
    );
  }
  return node;
}

/** The context of the words at that place of a schema; null where they are no words for people. */
export function contextOf(path: string): string | null {
  if (/^\/(title|description)$/.test(path)) {
    return 'schema';
  }
  if (/^\/jupyter\.lab\.menus\/.*\/label$/.test(path)) {
    return 'menu';
  }
  if (/^\/jupyter\.lab\.toolbars\/.*\/label$/.test(path)) {
    return 'toolbar';
  }
  const isSetting = /^\/properties\/.*\/(title|description)$/.test(path);
  return isSetting || path === '/jupyter.lab.setting-icon-label' ? 'settings' : null;
}
