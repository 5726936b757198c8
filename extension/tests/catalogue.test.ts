/** Each catalogue that is shipped: whole, without leftovers, and such that JupyterLab can use it. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { TranslationManager } from '@jupyterlab/translation';
import { beforeAll, describe, expect, test } from 'vitest';
import { translateSchema } from '../src/settings-words';
import { wordsOfSchema, wordsOfSource, wordsOfSources, type Words } from './words';

const EXTENSION = resolve(__dirname, '..');
const SETTINGS = resolve(EXTENSION, 'schema', 'panel.json');
const LOCALES = resolve(EXTENSION, '../greenllm_kernel/locale');
/** Reads the same in every language: signs, units, names. */
const SAME_EVERYWHERE =
  /^(?:%\d|[^\p{L}]|\b(?:ms|s|min|h|CPU|GPU|DRAM|GreenLLM|CO₂e|kWh|g|W|J|Wh|CSV|JSON|Parquet|Markdown)\b)*$/u;

type Catalogue = Record<string, string[]>;

const words = [...wordsOfSources(resolve(EXTENSION, 'src')), ...wordsOfSchemas()];
const byKey = new Map(words.map(entry => [entry.key, entry]));

describe('what is translated', () => {
  test('is found in the sources, with its context and its plural', () => {
    const source = `trans.__('One'); trans._n('%1 run', '%1 runs', n); t._p('menu', 'Two' + ' three');`;
    const found = wordsOfSource('a.ts', source).map(({ key, forms }) => [key, forms]);
    expect(found).toEqual([
      ['One', ['One']],
      ['%1 run', ['%1 run', '%1 runs']],
      ['menu\u0004Two three', ['Two three']]
    ]);
  });

  test('must be written out', () => {
    expect(() => wordsOfSource('a.ts', 'trans.__(name)')).toThrow('a.ts:1');
  });

  test('is not said once alone and once with a plural', () => {
    const plurals = new Set(words.filter(isPlural).map(({ key }) => key));
    expect(words.filter(entry => !isPlural(entry) && plurals.has(entry.key))).toEqual([]);
  });
});

describe.each(readdirSync(LOCALES))('the catalogue %s', locale => {
  const path = resolve(LOCALES, locale, 'LC_MESSAGES', 'greenllm.json');
  const { '': head, ...catalogue } = JSON.parse(readFileSync(path, 'utf8')) as Catalogue & {
    '': Record<string, string>;
  };
  const count = Number(/nplurals=(\d)/.exec(head.plural_forms ?? '')?.[1]);

  test('has every string', () => {
    const missing = [...byKey.keys()].filter(key => !Object.hasOwn(catalogue, key));
    expect(missing).toEqual([]);
  });

  test('has no other', () => {
    expect(Object.keys(catalogue).filter(key => !byKey.has(key))).toEqual([]);
  });

  test('is in order', () => {
    const keys = Object.keys(catalogue);
    expect(keys).toEqual([...keys].sort());
  });

  test('keeps the places that are filled in', () => {
    const differing = Object.entries(catalogue).filter(
      ([key, [text = '']]) => placesIn(text) !== placesIn(byKey.get(key)?.forms.at(-1) ?? '')
    );
    expect(differing).toEqual([]);
  });

  test('has a form for each number', () => {
    // JupyterLab takes a plural without a second form for one that is not translated.
    const differing = Object.entries(catalogue).filter(([key, texts]) => {
      const forms = byKey.get(key)?.forms.length ?? 0;
      return texts.length !== forms || texts.slice(0, count).some(text => text.trim() === '');
    });
    expect(differing).toEqual([]);
  });

  test('leaves nothing in English', () => {
    const left = Object.entries(catalogue)
      .filter(([key]) => !SAME_EVERYWHERE.test(byKey.get(key)?.forms[0] ?? ''))
      .filter(([key, [text]]) => text === byKey.get(key)?.forms[0]);
    expect(left).toEqual([]);
  });

  describe('in JupyterLab', () => {
    const manager = new TranslationManager('', '', undefined, {
      fetch: () => Promise.resolve({ data: { greenllm: { '': head, ...catalogue } }, message: '' })
    } as never);

    beforeAll(() => manager.fetch(locale));

    test('gives every string in its own words', () => {
      const trans = manager.load('greenllm');
      for (const { key, forms } of byKey.values()) {
        const [context, text] = key.includes('\u0004') ? key.split('\u0004') : ['', key];
        const [one = '', many = ''] = forms;
        const given =
          forms.length > 1
            ? trans._np(context ?? '', one, many, 2)
            : trans._p(context ?? '', text ?? '');
        const expected = (catalogue[key]?.[0] ?? '').replaceAll('%%', '%');
        expect(filled(given)).toBe(filled(expected));
      }
    });

    test('puts the words of the settings into its own, and leaves the rest', () => {
      const schema = JSON.parse(readFileSync(SETTINGS, 'utf8')) as ISettingRegistry.ISchema;
      const inOwn = translateSchema(schema, manager.load('greenllm'));
      for (const [key, { title, default: usual }] of Object.entries(schema.properties ?? {})) {
        expect(inOwn.properties?.[key]?.title).toBe(catalogue[`settings\u0004${title}`]?.[0]);
        expect(inOwn.properties?.[key]?.default).toEqual(usual);
      }
      expect(withoutWords(inOwn)).toEqual(withoutWords(schema));
    });
  });
});

function wordsOfSchemas(): Words[] {
  const folder = resolve(EXTENSION, 'schema');
  return readdirSync(folder).flatMap(name =>
    wordsOfSchema(name, JSON.parse(readFileSync(resolve(folder, name), 'utf8')))
  );
}

/** A schema with every text that is for people blanked out. */
function withoutWords(schema: unknown): unknown {
  return JSON.parse(
    JSON.stringify(schema, (key, value: unknown) =>
      ['title', 'description', 'label'].includes(key) ? '' : value
    )
  );
}

function isPlural({ forms }: Words): boolean {
  return forms.length > 1;
}

/** "%1 %2 %%" of a text, in order, each as often as it stands there; a number that is said once is enough. */
function placesIn(text: string): string {
  return [...new Set(text.match(/%\d+|%%/g))].sort().join(' ');
}

/** Without what was to be filled in. */
function filled(text: string): string {
  return text.replace(/undefined|%\d+|\b2\b/g, '…');
}
