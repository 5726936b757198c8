import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CellTable } from '../src/components/cells';
import { EarlierSessions } from '../src/components/earlier';
import { EnvironmentProvider, type Actions } from '../src/components/environment';
import { Intensity } from '../src/components/intensity';
import { Stages } from '../src/components/stages';
import { Sums } from '../src/components/sums';
import { Totals } from '../src/components/totals';
import { LedgerModel } from '../src/ledger';
import type { CellMessage, History, HistorySession, StageTotals } from '../src/messages';
import { DEFAULT_PREFERENCES, type Preferences } from '../src/preferences';
import type { Answer, EnergyServer, FailureReason } from '../src/server';
import { beside, cell, hello, totals } from './messages';
import { history, pastCell, pastCells, pastSession, sum } from './past';
import { trans } from './trans';

const HOSTILE = '<img src=x onerror="alert(1)">|\n\u202eevil';

let host: HTMLElement;
let root: Root;
let actions: Actions;
let ledger: LedgerModel;
let pastAnswer: Answer<History>;
let sessionAnswer: Answer<HistorySession>;
let sessionsAsked: string[];

const server: EnergyServer = {
  history: () => Promise.resolve(pastAnswer),
  session: id => {
    sessionsAsked.push(id);
    return Promise.resolve(sessionAnswer);
  },
  hostPower: () => Promise.resolve({ failure: { reason: 'absent', text: '' } }),
  exportProblem: format =>
    Promise.resolve(
      format === 'parquet' ? { reason: 'failed', text: 'pip install pyarrow' } : null
    ),
  exportUrl: (format, id) => `/export/${format}/${id}`
};

beforeEach(() => {
  host = document.createElement('div');
  document.body.append(host);
  root = createRoot(host);
  actions = {
    selectKernel: vi.fn(),
    askAgain: vi.fn(),
    measure: vi.fn(),
    goToCell: vi.fn(),
    copy: vi.fn(),
    openSettings: vi.fn(),
    download: vi.fn()
  };
  pastAnswer = { value: history() };
  sessionAnswer = { value: pastCells(pastCell()) };
  sessionsAsked = [];
  ledger = new LedgerModel(server, () => true);
});

afterEach(() => {
  act(() => root.unmount());
  ledger.dispose();
  host.remove();
});

async function draw(part: React.JSX.Element, changes: Partial<Preferences> = {}): Promise<void> {
  const preferences = { ...DEFAULT_PREFERENCES, ...changes };
  await act(async () => {
    root.render(
      <EnvironmentProvider value={{ trans, actions, ledger, preferences, theme: '' }}>
        {part}
      </EnvironmentProvider>
    );
    await Promise.resolve();
  });
}

/** Until what has been asked for has come and is drawn. */
async function settle(): Promise<void> {
  await act(async () => {
    await new Promise(resolve => setTimeout(resolve, 20));
  });
}

function button(text: string): HTMLButtonElement {
  const found = [...host.querySelectorAll('button')].find(b => b.textContent.includes(text));
  if (!found) {
    throw new Error(`No button "${text}" in: ${host.textContent}`);
  }
  return found;
}

function click(text: string): void {
  act(() => button(text).click());
}

async function unfold(details: Element | null | undefined): Promise<void> {
  act(() => {
    (details as HTMLDetailsElement).open = true;
  });
  await settle();
}

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
    act(() => {
      for (const region of host.querySelectorAll('.greenllm-Rows')) {
        region.scrollTop = 46 * 1000;
        region.dispatchEvent(new Event('scroll'));
      }
    });
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
    expect(actions.goToCell).toHaveBeenCalledWith('cell-1999');
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
    const text = vi.mocked(actions.copy).mock.calls[0]?.[0] ?? '';
    const lines = text.trimEnd().split('\n');
    expect(lines).toHaveLength(2 + 4);
    expect(lines[2]).toContain('\\<img src=x onerror="alert(1)"\\>\\| evil');
    expect(lines.every(line => line.split(/(?<!\\)\|/).length === 11)).toBe(true);
    expect(host.querySelector('[role="status"]')?.textContent).toBe('Copied');
  });

  it('says so where nothing could be copied', async () => {
    vi.mocked(actions.copy).mockImplementation(() => {
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
    expect(actions.download).toHaveBeenCalledWith('/export/json/s');
  });

  it('says why there is no download', async () => {
    await draw(table(manyCells(3)));
    click('Parquet');
    await settle();
    expect(actions.download).not.toHaveBeenCalled();
    const said = [...host.querySelectorAll('[role="status"]')].map(node => node.textContent);
    expect(said).toContain('No Parquet: pip install pyarrow');
  });

  it('draws names as text', async () => {
    await draw(table(new Map([['a', cell({ cell_id: 'a', name: HOSTILE })]])));
    expect(host.querySelector('img')).toBeNull();
    expect(host.querySelector('bdi')?.textContent).toBe(HOSTILE);
  });
});

describe('the totals', () => {
  it('show what the energy costs where a price is set', async () => {
    const kWh = totals({ energy_j: 3.6e6, interval_j: [3.5e6, 3.7e6] });
    await draw(<Totals totals={kWh} hello={hello()} />, {
      price: { perKWh: 0.36, currency: 'EUR' }
    });
    expect(host.querySelector('.greenllm-Totals-cost')?.textContent).toBe('€0.360 ± 0.010');
    await draw(<Totals totals={kWh} hello={hello()} />);
    expect(host.querySelector('.greenllm-Totals-cost')).toBeNull();
  });

  it.each([
    [3100, [3000, 3200], 'within', 'used 3.10 ± 0.10 of 5.0 kJ'],
    [31, [29, 33], 'within', 'used 31.0 ± 2.0 J of 5.0 kJ'],
    [4900, [4700, 5100], 'perhaps exceeded', 'Perhaps over budget: used 4.90 ± 0.20 of 5.0 kJ'],
    [6100, [5900, 6300], 'exceeded', 'Over budget: used 6.10 ± 0.20 of 5.0 kJ']
  ] as const)('show a budget of 5 kJ and %d J as %j', async (energy_j, interval, state, text) => {
    const used = totals({ energy_j, interval_j: [...interval], budget_j: 5000 });
    await draw(<Totals totals={used} hello={hello()} />);
    const meter = host.querySelector('[role="meter"]');
    expect(meter?.getAttribute('aria-valuetext')).toBe(text);
    expect(Number(meter?.getAttribute('aria-valuenow'))).toBe(Math.min(5000, energy_j));
    const budget = host.querySelector('.greenllm-Budget');
    expect(budget?.getAttribute('data-state')).toBe(state);
    expect(budget?.textContent).toContain(text);
    expect(budget?.textContent.includes('▲')).toBe(state === 'exceeded');
  });

  it('show a budget of emissions in grams', async () => {
    const used = { mass_gco2e: 21, interval_gco2e: [20.5, 21.5] as [number, number] };
    await draw(<Totals totals={totals({ ...used, budget_gco2e: 20 })} hello={hello()} />);
    const meter = host.querySelector('[role="meter"]');
    expect(meter?.getAttribute('aria-label')).toBe('Emissions budget of the session');
    expect(meter?.getAttribute('aria-valuetext')).toBe('Over budget: used 21.0 ± 0.5 of 20 g CO₂e');
  });

  it('draw no bar of what is not known', async () => {
    const unknown = totals({ energy_j: null, interval_j: null, budget_j: 5000 });
    await draw(<Totals totals={unknown} hello={hello()} />);
    expect(host.querySelector('[role="meter"]')).toBeNull();
    expect(host.querySelector('.greenllm-Budget')?.textContent).toContain(
      'not known how much of 5.0 kJ is used'
    );
  });

  it('by stage name each, and what is in none', async () => {
    const stage = (name: string | null, energy_j: number): StageTotals => ({
      ...sum({ energy_j, interval_j: [energy_j - 10, energy_j + 10] }),
      stage: name
    });
    await draw(<Stages stages={[stage('train', 900), stage(null, 90), stage('…', 9)]} />);
    const rows = [...host.querySelectorAll('li')].map(row => row.textContent);
    expect(rows[0]).toContain('train900 ± 10 J');
    expect(rows[1]).toContain('no stage');
    expect(rows[2]).toContain('other stages');
    await draw(<Stages stages={[stage(null, 90)]} />);
    expect(host.querySelector('.greenllm-Stages')).toBeNull();
  });
});

describe('today and all time', () => {
  const session = { id: 'now', host: 'node-1', endedRuns: 2 };

  it('come from the server', async () => {
    pastAnswer = { value: history({ sessions: [pastSession({ session_id: 'now' })] }) };
    await draw(<Sums session={session} />);
    await settle();
    const rows = [...host.querySelectorAll('li')].map(row => row.textContent);
    expect(rows[0]).toContain('Today7.2 ± 0.4 kJ');
    expect(rows[1]).toContain('All time3.60 ± 0.10 MJ');
    expect(host.textContent).not.toContain('not among them');
  });

  it('say so where this session is not among them', async () => {
    await draw(<Sums session={session} />);
    await settle();
    expect(host.textContent).toContain('not among them yet');
    expect(host.textContent).toContain('node-1');
  });

  it('of nothing are nothing, not 0 J', async () => {
    pastAnswer = { value: history({ today: sum({ runs: 0, energy_j: 0, interval_j: [0, 0] }) }) };
    await draw(<Sums session={null} />);
    await settle();
    expect(host.querySelector('li')?.textContent).toBe('Todaynothing measured');
  });

  it.each([
    ['absent', 'no server part'],
    ['not allowed', 'does not let you'],
    ['no answer', 'does not answer'],
    ['failed', 'could not read'],
    ['not understood', 'cannot be read']
  ] as [FailureReason, string][])('that are %s say so, and what to do', async (reason, words) => {
    pastAnswer = { failure: { reason, text: HOSTILE } };
    await draw(<Sums session={null} />);
    await settle();
    expect(host.querySelector(`[data-failure="${reason}"]`)?.textContent).toContain(words);
    expect(host.querySelector('img')).toBeNull();
    pastAnswer = { value: history() };
    click('Try again');
    await settle();
    expect(host.textContent).toContain('7.2 ± 0.4 kJ');
    expect(host.querySelector('[data-failure]')).toBeNull();
  });
});

describe('earlier sessions', () => {
  it('are asked for when the list is unfolded, and their cells when one is', async () => {
    const asked = vi.spyOn(server, 'history');
    await draw(<EarlierSessions currentId="now" />);
    await settle();
    expect(asked).not.toHaveBeenCalled();
    const now = pastSession({ session_id: 'now', names: ['this one'] });
    pastAnswer = { value: history({ sessions: [now, pastSession({ names: [HOSTILE, 'b'] })] }) };
    await unfold(host.querySelector('details'));
    expect(asked).toHaveBeenCalledOnce();
    const items = host.querySelectorAll('li');
    expect(items).toHaveLength(1);
    expect(items[0]?.textContent).toContain(HOSTILE);
    expect(items[0]?.textContent).toContain('2026');
    expect(sessionsAsked).toEqual([]);

    sessionAnswer = {
      value: pastCells(pastCell({ name: 'tokenize' }), pastCell({ status: 'partial' }))
    };
    await unfold(items[0]?.querySelector('details'));
    expect(sessionsAsked).toEqual(['earlier-1']);
    const cells = [...host.querySelectorAll('.greenllm-Earlier-cells li')];
    expect(cells.map(node => node.textContent)).toEqual([
      expect.stringContaining('tokenize'),
      expect.stringContaining('partial')
    ]);
    click('CSV');
    await settle();
    expect(actions.download).toHaveBeenLastCalledWith('/export/csv/null');
    asked.mockRestore();
  });

  it('that are many come a page at a time', async () => {
    const sessions = Array.from({ length: 200 }, (_, index) =>
      pastSession({ session_id: `s${index}` })
    );
    pastAnswer = { value: history({ sessions }) };
    await draw(<EarlierSessions currentId={null} />);
    await unfold(host.querySelector('details'));
    expect(host.querySelectorAll('li')).toHaveLength(20);
    click('Show more (180 left)');
    expect(host.querySelectorAll('li')).toHaveLength(120);
  });

  it('that there are none of says so', async () => {
    pastAnswer = { value: history({ sessions: [] }) };
    await draw(<EarlierSessions currentId={null} />);
    await unfold(host.querySelector('details'));
    expect(host.querySelector('[data-ledger="empty"]')?.textContent).toContain(
      'No earlier sessions'
    );
  });

  it('whose cells cannot be had say why', async () => {
    sessionAnswer = { failure: { reason: 'not found', text: '' } };
    await draw(<EarlierSessions currentId={null} />);
    await unfold(host.querySelector('details'));
    await unfold(host.querySelector('li details'));
    expect(host.querySelector('[data-failure="not found"]')?.textContent).toContain('refresh');
  });
});

describe('carbon intensity', () => {
  const intensity = {
    value_gco2e_per_kwh: 56.2,
    interval_gco2e_per_kwh: [50.1, 62.3] as [number, number],
    place: 'FR',
    source: 'Ember',
    vintage: '2024'
  };

  it('names its place, source and vintage', async () => {
    await draw(<Intensity hello={hello({ intensity })} />);
    expect(host.textContent).toContain('56 ± 6 g CO₂e/kWh · France');
    expect(host.textContent).toContain('Ember 2024');
    expect(host.querySelector('button')).toBeNull();
  });

  it('of the world leads to the settings', async () => {
    await draw(<Intensity hello={hello({ intensity: { ...intensity, place: 'world' } })} />);
    expect(host.textContent).toContain('world average');
    click('Set the place');
    expect(actions.openSettings).toHaveBeenCalledOnce();
  });

  it('says why the place in the settings is not in force', async () => {
    const problem = 'no place is called "Atlantis"';
    await draw(<Intensity hello={hello({ intensity, preferences_error: problem })} />);
    expect(host.textContent).toContain(problem);
  });
});
