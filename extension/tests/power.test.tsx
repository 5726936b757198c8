import * as React from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Announcement } from '../src/components/announcement';
import { ChannelList } from '../src/components/channels';
import { PowerNow } from '../src/components/power';
import { EnergySession } from '../src/session';
import { cell, channel, hello, power, SESSION } from './messages';
import { draw, host } from './page';

let now_ms = 0;

beforeEach(() => {
  now_ms = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now_ms);
});

afterEach(() => {
  vi.restoreAllMocks();
});

function sessionOf(...channels: ReturnType<typeof channel>[]): EnergySession {
  const session = new EnergySession(SESSION, () => now_ms);
  session.accept(hello({ channels: channels.length > 0 ? channels : [channel()] }));
  return session;
}

/** What an element draws. */
function textOf(shape: Element): string {
  return new XMLSerializer().serializeToString(shape);
}

describe('power now', () => {
  it('shows how much of its limit each channel draws, and how busy it is', async () => {
    const session = sessionOf(channel({ limit_w: 700 }), channel({ id: 'cpu', component: 'cpu' }));
    const power_w = { 'gpu:0': 350, cpu: 40 };
    session.accept(power({ power_w, utilization: { 'gpu:0': 0.97 } }));
    await draw(<ChannelList channels={session.hello?.channels ?? []} power={session.power} />);
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
    await draw(<ChannelList channels={session.hello?.channels ?? []} power={null} />);
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
      const shape = host.querySelector('.greenllm-Power-shape > *');
      return [host.querySelector('.greenllm-Power')?.textContent, shape && textOf(shape)] as const;
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
    // At first the region is empty: a screen reader tells what comes into it.
    expect([...new Set(told)]).toEqual(['', 'Power 301 W.', 'Power 311 W.', 'Power 321 W.']);
    now_ms += 60_000;
    await draw(<Announcement session={session} state="at rest" />);
    expect(host.textContent).toBe('Power 321 W.');
  });
});
