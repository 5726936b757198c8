import * as React from 'react';
import { act } from 'react';
import { describe, expect, it, vi } from 'vitest';
import { CellTable } from '../src/components/cells';
import type { CellMessage } from '../src/messages';
import { beside, cell } from './messages';
import { button, click, draw, host, settle, usual } from './page';

const HOSTILE = '<img src=x onerror="alert(1)">|\n\u202eevil';

function manyCells(count: number): Map<string, CellMessage> {
  return new Map(
    Array.from({ length: count }, (_, index) => [
      `cell-${index}`,
      cell({
        cell_id: `cell-${index}`,
        name: `[${index}] step ${index}`,
        status: index === 3 ? 'running' : 'ok',
        execution_count: index,
        energy_j: (index * 7919) % count,
        interval_j: [0, count],
        duration_s: 1 + (index % 5)
      })
    ])
  );
}

function table(cells: ReadonlyMap<string, CellMessage>, revision = 1): React.JSX.Element {
  return <CellTable sessionId="s" cells={cells} revision={revision} order={[...cells.keys()]} />;
}

function names(): string[] {
  return [...host.querySelectorAll('.greenllm-Cell-text')].map(node => node.textContent);
}

function scrollTo(top_px: number): void {
  act(() => {
    for (const region of host.querySelectorAll('.greenllm-Rows')) {
      region.scrollTop = top_px;
      region.dispatchEvent(new Event('scroll'));
    }
  });
}

function sortWords(): Record<string, string | null> {
  const sorted = [...host.querySelectorAll('[role="columnheader"][aria-sort]')];
  return Object.fromEntries(
    sorted.map(node => [node.getAttribute('data-column') ?? '', node.getAttribute('aria-sort')])
  );
}

describe('the table of cells', () => {
  it('of 2,000 has in the page those in view, and says which they are', async () => {
    await draw(table(manyCells(2000)));
    const rows = host.querySelectorAll('.greenllm-Cell');
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.length).toBeLessThan(40);
    expect(host.querySelector('[role="table"]')?.getAttribute('aria-rowcount')).toBe('2001');
    expect(rows[0]?.getAttribute('aria-rowindex')).toBe('2');
    expect(rows[5]?.getAttribute('aria-rowindex')).toBe('7');
    expect(names()[5]).toBe('step 5');
  });

  it('shows those that come into view when it is scrolled', async () => {
    await draw(table(manyCells(2000)));
    scrollTo(46 * 1000);
    expect(names()).toContain('step 1005');
    expect(names()).not.toContain('step 5');
  });

  it('sorts by each column, at another click the other way round', async () => {
    await draw(table(manyCells(2000)));
    for (const column of ['Energy', 'Emissions', 'Runs', 'Time', 'Power']) {
      click(column);
      expect(Object.values(sortWords()).filter(word => word === 'descending')).toHaveLength(1);
      click(column);
      expect(Object.values(sortWords()).filter(word => word === 'ascending')).toHaveLength(1);
    }
    click('Most energy first');
    expect(sortWords()).toMatchObject({ name: 'none', energy: 'descending' });
    expect(button('Most energy first').getAttribute('aria-pressed')).toBe('true');
    expect(host.querySelector('.greenllm-Cell-energy')?.textContent).toContain('kJ');
    click('Most energy first');
    expect(sortWords()).toMatchObject({ name: 'ascending', energy: 'none' });
    expect(names()[0]).toBe('step 0');
  });

  it('sorts by changing the texts of the rows in the page; a row that is scrolled keeps its own', async () => {
    await draw(table(manyCells(2000)));
    const rows = () => [...host.querySelectorAll('.greenllm-Cell')];
    const before = rows();
    click('Most energy first');
    expect(rows()).toEqual(before);
    expect(rows()[0]).toBe(before[0]);
    expect(names()[0]).not.toBe('step 0');
    const third = rows()[2];
    const name = names()[2];
    scrollTo(46 * 5);
    expect(names()[1]).toBe(name);
    expect(rows()[1]).toBe(third);
  });

  it('begins at the top where it is sorted while it is scrolled', async () => {
    await draw(table(manyCells(2000)));
    scrollTo(46 * 1000);
    click('Most energy first');
    expect(host.querySelector('.greenllm-Rows')?.scrollTop).toBe(0);
    expect(host.querySelector('.greenllm-Cell')?.getAttribute('aria-rowindex')).toBe('2');
  });

  it('is one stop of the tab key; arrow keys lead from cell to cell, out of view too', async () => {
    await draw(table(manyCells(2000)));
    const stops = () => [...host.querySelectorAll('.greenllm-Cell button[tabindex="0"]')];
    expect(stops()).toHaveLength(1);
    const press = async (key: string) => {
      act(() => {
        document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
      });
      await settle();
    };
    act(() => (stops()[0] as HTMLElement).focus());
    await press('ArrowDown');
    expect(document.activeElement?.textContent).toContain('step 1');
    await press('End');
    expect(document.activeElement?.textContent).toContain('step 1999');
    expect(stops()).toEqual([document.activeElement]);
    (document.activeElement as HTMLElement).click();
    expect(usual.actions.goToCell).toHaveBeenCalledWith('cell-1999');
  });

  it('tells of the cell that has the focus what is beside its figures for a mouse only', async () => {
    const cells = manyCells(3);
    const net = { ...beside('2026-01-31T12:00'), budget_j: 2000 };
    cells.set(
      'cell-1',
      cell({ cell_id: 'cell-1', energy_j: 1200, interval_j: [1100, 1300], ...net })
    );
    await draw(table(cells));
    const described = () => [...host.querySelectorAll('.greenllm-Cell [aria-describedby]')];
    expect(described()).toEqual([]);
    act(() => host.querySelector<HTMLElement>('[data-cell-id="cell-1"] button')?.focus());
    expect(described()).toEqual([document.activeElement]);
    const id = document.activeElement?.getAttribute('aria-describedby') ?? '';
    const text = document.getElementById(id)?.textContent ?? '';
    for (const part of [
      '95 % interval 1.10 to 1.30 kJ',
      'of all cells',
      'budget of a run: 2.0 kJ',
      'net of idle: 900 J',
      'last run:',
      'emissions:',
      'power:'
    ]) {
      expect(text).toContain(part);
    }
  });

  it('marks the running cell, and one that drew more than its budget', async () => {
    const cells = manyCells(10);
    const over = { last_energy_j: 90, last_interval_j: [80, 100] as [number, number] };
    cells.set('cell-5', cell({ cell_id: 'cell-5', status: 'ok', budget_j: 50, ...over }));
    cells.set('cell-6', cell({ cell_id: 'cell-6', status: 'ok', budget_j: 95, ...over }));
    await draw(table(cells));
    const status = (id: string) =>
      host.querySelector(`[data-cell-id="${id}"] .greenllm-Cell-status`)?.textContent;
    expect(status('cell-3')).toBe('running');
    expect(status('cell-4')).toBe('');
    expect(status('cell-5')).toBe('over budget');
    expect(status('cell-6')).toBe('perhaps over budget');
  });

  it('shows a bar and says which part of all cells’ energy one took', async () => {
    const cells = new Map(
      [100, 300].map((energy_j, index) => [
        `cell-${index}`,
        cell({ cell_id: `cell-${index}`, energy_j, interval_j: [energy_j - 1, energy_j + 1] })
      ])
    );
    await draw(table(cells));
    const row = host.querySelector<HTMLElement>('[data-cell-id="cell-0"]');
    expect(row?.style.getPropertyValue('--greenllm-share')).toBe('33%');
    expect(row?.querySelector('.greenllm-Cell-energy [title]')?.getAttribute('title')).toContain(
      '25 % of all cells'
    );
  });

  it('changes the row of a changed cell, and no other', async () => {
    const cells = manyCells(2000);
    await draw(table(cells, 1));
    const before = new Map(
      [...host.querySelectorAll('.greenllm-Cell')].map(row => [row, row.textContent])
    );
    cells.set('cell-2', { ...cell(), ...cells.get('cell-2'), runs: 7 });
    await draw(table(cells, 2));
    const changed = [...before].filter(([row, text]) => row.textContent !== text);
    expect(changed).toHaveLength(1);
    expect(changed[0]?.[0].textContent).toContain('7×');
  });

  it('copies what it shows as Markdown, in its order, and says so', async () => {
    const cells = manyCells(3);
    cells.set('cell-9', cell({ cell_id: 'cell-9', name: HOSTILE, energy_j: 5000, status: 'ok' }));
    await draw(table(cells));
    click('Most energy first');
    click('Copy as Markdown');
    const text = vi.mocked(usual.actions.copy).mock.calls[0]?.[0] ?? '';
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(2 + 4);
    expect(lines[2]).toContain('\\<img src=x onerror="alert(1)"\\>\\| evil');
    expect(lines.every(line => line.split(/(?<!\\)\|/).length === 11)).toBe(true);
    expect(host.querySelector('[role="status"]')?.textContent).toBe('Copied');
  });

  it('says so where nothing could be copied', async () => {
    vi.mocked(usual.actions.copy).mockImplementation(() => {
      throw new Error('no clipboard');
    });
    await draw(table(manyCells(3)));
    click('Copy as Markdown');
    expect(host.querySelector('[role="status"]')?.textContent).toContain('no clipboard');
  });

  it('downloads this session', async () => {
    await draw(table(manyCells(3)));
    click('JSON');
    await settle();
    expect(usual.actions.download).toHaveBeenCalledWith('/export/json/s');
  });

  it('says why there is no download', async () => {
    await draw(table(manyCells(3)));
    click('Parquet');
    await settle();
    expect(usual.actions.download).not.toHaveBeenCalled();
    const said = [...host.querySelectorAll('[role="status"]')].map(node => node.textContent);
    expect(said).toContain('No Parquet: pip install pyarrow');
  });

  it('draws names as text', async () => {
    await draw(table(new Map([['a', cell({ cell_id: 'a', name: HOSTILE })]])));
    expect(host.querySelector('img')).toBeNull();
    expect(host.querySelector('bdi')?.textContent).toBe(HOSTILE);
  });
});
