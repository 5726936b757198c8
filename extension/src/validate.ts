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
  type ComparisonMessage,
  type EnergyRecord,
  type HelloMessage,
  type PowerMessage,
  type RecordReply,
  type SnapshotReply,
  type TotalsMessage
} from './messages';

export type StreamMessage =
  HelloMessage | PowerMessage | CellMessage | TotalsMessage | ComparisonMessage;

type Schema = Readonly<Record<string, unknown>>;

const DEFINITIONS = (SCHEMA as { $defs: Record<string, Schema> }).$defs;
const MESSAGE_KINDS: ReadonlySet<unknown> = new Set([
  'hello',
  'power',
  'cell',
  'totals',
  'comparison'
]);

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
  const problem = definitionOf(definition)(data);
  return problem === null ? null : `$${problem}`;
}

/** What is wrong, beginning with where within the data at hand ("[0].label: is too long"); null: nothing. */
type Check = (data: unknown) => string | null;

type Keyword = (argument: never, schema: Schema) => Check;

/** The checks of definitions, made once: messages come 4 times a second. */
const made = new Map<string, Check>();

function definitionOf(name: string): Check {
  const known = made.get(name);
  if (known) {
    return known;
  }
  const schema = Object.hasOwn(DEFINITIONS, name) ? DEFINITIONS[name] : undefined;
  if (!schema) {
    throw new Error(`The message schema has no definition "${name}".`);
  }
  const check = checkOf(schema);
  made.set(name, check);
  return check;
}

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  // Looked up when it is needed: a definition may lead back to itself.
  $ref: (argument: string) => data => definitionOf(argument.slice('#/$defs/'.length))(data),
  allOf: (argument: Schema[]) => all(argument.map(checkOf)),
  oneOf: (argument: Schema[]) => {
    const forms = argument.map(checkOf);
    return data => {
      const matching = forms.filter(fits => fits(data) === null).length;
      return matching === 1 ? null : `: fits ${matching} of ${forms.length} forms`;
    };
  },
  const: (argument: unknown) => data =>
    data === argument ? null : `: is not ${JSON.stringify(argument)}`,
  enum: (argument: unknown[]) => data =>
    argument.includes(data) ? null : `: is none of ${JSON.stringify(argument)}`,
  type: (argument: string | string[]) => {
    const types = [argument].flat();
    return data => (types.some(type => isOfType(data, type)) ? null : `: is not ${types.join()}`);
  },
  minimum: (argument: number) => data =>
    typeof data === 'number' && data < argument ? `: is below ${argument}` : null,
  maximum: (argument: number) => data =>
    typeof data === 'number' && data > argument ? `: is above ${argument}` : null,
  maxLength: (argument: number) => data =>
    // Characters are counted only where there may be too many: each is one or two of a string's units.
    typeof data === 'string' && data.length > argument && Array.from(data).length > argument
      ? ': is too long'
      : null,
  minItems: (argument: number) => data =>
    Array.isArray(data) && data.length < argument ? ': has too few items' : null,
  maxItems: (argument: number) => data =>
    Array.isArray(data) && data.length > argument ? ': has too many items' : null,
  items: (argument: Schema) => {
    const check = checkOf(argument);
    return data =>
      Array.isArray(data) ? firstProblem(data, (item, index) => within(index, check(item))) : null;
  },
  required: (argument: string[]) => data =>
    isObject(data)
      ? firstProblem(argument, key => (Object.hasOwn(data, key) ? null : `.${key}: missing`))
      : null,
  properties: (argument: Record<string, Schema>) => {
    const checks = Object.entries(argument).map(([key, schema]) => [key, checkOf(schema)] as const);
    return data =>
      isObject(data)
        ? firstProblem(checks, ([key, check]) =>
            Object.hasOwn(data, key) ? within(key, check(data[key])) : null
          )
        : null;
  },
  maxProperties: (argument: number) => data =>
    isObject(data) && Object.keys(data).length > argument ? ': has too many properties' : null,
  propertyNames: (argument: Schema) => {
    const check = checkOf(argument);
    return data =>
      isObject(data) ? firstProblem(Object.keys(data), key => named(check(key))) : null;
  },
  additionalProperties: (argument: Schema | false, schema) => {
    const known = new Set(Object.keys(schema.properties ?? {}));
    const check: Check = argument ? checkOf(argument) : () => ': unknown';
    return data =>
      isObject(data)
        ? firstProblem(Object.keys(data), key =>
            known.has(key) ? null : within(key, check(data[key]))
          )
        : null;
  },
  description: () => () => null,
  title: () => () => null
};

function checkOf(schema: Schema): Check {
  return all(
    Object.entries(schema).map(([keyword, argument]) => {
      const make = KEYWORDS[keyword];
      if (!make) {
        throw new Error(`The message schema uses "${keyword}", which this check does not know.`);
      }
      return make(argument as never, schema);
    })
  );
}

function all(checks: readonly Check[]): Check {
  const [only, ...others] = checks;
  return only && others.length === 0 ? only : data => firstProblem(checks, check => check(data));
}

function within(key: string | number, problem: string | null): string | null {
  if (problem === null) {
    return null;
  }
  return typeof key === 'number' ? `[${key}]${problem}` : `.${key}${problem}`;
}

function named(problem: string | null): string | null {
  return problem === null ? null : `: has a property whose name${problem.slice(1)}`;
}

function firstProblem<T>(
  items: readonly T[],
  test: (item: T, index: number) => string | null
): string | null {
  for (let index = 0; index < items.length; index++) {
    const problem = test(items[index] as T, index);
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
