import { describe, expect, it } from 'vitest';
import {
  figureText,
  formatBasis,
  formatDuration,
  formatEmissions,
  formatEnergy,
  formatPower,
  formatShare
} from '../src/format';
import { basis, trans } from './messages';

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

describe('a baseline', () => {
  const at = '2026-01-31T12:34:00';

  it('is named with its time, and the day where that was another one', () => {
    expect(formatBasis(basis(at), new Date('2026-01-31T23:00:00'), trans)).toBe(
      'measured 12:34 (10 s)'
    );
    expect(formatBasis(basis(at, { how: 'learnt' }), new Date('2026-02-01T00:01:00'), trans)).toBe(
      'learnt 2026-01-31 12:34'
    );
  });

  it('whose time cannot be read is named without it', () => {
    expect(formatBasis({ ...basis(at), at: 'noon' }, new Date(at), trans)).toBe('measured (10 s)');
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

  it('durations keep the two units that matter', () => {
    expect(formatDuration(0.0123, trans)).toBe('12.3 ms');
    expect(formatDuration(12.34, trans)).toBe('12.3 s');
    expect(formatDuration(185, trans)).toBe('3 min 05 s');
    expect(formatDuration(3725, trans)).toBe('1 h 02 min');
  });
});
