/**
 * Writes extension/src/messages.ts from the schema both languages share: its types, and the schema
 * itself (without its prose) for the check at run time.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const BANNER =
  '// Generated from greenllm_kernel/messages.schema.json by build-messages.mjs: do not edit.';
const TYPES = [
  'hello',
  'power',
  'cell',
  'totals',
  'comparison',
  'record',
  'recordRequest',
  'recordReply',
  'snapshotRequest',
  'snapshotReply',
  'preferencesRequest',
  'preferencesReply',
  'hostPower',
  'history',
  'historySession'
];
const source = new URL('../greenllm_kernel/messages.schema.json', import.meta.url);
const target = new URL('./src/messages.ts', import.meta.url);

const schema = JSON.parse(await readFile(source, 'utf8'));
const types = await compile(forTypes(schema), 'AnyMessage', {
  additionalProperties: false,
  bannerComment: BANNER,
  // Intervals are pairs; longer arrays are not written out as a tuple for each length.
  maxItems: 2
});
const data = JSON.stringify(schema, withoutProse);
const text = `${types}\n/** The schema as data, for the check of what comes in. */\nexport const SCHEMA: object = ${data};\n`;
// Somebody else may be reading the same file just now: it is written where it differs only.
if ((await readFile(target, 'utf8').catch(() => '')) !== text) {
  await writeFile(target, text);
}

/** The same schema in the form the type generator reads whole: no allOf, definitions by name. */
function forTypes(schema) {
  const { $defs } = structuredClone(schema);
  for (const definition of Object.values($defs)) {
    for (const { $ref } of definition.allOf ?? []) {
      const parent = $defs[$ref.split('/').at(-1)];
      definition.properties = { ...parent.properties, ...definition.properties };
      definition.required = [...new Set([...parent.required, ...(definition.required ?? [])])];
    }
    delete definition.allOf;
  }
  const oneOf = TYPES.map(name => ({ $ref: `#/$defs/${name}` }));
  const moved = JSON.stringify({ title: 'AnyMessage', oneOf, definitions: $defs });
  return JSON.parse(moved.replaceAll('#/$defs/', '#/definitions/'));
}

function withoutProse(key, value) {
  const isProse = (key === 'description' || key === 'title') && typeof value === 'string';
  return isProse ? undefined : value;
}
