import { describe, expect, it } from 'vitest';
import {
  figureText,
  formatDuration,
  formatEmissions,
  formatEnergy,
  formatPower
} from '../src/format';
import { trans } from './messages';

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
    expect(energy(3, [0, 43])).toContain('3 [0, 43] J');
  });

  it('shows a lopsided interval as its two ends', () => {
    expect(energy(1.2, [0.9, 2.1])).toBe('1.2 [0.9, 2.1] J');
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
