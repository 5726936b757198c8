import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { byBatch, changeText, newestFirst, verdictText } from '../src/comparison';
import { Comparisons } from '../src/components/comparisons';
import { EnvironmentProvider } from '../src/components/environment';
import type { ComparedModel, ComparisonSummary } from '../src/messages';
import { EnergySession } from '../src/session';
import { asStreamMessage } from '../src/validate';
import { environment } from './environment';
import { compared, comparison, SESSION } from './messages';
import { trans } from './trans';

const message = (changes = {}) => ({
  schema: 1,
  kind: 'comparison',
  session_id: SESSION,
  seq: 5,
  at_ms: 5_000,
  comparison: comparison(changes)
});

describe('a verdict', () => {
  it.each([
    [{ outcome: null }, 'baseline'],
    [{ outcome: 'saves' }, 'saves energy'],
    [{ outcome: 'saves', provenance: 'estimated' }, 'saves (estimated)'],
    [{ outcome: 'costs' }, 'costs energy'],
    [{ outcome: 'costs', provenance: 'estimated' }, 'costs (estimated)'],
    [{ outcome: 'unchanged', change_interval: [-0.0121, 0.008] }, 'no change larger than 1.3 %'],
    [{ outcome: 'storage_only' }, 'storage saving only'],
    [{ outcome: 'inconclusive' }, 'inconclusive']
  ] as [Partial<ComparedModel>, string][])('%j reads %j', (changes, words) => {
    expect(verdictText(compared(changes), trans)).toBe(words);
  });

  it('stands beside the change and its interval', () => {
    const told = (change: number | null, change_interval: [number, number] | null) =>
      changeText(compared({ change, change_interval }), trans);
    expect(told(-0.5, [-0.6, -0.4])).toBe('−50 % [−60, −40]');
    expect(told(0.011, [-0.002, 0.024])).toBe('+1.1 % [−0.2, +2.4]');
    expect(told(0.2, [-0.6, 4e6])).toBe('+20 % [−60, unbounded]');
    expect(told(null, null)).toBe('');
  });
});

describe('comparisons', () => {
  it('come from the session and the ledger, each once, the newest first', () => {
    const first = comparison({ comparison_id: 'a', started_at: '2026-01-31T01:00:00.000Z' });
    const second = comparison({ comparison_id: 'b', started_at: '2026-01-31T02:00:00.000Z' });
    const kept = [first, { ...second, omitted: 3 }];
    expect(newestFirst([second], kept)).toEqual([second, first]);
  });

  it('number a model alike at each batch', () => {
    const rows = [
      compared({ contender: 'model', batch: 1 }),
      compared({ contender: 'small', batch: 1 }),
      compared({ contender: 'small', batch: 8 })
    ];
    const numbers = [...byBatch(comparison({ rows })).values()].map(models =>
      models.map(({ number }) => number)
    );
    expect(numbers).toEqual([[1, 2], [2]]);
  });

  it('are kept by the session, each once, as they were told', () => {
    const session = new EnergySession(SESSION);
    for (let number = 0; number < 30; number++) {
      const told = asStreamMessage(message({ comparison_id: `run-${number}` }));
      expect(told && session.accept(told)).toBe(true);
    }
    expect(session.comparisons).toHaveLength(20);
    const before = session.comparisons;
    const again = asStreamMessage(message({ comparison_id: 'run-29' }));
    expect(again && session.accept(again)).toBe(true);
    expect(session.comparisons).toBe(before);
  });

  it.each([
    { rows: Array.from({ length: 21 }, () => compared()) },
    { rows: [{ ...compared(), energy_j: Infinity }] },
    { rows: [{ ...compared(), batch: 0 }] },
    { rows: [{ ...compared(), outcome: 'wins' }] },
    { rows: [{ ...compared(), html: '<script>' }] },
    { quality: 'beauty' },
    { comparison_id: 'x'.repeat(2001) },
    { omitted: -1 }
  ])('that do not fit the schema are passed over: %#', changes => {
    expect(asStreamMessage(message())).not.toBeNull();
    expect(asStreamMessage(message(changes))).toBeNull();
  });
});

describe('the section', () => {
  let host: HTMLElement;
  let root: Root;

  beforeEach(() => {
    host = document.createElement('div');
    root = createRoot(host);
  });
  afterEach(() => act(() => root.unmount()));

  const draw = (
    own: readonly ComparisonSummary[],
    preferences: Parameters<typeof environment>[0] = {}
  ) =>
    act(() =>
      root.render(
        <EnvironmentProvider value={environment(preferences)}>
          <Comparisons own={own} />
        </EnvironmentProvider>
      )
    );

  it('is not there while nothing was compared', () => {
    draw([]);
    expect(host.childNodes).toHaveLength(0);
  });

  it('has a plot that says what it shows, and the same as a table', () => {
    draw([comparison()]);
    const plot = host.querySelector('svg');
    expect(plot?.getAttribute('aria-label')).toBe(
      'Bits per byte against energy at batch 1. On the front: model, small. The table has the figures.'
    );
    expect(plot?.querySelectorAll('rect')).toHaveLength(1);
    expect(plot?.querySelectorAll('circle')).toHaveLength(1);
    const rows = [...host.querySelectorAll('tbody tr')].map(row => row.textContent);
    expect(rows[0]).toContain('1 modelbaseline');
    expect(rows[0]).toContain('8.00 ± 0.20 J');
    expect(rows[1]).toContain('2 smallsaves energy −50 % [−60, −40]');
    expect(rows[1]).toContain('2.100 ± 0.010');
  });

  it('tells energies in the unit that is set, in the plot as in the table', () => {
    const axis = () => [...host.querySelectorAll('svg > text')].map(text => text.textContent);
    draw([comparison()]);
    expect(axis()).toEqual(expect.arrayContaining(['J/token', '4', '8']));
    draw([comparison()], { energyUnit: 'watt-hour' });
    expect(axis()).toEqual(expect.arrayContaining(['mWh/token', '1.11', '2.22']));
    expect(host.querySelector('tbody')?.textContent).toContain('2.22 ± 0.06 mWh');
    expect(host.querySelector('tbody')?.textContent).not.toMatch(/\d J/);
  });

  it('shows hostile names as text, and no plot where quality is not known', () => {
    const rows = [compared({ contender: '<img src=x>' }), compared()].map(row => ({
      ...row,
      quality: null,
      quality_interval: null,
      on_front: null
    }));
    draw([comparison({ rows, quality: null })]);
    expect(host.querySelector('svg.greenllm-Front-plot')).toBeNull();
    expect(host.querySelector('img')).toBeNull();
    expect(host.textContent).toContain('<img src=x>');
    expect(host.querySelectorAll('thead th')).toHaveLength(2);
  });

  it('lets one choose among several, and shows the newest first', () => {
    const earlier = comparison({
      comparison_id: 'earlier',
      started_at: '2026-01-30T00:00:00.000Z',
      rows: [compared({ contender: 'first' }), compared({ contender: 'second' })]
    });
    draw([earlier, comparison()]);
    expect(host.querySelector('tbody')?.textContent).toContain('small');
    const choice = host.querySelector('select');
    act(() => {
      if (choice) {
        choice.value = 'earlier';
        choice.dispatchEvent(new Event('change', { bubbles: true }));
      }
    });
    expect(host.querySelector('tbody')?.textContent).toContain('second');
  });
});
