import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Announcement } from '../src/components/announcement';
import { ChannelList } from '../src/components/channels';
import { Charts } from '../src/components/charts';
import { EnvironmentProvider } from '../src/components/environment';
import { PowerNow } from '../src/components/power';
import { EnergySession } from '../src/session';
import { environment } from './environment';
import { cell, channel, hello, power, SESSION } from './messages';

/** Stands in for uPlot, which draws on a canvas that jsdom has not, and keeps what it was given. */
const drawn = vi.hoisted(() => ({
  charts: [] as { data: Float64Array[]; x: { min: number; max: number } }[]
}));
vi.mock('uplot', () => ({
  default: class {
    data: unknown;
    x: unknown = null;
    constructor(_: unknown, data: unknown) {
      this.data = data;
      drawn.charts.push(this as never);
    }
    batch(act: () => void) {
      act();
    }
    setSize = vi.fn();
    setData(data: unknown) {
      this.data = data;
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

let host: HTMLElement;
let root: Root;
let now_ms = 0;
let number = 0;

beforeEach(() => {
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockReturnValue(null);
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(330);
  vi.spyOn(performance, 'now').mockImplementation(() => now_ms);
  host = document.createElement('div');
  document.body.append(host);
  root = createRoot(host);
  number = 0;
});

afterEach(() => {
  act(() => root.unmount());
  host.remove();
  vi.restoreAllMocks();
});

function sessionOf(...channels: ReturnType<typeof channel>[]): EnergySession {
  const session = new EnergySession(SESSION, () => now_ms);
  session.accept(hello({ channels: channels.length > 0 ? channels : [channel()] }));
  return session;
}

/** Messages of power at 4 a second. */
function feed(session: EnergySession, from_s: number, to_s: number): void {
  for (let at_ms = from_s * 1000; at_ms < to_s * 1000; at_ms += 250) {
    number += 1;
    session.accept(power({ seq: number, at_ms, mass_gco2e: at_ms / 1e6 }));
  }
}

async function draw(part: React.ReactNode, value = environment()): Promise<void> {
  await act(async () => {
    root.render(<EnvironmentProvider value={value}>{part}</EnvironmentProvider>);
    await new Promise(resolve => setTimeout(resolve));
  });
}

function button(name: string): HTMLButtonElement {
  const all = [...host.querySelectorAll('button')];
  const found = all.find(one => one.textContent === name);
  if (!found) {
    throw new Error(`No button "${name}" among ${all.map(one => one.textContent)}`);
  }
  return found;
}

function press(key: string): void {
  act(() => {
    const event = new KeyboardEvent('keydown', { key, bubbles: true });
    host.querySelector('.greenllm-Chart')?.dispatchEvent(event);
  });
}

function click(name: string): void {
  act(() => button(name).click());
}

/** What an element draws, as text. */
function shapeOf(selector: string): string | undefined {
  const node = host.querySelector(selector);
  return node ? new XMLSerializer().serializeToString(node) : undefined;
}

const span = () => [drawn.charts[0]?.x.min, drawn.charts[0]?.x.max];
const stateText = () => host.querySelector('.greenllm-ChartTools-state')?.textContent;

describe('the charts', () => {
  it('give uPlot the history’s own columns', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    await draw(<Charts session={session} />);
    expect(drawn.charts[0]?.data[1]?.buffer).toBe(session.history.recent.total_w.buffer);
  });

  it('follow the present until they are paused, and again when resumed', async () => {
    const session = sessionOf();
    feed(session, 0, 100);
    await draw(<Charts session={session} />);
    feed(session, 100, 110);
    await draw(<Charts session={session} />);
    expect(span()).toEqual([49.75, 109.75]);
    click('Pause');
    feed(session, 110, 130);
    await draw(<Charts session={session} />);
    expect(span()).toEqual([49.75, 109.75]);
    expect(stateText()).toMatch(/Paused at \d\d:\d\d:\d\d; measuring goes on\./);
    click('Resume');
    expect(span()).toEqual([69.75, 129.75]);
    expect(stateText()).toBe('');
  });

  it('zoom and move by keys, and show all again', async () => {
    const session = sessionOf();
    feed(session, 0, 200);
    await draw(<Charts session={session} />);
    feed(session, 200, 200.5);
    await draw(<Charts session={session} />);
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
    number = 1;
    session.accept(power({ seq: 1, at_ms: 1000, power_w: { 'gpu:0': 300, cpu: 50 } }));
    await draw(<Charts session={session} />, environment({ chart: 'stacked' }));
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
    await draw(<Charts session={session} />);
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
    const value = environment();
    feed(session, 0, 101);
    await draw(<Charts session={session} />, value);
    const text = () => host.querySelector('.greenllm-Heard table tbody')?.textContent;
    const before = text();
    for (let at_s = 101; at_s < 109; at_s++) {
      feed(session, at_s, at_s + 1);
      await draw(<Charts session={session} />, value);
    }
    expect(text()).toBe(before);
    feed(session, 109, 111);
    await draw(<Charts session={session} />, value);
    expect(text()).not.toBe(before);
  });

  it('mark cells with their names as text, and lead to them', async () => {
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
    const value = environment();
    await draw(<Charts session={session} />, value);
    const bands = [...host.querySelectorAll<HTMLButtonElement>('.greenllm-Band')];
    expect(bands.map(band => band.textContent)).toEqual([HOSTILE, '[2] now']);
    expect(bands[1]?.getAttribute('aria-label')).toContain('running since');
    expect(bands.map(band => band.tabIndex)).toEqual([-1, 0]);
    act(() => bands[1]?.click());
    expect(value.actions.goToCell).toHaveBeenCalledWith('2');
    act(() => bands[1]?.focus());
    expect(host.querySelector('.greenllm-Bands-note')?.textContent).toContain(
      '[2] now, running since'
    );
    act(() => {
      bands[1]?.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
    });
    expect(document.activeElement).toBe(bands[0]);
    expect(host.querySelector('img')).toBeNull();
  });
});

describe('power now', () => {
  it('shows how much of its limit each channel draws, and how busy it is', async () => {
    const session = sessionOf(channel({ limit_w: 700 }), channel({ id: 'cpu', component: 'cpu' }));
    const power_w = { 'gpu:0': 350, cpu: 40 };
    session.accept(power({ power_w, utilization: { 'gpu:0': 0.97 } }));
    await draw(<ChannelList session={session} state="live" />);
    const meter = host.querySelector('[role="meter"]');
    expect(meter?.getAttribute('aria-valuenow')).toBe('50');
    expect(meter?.getAttribute('aria-valuetext')).toBe('50 % of 700 W');
    expect(meter?.querySelector('.greenllm-Channel-drawn')?.getAttribute('width')).toBe('50.0');
    expect(host.querySelectorAll('[role="meter"]')).toHaveLength(1);
    expect(host.querySelector('.greenllm-Channel-utilization')?.textContent).toBe('in use 97 %');
    expect(host.querySelectorAll('.greenllm-Channel-utilization')).toHaveLength(1);
  });

  it('tells the limit, and no power, where nothing is read', async () => {
    const session = sessionOf(channel({ limit_w: 700 }));
    session.accept(power({ utilization: { 'gpu:0': 0.97 } }));
    await draw(<ChannelList session={session} state="at rest" />);
    expect(host.querySelector('[role="meter"]')).toBeNull();
    expect(host.textContent).toContain('limit 700 W');
    expect(host.textContent).not.toContain('350');
    expect(host.textContent).not.toContain('in use');
  });

  it('says in words and by a shape whether power is live, at rest, or awaited', async () => {
    const session = sessionOf();
    session.accept(power());
    const look = async (state: 'live' | 'at rest' | 'no reading') => {
      await draw(<PowerNow session={session} state={state} />);
      const shape = shapeOf('.greenllm-Power-shape > *');
      return [host.querySelector('.greenllm-Power')?.textContent, shape] as const;
    };
    const live = await look('live');
    const rest = await look('at rest');
    session.accept(cell());
    now_ms += 7000;
    const stale = await look('no reading');
    expect(live[0]).toBe('350 Wlivemeasured');
    expect(rest[0]).toBe('at restlast 350 W');
    expect(stale[0]).toBe('no readinglast 350 W, 7 s ago');
    expect(new Set([live[1], rest[1], stale[1]]).size).toBe(3);
  });

  it('is told to those who hear it at most every ten seconds, and only while something runs', async () => {
    const session = sessionOf();
    const told: (string | null | undefined)[] = [];
    for (let second = 0; second < 25; second++) {
      session.accept(power({ seq: 10 + second, total_w: 300 + second }));
      now_ms += 1000;
      await draw(<Announcement session={session} state="live" />);
      told.push(host.querySelector('[role="status"]')?.textContent);
    }
    expect([...new Set(told)]).toEqual(['Power 300 W.', 'Power 310 W.', 'Power 320 W.']);
    now_ms += 60_000;
    await draw(<Announcement session={session} state="at rest" />);
    expect(host.textContent).toBe('Power 320 W.');
  });
});
