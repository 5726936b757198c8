import { describe, expect, it } from 'vitest';
import { withAlpha } from '../src/components/line-paths';
import { apartPicture, stackedPicture } from '../src/components/power-picture';
import { Stack } from '../src/components/stack';
import { PowerHistory } from '../src/history';
import type { ChannelDescription } from '../src/messages';
import { channel } from './messages';
import { trans } from './trans';

const CHANNELS: ChannelDescription[] = [
  channel({ id: 'gpu:0', limit_w: 400 }),
  channel({ id: 'gpu:1', limit_w: 700 }),
  channel({ id: 'cpu', component: 'cpu' }),
  channel({ id: 'core', component: 'cpu', inside: 'cpu' })
];
const SPAN = [0, 1] as const;

function tableOf(
  ...rows: (readonly [gpu0: number | null, gpu1: number | null, cpu: number | null])[]
) {
  const history = new PowerHistory();
  rows.forEach(([gpu0, gpu1, cpu], index) =>
    history.append({
      time_s: index / 4,
      total_w: (gpu0 ?? 0) + (gpu1 ?? 0) + (cpu ?? 0),
      mass_gco2e: null,
      power_w: { 'gpu:0': gpu0, 'gpu:1': gpu1, cpu, core: cpu }
    })
  );
  return { columns: history.recent, spacing_s: 0 };
}

describe('the picture of power', () => {
  it('draws the total and each channel apart, named and told apart without colour', () => {
    const { lines, columns } = apartPicture(tableOf([300, 200, 50]), SPAN, CHANNELS, trans);
    expect(lines.map(({ name }) => name)).toEqual(['Total', 'GPU 0', 'GPU 1', 'CPU 0', 'CPU 1']);
    expect(columns.map(column => column[0])).toEqual([0, 550, 300, 200, 50, 50]);
    const looks = lines.slice(1).map(({ color, dash, width }) => `${color} ${dash} ${width}`);
    expect(new Set(looks).size).toBe(looks.length);
  });

  it('tells sixteen GPUs apart without colour', () => {
    const many = Array.from({ length: 16 }, (_, index) => channel({ id: `gpu:${index}` }));
    const history = new PowerHistory();
    const power_w = Object.fromEntries(many.map(({ id }) => [id, 100]));
    history.append({ time_s: 0, total_w: 1600, mass_gco2e: null, power_w });
    const table = { columns: history.recent, spacing_s: 0 };
    const { lines } = apartPicture(table, SPAN, many, trans);
    const looks = lines.slice(1).map(({ dash, width }) => `${dash} ${width}`);
    expect(new Set(looks).size).toBe(16);
  });

  it('draws a limit where a channel comes near to it, and makes room for it', () => {
    const far = apartPicture(tableOf([300, 200, 50]), SPAN, CHANNELS, trans);
    expect(far.limits).toEqual([]);
    const near = apartPicture(tableOf([380, 0, 0]), SPAN, CHANNELS, trans);
    expect(near.limits).toEqual([{ value: 400, name: 'limit 400 W' }]);
    expect(near.range[1]).toBeGreaterThan(400);
  });

  it('stacks what counts, up to the total, and breaks where nothing is known', () => {
    const table = tableOf([300, 200, 50], [null, null, null], [null, 200, 50]);
    const { columns, lines } = stackedPicture(table, SPAN, CHANNELS, trans, new Stack());
    expect(lines.map(({ name }) => name)).toEqual(['GPU 0', 'GPU 1', 'CPU 0']);
    expect(columns.slice(1).map(column => [...column])).toEqual([
      [300, NaN, 0],
      [500, NaN, 200],
      [550, NaN, 250]
    ]);
  });

  it('stacks without taking new memory', () => {
    const stack = new Stack();
    const table = tableOf([300, 200, 50]);
    const [, before] = stackedPicture(table, SPAN, CHANNELS, trans, stack).columns;
    const [, after] = stackedPicture(table, SPAN, CHANNELS, trans, stack).columns;
    expect(after?.buffer).toBe(before?.buffer);
  });

  it('fills areas with a part of a colour, also of one that lets through already', () => {
    expect(withAlpha('#1976d2', 0.2)).toBe('#1976d233');
    expect(withAlpha('rgba(0, 0, 0, 0.8)', 0.5)).toBe('rgba(0, 0, 0, 0.4)');
    expect(withAlpha('color(display-p3 1 0 0)', 0.5)).toBe('color(display-p3 1 0 0)');
  });
});
