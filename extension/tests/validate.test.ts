import Ajv from 'ajv';
import { describe, expect, it } from 'vitest';
import { SCHEMA } from '../src/messages';
import { asRecord, asSnapshotReply, asStreamMessage, problemWith } from '../src/validate';
import {
  beside,
  cell,
  channel,
  hello,
  knownRecord,
  power,
  record,
  SESSION,
  stage,
  totals
} from './messages';

describe('the check of incoming messages', () => {
  it('lets good messages pass', () => {
    for (const message of [hello(), power(), cell(), totals()]) {
      expect(asStreamMessage(message)).toBe(message);
    }
    expect(asRecord(record())).not.toBeNull();
  });

  it('lets null stand for what is not known', () => {
    const unknown = { energy_j: null, interval_j: null, mass_gco2e: null, interval_gco2e: null };
    expect(asStreamMessage(cell(unknown))).not.toBeNull();
    expect(asStreamMessage(totals(unknown))).not.toBeNull();
    expect(asStreamMessage(power({ total_w: null, power_w: { 'gpu:0': null } }))).not.toBeNull();
  });

  it('takes idle, net and share, and messages without them', () => {
    const known = beside('2026-01-31T12:34:00');
    const unknown = { net_j: null, net_interval_j: null, baseline: null };
    for (const figures of [known, unknown, {}]) {
      expect(asStreamMessage(cell(figures))).not.toBeNull();
      expect(asStreamMessage(totals(figures))).not.toBeNull();
    }
    expect(asRecord(knownRecord('2026-01-31T12:34:00'))).not.toBeNull();
    const guessed = { ...known.baseline, how: 'guessed' };
    expect(asStreamMessage({ ...totals(), baseline: guessed })).toBeNull();
    expect(asStreamMessage({ ...cell(), net_j: NaN })).toBeNull();
  });

  it('takes limits, use, stages and budgets, and nulls in their place', () => {
    expect(asStreamMessage(hello({ channels: [channel({ limit_w: 700 })] }))).not.toBeNull();
    expect(asStreamMessage(hello({ channels: [channel({ limit_w: null })] }))).not.toBeNull();
    expect(asStreamMessage(hello({ preferences_error: 'no such place' }))).not.toBeNull();
    expect(asStreamMessage(power({ utilization: { 'gpu:0': 0.5, 'cpu:0': null } }))).not.toBeNull();
    expect(asStreamMessage(power({ utilization: { 'gpu:0': 1.5 } }))).toBeNull();
    expect(asStreamMessage(totals({ budget_j: 5000, stages: [stage()] }))).not.toBeNull();
    const unknown = stage({ stage: null, energy_j: null, interval_j: null, mass_gco2e: null });
    expect(asStreamMessage(totals({ budget_j: null, stages: [unknown] }))).not.toBeNull();
    expect(
      asStreamMessage(totals({ stages: Array.from({ length: 13 }, () => stage()) }))
    ).toBeNull();
    const run = { budget_j: 5000, started_at_ms: 1_000, ended_at_ms: null };
    expect(asStreamMessage(cell(run))).not.toBeNull();
    expect(asRecord(record({ budget_j: 5000 }))).not.toBeNull();
  });

  it('refuses what is not a message of ours', () => {
    for (const junk of [
      null,
      undefined,
      1,
      'hello',
      [],
      {},
      { kind: 'hello' },
      { kind: 'record' }
    ]) {
      expect(asStreamMessage(junk)).toBeNull();
    }
    expect(asStreamMessage({ ...hello(), kind: '__proto__' })).toBeNull();
  });

  it('says where a message is wrong', () => {
    expect(problemWith({ ...cell(), energy_j: '700' }, 'cell')).toContain('$.energy_j');
    expect(problemWith({ ...cell(), runs: 0 }, 'cell')).toContain('$.runs');
  });

  it('refuses numbers that are none', () => {
    expect(asStreamMessage({ ...power(), total_w: NaN })).toBeNull();
    expect(asStreamMessage({ ...power(), total_w: Infinity })).toBeNull();
  });

  it('checks every message in a snapshot', () => {
    const reply = { status: 'ok', schema: 1, session_id: SESSION, next_page: null };
    expect(asSnapshotReply({ ...reply, messages: [hello(), power()] })).not.toBeNull();
    expect(asSnapshotReply({ ...reply, messages: [hello(), { ...power(), seq: 'x' }] })).toBeNull();
  });

  it('refuses records with more units, or longer names of units, than any has', () => {
    const unit = { count: 1, energy_j_per_unit: 1, interval_j_per_unit: null };
    const units = (names: string[]) => Object.fromEntries(names.map(name => [name, unit]));
    const many = Array.from({ length: 100_000 }, (_, index) => `unit ${index}`);
    expect(asRecord(record({ units: units(many.slice(0, 32)) }))).not.toBeNull();
    expect(problemWith(record({ units: units(many) }), 'record')).toBe(
      '$.units: has too many properties'
    );
    expect(asRecord(record({ units: units(['x'.repeat(200)]) }))).not.toBeNull();
    expect(problemWith(record({ units: units(['x'.repeat(201)]) }), 'record')).toBe(
      '$.units: has a property whose name is too long'
    );
  });

  it('refuses figures of more channels, or longer ids of channels, than a host has', () => {
    const ids = Array.from({ length: 257 }, (_, index) => `gpu:${index}`);
    const each = (keys: string[]) => Object.fromEntries(keys.map(key => [key, 0.5]));
    for (const name of ['power_w', 'utilization'] as const) {
      const problem = (keys: string[]) => problemWith(power({ [name]: each(keys) }), 'power');
      expect(problem(ids.slice(1))).toBeNull();
      expect(problem(ids)).toBe(`$.${name}: has too many properties`);
      expect(problem(['x'.repeat(200)])).toBeNull();
      expect(problem(['x'.repeat(201)])).toBe(`$.${name}: has a property whose name is too long`);
    }
  });

  it('judges as a full JSON Schema validator does', () => {
    const ajv = new Ajv({ strict: false, schemas: [SCHEMA] });
    const id = (SCHEMA as { $id: string }).$id;
    const samples = {
      hello: hello({ channels: [channel({ limit_w: 700 })] }),
      power: power({ utilization: { 'gpu:0': 0.5 } }),
      cell: cell({ ...beside('2026-01-31T12:34:00'), ended_at_ms: 3_000 }),
      totals: totals(beside('2026-01-31T12:34:00')),
      stage: stage(),
      record: knownRecord('2026-01-31T12:34:00')
    };
    let refused = 0;
    for (const [definition, sample] of Object.entries(samples)) {
      const validate = ajv.getSchema(`${id}#/$defs/${definition}`);
      for (const variant of variantsOf(sample)) {
        const ours = problemWith(variant, definition) === null;
        expect([ours, JSON.stringify(variant)]).toEqual([
          validate?.(variant),
          JSON.stringify(variant)
        ]);
        refused += ours ? 0 : 1;
      }
    }
    expect(refused).toBeGreaterThan(200);
  }, 60_000);
});

/** The sample with each part of it, at any depth, replaced or left out. */
function variantsOf(sample: unknown): unknown[] {
  const replacements = [
    null,
    0,
    -1,
    1.5,
    '',
    'x'.repeat(2001),
    true,
    [],
    [1, 2],
    [1],
    {},
    { a: 1 }
  ];
  const variants: unknown[] = [sample, { ...(sample as object), surplus: 1 }];
  if (typeof sample === 'object' && sample !== null) {
    for (const key of Object.keys(sample)) {
      const part = (sample as Record<string, unknown>)[key];
      const without = structuredClone(sample) as Record<string, unknown>;
      Reflect.deleteProperty(without, key);
      variants.push(Array.isArray(sample) ? [] : without);
      for (const value of [...replacements, ...(part === null ? [] : variantsOf(part))]) {
        const changed = structuredClone(sample) as Record<string, unknown>;
        changed[key] = value;
        variants.push(changed);
      }
    }
  }
  return variants;
}
