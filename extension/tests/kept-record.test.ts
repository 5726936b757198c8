import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { describe, expect, it } from 'vitest';
import { keep, KEPT_KEY, keptRecord, redacted, removeKept } from '../src/kept-record';
import type { EnergyRecord } from '../src/messages';
import { problemWith } from '../src/validate';
import { knownChannel, knownNet, record } from './messages';

/** What is used of a cell's model. */
class FakeCell {
  metadata: Record<string, unknown> = {};
  writes = 0;
  metadataChanged = new Signal<this, { key: string }>(this);

  constructor(readonly id: string) {}

  getMetadata(key: string): unknown {
    return structuredClone(this.metadata[key]);
  }

  setMetadata(key: string, value: unknown): void {
    this.metadata[key] = structuredClone(value);
    this.writes += 1;
    this.metadataChanged.emit({ key });
  }

  deleteMetadata(key: string): void {
    this.metadata = Object.fromEntries(Object.entries(this.metadata).filter(([k]) => k !== key));
    this.metadataChanged.emit({ key });
  }

  get model(): ICellModel {
    return this as unknown as ICellModel;
  }
}

const SECRET = 'GPU-5ec4e7';

/** A record full of what tells which machine it was. */
function telling(): EnergyRecord {
  const full = record({
    host: SECRET,
    session_id: SECRET,
    run_id: SECRET,
    parent_run_id: SECRET,
    channels: [
      knownChannel('2026-01-31T12:34:00', { id: SECRET, label: SECRET, fault: `${SECRET} is lost` })
    ]
  });
  const known_net = knownNet('2026-01-31T12:34:00', [SECRET], [SECRET]);
  return { ...full, energy: { ...full.energy, unavailable: [SECRET, 'dram'], known_net } };
}

describe('a record in a notebook', () => {
  it('is found again in the cell it is of', () => {
    const cell = new FakeCell('cell-1');
    expect(keptRecord(cell.model)).toBeNull();
    keep(cell.model, record(), 'everything');
    expect(keptRecord(cell.model)).toEqual(record());
    expect(keptRecord(cell.model)).toBe(keptRecord(cell.model));
  });

  it('is not a duplicate’s, which has a copy of the metadata', () => {
    const duplicate = new FakeCell('cell-2');
    duplicate.metadata[KEPT_KEY] = record();
    expect(keptRecord(duplicate.model)).toBeNull();
  });

  it('is not written where nothing is to be stored, nor for another cell, nor without measure', () => {
    const cell = new FakeCell('cell-1');
    keep(cell.model, record(), 'nothing');
    keep(cell.model, record({ cell_id: 'cell-9' }), 'everything');
    const channels = Array.from({ length: 256 }, () => knownChannel('2026-01-31T12:34:00'));
    keep(cell.model, record({ channels }), 'everything');
    expect(cell.writes).toBe(0);
  });

  it('without host, devices and session still fits the schema, and has the same figures', () => {
    const cell = new FakeCell('cell-1');
    keep(cell.model, telling(), 'redacted');
    expect(JSON.stringify(cell.metadata)).not.toContain(SECRET);
    const kept = keptRecord(cell.model);
    expect(problemWith(kept, 'record')).toBeNull();
    expect(kept?.energy.gross_j).toBe(telling().energy.gross_j);
    expect(kept?.channels[0]?.energy_j).toBe(1200);
    expect(redacted(telling()).energy.unavailable).toHaveLength(2);
  });

  it.each([
    ['nothing of ours', { greenllm: 'yes' }],
    ['text where a number belongs', { ...record(), duration_s: '<img src=x>' }],
    ['a field too much', { ...record(), script: 'alert(1)' }],
    ['more than is ever written', { ...record(), units: { ['x'.repeat(40_000)]: {} } }]
  ])('is not taken where it is %s', (_, metadata) => {
    const cell = new FakeCell('cell-1');
    cell.metadata[KEPT_KEY] = metadata;
    expect(keptRecord(cell.model)).toBeNull();
  });

  it('is gone once it is removed, in one step for all cells', () => {
    const first = new FakeCell('cell-1');
    const cells = [first, new FakeCell('cell-2'), new FakeCell('cell-3')];
    for (const cell of cells.slice(0, 2)) {
      keep(cell.model, record({ cell_id: cell.id }), 'everything');
    }
    const steps: number[] = [];
    const notebook = {
      cells,
      sharedModel: {
        transact: (change: () => void) => {
          change();
          steps.push(1);
        }
      }
    } as unknown as INotebookModel;
    expect(keptRecord(first.model)).not.toBeNull();
    expect(removeKept(notebook)).toBe(2);
    expect(keptRecord(first.model)).toBeNull();
    expect(cells.every(cell => Object.keys(cell.metadata).length === 0)).toBe(true);
    expect(removeKept(notebook)).toBe(0);
    expect(steps).toHaveLength(1);
  });
});
