import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, describe, expect, it } from 'vitest';
import { RecordView } from '../src/components/record';
import { statusWord } from '../src/components/status';
import type { EnergyUnit } from '../src/units';
import { basis, knownChannel, knownNet, knownRecord, record } from './messages';
import { trans } from './trans';

const NOON = '2026-01-31T12:34:00';

let root: Root | null = null;

function render(data: unknown, unit: EnergyUnit = 'joule'): HTMLElement {
  const host = document.createElement('div');
  const made = (root = createRoot(host));
  act(() => {
    made.render(<RecordView data={data} trans={trans} unit={unit} />);
  });
  return host;
}

afterEach(() => {
  act(() => root?.unmount());
});

describe('the record in a cell output', () => {
  it('shows name, energy with interval, provenance and duration on one line', () => {
    const summary = render(record()).querySelector('summary');
    for (const part of ['train', '1.23 ± 0.05 kJ', 'measured', '12.3 s', '–']) {
      expect(summary?.textContent).toContain(part);
    }
  });

  it('says how the run stands to its budget, and nothing where none was set', () => {
    const budget = (budget_j: number | null) =>
      render(record({ budget_j })).querySelector('summary .greenllm-Record-budget')?.textContent;
    expect(budget(1000)).toBe('▲ over its budget of 1.0 kJ');
    expect(budget(1200)).toBe('perhaps over its budget of 1.2 kJ');
    expect(budget(2000)).toBe('within its budget of 2.0 kJ');
    expect(budget(null)).toBeUndefined();
  });

  it('says that the run was only measured in part, in the word that earlier sessions have for it', () => {
    const summary = render(record({ status: 'partial' })).querySelector('summary');
    expect(summary?.textContent).toContain(statusWord('partial', trans));
  });

  it('shows each channel, and why one is missing', () => {
    const table = render(record()).querySelector('table');
    expect(table?.textContent).toContain('unavailable');
    expect(table?.textContent).toContain('permission denied');
  });

  it('shows the energy of a unit', () => {
    expect(render(record()).textContent).toContain('2.41 ± 0.11 J per token (512)');
  });

  it('tells all energies in the unit that is set', () => {
    const node = render({ ...knownRecord(NOON), budget_j: 7200 }, 'watt-hour');
    expect(node.textContent).toContain('mWh');
    expect(node.textContent).toContain('within its budget of 2.0 Wh');
    expect(node.textContent).toContain('669 ± 31 µWh per token');
    expect(node.textContent).not.toMatch(/\d [mkMG]?J/);
    expect(node.querySelector('tbody')?.textContent).toContain('240 mWh (71 %)');
  });

  it('shows idle, net, share and baseline beside the gross energy', () => {
    const node = render(knownRecord(NOON));
    const row = node.querySelector('summary .greenllm-Net')?.textContent;
    expect(row).toContain('net 900 ± 40 J');
    expect(row).toContain('idle 300 ± 23 J, measured 12:34 (10 s)');
    expect(row).toContain('this kernel 850 J (71 %)');
    const cells = [...node.querySelectorAll('tbody td')].map(cell => cell.textContent);
    expect(cells.slice(0, 4)).toEqual([
      '1.20 ± 0.05 kJ',
      '300 ± 23 J measured 12:34 (10 s)',
      '900 ± 40 J',
      '850 J (71 %)'
    ]);
    expect(node.querySelectorAll('thead th')).toHaveLength(7);
    expect(node.textContent).not.toContain('%energy idle');
  });

  it('shows a net below zero as it is, and names the day of an older baseline', () => {
    const { energy } = knownRecord(NOON);
    const below = { ...energy, net_j: -3, net_interval_j: [-15, 9] as [number, number] };
    const learnt = basis('2026-01-30T23:05:00', { how: 'learnt' });
    const node = render(knownRecord(NOON, { energy: { ...below, baseline: learnt } }));
    const row = node.querySelector('.greenllm-Net')?.textContent;
    expect(row).toContain('net -3 ± 12 J');
    expect(row).toContain('learnt 2026-01-30 23:05');
  });

  it('says why net and share are not known, and has no columns for them', () => {
    const nothing = { idle_j: null, net_j: null, net_interval_j: null, share_j: null };
    const { energy } = knownRecord(NOON);
    const node = render(
      knownRecord(NOON, {
        energy: { ...energy, ...nothing, baseline: null },
        channels: [
          knownChannel(NOON, { idle_j: null, net_interval_j: null, share_j: null, baseline: null })
        ]
      })
    );
    expect(node.querySelector('.greenllm-Net')).toBeNull();
    expect(node.querySelectorAll('thead th')).toHaveLength(4);
    expect(node.textContent).toContain(
      'Net: no idle power known of NVIDIA H200; %energy idle measures it while nothing else runs'
    );
    expect(node.textContent).toContain('share cannot be told of NVIDIA H200');
  });

  it('shows what single parts know where the whole does not', () => {
    const { energy } = knownRecord(NOON);
    const memory = { id: 'dram', label: 'Memory', idle_j: null, baseline: null };
    const node = render(
      knownRecord(NOON, {
        energy: { ...energy, idle_j: null, net_j: null, net_interval_j: null, baseline: null },
        channels: [knownChannel(NOON), knownChannel(NOON, { ...memory, net_interval_j: null })]
      })
    );
    expect(node.querySelector('.greenllm-Net')?.textContent).toBe('this kernel 850 J (71 %)');
    expect(node.querySelector('table')?.textContent).toContain('900 ± 40 J');
    expect(node.textContent).toContain('no idle power known of Memory;');
  });

  it('shows net and share of the parts that know theirs, and says so', () => {
    const { energy } = knownRecord(NOON);
    const whole = { idle_j: null, net_j: null, net_interval_j: null, share_j: null };
    const node = render(
      knownRecord(NOON, {
        energy: {
          ...energy,
          ...whole,
          gross_j: 1500,
          interval_j: [1450, 1550],
          baseline: null,
          known_net: knownNet(NOON, ['NVIDIA H200'], ['CPU, estimated', 'Memory'])
        },
        channels: [
          knownChannel(NOON),
          knownChannel(NOON, { id: 'cpu', label: 'CPU, estimated', idle_j: null, share_j: null }),
          knownChannel(NOON, { id: 'dram', label: 'Memory', idle_j: null, share_j: null })
        ]
      })
    );
    const row = node.querySelector('.greenllm-Net')?.textContent;
    expect(row).toContain('net of NVIDIA H200: 900 ± 40 J');
    expect(row).toContain('this kernel 850 J (71 % of what could be told)');
    expect(node.textContent).toContain('no idle power known of CPU, estimated; Memory;');
  });

  it('says nothing of net in a record of a version that did not know it', () => {
    const node = render(record());
    expect(node.textContent).not.toContain('Net');
    expect(node.textContent).not.toContain('share');
  });

  it('draws hostile text as text', () => {
    const node = render(record({ name: '<script>alert(1)</script>' }));
    expect(node.querySelector('script')).toBeNull();
    expect(node.textContent).toContain('<script>');
  });

  it.each([[null], ['x'], [{}], [{ ...record(), schema: 2 }]])(
    'says so where the data are no record: %j',
    data => {
      expect(render(data).textContent).toContain('not in a form');
    }
  );
});
