import { act } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { chartsOf, feed, sessionOf } from './charted';
import { cell } from './messages';
import { draw, host, usual } from './page';

// It draws on a canvas, which jsdom has not; the browser tests look at it.
vi.mock('uplot', () => ({
  default: class {
    /** Never as many as there are lines: nothing is drawn. */
    series = [];
    setData = vi.fn();
    destroy = vi.fn();
  }
}));

const HOSTILE = '<img src=x onerror="alert(1)">';

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(330);
});

describe('the marks of cells on the time axis', () => {
  it('grow with a running cell while there is room left', async () => {
    const session = sessionOf();
    session.accept(cell({ seq: 1, run_id: 'a', started_at_ms: 1000, ended_at_ms: null }));
    const widths = [];
    for (const [from_s, to_s] of [
      [0, 5],
      [5, 10]
    ] as const) {
      feed(session, from_s, to_s);
      await draw(chartsOf(session));
      widths.push(host.querySelector<HTMLElement>('.greenllm-Band')?.style.width);
    }
    expect(widths).toEqual(['18.8%', '43.8%']);
  });

  it('move as a whole', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    const run = { run_id: 'a', started_at_ms: 60_000, ended_at_ms: 70_000 };
    session.accept(cell({ seq: 1, status: 'ok', ...run }));
    await draw(chartsOf(session));
    const look = () => {
      const band = host.querySelector<HTMLElement>('.greenllm-Band');
      const { left = '', width = '' } = band?.style ?? {};
      const strip = band?.parentElement?.style.transform ?? '';
      return { left, width, shift: Number(/translateX\((.*)%\)/.exec(strip)?.[1]) };
    };
    const before = look();
    expect(before.width).toBe('16.7%');
    expect(parseFloat(before.left) + before.shift).toBeCloseTo((100 * (60 - 39.75)) / 60, 1);
    feed(session, 100, 110);
    await draw(chartsOf(session));
    expect(look()).toEqual({
      ...before,
      shift: expect.closeTo(before.shift - 100 / 6, 5) as number
    });
  });

  it('have the cells’ names as text, and lead to them', async () => {
    const session = sessionOf();
    feed(session, 0, 20);
    const runs = [
      cell({
        seq: 1,
        run_id: 'a',
        cell_id: '1',
        name: HOSTILE,
        status: 'ok',
        started_at_ms: 1000,
        ended_at_ms: 9000
      }),
      cell({
        seq: 2,
        run_id: 'b',
        cell_id: '2',
        name: '[2] now',
        started_at_ms: 10_000,
        ended_at_ms: null
      })
    ];
    runs.forEach(run => session.accept(run));
    await draw(chartsOf(session));
    const bands = [...host.querySelectorAll<HTMLButtonElement>('.greenllm-Band')];
    expect(bands.map(band => band.textContent)).toEqual([HOSTILE, '[2] now']);
    expect(bands[1]?.getAttribute('aria-label')).toContain('running since');
    expect(bands.map(band => band.tabIndex)).toEqual([-1, 0]);
    act(() => bands[1]?.click());
    expect(usual.actions.goToCell).toHaveBeenCalledWith('2');
    act(() => bands[1]?.focus());
    expect(host.querySelector('.greenllm-Bands-note')?.textContent).toContain(
      '[2] now, running since'
    );
    act(() => {
      bands[0]?.dispatchEvent(new MouseEvent('mouseout', { bubbles: true, relatedTarget: host }));
    });
    expect(host.querySelector('.greenllm-Bands-note')?.textContent).toContain('[2] now');
    act(() => {
      bands[1]?.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
    });
    expect(document.activeElement).toBe(bands[0]);
    expect(host.querySelector('img')).toBeNull();
  });
});
