import { describe, expect, it } from 'vitest';
import { figureText } from '../src/figure';
import {
  formatEmissions,
  formatEnergy,
  formatIntensity,
  formatMeanPower,
  formatPower,
  formatSetEnergy,
  formatShare
} from '../src/quantities';
import { trans } from './trans';

function energy(value: number | null, interval: [number, number] | null): string {
  return figureText(formatEnergy(value, interval, trans));
}

describe('an energy', () => {
  it('has the digits its interval supports', () => {
    expect(energy(1234.5, [1222.5, 1246.5])).toBe('1.234 ± 0.012 kJ');
    expect(energy(1234.5, [834.5, 1634.5])).toBe('1.2 ± 0.4 kJ');
    expect(energy(12.34, [11.9, 12.78])).toBe('12.3 ± 0.4 J');
  });

  it('is never written as zero because the cell was short', () => {
    expect(energy(0.4, [0, 25])).toBe('< 25 J');
    expect(energy(3, [0, 43])).toBe('3.0 [0.0, 43.0] J');
  });

  it('shows a lopsided interval as its two ends, and no value of a single digit beside them', () => {
    expect(energy(88, [14, 142])).toBe('88 [14, 142] J');
    expect(energy(1.2, [0.9, 2.1])).toBe('1.2 [0.9, 2.1] J');
  });

  it('that is a difference may lie at zero or below', () => {
    expect(energy(-3, [-15, 9])).toBe('-3 ± 12 J');
    expect(energy(-0.2, [-12.2, 11.8])).toBe('0 ± 12 J');
    expect(energy(0.2, [-11.8, 12.2])).toBe('0 ± 12 J');
    expect(energy(-1234, [-1357, -1111])).toBe('-1.23 ± 0.12 kJ');
    expect(formatEnergy(-3, [-15, 9], trans).detail).toContain('interval -15 to 9 J');
  });

  it('that its interval drowns takes its unit from what it is read beside', () => {
    const net = (value: number, halfWidth: number, gross: number): string =>
      figureText(
        formatEnergy(value, [value - halfWidth, value + halfWidth], trans, 'joule', gross)
      );
    expect(net(0.01, 0.4, 5.03)).toBe('0.0 ± 0.4 J');
    expect(net(0.01, 0.4, 0.9)).toBe('0 ± 400 mJ');
    expect(net(0.5, 0.02, 5.03)).toBe('500 ± 20 mJ');
    expect(net(0, 4, 5030)).toBe('0 ± 4 J');
  });

  it('is rounded to tens and hundreds where its interval is as wide', () => {
    expect(energy(683, [181, 1185])).toBe('700 ± 500 J');
    expect(energy(-20, [-62, 22])).toBe('-20 ± 40 J');
  });

  it('that is not known is not a number', () => {
    expect(energy(null, null)).toBe('–');
    expect(formatEnergy(null, null, trans).detail).toBe('unavailable');
  });

  it('says so where the interval is not known', () => {
    expect(energy(1234.5, null)).toBe('1.23 kJ');
    expect(formatEnergy(1234.5, null, trans).detail).toContain('interval unknown');
  });

  it('goes over to the next unit without writing 1000', () => {
    expect(energy(999.7, [999.7, 999.7])).toBe('1.00 kJ');
    expect(energy(0.0005, [0.0004, 0.0006])).toBe('0.50 ± 0.10 mJ');
  });

  it('can be shown in watt-hours', () => {
    const figure = formatEnergy(36_000, [34_200, 37_800], trans, 'watt-hour');
    expect(figureText(figure)).toBe('10.0 ± 0.5 Wh');
  });
});

describe('this kernel’s share', () => {
  const share = (value: number, gross: number, half: number) =>
    formatShare(value, gross, [gross - half, gross + half], trans);

  it.each([
    [852, 1200, 12, '850 J (71 %)'],
    [2100, 3000, 120, '2.1 kJ (70 %)'],
    [683, 1200, 800, '700 J (57 %)'],
    [3, 1200, 12, '3.0 J (< 1 %)'],
    [1200, 1200, 12, '1.2 kJ (> 99 %)'],
    [0.01, 0.1, 40, '10 %'],
    [0, 1200, 12, '< 1 %'],
    [0, 0, 12, '< 1 %']
  ])('of %d J in %d ± %d J has two digits or fewer: %s', (value, gross, half, text) => {
    expect(share(value, gross, half)).toBe(text);
  });
});

describe('other quantities', () => {
  it('emissions say what they are grams of', () => {
    expect(figureText(formatEmissions(0.19, [0.12, 0.31], trans))).toBe('190 [120, 310] mg CO₂e');
    expect(figureText(formatEmissions(null, null, trans))).toBe('–');
  });

  it('power has three digits, an estimate two', () => {
    expect(formatPower(412.34)).toBe('412 W');
    expect(formatPower(1234)).toBe('1.23 kW');
    expect(formatPower(0)).toBe('0 W');
    expect(formatPower(412.34, true)).toBe('≈ 410 W');
    expect(formatPower(null)).toBe('–');
  });
});

describe('figures derived from an energy', () => {
  it('power over a time has the digits of the energy’s interval', () => {
    expect(figureText(formatMeanPower(700, [660, 740], 2, trans))).toBe('350 ± 20 W');
    expect(figureText(formatMeanPower(700, [660, 740], 0, trans))).toBe('–');
    expect(figureText(formatMeanPower(null, null, 2, trans))).toBe('–');
  });

  it('a carbon intensity has the digits of its own', () => {
    expect(figureText(formatIntensity(475.3, [39, 812], trans))).toBe('480 [40, 810] g CO₂e/kWh');
    expect(figureText(formatIntensity(56.2, [50.1, 62.3], trans))).toBe('56 ± 6 g CO₂e/kWh');
  });

  it('what somebody has set is exact, with two digits or more', () => {
    expect(formatSetEnergy(5000)).toEqual(['5.0', 'kJ']);
    expect(formatSetEnergy(1234)).toEqual(['1.234', 'kJ']);
    expect(formatSetEnergy(500)).toEqual(['500', 'J']);
    expect(formatSetEnergy(5400, 'watt-hour')).toEqual(['1.5', 'Wh']);
  });
});
