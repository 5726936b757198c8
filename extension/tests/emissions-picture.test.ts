import { describe, expect, it } from 'vitest';
import { emissionsPicture } from '../src/components/emissions-picture';
import { PowerHistory } from '../src/history';

function tableOf(...masses_g: (number | null)[]) {
  const history = new PowerHistory();
  masses_g.forEach((mass_gco2e, time_s) =>
    history.append({ time_s, total_w: 100, mass_gco2e, power_w: {} })
  );
  return { columns: history.recent, spacing_s: 0 };
}

describe('the picture of emissions', () => {
  const table = tableOf(10, 20, 30, 40, 50);

  it('begins at 0 where all of the session is shown', () => {
    expect(emissionsPicture(table, [0, 4], true).range).toEqual([0, 54]);
  });

  it('begins at the least that is shown where only a part is', () => {
    const [low, high] = emissionsPicture(table, [2, 4], false).range;
    expect(low).toBe(20);
    expect(high).toBeCloseTo(52.4);
  });

  it('has a scale where nothing is known', () => {
    expect(emissionsPicture(tableOf(null, null), [0, 1], true).range).toEqual([0, 1]);
  });
});
