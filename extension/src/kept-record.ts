/**
 * A cell's record in the notebook file: in the cell's metadata, under "greenllm".
 *
 * Anyone may have written what stands there, so it is checked when it is read; and it is the cell's
 * only where it names the cell: a duplicate has a copy of the metadata and another id.
 */
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { ChannelEnergy, EnergyRecord } from './messages';
import type { NotebookMetadata } from './preferences';
import { asRecord } from './validate';

export const KEPT_KEY = 'greenllm';
/** A longer record, as JSON, is not kept: 256 channels take about 200 KB, 8 GPUs about 10. */
const LONGEST_JSON = 32_768;

const known = new WeakMap<ICellModel, EnergyRecord | null>();

/** The record that the notebook has kept of this cell, or null. */
export function keptRecord(cell: ICellModel): EnergyRecord | null {
  let record = known.get(cell);
  if (record === undefined) {
    cell.metadataChanged.connect(forgetKnown);
    record = readKept(cell);
    known.set(cell, record);
  }
  return record;
}

/**
 * Write a record into the notebook; where it stands there already, nothing changes.
 *
 * The user cannot undo it, and whatever she does undo is her own last step as before.
 */
export function keep(cell: ICellModel, record: EnergyRecord, what: NotebookMetadata): void {
  if (what === 'nothing' || record.cell_id !== cell.id) {
    return;
  }
  const kept = what === 'redacted' ? redacted(record) : record;
  if (JSON.stringify(kept).length <= LONGEST_JSON) {
    cell.setMetadata(KEPT_KEY, kept);
  }
}

/**
 * Remove all that was kept, of GreenLLM's, from the cells of a notebook: in one step that can be undone.
 *
 * @returns From how many cells.
 */
export function removeKept(notebook: INotebookModel): number {
  const cells = [...notebook.cells].filter(cell => cell.getMetadata(KEPT_KEY) !== undefined);
  if (cells.length > 0) {
    notebook.sharedModel.transact(() => cells.forEach(cell => cell.deleteMetadata(KEPT_KEY)));
  }
  return cells.length;
}

/** The record without what tells which machine and whose session it was. */
export function redacted(record: EnergyRecord): EnergyRecord {
  const names = new Map(
    record.channels.map((channel, index) => [channel.id, nameOf(channel, index)])
  );
  const plain = (id: string) => names.get(id) ?? 'other';
  const channels = record.channels.map(channel => ({
    ...channel,
    id: plain(channel.id),
    label: plain(channel.id),
    fault: null
  }));
  const { energy } = record;
  const ofEnergy = {
    ...energy,
    unavailable: energy.unavailable.map(plain),
    ...(energy.known_net ? { known_net: null } : {})
  };
  return {
    ...record,
    run_id: '',
    parent_run_id: null,
    session_id: '',
    host: '',
    energy: ofEnergy,
    channels
  };
}

function nameOf({ component }: ChannelEnergy, index: number): string {
  return `${component}:${index}`;
}

function readKept(cell: ICellModel): EnergyRecord | null {
  const data: unknown = cell.getMetadata(KEPT_KEY);
  if (data === undefined) {
    return null;
  }
  const record = JSON.stringify(data).length > LONGEST_JSON ? null : asRecord(data);
  return record?.cell_id === cell.id ? record : null;
}

function forgetKnown(cell: ICellModel, { key }: { key: string }): void {
  if (key === KEPT_KEY) {
    cell.metadataChanged.disconnect(forgetKnown);
    known.delete(cell);
  }
}
