import { act } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chartsOf, feed, sessionOf } from './charted';
import { environment } from './environment';
import { cell, channel, hello, power } from './messages';
import { button, click, draw, host } from './page';

/** Stands in for uPlot, which draws on a canvas that jsdom has not, and keeps what it was given. */
const drawn = vi.hoisted(() => ({
  charts: [] as {
    data: Float64Array[];
    x: { min: number; max: number };
    pictures: number;
    hooks: { setCursor: ((chart: unknown) => void)[] };
  }[]
}));
vi.mock('uplot', () => ({
  default: class {
    data: unknown;
    series: unknown;
    x: unknown = null;
    pictures = 0;
    hooks: unknown;
    constructor({ series, hooks }: { series: unknown; hooks: unknown }, data: unknown) {
      this.data = data;
      this.series = series;
      this.hooks = hooks;
      drawn.charts.push(this as never);
    }
    batch(act: () => void) {
      act();
    }
    setSize = vi.fn();
    setData(data: unknown) {
      this.data = data;
      this.pictures += 1;
    }
    setScale(key: string, limits: unknown) {
      this.x = key === 'x' ? limits : this.x;
    }
    destroy() {
      drawn.charts.splice(drawn.charts.indexOf(this as never), 1);
    }
  }
}));

const HOSTILE = '<img src=x onerror="alert(1)">';

beforeEach(() => {
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(330);
  vi.spyOn(performance, 'now').mockReturnValue(0);
  vi.spyOn(window, 'requestAnimationFrame').mockImplementation(draw => {
    draw(0);
    return 0;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

function press(key: string): void {
  act(() => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true });
    host.querySelector('.greenllm-Chart')?.dispatchEvent(event);
  });
}

const span = () => [drawn.charts[0]?.x.min, drawn.charts[0]?.x.max];
const stateText = () => host.querySelector('.greenllm-ChartTools-state')?.textContent;

describe('the charts', () => {
  it('of power and of emissions are each drawn at their own turn', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    await draw(chartsOf(session));
    const pictures = () => drawn.charts.map(chart => chart.pictures);
    const before = session.pictureRevision;
    feed(session, 100, 102);
    await draw(chartsOf(session, before));
    expect(pictures()).toEqual([1, 0]);
    await draw(chartsOf(session));
    expect(pictures()).toEqual([1, 1]);
    expect(drawn.charts.map(chart => chart.x.max)).toEqual([101.75, 101.75]);
  });

  it('wait for their turn also while the pointer moves over them', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    await draw(chartsOf(session));
    const before = drawn.charts.map(chart => chart.pictures);
    feed(session, 100, 102);
    act(() => {
      const pointed = { cursor: { left: 10 }, posToVal: () => 50 };
      drawn.charts.forEach(({ hooks }) => hooks.setCursor.forEach(hook => hook(pointed)));
    });
    expect(host.querySelector('.greenllm-Charts-reading')?.textContent).toContain('350 W');
    expect(drawn.charts.map(chart => chart.pictures)).toEqual(before);
  });

  it('of the session are drawn at once where power rises above what is shown', async () => {
    const session = sessionOf();
    feed(session, 0, 3000);
    await draw(chartsOf(session));
    click('Session');
    feed(session, 3000, 3000.25);
    await draw(chartsOf(session));
    const before = drawn.charts[0]?.pictures ?? 0;
    session.accept(power({ seq: 20_000, at_ms: 3_000_250, total_w: 9000 }));
    await draw(chartsOf(session));
    expect(drawn.charts[0]?.pictures).toBe(before + 1);
  });

  it('give uPlot the history’s own columns', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    await draw(chartsOf(session));
    expect(drawn.charts[0]?.data[1]?.buffer).toBe(session.history.recent.total_w.buffer);
  });

  it('follow the present until they are paused, and again when resumed', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    await draw(chartsOf(session));
    feed(session, 100, 110);
    await draw(chartsOf(session));
    expect(span()).toEqual([49.75, 109.75]);
    click('Pause');
    feed(session, 110, 130);
    await draw(chartsOf(session));
    expect(span()).toEqual([49.75, 109.75]);
    expect(stateText()).toMatch(/Paused at \d\d:\d\d:\d\d; measuring goes on\./);
    click('Resume');
    expect(span()).toEqual([69.75, 129.75]);
    expect(stateText()).toBe('');
  });

  it('zoom and move by keys, and show all again', async () => {
    const session = sessionOf();
    feed(session, 0, 200);
    await draw(chartsOf(session));
    feed(session, 200, 200.5);
    await draw(chartsOf(session));
    press('+');
    expect(span()[0]).toBeGreaterThan(140.25);
    expect(stateText()).toContain('Zoomed');
    const before = span();
    press('ArrowLeft');
    expect(span()[0]).toBeLessThan(before[0] ?? 0);
    press('Escape');
    expect(span()).toEqual([140.25, 200.25]);
    press('ArrowLeft');
    click('Reset zoom');
    expect(span()).toEqual([140.25, 200.25]);
  });

  it('take the stacked form from the preferences, and from the button', async () => {
    const session = sessionOf(channel(), channel({ id: 'cpu', component: 'cpu' }));
    session.accept(power({ seq: 1, at_ms: 1000, power_w: { 'gpu:0': 300, cpu: 50 } }));
    await draw(chartsOf(session), environment({ chart: 'stacked' }));
    expect(button('Stacked').getAttribute('aria-pressed')).toBe('true');
    expect(drawn.charts.map(({ data }) => data.map(column => column[0]))).toContainEqual([
      1, 300, 350
    ]);
    await act(async () => {
      button('Stacked').click();
      await new Promise(resolve => setTimeout(resolve));
    });
    expect(drawn.charts.map(({ data }) => data.map(column => column[0]))).toContainEqual([
      1, 350, 300, 50
    ]);
  });

  it('have tables with as many rows as can be read, that say where nothing was measured', async () => {
    const session = sessionOf(channel(), channel({ id: 'cpu', component: 'cpu', label: HOSTILE }));
    feed(session, 0, 30);
    feed(session, 40, 70);
    await draw(chartsOf(session));
    const hidden = host.querySelectorAll('.greenllm-Heard table');
    expect(hidden).toHaveLength(2);
    click('Table');
    expect(host.querySelectorAll('.greenllm-Heard table')).toHaveLength(0);
    expect(host.querySelectorAll('.greenllm-Chart')).toHaveLength(0);
    const table = host.querySelector('.greenllm-ChartTable table');
    const heads = [...(table?.querySelectorAll('thead th[scope="col"]') ?? [])];
    expect(heads.map(head => head.textContent)).toEqual(['Time', 'Total', 'GPU']);
    expect(table?.querySelector('caption')?.textContent).toBe(
      'Power over time, latest last; each row stands for 8 s'
    );
    const rows = [...(table?.querySelectorAll('tbody tr') ?? [])];
    expect(rows.length).toBeLessThanOrEqual(20);
    expect(rows.map(row => row.querySelector('td')?.textContent)).toContain(
      'then nothing was measured'
    );
    expect(host.querySelector('img')).toBeNull();
  });

  it('do not change a table under the reader with each message', async () => {
    const session = sessionOf();
    feed(session, 0, 101);
    await draw(chartsOf(session));
    const text = () => host.querySelector('.greenllm-Heard table tbody')?.textContent;
    const before = text();
    for (let at_s = 101; at_s < 119; at_s++) {
      feed(session, at_s, at_s + 1);
      await draw(chartsOf(session));
    }
    expect(text()).toBe(before);
    feed(session, 119, 121);
    await draw(chartsOf(session));
    expect(text()).not.toBe(before);
  });

  it('are made again only for what they draw: not for a cell that goes on as it did', async () => {
    const session = sessionOf();
    feed(session, 0, 20);
    const run = { run_id: 'a', started_at_ms: 1000, ended_at_ms: null };
    session.accept(cell({ seq: 1, at_ms: 19_000, ...run }));
    await draw(chartsOf(session));
    const made = vi.spyOn(session.history, 'tableFor');
    session.accept(cell({ seq: 2, at_ms: 20_000, energy_j: 800, ...run }));
    session.accept(hello({ seq: 3, at_ms: 20_500 }));
    await draw(chartsOf(session));
    expect(made).not.toHaveBeenCalled();
    session.accept(cell({ seq: 4, status: 'ok', ...run, ended_at_ms: 20_000 }));
    await draw(chartsOf(session));
    expect(made).toHaveBeenCalled();
  });

  it('are drawn anew once they have moved by what can be seen', async () => {
    const session = sessionOf();
    feed(session, 0, 1300);
    const follow = async (from_s: number) => {
      const before = drawn.charts.map(({ pictures }) => pictures);
      for (let at_s = from_s; at_s < from_s + 10; at_s += 0.25) {
        feed(session, at_s, at_s + 0.25);
        await draw(chartsOf(session));
      }
      return drawn.charts.map(({ pictures }, index) => pictures - (before[index] ?? 0));
    };
    await follow(1300);
    // Ten minutes on 272 px: a pixel each 2.2 s.
    click('10 min');
    const [power_times = 0, emissions_times = 0] = await follow(1310);
    expect(power_times).toBeLessThanOrEqual(10);
    expect(power_times).toBeGreaterThanOrEqual(9);
    expect(emissions_times).toBe(power_times);
    click('1 min');
    expect(await follow(1320)).toEqual([40, 20]);
    click('Session');
    const [session_times = 0] = await follow(1330);
    expect(session_times).toBeGreaterThanOrEqual(4);
    expect(session_times).toBeLessThanOrEqual(6);
  });

  it('have one name, and say what they show as seldom as their tables do', async () => {
    const session = sessionOf();
    feed(session, 0, 101);
    const look = async () => {
      await draw(chartsOf(session));
      const chart = host.querySelector('[role="application"]');
      const ids = chart?.getAttribute('aria-describedby')?.split(' ') ?? [];
      const texts = ids.map(id => document.getElementById(id)?.textContent);
      return [chart?.getAttribute('aria-label'), ...texts];
    };
    const first = await look();
    expect(first).toEqual([
      'Power',
      'Last 350 W, highest 350 W',
      expect.stringContaining('Escape')
    ]);
    session.accept(power({ seq: 900, at_ms: 115_000, total_w: 500 }));
    expect(await look()).toEqual(first);
    session.accept(power({ seq: 901, at_ms: 121_000, total_w: 400 }));
    expect(await look()).toEqual(['Power', 'Last 400 W, highest 500 W', first[2]]);
  });

  it('say at once what they show where power has come to rest', async () => {
    const session = sessionOf();
    feed(session, 0, 1);
    await draw(chartsOf(session));
    const said = () => host.querySelector('figure > .greenllm-Heard')?.textContent;
    session.accept(power({ seq: 900, at_ms: 5000, total_w: 500 }));
    await draw(chartsOf(session));
    expect(said()).toBe('Last 350 W, highest 350 W');
    await draw(chartsOf(session, session.pictureRevision, false));
    expect(said()).toBe('Last 500 W, highest 500 W');
  });
});
