import * as React from 'react';
import { describe, expect, it } from 'vitest';
import { Sums } from '../src/components/sums';
import type { FailureReason } from '../src/server';
import { click, draw, host, server, settle } from './page';
import { history, pastSession, sum } from './past';

const HOSTILE = '<img src=x onerror="alert(1)">';

describe('today and all time', () => {
  const session = { id: 'now', host: 'node-1', endedRuns: 2 };

  it('come from the server', async () => {
    server.historyAnswer = { value: history({ sessions: [pastSession({ session_id: 'now' })] }) };
    await draw(<Sums session={session} />);
    await settle();
    const rows = [...host.querySelectorAll('li')].map(row => row.textContent);
    expect(rows[0]).toContain('Today7.2 ± 0.4 kJ');
    expect(rows[1]).toContain('All time3.60 ± 0.10 MJ');
    expect(host.textContent).not.toContain('not among them');
  });

  it('say so where this session is not among them', async () => {
    await draw(<Sums session={session} />);
    await settle();
    expect(host.textContent).toContain('not among them yet');
    expect(host.textContent).toContain('node-1');
  });

  it('of nothing are nothing, not 0 J', async () => {
    server.historyAnswer = {
      value: history({ today: sum({ runs: 0, energy_j: 0, interval_j: [0, 0] }) })
    };
    await draw(<Sums session={null} />);
    await settle();
    expect(host.querySelector('li')?.textContent).toBe('Todaynothing measured');
  });

  it.each([
    ['absent', 'no server part'],
    ['not allowed', 'does not let you'],
    ['no answer', 'does not answer'],
    ['failed', 'could not read'],
    ['not understood', 'cannot be read']
  ] as [FailureReason, string][])('that are %s say so, and what to do', async (reason, words) => {
    server.historyAnswer = { failure: { reason, text: HOSTILE } };
    await draw(<Sums session={null} />);
    await settle();
    expect(host.querySelector(`[data-failure="${reason}"]`)?.textContent).toContain(words);
    expect(host.querySelector('img')).toBeNull();
    server.historyAnswer = { value: history() };
    click('Try again');
    await settle();
    expect(host.textContent).toContain('7.2 ± 0.4 kJ');
    expect(host.querySelector('[data-failure]')).toBeNull();
  });
});
