import { describe, expect, it } from 'vitest';
import { figureText } from '../src/figure';
import { formatMoney } from '../src/money';
import { trans } from './trans';

describe('money', () => {
  const KWH_J = 3.6e6;
  const cost = (kWh: number | null, interval: [number, number] | null, currency = 'EUR') => {
    const figure = formatMoney(
      kWh && kWh * KWH_J,
      interval && [interval[0] * KWH_J, interval[1] * KWH_J],
      { perKWh: 0.5, currency },
      trans
    );
    return figure && figureText(figure).replace(/\u00a0/g, ' ');
  };

  it.each([
    [10, [9, 11], '€5.0 ± 0.5'],
    [1, [0.98, 1.02], '€0.500 ± 0.010'],
    [0.01, [0.004, 0.03], '€0.0050 [0.0020, 0.0150]'],
    [1000, [900, 1100], '€500 ± 50'],
    [2000, [400, 3600], '€1,000 ± 800'],
    [3, null, '€1.50']
  ] as [number, [number, number] | null, string][])(
    'of %d kWh %j has the digits of its interval: %s',
    (kWh, interval, text) => {
      expect(cost(kWh, interval)).toBe(text);
    }
  );

  it('ends where a hundredth of a cent ends', () => {
    expect(cost(0.0001, [0.00009, 0.00011])).toBe('< €0.0001');
    expect(cost(0.0026, [0.00259, 0.00261])).toBe('€0.0013');
    expect(cost(0.001, [0, 0.9])).toBe('< €0.45');
  });

  it('follows its currency', () => {
    expect(cost(10, [9, 11], 'JPY')).toBe('¥5.0 ± 0.5');
    expect(cost(10, [9, 11], 'not one')).toBe('5.0 not one ± 0.5');
  });

  it('of what is not known is not known', () => {
    expect(cost(null, null)).toBe('–');
  });

  it('is told only where a price is set', () => {
    expect(formatMoney(KWH_J, null, { perKWh: null, currency: 'EUR' }, trans)).toBeNull();
  });
});
