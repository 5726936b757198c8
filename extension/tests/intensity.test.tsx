import * as React from 'react';
import { describe, expect, it } from 'vitest';
import { Intensity } from '../src/components/intensity';
import { hello } from './messages';
import { click, draw, host, usual } from './page';

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
    expect(usual.actions.openSettings).toHaveBeenCalledOnce();
  });

  it('says why the place in the settings is not in force', async () => {
    const problem = 'no place is called "Atlantis"';
    await draw(<Intensity hello={hello({ intensity, preferences_error: problem })} />);
    expect(host.textContent).toContain(problem);
  });
});
