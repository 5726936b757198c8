import { describe, expect, it } from 'vitest';
import { EnergySession } from '../src/session';
import { cell, hello, power, SESSION, totals } from './messages';

describe('a session', () => {
  it('keeps the latest of each message', () => {
    const session = new EnergySession(SESSION);
    session.accept(cell({ seq: 5, energy_j: 1 }));
    session.accept(cell({ seq: 8, energy_j: 2 }));
    session.accept(cell({ seq: 9, cell_id: 'cell-2', energy_j: 3 }));
    expect([...session.cells.values()].map(c => c.energy_j)).toEqual([2, 3]);
  });

  it('drops what comes after something newer', () => {
    const session = new EnergySession(SESSION);
    expect(session.accept(totals({ seq: 9, energy_j: 900 }))).toBe(true);
    expect(session.accept(totals({ seq: 8, energy_j: 800 }))).toBe(false);
    expect(session.totals?.energy_j).toBe(900);
  });

  it('takes a snapshot as the past: it does not undo what the stream has said since', () => {
    const session = new EnergySession(SESSION);
    session.accept(cell({ seq: 20, energy_j: 2 }));
    session.accept(power({ seq: 21, at_ms: 21_000 }));
    session.acceptSnapshot([
      hello({ seq: 10 }),
      cell({ seq: 11, energy_j: 1 }),
      cell({ seq: 12, cell_id: 'cell-0' }),
      power({ seq: 3, at_ms: 3_000, total_w: 7 })
    ]);
    expect(session.cells.get('cell-1')?.energy_j).toBe(2);
    expect(session.cells.has('cell-0')).toBe(true);
    expect(session.hello?.seq).toBe(10);
    expect(session.power?.seq).toBe(21);
    expect(session.history.recent.time_s[0]).toBe(3);
  });

  it('keeps the description of what measures until another one comes', () => {
    const session = new EnergySession(SESSION);
    session.accept(hello({ seq: 1 }));
    const first = session.hello;
    session.accept(hello({ seq: 2, at_ms: 9_000 }));
    expect(session.hello).toBe(first);
    session.accept(hello({ seq: 3, warnings: ['a sensor is gone'] }));
    expect(session.hello?.warnings).toEqual(['a sensor is gone']);
    expect(session.accept(hello({ seq: 2 }))).toBe(false);
  });

  it('ignores messages of another session in a snapshot', () => {
    const session = new EnergySession(SESSION);
    session.acceptSnapshot([hello({ session_id: 'other' })]);
    expect(session.hello).toBeNull();
  });

  it('does not take power out of a snapshot for the present', () => {
    const session = new EnergySession(SESSION);
    session.acceptSnapshot([power()]);
    expect(session.power).toBeNull();
    expect(session.powerAge_s).toBe(Infinity);
  });
});
