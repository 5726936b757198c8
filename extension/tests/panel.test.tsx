import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Actions } from '../src/components/environment';
import { Panel, type PanelView } from '../src/components/panel';
import { DEFAULT_PREFERENCES } from '../src/preferences';
import { EnergySession } from '../src/session';
import type { KernelFacts } from '../src/state';
import { beside, cell, channel, hello, knownNet, power, SESSION, totals } from './messages';
import { trans } from './trans';

// It draws on a canvas, which jsdom has not; the browser tests look at it.
vi.mock('uplot', () => ({
  default: class {
    setData = vi.fn();
    destroy = vi.fn();
  }
}));

const actions: Actions = {
  selectKernel: vi.fn(),
  measure: vi.fn(),
  askAgain: vi.fn(),
  goToCell: vi.fn(),
  copy: vi.fn(),
  openSettings: vi.fn(),
  download: vi.fn()
};
const HOSTILE = '<img src=x onerror="alert(1)">';

let host: HTMLElement;
let root: Root;

beforeEach(() => {
  host = document.createElement('div');
  document.body.append(host);
  root = createRoot(host);
});

afterEach(() => {
  act(() => {
    root.unmount();
  });
  host.remove();
});

function draw(facts: KernelFacts | null, changes: Partial<PanelView> = {}): void {
  const view: PanelView = {
    environment: { trans, actions, preferences: DEFAULT_PREFERENCES, theme: '', ledger: null },
    notebookName: 'train.ipynb',
    facts,
    failure: null,
    isLoading: false,
    cellOrder: ['cell-1'],
    hostPower: null,
    drawAgain: vi.fn(),
    ...changes
  };
  act(() => {
    root.render(<Panel view={view} />);
  });
}

function factsOf(session: EnergySession | null, changes: Partial<KernelFacts> = {}): KernelFacts {
  return {
    status: 'busy',
    hasKernel: true,
    language: 'python',
    acquaintance: session ? 'measured' : 'not measured',
    connection: 'there',
    session,
    ...changes
  };
}

function sessionOf(...messages: Parameters<EnergySession['accept']>[0][]): EnergySession {
  const session = new EnergySession(SESSION);
  messages.forEach(message => session.accept(message));
  return session;
}

function button(text: string): HTMLButtonElement {
  const found = [...host.querySelectorAll('button')].find(b => b.textContent.includes(text));
  if (!found) {
    throw new Error(`No button "${text}" in: ${host.textContent}`);
  }
  return found;
}

describe('the panel', () => {
  it('shows power, cells, totals and where each figure comes from', () => {
    draw(factsOf(sessionOf(hello(), power(), cell(), totals())));
    expect(host.textContent).toContain('350 W');
    expect(host.textContent).toContain('NVIDIA H200');
    expect(host.querySelector('[data-cell-id="cell-1"]')?.textContent).toContain('700 ± 40 J');
    expect(host.querySelector('[data-cell-id="cell-1"]')?.textContent).toContain('running');
    expect(host.querySelector('.greenllm-Totals')?.textContent).toContain('700 ± 40 J');
    expect(host.querySelectorAll('[data-provenance="measured"]').length).toBeGreaterThan(2);
  });

  it('shows what is not known as not known, never as 0', () => {
    const unknown = {
      energy_j: null,
      interval_j: null,
      mass_gco2e: null,
      interval_gco2e: null,
      provenance: 'unavailable'
    } as const;
    const lost = channel({ fault: 'the device is lost' });
    draw(
      factsOf(
        sessionOf(
          hello({ channels: [lost] }),
          power({ total_w: null, power_w: { 'gpu:0': null }, energy_j: null, mass_gco2e: null }),
          cell(unknown),
          totals({
            ...unknown,
            by_provenance_j: { measured: null, derived: null, estimated: null }
          })
        )
      )
    );
    expect(host.querySelector('.greenllm-Power-value')?.textContent).toBe('power unavailable');
    expect(host.querySelector('.greenllm-Cell-energy')?.textContent).toBe('–');
    expect(host.querySelector('.greenllm-Totals-energy')?.textContent).toBe('–');
    expect(host.querySelector('.greenllm-Totals .greenllm-Provenance-shares')).toBeNull();
    expect(host.textContent).toContain('the device is lost');
    expect(host.textContent).not.toMatch(/\b0 (J|W|g)\b/);
  });

  it('shows net and share under the gross energy, and beside a cell on request', () => {
    const known = {
      energy_j: 1200,
      interval_j: [1150, 1250] as [number, number],
      at_ms: new Date('2026-01-31T12:40:00').getTime(),
      ...beside('2026-01-31T12:34:00')
    };
    draw(factsOf(sessionOf(hello(), cell(known), totals(known))));
    expect(host.querySelector('.greenllm-Totals-net')?.textContent).toBe('900 ± 40 J');
    expect(host.querySelector('.greenllm-Totals-share')?.textContent).toBe('850 J (71 %)');
    expect(host.querySelector('.greenllm-Totals-idle')?.textContent).toBe(
      'Idle 300 ± 23 J, measured 12:34 (10 s)'
    );
    const energy = host.querySelector('.greenllm-Cell-energy .greenllm-Figure');
    expect(energy?.textContent).toBe('1.20 ± 0.05 kJ');
    expect(energy?.getAttribute('title')?.split('\n')).toEqual([
      '1.20 kJ; 95 % interval 1.15 to 1.25 kJ',
      'net of idle: 900 J; 95 % interval 860 to 940 J',
      'idle: 300 ± 23 J, measured 12:34 (10 s)',
      'this kernel: 850 J (71 %)'
    ]);
  });

  it('shows what is known of some channels, and says of which', () => {
    const at = '2026-01-31T12:34:00';
    const part = {
      energy_j: 1500,
      interval_j: [1450, 1550] as [number, number],
      at_ms: new Date('2026-01-31T12:40:00').getTime(),
      idle_j: null,
      net_j: null,
      baseline: null,
      share_j: 852,
      share_of_j: 1200,
      known_net: knownNet(at, ['NVIDIA H200 #0', 'NVIDIA H200 #1'], ['CPU, estimated', 'Memory'])
    };
    draw(factsOf(sessionOf(hello(), cell(part), totals(part))));
    expect(host.querySelector('.greenllm-Totals-net')?.textContent).toBe('900 ± 40 J');
    expect(host.querySelector('.greenllm-Totals-share')?.textContent).toBe(
      '850 J (71 % of what could be told)'
    );
    const text = host.querySelector('.greenllm-Totals')?.textContent;
    expect(text).toContain('Net and idle are of NVIDIA H200 #0; NVIDIA H200 #1.');
    expect(text).toContain('No idle power known of CPU, estimated; Memory: %energy idle');
  });

  it('says which channels were partly read, and never that they are not included', () => {
    const partly = { id: 'gpu:0', label: 'NVIDIA H200', coverage: 0.97 };
    draw(factsOf(sessionOf(hello(), totals({ partial: [partly] }))));
    expect(host.querySelector('.greenllm-Totals-partly')?.textContent).toBe(
      'Partly read: NVIDIA H200 (97 % of the time)'
    );
    expect(host.textContent).not.toContain('Not included');
  });

  it('says how to know the net where it is not known', () => {
    const unknown = { idle_j: null, net_j: null, share_j: null, baseline: null };
    draw(factsOf(sessionOf(hello(), cell(unknown), totals(unknown))));
    expect(host.querySelector('.greenllm-Totals')?.textContent).toContain('%energy idle');
    expect(host.querySelector('.greenllm-Totals-net')).toBeNull();
    const energy = host.querySelector('.greenllm-Cell-energy .greenllm-Figure');
    expect(energy?.getAttribute('title')).toContain('Net is not known yet');
    draw(factsOf(sessionOf(hello(), totals({ ...unknown, energy_j: null, interval_j: null }))));
    expect(host.textContent).not.toContain('%energy idle');
  });

  it('shows the figures of a kernel that does not know of net', () => {
    draw(factsOf(sessionOf(hello(), cell(), totals())));
    expect(host.textContent).not.toMatch(/net/i);
  });

  it('draws text from the kernel as text', () => {
    draw(
      factsOf(
        sessionOf(
          hello({
            channels: [channel({ label: HOSTILE })],
            warnings: [HOSTILE],
            unusable: [{ meter: HOSTILE, reason: HOSTILE, remedy: HOSTILE }],
            host: HOSTILE
          }),
          cell({ name: HOSTILE })
        )
      )
    );
    expect(host.querySelector('img')).toBeNull();
    expect(host.textContent).toContain(HOSTILE);
  });

  it('says that everything is an estimate where it is, and what would help', () => {
    const estimated = channel({ provenance: 'estimated' });
    const unusable = [{ meter: 'rapl', reason: 'cannot be read', remedy: 'chmod a+r' }];
    draw(factsOf(sessionOf(hello({ channels: [estimated], unusable }), cell())));
    expect(host.querySelector('[data-notice="estimates"]')?.textContent).toContain('chmod a+r');
  });

  it('offers to measure a notebook that is not measured', () => {
    draw(factsOf(null, { status: 'idle' }));
    button('Measure this notebook').click();
    expect(actions.measure).toHaveBeenCalledOnce();
  });

  it('says clearly why measuring failed', () => {
    const text = "ModuleNotFoundError: No module named 'greenllm_kernel'";
    draw(factsOf(null, { status: 'idle' }), { failure: { reason: 'not installed', text } });
    expect(host.querySelector('[role="alert"]')?.textContent).toContain(text);
    expect(host.textContent).toContain('%pip install greenllm');
  });

  it('offers to start a kernel where there is none', () => {
    draw(factsOf(null, { hasKernel: false, status: 'no kernel' }));
    button('Start kernel').click();
    expect(actions.selectKernel).toHaveBeenCalledOnce();
  });

  it('takes the user to a cell, unless it is gone', () => {
    const gone = cell({ cell_id: 'cell-9', name: '[9] gone', status: 'ok' });
    draw(factsOf(sessionOf(hello(), cell(), gone)));
    button('train(model)').click();
    expect(actions.goToCell).toHaveBeenCalledWith('cell-1');
    expect(button('gone').getAttribute('aria-disabled')).toBe('true');
    button('gone').click();
    expect(actions.goToCell).toHaveBeenCalledOnce();
  });

  it('lists cells in the order of the notebook, or of their energy', () => {
    const cells = [
      cell({ cell_id: 'b', name: 'second', energy_j: 900, interval_j: [890, 910] }),
      cell({ cell_id: 'a', name: 'first', energy_j: 100, interval_j: [90, 110] }),
      cell({ cell_id: 'c', name: 'third', energy_j: null, interval_j: null })
    ];
    draw(factsOf(sessionOf(hello(), ...cells)), { cellOrder: ['a', 'b', 'c'] });
    const names = () =>
      [...host.querySelectorAll('.greenllm-Cell-text')].map(node => node.textContent);
    expect(names()).toEqual(['first', 'second', 'third']);
    act(() => {
      button('Most energy first').click();
    });
    expect(names()).toEqual(['second', 'first', 'third']);
  });

  it('keeps the last session in view when the kernel has died', () => {
    draw(factsOf(sessionOf(hello(), cell(), totals()), { status: 'dead' }));
    expect(host.textContent).toContain('Kernel dead');
    expect(host.textContent).toContain('700 ± 40 J');
  });
});
