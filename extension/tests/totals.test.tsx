import * as React from 'react';
import { describe, expect, it } from 'vitest';
import { Stages } from '../src/components/stages';
import { Totals } from '../src/components/totals';
import type { StageTotals } from '../src/messages';
import { environment } from './environment';
import { hello, totals } from './messages';
import { draw, host } from './page';
import { sum } from './past';

describe('the totals', () => {
  it('show what the energy costs where a price is set', async () => {
    const kWh = totals({ energy_j: 3.6e6, interval_j: [3.5e6, 3.7e6] });
    await draw(
      <Totals totals={kWh} hello={hello()} />,
      environment({ price: { perKWh: 0.36, currency: 'EUR' } })
    );
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
});

describe('the stages', () => {
  it('are named, and so is what is in none', async () => {
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
