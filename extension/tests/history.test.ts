import { describe, expect, it } from 'vitest';
import { PowerHistory, type PowerPoint } from '../src/history';

function point(time_s: number, total_w: number | null = 100): PowerPoint {
  return { time_s, total_w, mass_gco2e: time_s, power_w: { 'gpu:0': total_w } };
}

function historyOf(points: PowerPoint[]): PowerHistory {
  const history = new PowerHistory();
  points.forEach(one => history.append(one));
  return history;
}

describe('the history of power', () => {
  it('stays bounded through a day of messages, and keeps the whole span', () => {
    const history = new PowerHistory();
    for (let index = 0; index < 4 * 3600 * 24; index++) {
      history.append(point(index / 4));
    }
    expect(history.recent.length).toBeLessThanOrEqual(4800);
    expect(history.session.length).toBeLessThanOrEqual(1600);
    expect(history.session.time_s[0]).toBe(0);
    expect(history.session.time_s.at(-1)).toBeGreaterThan(3600 * 24 - 240);
    expect(history.session.total_w.every(power => power === 100)).toBe(true);
  });

  it('stays bounded where there are only short cells with pauses between them', () => {
    const history = historyOf(Array.from({ length: 5000 }, (_, index) => point(index * 60)));
    expect(history.session.length).toBeLessThanOrEqual(1600);
    expect(history.recent.length).toBeLessThanOrEqual(4802);
  });

  it('breaks the line of power, not that of emissions, where nothing was measured', () => {
    const { recent } = historyOf([point(1), point(2), point(60)]);
    expect(recent.total_w).toEqual([100, 100, null, 100]);
    expect(recent.mass_gco2e).toEqual([1, 2, 2, 60]);
    expect(recent.channels_w.get('gpu:0')).toEqual([100, 100, null, 100]);
  });

  it('refuses points from the past', () => {
    expect(historyOf([point(2), point(1), point(2)]).recent.length).toBe(1);
  });

  it('keeps columns equally long when a channel appears later', () => {
    const history = historyOf([point(1)]);
    history.append({ ...point(2), power_w: { 'gpu:0': 1, 'gpu:1': 2 } });
    history.append({ ...point(3), power_w: {} });
    expect(history.recent.channels_w.get('gpu:1')).toEqual([null, 2, null]);
    expect(history.recent.channels_w.get('gpu:0')).toEqual([100, 1, null]);
  });

  it('does not copy its columns to add a point', () => {
    const history = historyOf([point(1)]);
    const before = history.recent.total_w;
    history.append(point(2));
    expect(history.recent.total_w).toBe(before);
  });

  it('puts a snapshot before, and into the holes of, what the stream brought', () => {
    const history = historyOf([point(10), point(13)]);
    history.merge([point(8), point(9)]);
    history.merge([point(10), point(11), point(12)]);
    expect(history.recent.time_s).toEqual([8, 9, 10, 11, 12, 13]);
    expect(history.session.time_s).toEqual([8, 9, 10, 11, 12, 13]);
  });
});
