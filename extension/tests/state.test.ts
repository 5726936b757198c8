import { describe, expect, it } from 'vitest';
import { EnergySession } from '../src/session';
import {
  changesIn_s,
  isAllEstimated,
  panelState,
  powerState,
  type KernelFacts
} from '../src/state';
import { cell, channel, hello, power, SESSION } from './messages';

function facts(changes: Partial<KernelFacts> = {}): KernelFacts {
  return {
    status: 'idle',
    hasKernel: true,
    language: 'python',
    acquaintance: 'not measured',
    connection: 'there',
    session: null,
    ...changes
  };
}

function sessionOf(...messages: Parameters<EnergySession['accept']>[0][]): EnergySession {
  const session = new EnergySession(SESSION);
  messages.forEach(message => session.accept(message));
  return session;
}

describe('the panel says', () => {
  it.each([
    ['no notebook', null],
    ['no kernel', facts({ hasKernel: false, status: 'no kernel' })],
    ['kernel starting', facts({ hasKernel: false, status: 'starting' })],
    ['kernel restarting', facts({ status: 'restarting' })],
    ['kernel restarting', facts({ status: 'autorestarting' })],
    ['kernel dead', facts({ status: 'dead' })],
    ['not python', facts({ language: 'r' })],
    ['asking', facts({ acquaintance: 'asking' })],
    ['not answering', facts({ acquaintance: 'silent', status: 'busy' })],
    ['not measured', facts({ acquaintance: 'silent', status: 'idle' })],
    ['not measured', facts()],
    ['waiting for the first cell', facts({ session: sessionOf(hello()) })],
    ['measured', facts({ session: sessionOf(hello(), cell()) })],
    ['reconnecting', facts({ connection: 'lost', session: sessionOf(hello(), cell()) })],
    ['server gone', facts({ connection: 'server gone', status: 'unknown' })],
    ['kernel restarting', facts({ connection: 'lost', status: 'restarting' })]
  ] as const)('%s', (state, of) => {
    expect(panelState(of)).toBe(state);
  });
});

describe('figures', () => {
  it('are stale where a cell runs and its kernel says nothing, until it does', () => {
    let now = 0;
    const session = new EnergySession(SESSION, () => now);
    session.accept(hello());
    session.accept(cell());
    const state = () => panelState(facts({ status: 'busy', session }));
    expect(changesIn_s(session)).toBeCloseTo(10);
    now = 9_000;
    expect(state()).toBe('measured');
    now = 11_000;
    expect(state()).toBe('stale');
    expect(changesIn_s(session)).toBeNull();
    session.accept(power());
    expect(state()).toBe('measured');
    session.accept(cell({ seq: 9, status: 'ok' }));
    now = 60_000;
    expect(state()).toBe('measured');
  });
});

describe('power', () => {
  it('is live while messages come, at rest when the run has ended', () => {
    let now = 0;
    const session = new EnergySession(SESSION, () => now);
    session.accept(power());
    session.accept(cell());
    now = 1000;
    expect(powerState(session)).toBe('live');
    session.accept(cell({ seq: 9, status: 'ok' }));
    expect(powerState(session)).toBe('at rest');
  });

  it('that has grown old is not shown as the present', () => {
    let now = 0;
    const session = new EnergySession(SESSION, () => now);
    session.accept(power());
    session.accept(cell());
    now = 10_000;
    expect(powerState(session)).toBe('no reading');
  });

  it('that is waited for is as old as it is, to the second', () => {
    let now = 0;
    const session = new EnergySession(SESSION, () => now);
    session.accept(cell());
    session.accept(power());
    for (const [age_ms, left_s] of [
      [2_900, 0.1],
      [3_000, 0.5],
      [3_600, 0.9],
      [12_400, 0.1],
      [75_000, 0.5]
    ] as const) {
      now = age_ms;
      expect(changesIn_s(session)).toBeCloseTo(left_s);
    }
    session.accept(cell({ seq: 9, status: 'ok' }));
    now = 80_000;
    expect(changesIn_s(session)).toBeNull();
  });
});

describe('a machine without a sensor', () => {
  const estimated = channel({ id: 'cpu', provenance: 'estimated' });

  it('is one where everything that can be read is a model', () => {
    const lost = channel({ id: 'gpu', fault: 'lost' });
    expect(isAllEstimated(sessionOf(hello({ channels: [estimated, lost] })))).toBe(true);
  });

  it('is not one with a sensor, or of which nothing is known yet', () => {
    expect(isAllEstimated(sessionOf(hello({ channels: [estimated, channel()] })))).toBe(false);
    expect(isAllEstimated(sessionOf(hello({ channels: [] })))).toBe(false);
    expect(isAllEstimated(sessionOf())).toBe(false);
  });
});
