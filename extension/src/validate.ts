/**
 * Checks what comes in against the schema both languages share. A kernel runs anyone's code, so
 * every message is hostile until it has passed here.
 *
 * This reads the part of JSON Schema (draft 7) which that one file uses; a keyword it does not know
 * is an error, never skipped.
 */
import {
  SCHEMA,
  type CellMessage,
  type EnergyRecord,
  type HelloMessage,
  type PowerMessage,
  type RecordReply,
  type SnapshotReply,
  type TotalsMessage
} from './messages';

export type StreamMessage = HelloMessage | PowerMessage | CellMessage | TotalsMessage;

type Schema = Readonly<Record<string, unknown>>;

const DEFINITIONS = (SCHEMA as { $defs: Record<string, Schema> }).$defs;
const MESSAGE_KINDS: ReadonlySet<unknown> = new Set(['hello', 'power', 'cell', 'totals']);

/** The stream message in `data`, or null where it is none. */
export function asStreamMessage(data: unknown): StreamMessage | null {
  const kind = isObject(data) ? data.kind : undefined;
  if (!MESSAGE_KINDS.has(kind)) {
    return null;
  }
  return problemWith(data, kind as string) === null ? (data as StreamMessage) : null;
}

/** The snapshot in `data`, or null where it is none. */
export function asSnapshotReply(data: unknown): SnapshotReply | null {
  return problemWith(data, 'snapshotReply') === null ? (data as SnapshotReply) : null;
}

/** The answer with a record in `data`, or null where it is none. */
export function asRecordReply(data: unknown): RecordReply | null {
  return problemWith(data, 'recordReply') === null ? (data as RecordReply) : null;
}

/** The record in `data`, or null where it is none. */
export function asRecord(data: unknown): EnergyRecord | null {
  return problemWith(data, 'record') === null ? (data as EnergyRecord) : null;
}

/** What is wrong with `data` as the named definition of the schema: the first thing found, or null. */
export function problemWith(data: unknown, definition: string): string | null {
  const schema = DEFINITIONS[definition];
  if (!schema) {
    throw new Error(`The message schema has no definition "${definition}".`);
  }
  return check(data, schema, '$');
}

type Keyword = (data: unknown, argument: never, schema: Schema, path: string) => string | null;

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  $ref: (data, argument: string, _, path) => {
    const target = DEFINITIONS[argument.slice('#/$defs/'.length)];
    return target ? check(data, target, path) : `${path}: ${argument} leads nowhere`;
  },
  allOf: (data, argument: Schema[], _, path) => firstProblem(argument, s => check(data, s, path)),
  oneOf: (data, argument: Schema[], _, path) => {
    const matching = argument.filter(s => check(data, s, path) === null).length;
    return matching === 1 ? null : `${path}: fits ${matching} of ${argument.length} forms`;
  },
  const: (data, argument: unknown, _, path) =>
    data === argument ? null : `${path}: is not ${JSON.stringify(argument)}`,
  enum: (data, argument: unknown[], _, path) =>
    argument.includes(data) ? null : `${path}: is none of ${JSON.stringify(argument)}`,
  type: (data, argument: string | string[], _, path) =>
    [argument].flat().some(type => isOfType(data, type)) ? null : `${path}: is not ${argument}`,
  minimum: (data, argument: number, _, path) =>
    typeof data === 'number' && data < argument ? `${path}: is below ${argument}` : null,
  maximum: (data, argument: number, _, path) =>
    typeof data === 'number' && data > argument ? `${path}: is above ${argument}` : null,
  maxLength: (data, argument: number, _, path) =>
    typeof data === 'string' && Array.from(data).length > argument ? `${path}: is too long` : null,
  minItems: (data, argument: number, _, path) =>
    Array.isArray(data) && data.length < argument ? `${path}: has too few items` : null,
  maxItems: (data, argument: number, _, path) =>
    Array.isArray(data) && data.length > argument ? `${path}: has too many items` : null,
  items: (data, argument: Schema, _, path) =>
    Array.isArray(data)
      ? firstProblem(data, (item, index) => check(item, argument, `${path}[${index}]`))
      : null,
  required: (data, argument: string[], _, path) =>
    isObject(data)
      ? firstProblem(argument, key => (Object.hasOwn(data, key) ? null : `${path}.${key}: missing`))
      : null,
  properties: (data, argument: Record<string, Schema>, _, path) =>
    isObject(data)
      ? firstProblem(Object.entries(argument), ([key, schema]) =>
          Object.hasOwn(data, key) ? check(data[key], schema, `${path}.${key}`) : null
        )
      : null,
  additionalProperties: (data, argument: Schema | false, schema, path) => {
    if (!isObject(data)) {
      return null;
    }
    const known = schema.properties ?? {};
    const others = Object.keys(data).filter(key => !Object.hasOwn(known, key));
    return firstProblem(others, key =>
      argument ? check(data[key], argument, `${path}.${key}`) : `${path}.${key}: unknown`
    );
  },
  description: () => null,
  title: () => null
};

function check(data: unknown, schema: Schema, path: string): string | null {
  return firstProblem(Object.entries(schema), ([keyword, argument]) => {
    const test = KEYWORDS[keyword];
    if (!test) {
      throw new Error(`The message schema uses "${keyword}", which this check does not know.`);
    }
    return test(data, argument as never, schema, path);
  });
}

function firstProblem<T>(
  items: readonly T[],
  test: (item: T, index: number) => string | null
): string | null {
  for (const [index, item] of items.entries()) {
    const problem = test(item, index);
    if (problem !== null) {
      return problem;
    }
  }
  return null;
}

function isOfType(data: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return data === null;
    case 'array':
      return Array.isArray(data);
    case 'object':
      return isObject(data);
    case 'integer':
      return Number.isSafeInteger(data);
    case 'number':
      return Number.isFinite(data);
    default:
      return typeof data === type;
  }
}

function isObject(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}
