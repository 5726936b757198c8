import { describe, expect, it } from 'vitest';
import { CellOrder, HOTTEST_FIRST, meanPower, NOTEBOOK_ORDER } from '../src/cell-order';
import type { CellMessage } from '../src/messages';
import { cell } from './messages';

function cellsOf(...cells: CellMessage[]): Map<string, CellMessage> {
  return new Map(cells.map(message => [message.cell_id, message]));
}

const A = cell({ cell_id: 'a', energy_j: 100, duration_s: 1, runs: 2, mass_gco2e: 3 });
const B = cell({ cell_id: 'b', energy_j: 300, duration_s: 6, runs: 1, mass_gco2e: null });
const C = cell({ cell_id: 'c', energy_j: null, duration_s: 2, runs: 2, mass_gco2e: 4 });
const GONE = cell({ cell_id: 'gone', energy_j: 200, duration_s: 2, runs: 1, mass_gco2e: 1 });
const PLACES = new Map([
  ['a', 0],
  ['b', 1],
  ['c', 2]
]);

describe('the order of cells', () => {
  it.each([
    ['notebook', false, 'a b c gone'],
    ['notebook', true, 'c b a gone'],
    ['energy', true, 'b gone a c'],
    ['energy', false, 'a gone b c'],
    ['emissions', true, 'c a gone b'],
    ['runs', true, 'a c b gone'],
    ['time', true, 'b c gone a'],
    ['power', true, 'a gone b c']
  ] as const)('by %s, descending: %s', (by, isDescending, expected) => {
    const ids = new CellOrder().ids(cellsOf(C, GONE, B, A), PLACES, { by, isDescending });
    expect(ids.join(' ')).toBe(expected);
  });

  it('stays the same array until it no longer holds', () => {
    const order = new CellOrder();
    const cells = cellsOf(A, B, C);
    const first = order.ids(cells, PLACES, HOTTEST_FIRST);
    cells.set('a', { ...A, energy_j: 299 });
    expect(order.ids(cells, PLACES, HOTTEST_FIRST)).toBe(first);
    cells.set('a', { ...A, energy_j: 301 });
    expect(order.ids(cells, PLACES, HOTTEST_FIRST)).toEqual(['a', 'b', 'c']);
    cells.delete('a');
    cells.set('d', cell({ cell_id: 'd', energy_j: 1 }));
    expect(order.ids(cells, PLACES, HOTTEST_FIRST)).toEqual(['b', 'd', 'c']);
    expect(order.ids(cells, PLACES, NOTEBOOK_ORDER)).toEqual(['b', 'c', 'd']);
  });

  it('knows no power of a cell without time or energy', () => {
    expect(meanPower(A)).toBe(100);
    expect(meanPower(C)).toBeNull();
    expect(meanPower({ ...A, duration_s: 0 })).toBeNull();
  });
});
