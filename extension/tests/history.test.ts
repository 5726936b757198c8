import { describe, expect, it } from 'vitest';
import { Columns, type PowerPoint } from '../src/columns';
import { PowerHistory } from '../src/history';

const CHANNELS = ['cpu', 'dram', ...Array.from({ length: 8 }, (_, index) => `gpu:${index}`)];

function point(time_s: number, total_w: number | null = 100): PowerPoint {
  return { time_s, total_w, mass_gco2e: time_s, power_w: { 'gpu:0': total_w } };
}

function historyOf(points: PowerPoint[], isMeasured?: () => boolean): PowerHistory {
  const history = new PowerHistory(isMeasured);
  points.forEach(one => history.append(one));
  return history;
}

/** Points at 4 a second. */
function stream(from_s: number, to_s: number): PowerPoint[] {
  return Array.from({ length: (to_s - from_s) * 4 }, (_, index) => point(from_s + index / 4));
}

describe('the history of power', () => {
  it('draws any stretch with about as many points as are asked for, through a day of messages', () => {
    const history = historyOf(stream(0, 24 * 3600));
    for (const [from_s, to_s] of [
      [24 * 3600 - 60, 24 * 3600],
      [24 * 3600 - 600, 24 * 3600],
      [0, 24 * 3600],
      [3600, 7200]
    ] as const) {
      const { columns } = history.tableFor(from_s, to_s, 300);
      const rows = columns.rowAt(to_s) - columns.rowAt(from_s);
      expect(rows).toBeLessThanOrEqual(301);
      expect(columns.first_s).toBeLessThanOrEqual(from_s + 300);
    }
    const minute = history.tableFor(24 * 3600 - 60, 24 * 3600, 300);
    expect(minute.columns.rowAt(24 * 3600) - minute.columns.rowAt(24 * 3600 - 60)).toBe(240);
    expect(history.first_s).toBe(0);
    expect(history.last_s).toBe(24 * 3600 - 0.25);
  });

  it('keeps the mean when it thins out', () => {
    const points = stream(0, 3600).map((one, index) => ({
      ...one,
      total_w: index % 8 < 4 ? 0 : 200
    }));
    const { columns, spacing_s } = historyOf(points).tableFor(0, 3600, 300);
    expect(spacing_s).toBe(16);
    expect(columns.total_w.every(power => Math.abs(power - 100) < 1e-9)).toBe(true);
  });

  it('keeps its memory bounded where there are only short cells with pauses between them', () => {
    const history = historyOf(Array.from({ length: 50_000 }, (_, index) => point(index * 60)));
    const all = history.tableFor(0, 50_000 * 60, 300);
    expect(history.recent.length).toBeLessThanOrEqual(2400);
    expect(all.columns.length).toBeLessThanOrEqual(2400);
    expect(all.columns.isWhole).toBe(true);
  });

  it('breaks every line where nothing was measured, and joins nothing across it', () => {
    const { recent } = historyOf([point(1), point(1.25), point(60), point(60.25)]);
    expect([...recent.total_w]).toEqual([100, 100, NaN, 100, 100]);
    expect([...recent.mass_gco2e]).toEqual([1, 1.25, NaN, 60, 60.25]);
    expect([...recent.channel_w('gpu:0')]).toEqual([100, 100, NaN, 100, 100]);
    expect(recent.time_s[2]).toBeCloseTo(1.251);
  });

  it('breaks the line after a pause of a second or more, however coarse, unless a run went on', () => {
    const cells = [...stream(0, 2), ...stream(4, 6)];
    const breaks = (columns: Columns) =>
      Array.from({ length: columns.length }, (_, row) => columns.isBreak(row)).filter(Boolean);
    const paused = historyOf(cells);
    expect(breaks(paused.recent)).toHaveLength(1);
    expect(breaks(paused.tableFor(0, 6, 7).columns)).toHaveLength(1);
    expect(breaks(historyOf(cells, () => true).recent)).toHaveLength(0);
    const lost = historyOf([...stream(0, 2), ...stream(12, 14)], () => true);
    expect(breaks(lost.recent)).toHaveLength(1);
  });

  it('refuses points from the past', () => {
    expect(historyOf([point(2), point(1), point(2)]).recent.length).toBe(1);
  });

  it('keeps columns equally long when a channel appears later', () => {
    const history = historyOf([point(1)]);
    history.append({ ...point(1.25), power_w: { 'gpu:0': 1, 'gpu:1': 2 } });
    history.append({ ...point(1.5), power_w: {} });
    expect([...history.recent.channel_w('gpu:1')]).toEqual([NaN, 2, NaN]);
    expect([...history.recent.channel_w('gpu:0')]).toEqual([100, 1, NaN]);
  });

  it('gives out its columns without copying them', () => {
    const history = historyOf(stream(0, 60));
    const before = history.recent.total_w;
    history.append(point(60));
    expect(history.recent.total_w.buffer).toBe(before.buffer);
  });

  it('puts a snapshot before, and into the holes of, what the stream brought', () => {
    const history = historyOf([point(10), point(10.75)]);
    history.merge([point(9.5), point(9.75)]);
    history.merge([point(10), point(10.25), point(10.5)]);
    const times = [9.5, 9.75, 10, 10.25, 10.5, 10.75];
    expect([...history.recent.time_s]).toEqual(times);
    expect(history.first_s).toBe(9.5);
    const halves = history.tableFor(9, 11, 4).columns;
    expect([...halves.time_s]).toEqual([9.625, 10.125, 10.625]);
  });

  it('closes the gap that lost messages left, at every resolution', () => {
    const all = stream(0, 120);
    const whole = historyOf(all);
    const holed = historyOf(all.filter(({ time_s }) => time_s < 50 || time_s > 70));
    holed.merge(all);
    for (const points of [1000, 100, 10]) {
      const [left, right] = [whole, holed].map(one => one.tableFor(0, 120, points).columns);
      expect([...(left?.time_s ?? [])]).toEqual([...(right?.time_s ?? [])]);
      expect([...(left?.total_w ?? [])]).toEqual([...(right?.total_w ?? [])]);
    }
  });

  it('goes on where its finest rows no longer reach, when a snapshot comes late', () => {
    const history = historyOf(stream(0, 3600));
    const first_s = history.tableFor(0, 3600, 300).columns.first_s;
    history.merge(stream(0, 3600));
    expect(history.tableFor(0, 3600, 300).columns.first_s).toBe(first_s);
    expect(history.recent.length).toBeLessThanOrEqual(2400);
  });

  it('holds hours of eight GPUs in a few megabytes', () => {
    const power_w = Object.fromEntries(CHANNELS.map(id => [id, 100]));
    const history = new PowerHistory();
    for (const one of stream(0, 6 * 3600)) {
      history.append({ ...one, power_w });
    }
    const sizes = [10, 30, 100, 300, 1000, 10_000, 100_000].map(points => {
      const { columns } = history.tableFor(0, 6 * 3600, points);
      const used = [columns.time_s, ...CHANNELS.map(id => columns.channel_w(id))];
      return used.reduce((bytes, column) => bytes + column.buffer.byteLength, 0);
    });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2400 * 8 * 11);
  });
});
