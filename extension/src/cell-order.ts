/** The order of the cells in the table, sorted anew only when something has moved. */
import type { CellMessage, Quantity } from './messages';

export type SortColumn = 'notebook' | 'energy' | 'emissions' | 'runs' | 'time' | 'power';

export interface Sorting {
  readonly by: SortColumn;
  readonly isDescending: boolean;
}

export const NOTEBOOK_ORDER: Sorting = { by: 'notebook', isDescending: false };
export const HOTTEST_FIRST: Sorting = { by: 'energy', isDescending: true };

type Cells = ReadonlyMap<string, CellMessage>;
type Places = ReadonlyMap<string, number>;

/** Energy per second of a cell's runs, W. */
export function meanPower(cell: Pick<CellMessage, 'energy_j' | 'duration_s'>): Quantity {
  return cell.energy_j === null || !(cell.duration_s > 0) ? null : cell.energy_j / cell.duration_s;
}

/** Remembers the last order: as long as it still holds it is the same array. */
export class CellOrder {
  private _ids: readonly string[] = [];
  private _sorting: Sorting = NOTEBOOK_ORDER;

  /**
   * @param cells - By id, in the order in which they were first heard of.
   * @param places - The place in the notebook of each cell in it; the others come last.
   */
  ids(cells: Cells, places: Places, sorting: Sorting): readonly string[] {
    const isSame = this._sorting === sorting && this._ids.length === cells.size;
    if (!isSame || !this._holds(cells, places)) {
      this._sorting = sorting;
      this._ids = sorted(cells, places, sorting);
    }
    return this._ids;
  }

  private _holds(cells: Cells, places: Places): boolean {
    let last: Standing | undefined;
    for (const id of this._ids) {
      const cell = cells.get(id);
      const next = cell && standingOf(cell, places, this._sorting.by);
      if (!next || (last && compare(last, next, this._sorting) > 0)) {
        return false;
      }
      last = next;
    }
    return true;
  }
}

function sorted(cells: Cells, places: Places, sorting: Sorting): string[] {
  return Array.from(cells.values(), cell => standingOf(cell, places, sorting.by))
    .sort((a, b) => compare(a, b, sorting))
    .map(({ id }) => id);
}

/** What decides where a cell stands: found once for each, not at each comparison. */
interface Standing {
  readonly id: string;
  readonly key: Quantity;
  readonly place: Quantity;
}

function standingOf(cell: CellMessage, places: Places, by: SortColumn): Standing {
  const place = placeOf(cell, places);
  return { id: cell.cell_id, key: by === 'notebook' ? place : sortKey(cell, by), place };
}

/** What is not known comes last in either direction; equals stand as in the notebook. */
function compare(a: Standing, b: Standing, { isDescending }: Sorting): number {
  return differ(a.key, b.key, isDescending ? -1 : 1) || differ(a.place, b.place, 1);
}

function differ(a: Quantity, b: Quantity, sign: 1 | -1): number {
  return a === null || b === null ? Number(a === null) - Number(b === null) : sign * (a - b);
}

function sortKey(cell: CellMessage, by: Exclude<SortColumn, 'notebook'>): Quantity {
  switch (by) {
    case 'energy':
      return cell.energy_j;
    case 'emissions':
      return cell.mass_gco2e;
    case 'runs':
      return cell.runs;
    case 'time':
      return cell.duration_s;
    case 'power':
      return meanPower(cell);
  }
}

function placeOf(cell: CellMessage, places: Places): Quantity {
  return places.get(cell.cell_id) ?? null;
}
